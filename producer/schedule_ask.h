/* What the handlers about schedules share. */
#pragma once

#include "common/schedule.h"
#include "producer/producer.h"

/* The path's {name}; false, and the request is answered, where no schedule can have it. */
bool schedule_read_name(char ret[static SCHEDULE_NAME_MOST + 1], struct web_request *request);

/* Puts a definition under a name, as PUT does. `flat`: what is wrong is told as of a flat body. */
void schedule_put_object(struct producer *producer, struct web_request *request, const char *name,
                         struct json_object *object, bool flat);

/* A schedule as the database has it, with its definition. */
struct schedule_asked;

typedef void schedule_answer(struct schedule_asked *asked, struct schedule *schedule,
                             int64_t now_us);

struct schedule_asked {
    struct producer *producer;
    struct web_request *request;
    char name[SCHEDULE_NAME_MOST + 1];
    schedule_answer *answer;
    void *data; /* the handler's own, freed with free() */
};

/*
 * Reads the definition of asked->name and calls `answer`, which answers the request; where there is
 * none, or the database is away, the request is answered here. `asked` is copied; the schedule is
 * freed after `answer` returns.
 */
void schedule_ask(const struct schedule_asked *asked);
