/*
 * What becomes of a fire that cannot simply run: nobody dispatched when it was due (misfire), the
 * last run still goes on (overlap), or runs keep failing.
 */
#pragma once

#include "common/field.h"

#define POLICY_CATCH_UP_MS INT64_C(3600000)
#define POLICY_GRACE_MS INT64_C(300000)
#define POLICY_SPAN_MOST_MS (INT64_C(36525) * 86400 * 1000)
#define POLICY_FAILURES_MOST 1000
#define POLICY_KEPT_MOST 100 /* fires that buffer_all keeps back */

enum misfire {
    MISFIRE_FIRE_ONCE, /* one run for all that are due, the latest of them */
    MISFIRE_FIRE_ALL,
    MISFIRE_SKIP, /* none that is later than the grace */
    MISFIRE_COUNT,
};

enum overlap {
    OVERLAP_SKIP,
    OVERLAP_BUFFER_ONE, /* one fire waits for the end of the run, further ones are skipped */
    OVERLAP_BUFFER_ALL, /* up to POLICY_KEPT_MOST wait */
    OVERLAP_CANCEL_OTHER,
    OVERLAP_ALLOW_ALL,
    OVERLAP_COUNT,
};

struct policy {
    enum misfire misfire;
    enum overlap overlap;
    int64_t catch_up_ms; /* fires further back are skipped, whatever misfire says */
    int64_t grace_ms;
    int pause_on_failures; /* so many in a row pause the schedule; 0: never */
};

/* What holds where nothing is said. */
struct policy policy_default(void);

/* {"misfire", "overlap", "catch_up_window", "grace", "pause_on_failures"} */
bool policy_read(struct policy *ret, struct json_object *value, const struct field *at,
                 bool strict);
struct json_object *policy_json(const struct policy *policy);
