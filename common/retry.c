#include "common/retry.h"

#include "common/instant.h"
#include "common/mem.h"

#define TEXT_MOST 32

static const char *const backoffs[RETRY_BACKOFF_COUNT] = {
    [RETRY_FIXED] = "fixed", [RETRY_LINEAR] = "linear", [RETRY_EXPONENTIAL] = "exponential"};

/* `type`: of the tasks that can end so; NULL: all. */
static const struct {
    const char *name, *type;
    int least, most; /* of its code; both 0: it has none */
} ends[RETRY_END_COUNT] = {
    [RETRY_ON_FAILED] = {"failed", NULL, 0, 0},  [RETRY_ON_TIMED_OUT] = {"timed_out", NULL, 0, 0},
    [RETRY_ON_ERROR] = {"error", NULL, 0, 0},    [RETRY_ON_SIGNAL] = {"signal", "shell", 0, 0},
    [RETRY_ON_EXIT] = {"exit", "shell", 0, 255}, [RETRY_ON_STATUS] = {"status", "http", 100, 599},
};

static const struct retry_case usual[] = {{.end = RETRY_ON_FAILED}, {.end = RETRY_ON_TIMED_OUT}};

/* RFC 9110, 15.5.9, 15.6; RFC 8470, 5.2; RFC 6585, 4: what may be otherwise the next time. */
static const struct retry_case usual_http[] = {
    {.end = RETRY_ON_TIMED_OUT}, {.end = RETRY_ON_ERROR},     {RETRY_ON_STATUS, 408, 408},
    {RETRY_ON_STATUS, 425, 425}, {RETRY_ON_STATUS, 429, 429}, {RETRY_ON_STATUS, 500, 599},
};

struct reading {
    struct retry retry;
    const char *type;
    bool has_initial, has_max;
};

/* --- Reading --------------------------------------------------------------------------------- */

static void read_attempts(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    int64_t number;

    if (field_int(&number, at, value, 1, RETRY_ATTEMPTS_MOST))
        reading->retry.max_attempts = (int)number;
}

static void read_backoff(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    const char *name;

    if (!field_text(&name, at, value, 0, TEXT_MOST))
        return;
    for (int i = 0; i < RETRY_BACKOFF_COUNT; i++)
        if (!strcmp(backoffs[i], name)) {
            reading->retry.backoff = (enum retry_backoff)i;
            return;
        }
    field_refuse(at, "must be one of fixed, linear, exponential");
}

static void read_initial(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    reading->has_initial =
        field_duration(&reading->retry.initial_ms, at, value, 0, RETRY_WAIT_MOST_MS);
}

static void read_max(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    reading->has_max = field_duration(&reading->retry.max_ms, at, value, 0, RETRY_WAIT_MOST_MS);
}

static void read_jitter(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    field_number(&reading->retry.jitter, at, value, 0, 1);
}

/* "75" or "1-99", within the bounds of its end. */
static bool read_codes(struct retry_case *to, const char *text, const struct field *at)
{
    int least = ends[to->end].least, most = ends[to->end].most, end = 0;
    int found = sscanf(text, "%3d%n-%3d%n", &to->least, &end, &to->most, &end);

    if (found == 1)
        to->most = to->least;
    if (found < 1 || text[end] || strspn(text, "0123456789-") != (size_t)end || *text == '-' ||
        to->least < least || to->most > most || to->least > to->most)
        return field_refuse(at, "%s takes a code or a range of codes from %d to %d, like %s:%d-%d",
                            ends[to->end].name, least, most, ends[to->end].name, least, most);
    return true;
}

static bool find_end(struct retry_case *to, const char *text, size_t size, const struct field *at)
{
    for (int i = 0; i < RETRY_END_COUNT; i++)
        if (strlen(ends[i].name) == size && !strncmp(ends[i].name, text, size) &&
            (text[size] == ':') == (ends[i].most > 0)) {
            to->end = (enum retry_end)i;
            return true;
        }
    return field_refuse(at, "must be one of failed, timed_out, error, signal, exit:CODE, "
                            "status:CODE, where CODE may be a range");
}

static bool read_case(struct retry_case *to, struct json_object *value, const char *type,
                      const struct field *at)
{
    const char *text;
    size_t size;

    if (!field_text(&text, at, value, 1, TEXT_MOST))
        return false;
    size = strcspn(text, ":");
    if (!find_end(to, text, size, at))
        return false;
    if (ends[to->end].type && strcmp(ends[to->end].type, type) != 0)
        return field_refuse(at, "%s does not belong to type %s", ends[to->end].name, type);
    return !text[size] || read_codes(to, text + size + 1, at);
}

static void read_on(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    struct retry *retry = &reading->retry;
    size_t count;

    if (!field_array(at, value, RETRY_CASES_MOST))
        return;
    count = json_object_array_length(value);
    if (!count)
        field_refuse(at, "must not be empty: leave it out, or set max_attempts to 1");
    for (size_t i = 0; i < count; i++) {
        struct field item = field_item(at, i);

        retry->on_count += read_case(&retry->on[retry->on_count],
                                     json_object_array_get_idx(value, i), reading->type, &item);
    }
}

static void settle(struct reading *reading, const struct field *at)
{
    struct retry *retry = &reading->retry;
    bool http = !strcmp(reading->type, "http");
    const struct retry_case *cases = http ? usual_http : usual;
    struct field max = field_member(at, "max");

    if (!retry->on_count) {
        retry->on_count = http ? COUNT(usual_http) : COUNT(usual);
        memcpy(retry->on, cases, (size_t)retry->on_count * sizeof *cases);
    }
    if (!reading->has_max && retry->max_ms < retry->initial_ms)
        retry->max_ms = retry->initial_ms;
    if (!reading->has_initial && retry->initial_ms > retry->max_ms)
        retry->initial_ms = retry->max_ms;
    if (retry->max_ms < retry->initial_ms)
        field_refuse(&max, "must be at least as long as initial");
}

bool retry_read(struct retry *ret, struct json_object *value, const char *type,
                const struct field *at, bool strict)
{
    static const struct field_row rows[] = {
        {"max_attempts", read_attempts}, {"backoff", read_backoff},
        {"initial", read_initial},       {"max", read_max},
        {"jitter", read_jitter},         {"on", read_on},
    };
    struct reading reading = {.retry = {.max_attempts = RETRY_ATTEMPTS,
                                        .backoff = RETRY_EXPONENTIAL,
                                        .initial_ms = RETRY_INITIAL_MS,
                                        .max_ms = RETRY_MAX_MS,
                                        .jitter = RETRY_JITTER},
                              .type = type};
    int before = at->problems->total;

    if (field_object(at, value))
        field_read_all(at, value, rows, COUNT(rows), strict, &reading);
    if (at->problems->total == before)
        settle(&reading, at);
    if (at->problems->total != before)
        return false;
    *ret = reading.retry;
    return true;
}

/* --- Writing --------------------------------------------------------------------------------- */

static struct json_object *case_json(const struct retry_case *from)
{
    const char *name = ends[from->end].name;
    char text[TEXT_MOST];

    if (!ends[from->end].most)
        snprintf(text, sizeof text, "%s", name);
    else if (from->least == from->most)
        snprintf(text, sizeof text, "%s:%d", name, from->least);
    else
        snprintf(text, sizeof text, "%s:%d-%d", name, from->least, from->most);
    return json_object_new_string(text);
}

static void put_duration(struct json_object *to, const char *name, int64_t ms)
{
    char text[INSTANT_TEXT];

    json_object_object_add(to, name, json_object_new_string(duration_write(text, ms)));
}

struct json_object *retry_json(const struct retry *retry)
{
    struct json_object *to = json_object_new_object(), *on = json_object_new_array();
    char jitter[TEXT_MOST];

    json_object_object_add(to, "max_attempts", json_object_new_int(retry->max_attempts));
    json_object_object_add(to, "backoff", json_object_new_string(backoffs[retry->backoff]));
    put_duration(to, "initial", retry->initial_ms);
    put_duration(to, "max", retry->max_ms);
    snprintf(jitter, sizeof jitter, "%.6g", retry->jitter);
    json_object_object_add(to, "jitter", json_object_new_double_s(retry->jitter, jitter));
    for (int i = 0; i < retry->on_count; i++)
        json_object_array_add(on, case_json(&retry->on[i]));
    json_object_object_add(to, "on", on);
    return to;
}

/* --- Judging --------------------------------------------------------------------------------- */

static bool fits(const struct retry_case *on, const struct retry_ended *ended)
{
    bool failed = ended->outcome == OUTCOME_FAILED;

    switch (on->end) {
    case RETRY_ON_FAILED:
        return failed;
    case RETRY_ON_TIMED_OUT:
        return ended->outcome == OUTCOME_TIMED_OUT;
    case RETRY_ON_ERROR:
        return failed && !ended->has_code;
    case RETRY_ON_SIGNAL:
        return failed && ended->has_code && ended->code < 0;
    case RETRY_ON_EXIT:
    case RETRY_ON_STATUS:
        return failed && ended->has_code && ended->code >= on->least && ended->code <= on->most;
    case RETRY_END_COUNT:
        break;
    }
    return false;
}

static bool is_tried_again(const struct retry *retry, const struct retry_ended *ended)
{
    if (ended->spent >= retry->max_attempts)
        return false;
    for (int i = 0; i < retry->on_count; i++)
        if (fits(&retry->on[i], ended))
            return true;
    return false;
}

static int64_t backoff_ms(const struct retry *retry, int spent)
{
    int64_t wait_ms = retry->initial_ms;

    if (retry->backoff == RETRY_LINEAR)
        wait_ms *= spent;
    for (int i = 1; retry->backoff == RETRY_EXPONENTIAL && i < spent && wait_ms < retry->max_ms;
         i++)
        wait_ms *= 2;
    return wait_ms < retry->max_ms ? wait_ms : retry->max_ms;
}

/* From 0 up to, and without, 1 (SplitMix64, Steele and others 2014). */
static double drawn(const struct retry_ended *ended)
{
    uint64_t state;

    memcpy(&state, ended->task.bytes + 8, sizeof state);
    state += (uint64_t)ended->token * UINT64_C(0x9e3779b97f4a7c15);
    state = (state ^ (state >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    state = (state ^ (state >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((state ^ (state >> 31)) >> 11) * 0x1p-53;
}

/* Not before the target asks for it, and not all of them in that moment. */
static int64_t asked_ms(const struct retry *retry, const struct retry_ended *ended)
{
    int64_t wait_ms = ended->after_ms < retry->max_ms ? ended->after_ms : retry->max_ms;

    wait_ms += (int64_t)((double)wait_ms * retry->jitter * drawn(ended));
    return wait_ms < retry->max_ms ? wait_ms : retry->max_ms;
}

int64_t retry_wait_ms(const struct retry *retry, const struct retry_ended *ended)
{
    int64_t wait_ms = backoff_ms(retry, ended->spent);

    if (!is_tried_again(retry, ended))
        return 0;
    if (ended->after_ms > 0)
        wait_ms = asked_ms(retry, ended);
    else
        wait_ms -= (int64_t)((double)wait_ms * retry->jitter * drawn(ended));
    return wait_ms > 0 ? wait_ms : 1;
}
