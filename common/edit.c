#include "common/edit.h"

#include "common/cleanup.h"
#include "common/instant.h"
#include "common/json.h"
#include "common/mem.h"

#include <limits.h>

static const char *const names[EDIT_COUNT] = {
    [EDIT_PUT] = "put", [EDIT_PAUSE] = "pause", [EDIT_RESUME] = "resume", [EDIT_DELETE] = "delete"};

const char *edit_name(enum edit_action action)
{
    return names[action];
}

/* --- Writing --------------------------------------------------------------------------------- */

static void put_text(struct json_object *to, const char *name, const char *text)
{
    json_object_object_add(to, name, json_object_new_string(text));
}

static void put_instant(struct json_object *to, const char *name, int64_t unix_us)
{
    char text[INSTANT_TEXT];

    put_text(to, name, instant_write(text, unix_us));
}

char *edit_command(const struct edit *edit, size_t *ret_size)
{
    SCOPED(scoped_json) struct json_object *to = json_object_new_object();
    char id[UUID_TEXT];

    put_text(to, "id", uuid_write(id, &edit->id));
    put_text(to, "name", edit->name);
    put_instant(to, "created_at", edit->created_at_us);
    if (edit->version)
        json_object_object_add(to, "version", json_object_new_int(edit->version));
    if (edit->create_only)
        json_object_object_add(to, "create_only", json_object_new_boolean(true));
    if (edit->schedule)
        json_object_object_add(to, "definition", schedule_json(edit->schedule));
    if (*edit->reason)
        put_text(to, "reason", edit->reason);
    if (edit->until_us)
        put_instant(to, "until", edit->until_us);
    if (edit->catch_up)
        json_object_object_add(to, "catch_up", json_object_new_boolean(true));
    return mem_text(json_text(to, ret_size));
}

/* --- Reading --------------------------------------------------------------------------------- */

struct reading {
    struct edit edit;
    struct json_object *definition;
    bool has_id, has_name, has_created_at;
};

static void read_id(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    const char *text;

    if (!field_text(&text, at, value, 0, UUID_TEXT))
        return;
    reading->has_id = uuid_read(&reading->edit.id, text) && !uuid_is_nil(&reading->edit.id);
    if (!reading->has_id)
        field_refuse(at, "must be a UUID");
}

static void read_name(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    const char *text;

    if (!field_text(&text, at, value, 0, SCHEDULE_NAME_MOST))
        return;
    reading->has_name = schedule_name_fits(text);
    if (reading->has_name)
        snprintf(reading->edit.name, sizeof reading->edit.name, "%s", text);
    else
        field_refuse(at, "must begin with a-z or 0-9, and go on with a-z, 0-9, dots, - and _");
}

static void read_created_at(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    reading->has_created_at = field_instant(&reading->edit.created_at_us, at, value);
}

static void read_version(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    int64_t number;

    if (field_int(&number, at, value, 1, INT_MAX))
        reading->edit.version = (int)number;
}

static void read_boolean(bool *ret, struct json_object *value, const struct field *at)
{
    if (json_object_is_type(value, json_type_boolean))
        *ret = json_object_get_boolean(value);
    else
        field_refuse(at, "must be true or false");
}

static void read_create_only(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    read_boolean(&reading->edit.create_only, value, at);
}

static void read_definition(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    (void)at;
    reading->definition = value; /* its name may stand behind it */
}

static void read_reason(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    const char *text;

    if (field_text(&text, at, value, 0, SCHEDULE_REASON_MOST))
        snprintf(reading->edit.reason, sizeof reading->edit.reason, "%s", text);
}

static void read_until(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    if (field_instant(&reading->edit.until_us, at, value) && !reading->edit.until_us)
        reading->edit.until_us = 1; /* 0 stands for none */
}

static void read_catch_up(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    read_boolean(&reading->edit.catch_up, value, at);
}

static void need(const struct field *whole, const char *name, bool given)
{
    struct field at = field_member(whole, name);

    if (!given)
        field_refuse(&at, "is required");
}

static void take_definition(struct reading *reading, const struct field *whole)
{
    struct field at = field_member(whole, "definition");

    if (reading->definition)
        schedule_read(&reading->edit.schedule, reading->definition, reading->edit.name, false, &at);
    else
        need(whole, "definition", false);
}

bool edit_read(struct edit *ret, enum edit_action action, struct json_object *object,
               struct problems *problems)
{
    static const struct field_row rows[] = {
        {"id", read_id},
        {"name", read_name},
        {"created_at", read_created_at},
        {"version", read_version},
        {"create_only", read_create_only},
        {"definition", read_definition},
        {"reason", read_reason},
        {"until", read_until},
        {"catch_up", read_catch_up},
    };
    struct reading reading = {.edit.action = action};
    struct field whole = {.problems = problems};

    if (!field_object(&whole, object))
        return false;
    field_read_all(&whole, object, rows, COUNT(rows), false, &reading);
    if (reading.has_id)
        ret->id = reading.edit.id;
    if (!problems->count) {
        need(&whole, "id", reading.has_id);
        need(&whole, "name", reading.has_name);
        need(&whole, "created_at", reading.has_created_at);
    }
    if (action == EDIT_PUT && reading.has_name)
        take_definition(&reading, &whole);
    if (problems->count) {
        edit_done(&reading.edit);
        return false;
    }
    *ret = reading.edit;
    return true;
}

bool edit_read_request(struct edit *ret, struct json_object *object, struct problems *problems)
{
    static const struct field_row pause_rows[] = {{"reason", read_reason}, {"until", read_until}};
    static const struct field_row resume_rows[] = {{"catch_up", read_catch_up}};
    struct reading reading = {.edit = *ret};
    struct field whole = {.problems = problems};

    if (!field_object(&whole, object))
        return false;
    if (ret->action == EDIT_PAUSE)
        field_read_all(&whole, object, pause_rows, COUNT(pause_rows), true, &reading);
    else
        field_read_all(&whole, object, resume_rows, ret->action == EDIT_RESUME, true, &reading);
    if (problems->count)
        return false;
    *ret = reading.edit;
    return true;
}

void edit_done(struct edit *edit)
{
    schedule_free(edit->schedule);
    edit->schedule = NULL;
}
