/*
 * What becomes of a schedule's fires: a pure function of its definition, its row and an instant.
 *
 * One step decides the fires that are due, and those due within DECIDE_AHEAD_US where nothing
 * stands in their way, up to a bound; docs/planning.md tells the rules. What it answers is written
 * by plan_decide.sql, all of it or nothing.
 */
#pragma once

#include "common/policy.h"
#include "common/spec.h"

#define DECIDE_AHEAD_US INT64_C(500000) /* a fire becomes a task so long before it is due */
#define DECIDE_KEPT_US INT64_C(200000)  /* how often to ask whether the run before has ended */
#define DECIDE_ENTRIES_MOST 32
#define DECIDE_NEVER INT64_MAX

enum skip {
    SKIP_NOT, /* it became a task */
    SKIP_OVERLAP,
    SKIP_MISFIRE,
    SKIP_PAUSED,
    SKIP_EXCLUDED,
    SKIP_START_DEADLINE,
    SKIP_COALESCED,
    SKIP_BUFFERED, /* not skipped yet: kept back */
    SKIP_COUNT,
};

const char *skip_name(enum skip skip);
bool skip_read(enum skip *ret, const char *name);

/* A schedule as it was read, with the definition that holds at its next fire. */
struct decide_row {
    bool deleted;
    int64_t decided_us; /* all up to here is decided */
    int64_t runs, missed;
    bool busy; /* the last run has not ended */
    int kept;
    int64_t first_kept_us;     /* where any */
    int64_t resume_us;         /* a pause ends by itself; DECIDE_NEVER: it does not */
    int64_t from_us, until_us; /* of the definition; until DECIDE_NEVER: it holds now */
    bool paused, catch_up;     /* of that stretch */
    bool latest;               /* no other definition follows */
    int64_t start_deadline_ms; /* of its task; 0: none */
    int64_t row_us;            /* the ledger's last row, */
    enum skip row_skip;        /* where it is of fires that were skipped */
};

/* A row of the ledger. */
struct decide_entry {
    enum skip skip;
    int64_t fire_us, last_us, count, after_us;
    bool grows;     /* adds to the row that begins at fire_us; SKIP_NOT: lets that fire go */
    int64_t due_us; /* of SKIP_NOT */
    int64_t missed;
};

struct decide_step {
    struct decide_entry entries[DECIDE_ENTRIES_MOST];
    int count;
    int64_t next_us; /* DECIDE_NEVER: unknown, or none */
    int64_t look_us; /* when to look again; DECIDE_NEVER: no need */
    int64_t decided_us, runs, missed;
    int64_t keep_us;  /* a fire that is kept back from now on; DECIDE_NEVER: none */
    bool let_go;      /* the first one kept is among the entries */
    bool done;        /* this definition has no fire left: the next one holds */
    bool ended;       /* the schedule has no fire left */
    bool resume;      /* its pause is over */
    bool cancel_last; /* the last run is in the way of a fire */
};

/* Takes as many steps of the spec as *budget has, and takes them off. */
void decide(struct decide_step *ret, const struct decide_row *row, const struct spec *spec,
            const struct policy *policy, int64_t now_us, int *budget);
