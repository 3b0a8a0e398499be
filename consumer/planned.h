/*
 * A schedule that is being looked at: as plan_look.sql reads it, with what was decided about it, as
 * plan_decide.sql writes it.
 */
#pragma once

#include "common/args.h"
#include "common/rows.h"
#include "common/uuid.h"
#include "consumer/decide.h"

#define PLANNED_NAME_SIZE 132

enum planned_status { PLANNED_ACTIVE, PLANNED_PAUSED, PLANNED_ENDED, PLANNED_STATUS_COUNT };

/* What this look made of it. */
enum planned_outcome {
    PLANNED_LEFT,       /* not reached: it comes first the next time */
    PLANNED_TAKEN,      /* has a step that is to be written */
    PLANNED_CHANGED,    /* paused or resumed instead */
    PLANNED_UNREADABLE, /* has no definition that this version of Rota can read */
};

struct planned {
    struct uuid id;
    char name[PLANNED_NAME_SIZE];
    int64_t seq;
    enum planned_status status;
    int version, streak;
    bool has_version, has_last, judged, failed, succeeded;
    struct uuid last_run;
    struct decide_row row;
    struct decide_step step;
    struct uuid tasks[DECIDE_ENTRIES_MOST]; /* of the entries that are runs */
    enum planned_outcome outcome;
};

/* Of a look as a whole; stands in its first row. */
struct planned_look {
    int64_t now_us;    /* by the database */
    int64_t coming_us; /* when the next schedule wants to be looked at; DECIDE_NEVER: none does */
    int count;
};

/* Reads at most `most` schedules. */
struct planned_look planned_read(struct planned *ret, int most, const PGresult *rows);

/* The parameters of plan_decide.sql from $3 on: all that are taken, and their decisions. */
void planned_add(struct args *args, const struct planned *planned, int count);

/* The step leaves it without a fire. */
bool planned_ends(const struct planned *planned);
