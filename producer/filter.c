#include "producer/filter.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "common/task.h"

#include <assert.h>
#include <ctype.h>
#include <endian.h>

#define LISTED                                                                                     \
    (STATE_BIT(STATE_SCHEDULED) | STATE_BIT(STATE_ASSIGNED) | STATE_BIT(STATE_RUNNING) |           \
     STATE_BIT(STATE_RETRYING) | STATE_BIT(STATE_SUCCEEDED) | STATE_BIT(STATE_FAILED) |            \
     STATE_BIT(STATE_CANCELLED) | STATE_BIT(STATE_EXPIRED) | STATE_BIT(STATE_SKIPPED))

/* Of one parameter's value; `fault` says what is allowed. */
typedef bool reader(struct filter *filter, const char *value, struct fault *fault);

static bool add_state(struct filter *filter, const char *word, size_t size)
{
    char name[16];
    enum task_state state;

    if (size >= sizeof name)
        return false;
    memcpy(name, word, size);
    name[size] = '\0';
    if (!state_read(&state, name) || !(LISTED & STATE_BIT(state)))
        return false;
    filter->states |= STATE_BIT(state);
    return true;
}

static bool read_state(struct filter *filter, const char *value, struct fault *fault)
{
    const char *word = value, *end;

    do {
        end = word + strcspn(word, ",");
        if (!add_state(filter, word, (size_t)(end - word)))
            return fault_set(fault, FAULT_REJECTED,
                             "it takes scheduled, assigned, running, retrying, succeeded, failed, "
                             "cancelled, expired, skipped, separated by commas");
        word = end + 1;
    } while (*end);
    if (filter->states == LISTED) /* each of them is any of them */
        filter->states = 0;
    return true;
}

static bool read_type(struct filter *filter, const char *value, struct fault *fault)
{
    enum task_type type;

    if (!task_type_read(&type, value))
        return fault_set(fault, FAULT_REJECTED, "it is one of log, shell, http, kafka");
    filter->type = value;
    return true;
}

static bool read_queue(struct filter *filter, const char *value, struct fault *fault)
{
    size_t size = strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789._-");

    if (value[size] || size < 1 || size > TASK_QUEUE_MOST || ispunct((unsigned char)*value))
        return fault_set(fault, FAULT_REJECTED,
                         "a queue's name has 1 to %d of a-z 0-9 . _ - and begins with a letter or "
                         "a digit",
                         TASK_QUEUE_MOST);
    filter->queue = value;
    return true;
}

/* The value is UTF-8 already: uri.h. */
static bool read_tag(struct filter *filter, const char *value, struct fault *fault)
{
    int characters = 0;

    for (const char *byte = value; *byte; byte++)
        characters += (*byte & 0xc0) != 0x80;
    if (characters < 1 || characters > TASK_TAG_MOST)
        return fault_set(fault, FAULT_REJECTED, "a tag has 1 to %d characters", TASK_TAG_MOST);
    filter->tag = value;
    return true;
}

static bool read_due_after(struct filter *filter, const char *value, struct fault *fault)
{
    return instant_read(&filter->due_after_us, value, fault);
}

static bool read_due_before(struct filter *filter, const char *value, struct fault *fault)
{
    return instant_read(&filter->due_before_us, value, fault);
}

static bool read_created_after(struct filter *filter, const char *value, struct fault *fault)
{
    return instant_read(&filter->created_after_us, value, fault);
}

static bool read_created_before(struct filter *filter, const char *value, struct fault *fault)
{
    return instant_read(&filter->created_before_us, value, fault);
}

static bool read_limit(struct filter *filter, const char *value, struct fault *fault)
{
    size_t size = strspn(value, "0123456789");
    int limit = value[size] || size < 1 || size > 4 ? 0 : atoi(value);

    if (limit < 1 || limit > FILTER_LIMIT_MOST)
        return fault_set(fault, FAULT_REJECTED, "the limit is a number from 1 to %d",
                         FILTER_LIMIT_MOST);
    filter->limit = limit;
    return true;
}

static bool read_cursor(struct filter *filter, const char *value, struct fault *fault)
{
    (void)fault; /* what it says is read once the filter it belongs to is known */
    filter->cursor = value;
    return true;
}

static const struct row {
    const char *name;
    reader *read;
} rows[] = {
    {"state", read_state},
    {"type", read_type},
    {"queue", read_queue},
    {"tag", read_tag},
    {"due_after", read_due_after},
    {"due_before", read_due_before},
    {"created_after", read_created_after},
    {"created_before", read_created_before},
    {"limit", read_limit},
    {"cursor", read_cursor},
};

static_assert(COUNT(rows) == FILTER_PARAMETERS, "each row has its place in values");

void filter_init(struct filter *filter)
{
    *filter = (struct filter){
        .due_after_us = INSTANT_LEAST_US,
        .due_before_us = FILTER_LATE_US,
        .created_after_us = INSTANT_LEAST_US,
        .created_before_us = FILTER_LATE_US,
        .limit = FILTER_LIMIT,
    };
}

bool filter_set(struct filter *filter, const char *name, const char *value, struct fault *fault)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (strcmp(rows[i].name, name) != 0)
            continue;
        if (filter->values[i])
            return fault_set(fault, FAULT_REJECTED, "it is given more than once");
        filter->values[i] = value;
        return rows[i].read(filter, value, fault);
    }
    return fault_set(fault, FAULT_REJECTED,
                     "unknown; there are state, type, queue, tag, due_after, due_before, "
                     "created_after, created_before, limit and cursor");
}

bool filter_is_by_created(const struct filter *filter)
{
    return filter->created_after_us != INSTANT_LEAST_US ||
           filter->created_before_us != FILTER_LATE_US;
}

int filter_count(const struct filter *filter)
{
    bool by_due =
        filter->due_after_us != INSTANT_LEAST_US || filter->due_before_us != FILTER_LATE_US;

    return !!filter->type + !!filter->queue + !!filter->tag + by_due + filter_is_by_created(filter);
}

/* Lines cannot be confused: no value but the tag, which is the last, may hold a line's end. */
uint32_t filter_digest(const struct filter *filter)
{
    SCOPED(scoped_text) char *text = NULL;
    size_t size;
    FILE *stream = mem_or_end(open_memstream(&text, &size));
    uint8_t bytes[DIGEST_SIZE];
    uint32_t ret;

    fprintf(stream, "%x\n%s\n%s\n%lld\n%lld\n%lld\n%lld\n%s", filter->states,
            filter->type ? filter->type : "", filter->queue ? filter->queue : "",
            (long long)filter->due_after_us, (long long)filter->due_before_us,
            (long long)filter->created_after_us, (long long)filter->created_before_us,
            filter->tag ? filter->tag : "");
    fclose(stream);
    digest(bytes, text, size);
    memcpy(&ret, bytes, sizeof ret);
    return be32toh(ret);
}

/* Unreserved characters of RFC 3986, and the comma, stay as they are. */
static void write_encoded(const char *value, FILE *to)
{
    for (; *value; value++) {
        unsigned char byte = (unsigned char)*value;

        if (byte < 128 && (isalnum(byte) || strchr("-._~,", byte)))
            fputc(byte, to);
        else
            fprintf(to, "%%%02X", byte);
    }
}

void filter_write_query(const struct filter *filter, FILE *to)
{
    const char *between = "";

    for (size_t i = 0; i < COUNT(rows); i++) {
        if (!filter->values[i] || rows[i].read == read_cursor)
            continue;
        fprintf(to, "%s%s=", between, rows[i].name);
        write_encoded(filter->values[i], to);
        between = "&";
    }
}
