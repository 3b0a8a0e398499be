#include "executor/past.h"

#include "common/mem.h"
#include "executor/output.h"

#define FIRST_ROOM 1024

static struct past_report *at(const struct past *past, uint64_t place)
{
    return &past->ring[place & (past->room - 1)];
}

static uint32_t *bucket_of(const struct past *past, int64_t inbox)
{
    uint64_t number = (uint64_t)inbox;

    return &past->buckets[(number ^ (number >> 32)) & (past->room - 1)];
}

void past_init(struct past *past)
{
    *past = (struct past){.forgotten = -1};
}

void past_done(struct past *past)
{
    for (uint64_t place = past->first; place < past->end; place++)
        free(at(past, place)->error);
    free(past->ring);
    free(past->buckets);
    past_init(past);
}

/* The latest report of a number stands before its earlier ones. */
static void put_in_bucket(struct past *past, uint64_t place)
{
    struct past_report *report = at(past, place);
    uint32_t *bucket = bucket_of(past, report->inbox);

    report->next = *bucket;
    *bucket = (uint32_t)(place & (past->room - 1)) + 1;
}

static void forget_first(struct past *past)
{
    uint32_t index = (uint32_t)(past->first & (past->room - 1));
    struct past_report *report = &past->ring[index];
    uint32_t *link = bucket_of(past, report->inbox);

    while (*link != index + 1)
        link = &past->ring[*link - 1].next;
    *link = report->next;
    if (report->inbox > past->forgotten)
        past->forgotten = report->inbox;
    past->error_bytes -= report->error ? strlen(report->error) + 1 : 0;
    free(report->error);
    past->first++;
}

static void grow(struct past *past)
{
    struct past_report *narrow = past->ring;
    size_t former = past->room;

    past->room = former ? former * 2 : FIRST_ROOM;
    past->ring = mem_array(struct past_report, past->room);
    free(past->buckets);
    past->buckets = mem_array(uint32_t, past->room);
    for (uint64_t place = past->first; place < past->end; place++) {
        *at(past, place) = narrow[place & (former - 1)];
        put_in_bucket(past, place);
    }
    free(narrow);
}

/* The beginning of it; NULL also where all texts together are too many. */
static char *short_error(struct past *past, const char *error)
{
    size_t size = error ? strnlen(error, PAST_ERROR_MOST) : 0;
    char *text;

    if (!size || past->error_bytes + size + 1 > PAST_ERRORS_MOST)
        return NULL;
    text = mem_array(char, size + 1);
    memcpy(text, error, size);
    text[output_clean(text, size)] = '\0';
    past->error_bytes += strlen(text) + 1;
    return text;
}

void past_add(struct past *past, const struct attempt *attempt, int64_t now_us)
{
    if (past->end - past->first == PAST_MOST)
        forget_first(past);
    if (past->end - past->first == past->room)
        grow(past);
    *at(past, past->end) = (struct past_report){.inbox = attempt->inbox,
                                                .task = attempt->task,
                                                .token = attempt->token,
                                                .outcome = attempt->outcome,
                                                .has_exit_code = attempt->has_exit_code,
                                                .exit_code = attempt->exit_code,
                                                .again_ms = (int32_t)attempt->again_ms,
                                                .started_us = attempt->started_us,
                                                .finished_us = attempt->finished_us,
                                                .accepted_us = now_us,
                                                .error = short_error(past, attempt->error)};
    put_in_bucket(past, past->end++);
}

const struct past_report *past_find(const struct past *past, int64_t inbox)
{
    const struct past_report *report;

    if (!past->room)
        return NULL;
    for (uint32_t next = *bucket_of(past, inbox); next; next = report->next) {
        report = &past->ring[next - 1];
        if (report->inbox == inbox)
            return report;
    }
    return NULL;
}

const struct past_report *past_at(const struct past *past, uint64_t place)
{
    return at(past, place);
}

int64_t past_least(const struct past *past, uint64_t from)
{
    int64_t least = INT64_MAX;

    for (uint64_t place = from > past->first ? from : past->first; place < past->end; place++)
        if (at(past, place)->inbox < least)
            least = at(past, place)->inbox;
    return least;
}

uint64_t past_since(const struct past *past, int64_t span_us)
{
    uint64_t place = past->end;

    while (place > past->first &&
           at(past, past->end - 1)->accepted_us - at(past, place - 1)->accepted_us <= span_us)
        place--;
    return place;
}

bool past_forgot(const struct past *past, int64_t inbox)
{
    return inbox <= past->forgotten;
}
