#include "producer/recurring.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "producer/accept.h"
#include "producer/schedule_ask.h"

static const char *const of_spec[] = {"cron",     "cron_dialect", "every",  "anchor",
                                      "timezone", "start_at",     "end_at", "max_runs",
                                      "jitter",   "exclude",      "dst"};
static const char *const of_schedule[] = {"policy", "description"};

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

/* The nested form. To be put. */
static struct json_object *nest(struct json_object *object)
{
    struct json_object *to = json_object_new_object(), *spec = json_object_new_object(),
                       *task = json_object_new_object();

    json_object_object_foreach(object, name, value)
    {
        struct json_object *where = is_one_of(name, of_spec, COUNT(of_spec))           ? spec
                                    : is_one_of(name, of_schedule, COUNT(of_schedule)) ? to
                                                                                       : task;

        if (strcmp(name, "name") != 0)
            json_object_object_add(where, name, json_object_get(value));
    }
    json_object_object_add(to, "spec", spec);
    json_object_object_add(to, "task", task);
    return to;
}

void recurring_put(struct producer *producer, struct web_request *request,
                   struct json_object *object)
{
    struct json_object *name = json_object_object_get(object, "name");
    const char *text =
        json_object_is_type(name, json_type_string) ? json_object_get_string(name) : "";
    SCOPED(scoped_json) struct json_object *nested = nest(object);
    struct problems problems = {0};

    if (schedule_name_fits(text)) {
        schedule_put_object(producer, request, text, nested, true);
        return;
    }
    problems_add(&problems, "/name",
                 "names what comes again: 1 to %d characters, beginning with a-z or 0-9 and going "
                 "on with a-z, 0-9, dots, - and _",
                 SCHEDULE_NAME_MOST);
    accept_refuse(request, &problems);
}
