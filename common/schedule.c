#include "common/schedule.h"

#include "common/json.h"
#include "common/mem.h"

#define NAME_FIRST "abcdefghijklmnopqrstuvwxyz0123456789"
#define NAME_REST NAME_FIRST "._-"

bool schedule_name_fits(const char *name)
{
    size_t size = strlen(name);

    return size && size <= SCHEDULE_NAME_MOST && strchr(NAME_FIRST, *name) &&
           strspn(name, NAME_REST) == size;
}

struct reading {
    struct schedule *schedule;
    bool strict, has_spec, has_task;
};

static void read_name(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    const char *name;

    if (field_text(&name, at, value, 0, SCHEDULE_NAME_MOST) &&
        strcmp(name, reading->schedule->name) != 0)
        field_refuse(at, "differs from the name in the path");
}

static void read_description(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    const char *text;

    if (field_text(&text, at, value, 0, SCHEDULE_DESCRIPTION_MOST))
        reading->schedule->description = mem_text(text);
}

static void read_tags(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    if (task_check_tags(value, at) && json_object_array_length(value))
        reading->schedule->tags = json_object_get(value);
}

static void read_spec(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    reading->has_spec = true;
    spec_read(&reading->schedule->spec, value, at, reading->schedule->name, reading->strict);
}

static void read_policy(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    policy_read(&reading->schedule->policy, value, at, reading->strict);
}

static void read_task(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    reading->has_task = true;
    task_read_template(&reading->schedule->task, value, reading->strict, at);
}

static void need(const struct field *at, const char *name, bool given, const char *what)
{
    struct field member = field_member(at, name);

    if (!given)
        field_refuse(&member, "is required: %s", what);
}

bool schedule_read(struct schedule **ret, struct json_object *value, const char *name, bool strict,
                   const struct field *at)
{
    static const struct field_row rows[] = {
        {"name", read_name}, {"description", read_description}, {"tags", read_tags},
        {"spec", read_spec}, {"policy", read_policy},           {"task", read_task},
    };
    struct schedule *schedule =
        mem_new(struct schedule, .name = mem_text(name), .policy = policy_default());
    struct reading reading = {.schedule = schedule, .strict = strict};
    int before = at->problems->total;

    if (field_object(at, value)) {
        field_read_all(at, value, rows, COUNT(rows), strict, &reading);
        need(at, "spec", reading.has_spec, "when it fires, by cron, every or at");
        need(at, "task", reading.has_task, "what runs");
    }
    if (at->problems->total != before) {
        schedule_free(schedule);
        return false;
    }
    *ret = schedule;
    return true;
}

void schedule_free(struct schedule *schedule)
{
    if (!schedule)
        return;
    free(schedule->name);
    free(schedule->description);
    json_object_put(schedule->tags);
    spec_free(schedule->spec);
    task_done(&schedule->task);
    free(schedule);
}

struct json_object *schedule_json(const struct schedule *schedule)
{
    struct json_object *to = json_object_new_object();

    if (schedule->description)
        json_object_object_add(to, "description", json_object_new_string(schedule->description));
    if (schedule->tags)
        json_object_object_add(to, "tags", json_object_get(schedule->tags));
    json_object_object_add(to, "spec", spec_json(schedule->spec));
    json_object_object_add(to, "policy", policy_json(&schedule->policy));
    json_object_object_add(to, "task", task_template(&schedule->task));
    return to;
}
