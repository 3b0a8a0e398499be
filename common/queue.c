#include "common/queue.h"

#include "common/cleanup.h"
#include "common/instant.h"
#include "common/json.h"
#include "common/mem.h"

#include <limits.h>

bool queue_name_fits(const char *name)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789",
                      rest[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";

    return *name && strchr(first, *name) && strlen(name) <= TASK_QUEUE_MOST &&
           strspn(name, rest) == strlen(name);
}

/* --- What a client asks for ------------------------------------------------------------------ */

static void read_paused(void *data, struct json_object *value, const struct field *at)
{
    struct queue_change *change = data;

    change->has_paused = json_object_is_type(value, json_type_boolean);
    change->paused = json_object_get_boolean(value);
    if (!change->has_paused)
        field_refuse(at, "must be true or false");
}

static void read_reason(void *data, struct json_object *value, const struct field *at)
{
    struct queue_change *change = data;
    const char *text;

    if (field_text(&text, at, value, 0, QUEUE_REASON_MOST))
        snprintf(change->reason, sizeof change->reason, "%s", text);
}

static void read_concurrency(void *data, struct json_object *value, const struct field *at)
{
    struct queue_change *change = data;
    int64_t number;

    change->has_concurrency = field_int(&number, at, value, 1, QUEUE_CONCURRENCY_MOST);
    if (change->has_concurrency)
        change->concurrency = (int)number;
}

static void read_per_second(void *data, struct json_object *value, const struct field *at)
{
    field_number(&((struct queue_change *)data)->per_second, at, value, QUEUE_RATE_LEAST,
                 QUEUE_RATE_MOST);
}

static void read_burst(void *data, struct json_object *value, const struct field *at)
{
    int64_t number;

    if (field_int(&number, at, value, 1, (int64_t)QUEUE_RATE_MOST))
        ((struct queue_change *)data)->burst = (double)number;
}

static void read_rate(void *data, struct json_object *value, const struct field *at)
{
    static const struct field_row rows[] = {{"per_second", read_per_second}, {"burst", read_burst}};
    struct queue_change *change = data;
    struct field per_second = field_member(at, "per_second");

    if (!field_object(at, value))
        return;
    field_read_all(at, value, rows, COUNT(rows), true, change);
    if (!json_object_object_get(value, "per_second"))
        field_refuse(&per_second, "is required");
    if (change->burst < 1)
        change->burst = change->per_second > 1 ? change->per_second : 1;
    change->has_rate = true;
}

static bool is_null(struct json_object *object, const char *name)
{
    struct json_object *value;

    return json_object_object_get_ex(object, name, &value) && !value;
}

bool queue_read_set(struct queue_change *ret, struct json_object *object, bool strict,
                    const struct field *at)
{
    static const struct field_row rows[] = {{"paused", read_paused},
                                            {"reason", read_reason},
                                            {"concurrency", read_concurrency},
                                            {"rate", read_rate}};
    struct queue_change change = *ret;
    int before = at->problems->total;

    if (!field_object(at, object))
        return false;
    field_read_all(at, object, rows, COUNT(rows), strict, &change);
    change.has_concurrency |= is_null(object, "concurrency");
    change.has_rate |= is_null(object, "rate");
    if (*change.reason && !change.paused) {
        struct field reason = field_member(at, "reason");

        field_refuse(&reason, "belongs to a pause");
    }
    if (!change.has_paused && !change.has_concurrency && !change.has_rate &&
        at->problems->total == before)
        field_refuse(at, "must say at least one of paused, concurrency, rate");
    if (at->problems->total != before)
        return false;
    *ret = change;
    return true;
}

/* --- Writing --------------------------------------------------------------------------------- */

static void put_text(struct json_object *to, const char *name, const char *text)
{
    json_object_object_add(to, name, json_object_new_string(text));
}

static struct json_object *rate_json(const struct queue_change *change)
{
    struct json_object *to;
    char text[40];

    if (change->per_second <= 0)
        return NULL;
    to = json_object_new_object();
    snprintf(text, sizeof text, "%.9g", change->per_second);
    json_object_object_add(to, "per_second", json_object_new_double_s(change->per_second, text));
    json_object_object_add(to, "burst", json_object_new_int64((int64_t)change->burst));
    return to;
}

static struct json_object *set_json(const struct queue_change *change)
{
    struct json_object *to = json_object_new_object();

    if (change->has_paused)
        json_object_object_add(to, "paused", json_object_new_boolean(change->paused));
    if (*change->reason)
        put_text(to, "reason", change->reason);
    if (change->has_concurrency)
        json_object_object_add(to, "concurrency",
                               change->concurrency ? json_object_new_int(change->concurrency)
                                                   : NULL);
    if (change->has_rate)
        json_object_object_add(to, "rate", rate_json(change));
    return to;
}

char *queue_command(const struct queue_change *change, size_t *ret_size)
{
    SCOPED(scoped_json) struct json_object *to = json_object_new_object();
    char id[UUID_TEXT], at[INSTANT_TEXT];

    put_text(to, "id", uuid_write(id, &change->id));
    put_text(to, "name", change->name);
    put_text(to, "created_at", instant_write(at, change->created_at_us));
    if (change->version)
        json_object_object_add(to, "version", json_object_new_int(change->version));
    json_object_object_add(to, "set", set_json(change));
    return mem_text(json_text(to, ret_size));
}

/* --- Reading it back ------------------------------------------------------------------------- */

struct reading {
    struct queue_change change;
    bool has_id;
};

static void read_id(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    const char *text;

    if (!field_text(&text, at, value, 0, UUID_TEXT))
        return;
    reading->has_id = uuid_read(&reading->change.id, text) && !uuid_is_nil(&reading->change.id);
    if (!reading->has_id)
        field_refuse(at, "must be a UUID");
}

static void read_name(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    const char *text;

    if (!field_text(&text, at, value, 0, TASK_QUEUE_MOST))
        return;
    if (queue_name_fits(text))
        snprintf(reading->change.name, sizeof reading->change.name, "%s", text);
    else
        field_refuse(at, "must begin with a-z or 0-9, and go on with a-z, 0-9, dots, - and _");
}

static void read_created_at(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    field_instant(&reading->change.created_at_us, at, value);
}

static void read_version(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    int64_t number;

    if (field_int(&number, at, value, 1, INT_MAX))
        reading->change.version = (int)number;
}

static void read_set(void *data, struct json_object *value, const struct field *at)
{
    queue_read_set(&((struct reading *)data)->change, value, false, at);
}

bool queue_read_command(struct queue_change *ret, struct json_object *object,
                        struct problems *problems)
{
    static const struct field_row rows[] = {{"id", read_id},
                                            {"name", read_name},
                                            {"created_at", read_created_at},
                                            {"version", read_version},
                                            {"set", read_set}};
    struct reading reading = {.change = {.version = 0}};
    struct field whole = {.problems = problems};
    static const char *const needed[] = {"id", "name", "created_at", "set"};

    if (!field_object(&whole, object))
        return false;
    field_read_all(&whole, object, rows, COUNT(rows), false, &reading);
    if (reading.has_id)
        ret->id = reading.change.id;
    for (size_t i = 0; i < COUNT(needed) && !problems->count; i++) {
        struct field at = field_member(&whole, needed[i]);

        if (!json_object_object_get(object, needed[i]))
            field_refuse(&at, "is required");
    }
    if (problems->count)
        return false;
    *ret = reading.change;
    return true;
}
