#include "common/cron_item.h"

#include "common/cron_fields.h"
#include "common/mem.h"
#include "common/uuid.h"

#include <ctype.h>
#include <stdarg.h>
#include <strings.h>

#define SATURDAY 6
#define RANDOM_DAY_MOST 28 /* of a range without an end: every month has that day */
#define SAID_MOST 24       /* bytes of the text that a fault repeats */

/* --- Refusing -------------------------------------------------------------------------------- */

bool cron_wrong(const struct cron_reader *reader, const char *at, const char *format, ...)
{
    int column = (int)(at - reader->text) + 1;
    char what[240];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (reader->field == CRON_FIELD_COUNT)
        return fault_set(reader->fault, FAULT_REJECTED, "column %d: %s", column, what);
    return fault_set(reader->fault, FAULT_REJECTED, "column %d, %s: %s", column,
                     cron_ranges[reader->field].name, what);
}

static const char *allowed(const struct cron_reader *reader)
{
    if (reader->dialect == CRON_QUARTZ && reader->field == CRON_WEEKDAY)
        return "1 to 7 (Sunday is 1) or SUN to SAT";
    return cron_ranges[reader->field].allowed;
}

/* How much of what stands there is repeated: up to the end of the item. */
static int said(const struct cron_reader *reader, const char *at)
{
    size_t length = strcspn(at, ",");

    if (length > (size_t)(reader->end - at))
        length = (size_t)(reader->end - at);
    return (int)(length < SAID_MOST ? length : SAID_MOST);
}

static bool not_within(const struct cron_reader *reader, const char *at)
{
    return cron_wrong(reader, at, "%.*s is not within %s", said(reader, at), at, allowed(reader));
}

static bool reversed(const struct cron_reader *reader)
{
    return cron_wrong(reader, reader->item_at,
                      "%.*s runs backwards: write a list of two ranges, such as 22-23,0-2",
                      said(reader, reader->item_at), reader->item_at);
}

/* --- Values ---------------------------------------------------------------------------------- */

struct value {
    int number; /* a weekday from 0, Sunday; 7 where it is Sunday at the end of the week */
    bool named;
};

/* -1 where there are more than any number that is allowed has. */
static int digits(const char **at)
{
    size_t length = strspn(*at, "0123456789");
    int number = 0;

    for (size_t i = 0; i < length && length <= 4; i++)
        number = number * 10 + ((*at)[i] - '0');
    *at += length;
    return length > 4 ? -1 : number;
}

/* Quartz counts weekdays from 1, all others from 0, with two numbers for Sunday. */
static bool read_number(struct cron_reader *reader, const char **at, struct value *ret)
{
    const struct cron_range *range = &cron_ranges[reader->field];
    bool weekday = reader->field == CRON_WEEKDAY;
    int below = weekday && reader->dialect == CRON_QUARTZ ? 1 : 0;
    const char *start = *at;
    int number = digits(at);

    if (number < range->least + below || number > range->most + (weekday ? 1 : 0))
        return not_within(reader, start);
    reader->by_number = reader->by_number || weekday;
    *ret = (struct value){number - below, false};
    return true;
}

static bool read_word(struct cron_reader *reader, const char **at, struct value *ret)
{
    const struct cron_range *range = &cron_ranges[reader->field];

    for (int i = range->least; range->words && i <= range->most; i++) {
        if (strncasecmp(*at, range->words[i], 3))
            continue;
        *at += 3;
        *ret = (struct value){i, true};
        return true;
    }
    return not_within(reader, *at);
}

static bool read_value(struct cron_reader *reader, const char **at, struct value *ret)
{
    if (isdigit((unsigned char)**at))
        return read_number(reader, at, ret);
    if (*at == reader->end || **at == ',')
        return cron_wrong(reader, *at, "a value is missing: %s", allowed(reader));
    return read_word(reader, at, ret);
}

/* What ends a range; SUN can end the week as well as begin it. */
static bool read_last_value(struct cron_reader *reader, const char **at, struct value first,
                            struct value *ret)
{
    if (!read_value(reader, at, ret))
        return false;
    if (reader->field == CRON_WEEKDAY && ret->named && !ret->number && first.number > 0)
        ret->number = 7;
    return ret->number >= first.number || reversed(reader);
}

/* The greatest value of A/S. The week ends with Saturday there, unless A itself is the 7. */
static int greatest(const struct cron_reader *reader, int first)
{
    int most = cron_ranges[reader->field].most;

    return first > most ? first : most;
}

static void add_range(struct cron_reader *reader, int first, int last, int step)
{
    for (int value = first; value <= last; value += step)
        cron_add(&reader->cron, reader->field, value);
}

/* After a slash, if there is one; a step as long as the field leaves its first value alone. */
static bool read_step(struct cron_reader *reader, const char **at, int *ret)
{
    const struct cron_range *range = &cron_ranges[reader->field];
    int most = range->most - range->least + 1;

    *ret = 1;
    if (**at != '/')
        return true;
    ++*at;
    const char *start = *at;
    int step = digits(at);

    if (step < 1 || step > most)
        return cron_wrong(reader, start, "a step must be 1 to %d", most);
    *ret = step;
    return true;
}

/* --- Items that begin with a sign ------------------------------------------------------------ */

static bool read_star(struct cron_reader *reader, const char **at)
{
    const struct cron_range *range = &cron_ranges[reader->field];
    int step;

    ++*at;
    if (!read_step(reader, at, &step))
        return false;
    if (reader->item == 0)
        reader->cron.open[reader->field] = true;
    add_range(reader, range->least, range->most, step);
    return true;
}

static bool read_unspecified(struct cron_reader *reader, const char **at)
{
    const struct cron_range *range = &cron_ranges[reader->field];

    if (reader->field != CRON_DAY && reader->field != CRON_WEEKDAY)
        return cron_wrong(reader, *at, "? is for the day of month or the day of week");
    if (reader->item > 0 || *at + 1 != reader->end)
        return cron_wrong(reader, *at, "? must stand alone");
    ++*at;
    reader->cron.open[reader->field] = reader->unspecified[reader->field] = true;
    add_range(reader, range->least, range->most, 1);
    return true;
}

/* L, L-3 and LW of the days of a month. */
static bool read_last_day(struct cron_reader *reader, const char **at)
{
    int before = 0;

    ++*at;
    if (toupper((unsigned char)**at) == 'W') {
        ++*at;
        reader->cron.last_workday = true;
        return true;
    }
    if (**at == '-') {
        const char *start = ++*at;

        before = digits(at);
        if (before < 1 || before > 30)
            return cron_wrong(reader, start, "the days before the last one must be 1 to 30");
    }
    reader->cron.before_last |= UINT32_C(1) << before;
    return true;
}

static bool read_last(struct cron_reader *reader, const char **at)
{
    if (reader->field == CRON_DAY)
        return read_last_day(reader, at);
    if (reader->field != CRON_WEEKDAY)
        return not_within(reader, *at);
    if (reader->dialect != CRON_QUARTZ)
        return cron_wrong(reader, *at, "L needs a day before it, such as FRIL");
    ++*at;
    cron_add(&reader->cron, CRON_WEEKDAY, SATURDAY);
    return true;
}

/* --- What can follow a value ----------------------------------------------------------------- */

static bool read_nearest(struct cron_reader *reader, const char **at, struct value first)
{
    ++*at;
    reader->cron.nearest |= UINT32_C(1) << first.number;
    return true;
}

static uint8_t weekday_bit(struct value weekday)
{
    return (uint8_t)(1u << (weekday.number % 7));
}

static bool read_last_weekday(struct cron_reader *reader, const char **at, struct value first)
{
    ++*at;
    reader->cron.last_weekdays |= weekday_bit(first);
    return true;
}

static bool read_nth_weekday(struct cron_reader *reader, const char **at, struct value first)
{
    const char *start = ++*at;
    int nth = digits(at);

    if (nth < 1 || nth > (int)COUNT(reader->cron.nth_weekdays))
        return cron_wrong(reader, start, "which one of the month must be 1 to 5, such as FRI#3");
    reader->cron.nth_weekdays[nth - 1] |= weekday_bit(first);
    return true;
}

static bool read_range(struct cron_reader *reader, const char **at, struct value first)
{
    struct value last;
    int step;

    ++*at;
    if (!read_last_value(reader, at, first, &last) || !read_step(reader, at, &step))
        return false;
    add_range(reader, first.number, last.number, step);
    return true;
}

/* 0/N of the hours is another way to write a star with a step. */
static bool read_open_step(struct cron_reader *reader, const char **at, struct value first)
{
    int step;

    if (!read_step(reader, at, &step))
        return false;
    if (reader->field == CRON_HOUR && !first.number && reader->item == 0)
        reader->cron.open[CRON_HOUR] = true;
    add_range(reader, first.number, greatest(reader, first.number), step);
    return true;
}

/* A number below `count` that is the same for the same name, field and item. */
static int derived(const struct cron_reader *reader, int count)
{
    char place[256 + 32];
    uint8_t bytes[DIGEST_SIZE];
    uint32_t number;

    snprintf(place, sizeof place, "%d %d %.256s", (int)reader->field, reader->item, reader->seed);
    digest(bytes, place, strlen(place));
    number = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
             (uint32_t)bytes[3];
    return (int)(number % (uint32_t)count);
}

static int random_most(const struct cron_reader *reader, int first)
{
    return reader->field == CRON_DAY && first <= RANDOM_DAY_MOST ? RANDOM_DAY_MOST
                                                                 : greatest(reader, first);
}

static bool read_random(struct cron_reader *reader, const char **at, struct value first)
{
    struct value last = {.number = random_most(reader, first.number)};

    ++*at;
    if (*at != reader->end && **at != ',' && !read_last_value(reader, at, first, &last))
        return false;
    cron_add(&reader->cron, reader->field,
             first.number + derived(reader, last.number - first.number + 1));
    return true;
}

static const struct {
    char sign;
    enum cron_field field; /* CRON_FIELD_COUNT: every one */
    bool (*read)(struct cron_reader *reader, const char **at, struct value first);
} suffixes[] = {
    {'W', CRON_DAY, read_nearest},           {'L', CRON_WEEKDAY, read_last_weekday},
    {'#', CRON_WEEKDAY, read_nth_weekday},   {'-', CRON_FIELD_COUNT, read_range},
    {'/', CRON_FIELD_COUNT, read_open_step}, {'~', CRON_FIELD_COUNT, read_random},
};

static bool read_values(struct cron_reader *reader, const char **at)
{
    struct value first;

    if (!read_value(reader, at, &first))
        return false;
    for (size_t i = 0; i < COUNT(suffixes); i++)
        if (toupper((unsigned char)**at) == suffixes[i].sign &&
            (suffixes[i].field == CRON_FIELD_COUNT || suffixes[i].field == reader->field))
            return suffixes[i].read(reader, at, first);
    cron_add(&reader->cron, reader->field, first.number);
    return true;
}

static bool read_item(struct cron_reader *reader, const char **at)
{
    reader->item_at = *at;
    switch (**at) {
    case '*':
        return read_star(reader, at);
    case '?':
        return read_unspecified(reader, at);
    case 'L':
    case 'l':
        return read_last(reader, at);
    case '~':
        return read_random(reader, at, (struct value){cron_ranges[reader->field].least, false});
    default:
        return read_values(reader, at);
    }
}

bool cron_read_field(struct cron_reader *reader, enum cron_field field, const char *at,
                     const char *end)
{
    reader->field = field;
    reader->end = end;
    for (reader->item = 0;; reader->item++, at++) {
        if (!read_item(reader, &at))
            return false;
        if (at == end)
            return true;
        if (*at != ',')
            return cron_wrong(reader, at, "%.*s cannot stand here", said(reader, at), at);
    }
}
