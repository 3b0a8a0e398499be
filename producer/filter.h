/*
 * What a list of tasks was asked for: the parameters of GET /api/v1/tasks, one row each in a table.
 *
 * Refused, each with a text that says what is allowed: an unknown parameter, one given twice, an
 * empty or wrong value. A task due (created) at the very instant of due_after (created_after) is in
 * the list, at that of due_before (created_before) it is not.
 */
#pragma once

#include "common/fault.h"
#include "common/instant.h"
#include "common/state.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define FILTER_LIMIT_MOST 500
#define FILTER_LIMIT 50
#define FILTER_PARAMETERS 10

#define FILTER_LATE_US (INSTANT_MOST_US + 1) /* no task is due or made that late */

#define STATE_BIT(state) (1u << (state))

struct filter {
    unsigned states; /* bits of enum task_state; 0: any */
    const char *type, *queue, *tag;
    int64_t due_after_us, due_before_us;
    int64_t created_after_us, created_before_us;
    int limit;
    const char *cursor;                    /* NULL: from the start */
    const char *values[FILTER_PARAMETERS]; /* as they came; NULL: not given */
};

void filter_init(struct filter *filter);

/* One parameter. The texts must live as long as the filter. */
bool filter_set(struct filter *filter, const char *name, const char *value, struct fault *fault);

/* Ordered by when tasks were made, because that is what bounds them. */
bool filter_is_by_created(const struct filter *filter);

/* How many different things are filtered by, states aside. */
int filter_count(const struct filter *filter);

/* The same for lists of the same tasks, however their parameters were written; not the limit. */
uint32_t filter_digest(const struct filter *filter);

/* The query again, percent-encoded, without the cursor: state=failed&limit=10 */
void filter_write_query(const struct filter *filter, FILE *to);
