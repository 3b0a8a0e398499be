/*
 * GET /api/v1/tasks: a page of tasks, newest due first (newest made first where a created_* filter
 * is given). docs/lists.md says what callers can rely on.
 *
 * A page looks at a bounded number of tasks, whatever the filter and however many there are: where
 * few of those fit, it holds fewer than `limit` and still has a next_cursor.
 */
#include "common/clock.h"
#include "common/mem.h"
#include "common/rows.h"
#include "producer/cursor.h"
#include "producer/filter.h"
#include "producer/render.h"

/* A page looks at twice its limit, but at no fewer than this: small pages shall find something. */
#define LOOKED_LEAST 100
/* Attempts that a walk of the inboxes looks at: most of them have ended. */
#define OPEN_WALKED 1000

#define SCHEDULED STATE_BIT(STATE_SCHEDULED)
#define RETRYING STATE_BIT(STATE_RETRYING)
#define OPEN (STATE_BIT(STATE_ASSIGNED) | STATE_BIT(STATE_RUNNING))
#define ENDED                                                                                      \
    (STATE_BIT(STATE_FAILED) | STATE_BIT(STATE_CANCELLED) | STATE_BIT(STATE_EXPIRED) |             \
     STATE_BIT(STATE_SKIPPED))
#define SUCCEEDED STATE_BIT(STATE_SUCCEEDED)

/*
 * What a list walks, one after the other. Each source holds some states, in an order of its own
 * that an index gives. Numbers are in cursors: they keep their meaning.
 */
enum source {
    SOURCE_AHEAD = 1, /* scheduled tasks that are not due yet, by the indexes of `task` */
    SOURCE_DUE = 2,   /* scheduled tasks, by the lanes of `due` */
    SOURCE_OPEN = 3,  /* tasks with an executor, by the inboxes */
    SOURCE_END = 4,   /* ends without success, by the indexes of `task_end` */
    SOURCE_TASK = 5,  /* any task, by the indexes of `task` */
    SOURCE_RETRY = 6, /* those that wait for another attempt */
};

#define SOURCES_MOST 5

/* The tasks below it come next. */
struct place {
    int64_t key;
    struct uuid id;
};

struct list {
    struct web_request *request;
    struct producer *producer;
    struct filter filter;
    int64_t now_us; /* the same all over the page */
    struct {
        enum source source;
        unsigned states;
    } plan[SOURCES_MOST];
    int sources, step;
    struct place place;
    int budget, asked; /* tasks still to be looked at; those of the walk under way */
    struct uuid ids[FILTER_LIMIT_MOST];
    int found;
    bool ended; /* nothing lies behind `place` in any source */
};

static void walk(struct list *list);

static void fail(struct list *list, const struct fault *fault)
{
    answer_database_fault(list->request, fault);
    free(list);
}

/* --- Which sources, from where ----------------------------------------------------------- */

static void add_source(struct list *list, enum source source, unsigned states)
{
    list->plan[list->sources].source = source;
    list->plan[list->sources++].states = states;
}

/* By due instant: what waits, what is with an executor, what has ended. */
static void plan_states(struct list *list)
{
    const struct filter *filter = &list->filter;
    unsigned open = filter->states & OPEN, ended = filter->states & (ENDED | SUCCEEDED);

    if (filter->states & SCHEDULED && (filter->type || filter->tag))
        add_source(list, SOURCE_AHEAD, SCHEDULED);
    if (filter->states & SCHEDULED)
        add_source(list, SOURCE_DUE, SCHEDULED);
    if (filter->states & RETRYING)
        add_source(list, SOURCE_RETRY, RETRYING);
    if (open)
        add_source(list, SOURCE_OPEN, open);
    if (ended)
        add_source(list, ended & SUCCEEDED || filter->tag ? SOURCE_TASK : SOURCE_END, ended);
}

static void plan_list(struct list *list)
{
    const struct filter *filter = &list->filter;
    unsigned states = filter->states;

    if (!states)
        add_source(list, SOURCE_TASK, 0);
    else if (!filter_is_by_created(filter) || !(states & ~OPEN))
        plan_states(list);
    else if (!(states & ~ENDED) && !filter->tag)
        add_source(list, SOURCE_END, states);
    else
        add_source(list, SOURCE_TASK, states);
}

/* Whether the walk's tasks lie behind now: nothing succeeds early. */
static bool is_past(const struct list *list, int step)
{
    unsigned states = list->plan[step].states;

    switch (list->plan[step].source) {
    case SOURCE_DUE:
        return step > 0 && list->plan[step - 1].source == SOURCE_AHEAD;
    case SOURCE_TASK:
        return states == SUCCEEDED && !filter_is_by_created(&list->filter);
    default:
        return false;
    }
}

/*
 * Never above the upper bound of what the walk is ordered by: the statements begin there and do not
 * look at that bound otherwise.
 */
static struct place begin(const struct list *list, int step)
{
    const struct filter *filter = &list->filter;
    struct place place = {.key = filter_is_by_created(filter) ? filter->created_before_us
                                                              : filter->due_before_us};

    if (list->plan[step].source == SOURCE_OPEN)
        place.key = INT64_MAX;
    else if (is_past(list, step) && place.key > list->now_us)
        place.key = list->now_us;
    return place;
}

static bool is_before(struct place one, struct place other)
{
    if (one.key != other.key)
        return one.key < other.key;
    return memcmp(&one.id, &other.id, sizeof one.id) < 0;
}

/* False where that was the last one. Time goes on between pages: what was ahead has been shown. */
static bool next_source(struct list *list)
{
    struct place next;

    if (list->step + 1 == list->sources)
        return false;
    next = begin(list, list->step + 1);
    if (list->plan[list->step].source == SOURCE_AHEAD && is_before(list->place, next))
        next = list->place;
    list->place = next;
    list->step++;
    return true;
}

static bool take_cursor(struct list *list, struct fault *fault)
{
    struct cursor cursor;
    struct place first;

    if (!cursor_read(&cursor, list->filter.cursor, fault))
        return false;
    for (list->step = 0; list->step < list->sources; list->step++)
        if ((int)list->plan[list->step].source == cursor.source)
            break;
    if (cursor.filter != filter_digest(&list->filter) || list->step == list->sources)
        return fault_set(fault, FAULT_REJECTED, "the cursor belongs to a list with other filters");
    list->place = (struct place){.key = cursor.key, .id = cursor.id};
    first = begin(list, list->step);
    if (is_before(first, list->place))
        list->place = first;
    return true;
}

/* --- One walk: arguments in the order of the statements under sql/queries ---------------- */

static void add_states(struct args *args, unsigned states)
{
    if (!states) {
        args_null(args);
        return;
    }
    args_array(args, ARGS_TEXT);
    for (int state = 0; state < STATE_COUNT; state++)
        if (states & STATE_BIT(state))
            args_text(args, state_name((enum task_state)state));
    args_array_end(args);
}

static void add_types(struct args *args, const char *only)
{
    args_array(args, ARGS_TEXT);
    for (int type = 0; type < TASK_TYPE_COUNT; type++)
        if (!only || !strcmp(only, task_type_name((enum task_type)type)))
            args_text(args, task_type_name((enum task_type)type));
    args_array_end(args);
}

static void add_created(struct args *args, const struct filter *filter)
{
    args_time(args, filter->created_after_us);
    args_time(args, filter->created_before_us);
}

static void add_place(struct args *args, const struct list *list)
{
    args_time(args, list->place.key);
    args_uuid(args, &list->place.id);
}

static enum query ask_task(struct args *args, const struct list *list, unsigned states)
{
    const struct filter *filter = &list->filter;
    bool is_ahead = list->plan[list->step].source == SOURCE_AHEAD;

    args_text(args, filter_is_by_created(filter) ? "created"
                    : filter->tag                ? "tag"
                    : filter->queue              ? "queue"
                                                 : "type");
    add_types(args, filter->type);
    args_text(args, filter->type);
    args_text(args, filter->queue);
    args_text(args, filter->tag);
    args_time(args, is_ahead && filter->due_after_us < list->now_us ? list->now_us
                                                                    : filter->due_after_us);
    args_time(args, filter->due_before_us);
    add_created(args, filter);
    add_states(args, states);
    add_place(args, list);
    args_int4(args, list->asked);
    return QUERY_LIST_TASK;
}

static enum query ask_end(struct args *args, const struct list *list, unsigned states)
{
    const struct filter *filter = &list->filter;

    args_text(args, filter_is_by_created(filter) ? "created"
                    : filter->type               ? "type"
                    : filter->queue              ? "queue"
                                                 : "due");
    add_states(args, states);
    args_text(args, filter->type);
    args_text(args, filter->queue);
    args_text(args, filter->tag);
    args_time(args, filter->due_after_us);
    args_time(args, filter->due_before_us);
    add_created(args, filter);
    add_place(args, list);
    args_int4(args, list->asked);
    return QUERY_LIST_END;
}

static enum query ask_due(struct args *args, const struct list *list, unsigned states)
{
    const struct filter *filter = &list->filter;

    add_states(args, states);
    args_text(args, filter->queue);
    args_text(args, filter->type);
    args_text(args, filter->tag);
    args_time(args, filter->due_after_us);
    add_created(args, filter);
    add_place(args, list);
    args_int4(args, list->asked);
    args_bool(args, filter->type || filter->tag);
    return QUERY_LIST_DUE;
}

static enum query ask_retry(struct args *args, const struct list *list)
{
    const struct filter *filter = &list->filter;

    args_text(args, filter->queue);
    args_text(args, filter->type);
    args_text(args, filter->tag);
    args_time(args, filter->due_after_us);
    add_created(args, filter);
    add_place(args, list);
    args_int4(args, list->asked);
    return QUERY_LIST_RETRYING;
}

static enum query ask_open(struct args *args, const struct list *list, unsigned states)
{
    const struct filter *filter = &list->filter;

    add_states(args, states);
    args_text(args, filter->type);
    args_text(args, filter->queue);
    args_text(args, filter->tag);
    args_time(args, filter->due_after_us);
    args_time(args, filter->due_before_us);
    add_created(args, filter);
    args_int8(args, list->place.key);
    args_int4(args, list->asked);
    args_int4(args, OPEN_WALKED);
    return QUERY_LIST_OPEN;
}

/* --- The page ---------------------------------------------------------------------------- */

static char *next_cursor(const struct list *list, char text[static CURSOR_TEXT])
{
    struct cursor cursor = {.source = (int)list->plan[list->step].source,
                            .key = list->place.key,
                            .id = list->place.id,
                            .filter = filter_digest(&list->filter)};

    return list->ended ? NULL : cursor_write(text, &cursor);
}

static void add_link(const struct list *list, const char *cursor)
{
    SCOPED(scoped_text) char *text = NULL;
    size_t size;
    FILE *stream = mem_or_end(open_memstream(&text, &size));
    long begun;

    fprintf(stream, "<%s?", web_path(list->request));
    begun = ftell(stream);
    filter_write_query(&list->filter, stream);
    fprintf(stream, "%scursor=%s>; rel=\"next\"", ftell(stream) > begun ? "&" : "", cursor);
    fclose(stream);
    web_reply_header(list->request, "Link", text);
}

/* `items` is put. */
static void reply(struct list *list, struct json_object *items)
{
    struct json_object *body = json_object_new_object();
    char text[CURSOR_TEXT];
    const char *cursor = next_cursor(list, text);

    json_object_object_add(body, "items", items);
    put_text(body, "next_cursor", cursor);
    if (cursor)
        add_link(list, cursor);
    answer_json(list->request, 200, body);
    free(list);
}

/* Between the two statements a task may have gone on to another state, or be kept no longer. */
static bool still_fits(const struct list *list, struct json_object *task)
{
    struct json_object *name;
    enum task_state state;

    if (!list->filter.states)
        return true;
    return json_object_object_get_ex(task, "state", &name) &&
           state_read(&state, json_object_get_string(name)) &&
           list->filter.states & STATE_BIT(state);
}

static void on_read(void *data, const PGresult *rows, const struct fault *fault)
{
    struct list *list = data;
    struct json_object *items;

    if (fault) {
        fail(list, fault);
        return;
    }
    items = json_object_new_array();
    for (int row = 0; row < PQntuples(rows); row++) {
        struct json_object *task = render_task(rows, row, false);

        if (still_fits(list, task))
            json_object_array_add(items, task);
        else
            json_object_put(task);
    }
    reply(list, items);
}

static void read_tasks(struct list *list)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    if (!list->found) {
        reply(list, json_object_new_array());
        return;
    }
    args_array(&args, ARGS_UUID);
    for (int i = 0; i < list->found; i++)
        args_uuid(&args, &list->ids[i]);
    args_array_end(&args);
    db_call(list->producer->db, QUERY_TASKS_READ, &args, on_read, list);
}

/* Columns of all walks: key, task (null: only a place), whether it fits. True: the page is full. */
static bool take_row(struct list *list, const PGresult *rows, int row)
{
    bool in_time = list->plan[list->step].source != SOURCE_OPEN;

    list->place.key = in_time ? rows_time(rows, row, 0) : rows_int(rows, row, 0);
    list->place.id = rows_uuid(rows, row, 1);
    list->budget--;
    if (rows_bool(rows, row, 2))
        list->ids[list->found++] = list->place.id;
    return list->found == list->filter.limit;
}

/* A walk that gave less than it was asked for is at its end, but where it says that it was cut. */
static bool was_last(const struct list *list, const PGresult *rows)
{
    int count = PQntuples(rows);

    if (!count)
        return true;
    switch (list->plan[list->step].source) {
    case SOURCE_DUE:
        return count < list->asked && !rows_bool(rows, 0, 3);
    case SOURCE_OPEN:
        return count < list->asked && !rows_is_null(rows, count - 1, 1);
    default:
        return count < list->asked;
    }
}

static void on_walked(void *data, const PGresult *rows, const struct fault *fault)
{
    struct list *list = data;
    bool full = false;
    int row = 0;

    if (fault) {
        fail(list, fault);
        return;
    }
    while (row < PQntuples(rows) && !full)
        full = take_row(list, rows, row++);
    if (row < PQntuples(rows) || !was_last(list, rows))
        full = true; /* more lies in this source: it is for the next page */
    else if (!next_source(list))
        full = list->ended = true;
    if (full || list->budget <= 0)
        read_tasks(list);
    else
        walk(list);
}

static void walk(struct list *list)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;
    unsigned states = list->plan[list->step].states;
    enum query query;

    list->asked = list->budget;
    switch (list->plan[list->step].source) {
    case SOURCE_DUE:
        query = ask_due(&args, list, states);
        break;
    case SOURCE_OPEN:
        query = ask_open(&args, list, states);
        break;
    case SOURCE_RETRY:
        query = ask_retry(&args, list);
        break;
    case SOURCE_END:
        query = ask_end(&args, list, states);
        break;
    default:
        query = ask_task(&args, list, states);
    }
    db_call(list->producer->db, query, &args, on_walked, list);
}

/* Where the index holds nothing that does not fit, one more than the page tells whether it is all.
 */
static int most_looked(const struct list *list)
{
    int limit = list->filter.limit;
    bool by_index = list->plan[0].source == SOURCE_END || !list->filter.states;

    if (by_index && list->sources == 1 && filter_count(&list->filter) <= 1)
        return limit + 1;
    return 2 * limit > LOOKED_LEAST ? 2 * limit : LOOKED_LEAST;
}

/* --- The request ------------------------------------------------------------------------- */

struct reading {
    struct filter filter;
    struct fault fault;
    const char *parameter; /* the one that is wrong */
};

static bool read_parameter(void *data, const char *name, const char *value)
{
    struct reading *reading = data;

    if (filter_set(&reading->filter, name, value, &reading->fault))
        return true;
    reading->parameter = name;
    return false;
}

void list_tasks(struct web_request *request, void *data)
{
    struct reading reading = {.parameter = NULL};
    struct list *list;

    filter_init(&reading.filter);
    web_each_query(request, read_parameter, &reading);
    if (reading.parameter) {
        answer_parameter(request, PROBLEM_INVALID_PARAMETER, reading.parameter, reading.fault.text);
        return;
    }
    list = mem_new(struct list, .request = request, .producer = data, .filter = reading.filter,
                   .now_us = clock_database_us());
    plan_list(list);
    list->budget = most_looked(list);
    list->place = begin(list, 0);
    if (list->filter.cursor && !take_cursor(list, &reading.fault)) {
        answer_parameter(request, PROBLEM_INVALID_CURSOR, "cursor", reading.fault.text);
        free(list);
        return;
    }
    if (answer_has_database(data, request))
        walk(list);
    else
        free(list);
}
