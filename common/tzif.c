#include "common/tzif.h"

#include "common/civil.h"
#include "common/mem.h"
#include "common/tzrule.h"

#define HEADER_SIZE 44
#define RULE_FROM 1969 /* where a rule has nothing before it */
#define RULE_TO 2200
#define RULE_SPANS (2 * (RULE_TO - RULE_FROM + 1))
#define RULE_TEXT_MOST 128
#define TIMES_MOST 4000
#define TYPES_MOST 256
#define OFFSET_LEAST_S (-25 * 3600 + 1) /* RFC 9636, section 3.2 */
#define OFFSET_MOST_S (26 * 3600 - 1)

/* The counts of a header, in the order they stand in the file. */
struct header {
    uint32_t ut_flags, standard_flags, leaps, times, types, characters;
};

struct bytes {
    const uint8_t *at;
    size_t left;
};

static bool damaged(struct fault *fault, const char *what)
{
    return fault_set(fault, FAULT_REJECTED, "is not a time zone file that can be read: %s", what);
}

static uint32_t number_32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int64_t number_64(const uint8_t *at)
{
    return (int64_t)((uint64_t)number_32(at) << 32 | number_32(at + 4));
}

/* NULL where there are fewer. */
static const uint8_t *take(struct bytes *bytes, size_t size)
{
    const uint8_t *at = bytes->at;

    if (bytes->left < size)
        return NULL;
    bytes->at += size;
    bytes->left -= size;
    return at;
}

static bool read_header(struct header *ret, struct bytes *bytes)
{
    const uint8_t *at = take(bytes, HEADER_SIZE);

    if (!at || memcmp(at, "TZif", 4) || at[4] < '2')
        return false;
    *ret = (struct header){number_32(at + 20), number_32(at + 24), number_32(at + 28),
                           number_32(at + 32), number_32(at + 36), number_32(at + 40)};
    return ret->times <= TIMES_MOST && ret->types >= 1 && ret->types <= TYPES_MOST &&
           ret->ut_flags <= TYPES_MOST && ret->standard_flags <= TYPES_MOST &&
           ret->leaps <= TIMES_MOST && ret->characters <= TZIF_BYTES_MOST;
}

/* Of what follows a header, with times of `time_size` bytes. */
static size_t data_size(const struct header *header, size_t time_size)
{
    return header->times * (time_size + 1) + header->types * 6u + header->characters +
           header->leaps * (time_size + 4) + header->standard_flags + header->ut_flags;
}

/* Later spans of the same instant replace earlier ones; one that changes nothing is dropped. */
static void push(struct tzif *tzif, int64_t from_s, int offset_s)
{
    if (tzif->count && tzif->spans[tzif->count - 1].from_s == from_s)
        tzif->count--;
    if (tzif->count && tzif->spans[tzif->count - 1].offset_s == offset_s)
        return;
    tzif->spans[tzif->count++] = (struct tzif_span){from_s, offset_s};
}

static bool push_times(struct tzif *tzif, const uint8_t *data, const struct header *header,
                       int64_t *ret_last_s)
{
    const uint8_t *kinds = data + header->times * 8, *types = kinds + header->times;
    int64_t last_s = INT64_MIN;

    for (uint32_t i = 0; i < header->types; i++) {
        int offset_s = (int32_t)number_32(types + i * 6);

        if (offset_s < OFFSET_LEAST_S || offset_s > OFFSET_MOST_S)
            return false;
    }
    push(tzif, INT64_MIN, (int32_t)number_32(types));
    for (uint32_t i = 0; i < header->times; i++) {
        int64_t at_s = number_64(data + i * 8);

        if (at_s <= last_s || kinds[i] >= header->types)
            return false;
        push(tzif, at_s, (int32_t)number_32(types + kinds[i] * 6u));
        last_s = at_s;
    }
    *ret_last_s = last_s;
    return true;
}

static void push_later(struct tzif *tzif, int64_t last_s, int64_t at_s, int offset_s)
{
    if (at_s > last_s)
        push(tzif, at_s, offset_s);
}

/* Both changes of every year after the last transition that is written out. */
static void push_rule(struct tzif *tzif, const struct tzrule *rule, int64_t last_s)
{
    int64_t least_s = civil_days(RULE_FROM, 1, 1) * CIVIL_DAY_S;
    int64_t most_s = civil_days(RULE_TO, 1, 1) * CIVIL_DAY_S;
    int year = last_s < least_s ? RULE_FROM : last_s > most_s ? RULE_TO : civil_of(last_s).year;

    for (; year <= RULE_TO; year++) {
        int64_t start_s = tzrule_start(rule, year), end_s = tzrule_end(rule, year);

        if (start_s < end_s)
            push_later(tzif, last_s, start_s, rule->summer_s);
        push_later(tzif, last_s, end_s, rule->standard_s);
        if (start_s >= end_s)
            push_later(tzif, last_s, start_s, rule->summer_s);
    }
}

/* Between two line feeds; empty where what comes after the last transition is not known. */
static bool read_rule(struct tzrule *ret, bool *ret_any, struct bytes *bytes)
{
    const uint8_t *first = take(bytes, 1);
    const uint8_t *end = first ? memchr(bytes->at, '\n', bytes->left) : NULL;
    char text[RULE_TEXT_MOST];

    if (!first || *first != '\n' || !end || (size_t)(end - bytes->at) >= sizeof text)
        return false;
    size_t length = (size_t)(end - bytes->at);

    memcpy(text, bytes->at, length);
    text[length] = '\0';
    *ret_any = length > 0;
    return !length || (strlen(text) == length && tzrule_read(ret, text));
}

static bool in_order(const struct tzif *tzif)
{
    for (size_t i = 1; i < tzif->count; i++)
        if (tzif->spans[i].from_s <= tzif->spans[i - 1].from_s)
            return false;
    return true;
}

static bool read_spans(struct tzif *tzif, struct bytes *bytes, const struct header *header,
                       struct fault *fault)
{
    const uint8_t *data = take(bytes, data_size(header, 8));
    struct tzrule rule = {0};
    int64_t last_s;
    bool any;

    if (!data)
        return damaged(fault, "it is cut short");
    if (header->leaps)
        return damaged(fault, "it counts leap seconds");
    if (!push_times(tzif, data, header, &last_s))
        return damaged(fault, "its transitions are out of order or range");
    if (!read_rule(&rule, &any, bytes))
        return damaged(fault, "its last line is not a rule");
    if (any && rule.has_summer)
        push_rule(tzif, &rule, last_s);
    return in_order(tzif) || damaged(fault, "its rule changes out of order");
}

bool tzif_read(struct tzif *ret, const void *bytes, size_t size, struct fault *fault)
{
    struct bytes rest = {bytes, size};
    struct header header;

    if (size > TZIF_BYTES_MOST)
        return damaged(fault, "it is too large");
    if (!read_header(&header, &rest) || !take(&rest, data_size(&header, 4)) ||
        !read_header(&header, &rest))
        return damaged(fault, "it has no header of version 2 or later");
    struct tzif tzif = {.spans = mem_array(struct tzif_span, header.times + 1 + RULE_SPANS)};

    if (!read_spans(&tzif, &rest, &header, fault)) {
        tzif_done(&tzif);
        return false;
    }
    *ret = tzif;
    return true;
}

struct tzif tzif_utc(void)
{
    struct tzif tzif = {.spans = mem_array(struct tzif_span, 1)};

    push(&tzif, INT64_MIN, 0);
    return tzif;
}

void tzif_done(struct tzif *tzif)
{
    free(tzif->spans);
    *tzif = (struct tzif){0};
}
