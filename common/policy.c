#include "common/policy.h"

#include "common/instant.h"
#include "common/mem.h"

#define TEXT_MOST 64

static const char *const misfires[MISFIRE_COUNT] = {
    [MISFIRE_FIRE_ONCE] = "fire_once", [MISFIRE_FIRE_ALL] = "fire_all", [MISFIRE_SKIP] = "skip"};

static const char *const overlaps[OVERLAP_COUNT] = {[OVERLAP_SKIP] = "skip",
                                                    [OVERLAP_BUFFER_ONE] = "buffer_one",
                                                    [OVERLAP_BUFFER_ALL] = "buffer_all",
                                                    [OVERLAP_CANCEL_OTHER] = "cancel_other",
                                                    [OVERLAP_ALLOW_ALL] = "allow_all"};

struct policy policy_default(void)
{
    return (struct policy){.catch_up_ms = POLICY_CATCH_UP_MS, .grace_ms = POLICY_GRACE_MS};
}

static bool find(int *ret, const char *const *names, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(names[i], name)) {
            *ret = i;
            return true;
        }
    return false;
}

static void read_misfire(void *data, struct json_object *value, const struct field *at)
{
    struct policy *policy = data;
    const char *name;
    int found;

    if (!field_text(&name, at, value, 0, TEXT_MOST))
        return;
    if (find(&found, misfires, MISFIRE_COUNT, name))
        policy->misfire = (enum misfire)found;
    else
        field_refuse(at, "must be one of fire_once, fire_all, skip");
}

static void read_overlap(void *data, struct json_object *value, const struct field *at)
{
    struct policy *policy = data;
    const char *name;
    int found;

    if (!field_text(&name, at, value, 0, TEXT_MOST))
        return;
    if (find(&found, overlaps, OVERLAP_COUNT, name))
        policy->overlap = (enum overlap)found;
    else
        field_refuse(at, "must be one of skip, buffer_one, buffer_all, cancel_other, allow_all");
}

static void read_catch_up(void *data, struct json_object *value, const struct field *at)
{
    struct policy *policy = data;

    field_duration(&policy->catch_up_ms, at, value, 0, POLICY_SPAN_MOST_MS);
}

static void read_grace(void *data, struct json_object *value, const struct field *at)
{
    struct policy *policy = data;

    field_duration(&policy->grace_ms, at, value, 0, POLICY_SPAN_MOST_MS);
}

static void read_failures(void *data, struct json_object *value, const struct field *at)
{
    struct policy *policy = data;
    int64_t number;

    if (field_int(&number, at, value, 0, POLICY_FAILURES_MOST))
        policy->pause_on_failures = (int)number;
}

bool policy_read(struct policy *ret, struct json_object *value, const struct field *at, bool strict)
{
    static const struct field_row rows[] = {
        {"misfire", read_misfire},
        {"overlap", read_overlap},
        {"catch_up_window", read_catch_up},
        {"grace", read_grace},
        {"pause_on_failures", read_failures},
    };
    struct policy policy = policy_default();
    int before = at->problems->total;

    if (field_object(at, value))
        field_read_all(at, value, rows, COUNT(rows), strict, &policy);
    if (at->problems->total != before)
        return false;
    *ret = policy;
    return true;
}

struct json_object *policy_json(const struct policy *policy)
{
    struct json_object *to = json_object_new_object();
    char text[INSTANT_TEXT];

    json_object_object_add(to, "overlap", json_object_new_string(overlaps[policy->overlap]));
    json_object_object_add(to, "misfire", json_object_new_string(misfires[policy->misfire]));
    json_object_object_add(to, "catch_up_window",
                           json_object_new_string(duration_write(text, policy->catch_up_ms)));
    json_object_object_add(to, "grace",
                           json_object_new_string(duration_write(text, policy->grace_ms)));
    json_object_object_add(to, "pause_on_failures", json_object_new_int(policy->pause_on_failures));
    return to;
}
