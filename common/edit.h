/*
 * A change of a schedule as it travels over Kafka: put, pause, resume, delete.
 *
 * Preconditions travel with it and are judged where it is applied: `version` is the only version
 * that may be changed, `create_only` says that there must be none.
 */
#pragma once

#include "common/schedule.h"

enum edit_action { EDIT_PUT, EDIT_PAUSE, EDIT_RESUME, EDIT_DELETE, EDIT_COUNT };

struct edit {
    enum edit_action action;
    struct uuid id; /* of the command; of the schedule that it makes */
    char name[SCHEDULE_NAME_MOST + 1];
    int64_t created_at_us; /* the database's clock */
    int version;           /* 0: any */
    bool create_only;
    struct schedule *schedule;             /* of a put */
    char reason[SCHEDULE_REASON_MOST + 1]; /* of a pause */
    int64_t until_us;                      /* of a pause; 0: until it is resumed */
    bool catch_up; /* of a resume: what was due meanwhile counts as missed */
};

const char *edit_name(enum edit_action action);

/* The value of its command. To be freed. */
char *edit_command(const struct edit *edit, size_t *ret_size);

/* Reads it back. False: *ret is untouched, except that its id is set where that could be read. */
bool edit_read(struct edit *ret, enum edit_action action, struct json_object *object,
               struct problems *problems);

/* What a client may say of it in a body: {"reason", "until"} of a pause, {"catch_up"} of a resume.
 * Unknown members are refused. */
bool edit_read_request(struct edit *ret, struct json_object *object, struct problems *problems);

void edit_done(struct edit *edit);
