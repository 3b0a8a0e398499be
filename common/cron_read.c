#include "common/cron.h"

#include "common/cron_fields.h"
#include "common/cron_item.h"
#include "common/instant.h"
#include "common/mem.h"

#include <strings.h>

#define FIELDS_MOST 7
#define SAID_MOST 24 /* bytes of the text that a fault repeats */
#define BLANKS " \t"

struct slice {
    const char *at, *end;
};

/* --- Fields ---------------------------------------------------------------------------------- */

struct layout {
    unsigned dialects; /* bits */
    int count;
    enum cron_field order[FIELDS_MOST];
};

static const struct layout layouts[] = {
    {1 << CRON_ROTA | 1 << CRON_VIXIE | 1 << CRON_GDTS,
     5,
     {CRON_MINUTE, CRON_HOUR, CRON_DAY, CRON_MONTH, CRON_WEEKDAY}},
    {1 << CRON_ROTA | 1 << CRON_QUARTZ,
     6,
     {CRON_SECOND, CRON_MINUTE, CRON_HOUR, CRON_DAY, CRON_MONTH, CRON_WEEKDAY}},
    {1 << CRON_GDTS, 6, {CRON_MINUTE, CRON_HOUR, CRON_DAY, CRON_MONTH, CRON_WEEKDAY, CRON_YEAR}},
    {1 << CRON_ROTA | 1 << CRON_QUARTZ | 1 << CRON_GDTS,
     7,
     {CRON_SECOND, CRON_MINUTE, CRON_HOUR, CRON_DAY, CRON_MONTH, CRON_WEEKDAY, CRON_YEAR}},
};

static const struct {
    int most;
    const char *text;
} counts[CRON_DIALECT_COUNT] = {[CRON_ROTA] = {7, "5, 6 or 7"},
                                [CRON_VIXIE] = {5, "5"},
                                [CRON_QUARTZ] = {7, "6 or 7"},
                                [CRON_GDTS] = {7, "5, 6 or 7"}};

/* One more than there can be, where there are more. */
static int split(const char *at, struct slice slices[static FIELDS_MOST + 1])
{
    int count = 0;

    for (at += strspn(at, BLANKS); *at && count <= FIELDS_MOST; at += strspn(at, BLANKS)) {
        size_t length = strcspn(at, BLANKS);

        slices[count++] = (struct slice){at, at + length};
        at += length;
    }
    return count;
}

static const struct layout *layout_of(enum cron_dialect dialect, int count)
{
    for (size_t i = 0; i < COUNT(layouts); i++)
        if (layouts[i].count == count && layouts[i].dialects >> dialect & 1)
            return &layouts[i];
    return NULL;
}

static bool wrong_count(const struct cron_reader *reader, const struct slice *slices, int count)
{
    int most = counts[reader->dialect].most;

    return cron_wrong(reader, count > most ? slices[most].at : slices[count - 1].end,
                      "the dialect %s takes %s fields, not %d%s",
                      cron_dialect_name(reader->dialect), counts[reader->dialect].text, count,
                      count > FIELDS_MOST ? " or more" : "");
}

/* Second 0 of every year, where the layout has none. */
static void fill(struct cron *cron)
{
    if (!cron_count(cron, CRON_SECOND))
        cron_add(cron, CRON_SECOND, 0);
    if (cron_count(cron, CRON_YEAR))
        return;
    for (int year = CRON_YEAR_LEAST; year <= CRON_YEAR_MOST; year++)
        cron_add(cron, CRON_YEAR, year);
}

static bool check_days(struct cron_reader *reader, const struct slice *day)
{
    reader->field = CRON_DAY;
    if (reader->dialect != CRON_QUARTZ ||
        reader->unspecified[CRON_DAY] != reader->unspecified[CRON_WEEKDAY])
        return true;
    return cron_wrong(reader, day->at,
                      "the dialect quartz wants ? in exactly one of day of month and day of week");
}

static bool check_ever(struct cron_reader *reader, const struct slice *day)
{
    const struct civil last = {CRON_YEAR_MOST, 12, 31, 23, 59, 59};
    struct civil at = {CRON_YEAR_LEAST, 1, 1, 0, 0, 0};

    return cron_seek(&reader->cron, &at, &last, true) ||
           cron_wrong(reader, day->at, "never fires: no day of the years 1970 to 2199 fits");
}

static void warn(struct cron_reader *reader, int count)
{
    struct cron *cron = &reader->cron;

    if (count == 6)
        cron->warnings |= 1u << CRON_WARN_SIX_FIELDS;
    if (count > 5 && reader->by_number)
        cron->warnings |= 1u << CRON_WARN_WEEKDAY_NUMBERS;
    if (!cron->open[CRON_DAY] && !cron->open[CRON_WEEKDAY])
        cron->warnings |= 1u << CRON_WARN_EITHER_DAY;
}

static bool read_fields(struct cron_reader *reader, const char *at)
{
    struct slice slices[FIELDS_MOST + 1];
    int count = split(at, slices), day = 0;
    const struct layout *layout = layout_of(reader->dialect, count);

    if (!layout)
        return wrong_count(reader, slices, count);
    for (int i = 0; i < count; i++) {
        if (layout->order[i] == CRON_DAY)
            day = i;
        if (!cron_read_field(reader, layout->order[i], slices[i].at, slices[i].end))
            return false;
    }
    fill(&reader->cron);
    warn(reader, count);
    return check_days(reader, &slices[day]) && check_ever(reader, &slices[day]);
}

/* --- Macros ---------------------------------------------------------------------------------- */

static const struct {
    const char *name, *fields; /* seven, in the dialect rota */
} macros[] = {
    {"@yearly", "0 0 0 1 1 * *"},   {"@annually", "0 0 0 1 1 * *"}, {"@monthly", "0 0 0 1 * * *"},
    {"@weekly", "0 0 0 * * SUN *"}, {"@daily", "0 0 0 * * * *"},    {"@midnight", "0 0 0 * * * *"},
    {"@hourly", "0 0 * * * * *"},   {"@minutely", "0 * * * * * *"},
};

static const struct {
    const char *name, *instead;
} foreign[] = {
    {"@reboot", "a cluster has no boot to wait for"},
    {"@at", "instants are given to a schedule itself, as its at"},
    {"@manually", "a schedule that is only triggered needs no expression"},
};

static bool is_word(const char *at, size_t length, const char *word)
{
    return strlen(word) == length && !strncasecmp(at, word, length);
}

static bool read_every(struct cron_reader *reader, const char *at)
{
    size_t length = strcspn(at, BLANKS);
    const char *rest = at + length + strspn(at + length, BLANKS);
    char text[INSTANT_TEXT];
    struct fault fault;
    int64_t ms;

    if (!length)
        return cron_wrong(reader, at, "@every needs a duration, such as @every 1h30m");
    if (*rest)
        return cron_wrong(reader, rest, "nothing may follow the duration of @every");
    if (length >= sizeof text)
        return cron_wrong(reader, at, "the duration is too long");
    memcpy(text, at, length);
    text[length] = '\0';
    if (!duration_read_setting(&ms, text, &fault))
        return cron_wrong(reader, at, "%s", fault.text);
    if (ms < CRON_EVERY_LEAST_MS || ms > CRON_EVERY_MOST_MS)
        return cron_wrong(reader, at, "the duration must be 1s to 36500d");
    reader->cron.kind = CRON_EVERY;
    reader->cron.every_ms = ms;
    return true;
}

static bool expand(struct cron_reader *reader, const char *fields)
{
    struct cron_reader whole = *reader;

    whole.text = fields;
    whole.dialect = CRON_ROTA;
    if (!read_fields(&whole, fields))
        return false;
    reader->cron = whole.cron;
    return true;
}

static bool read_macro(struct cron_reader *reader, const char *at)
{
    size_t length = strcspn(at, BLANKS);
    const char *rest = at + length + strspn(at + length, BLANKS);

    if (is_word(at, length, "@every"))
        return read_every(reader, rest);
    for (size_t i = 0; i < COUNT(foreign); i++)
        if (is_word(at, length, foreign[i].name))
            return cron_wrong(reader, at, "%s is not taken: %s", foreign[i].name,
                              foreign[i].instead);
    for (size_t i = 0; i < COUNT(macros); i++) {
        if (!is_word(at, length, macros[i].name))
            continue;
        return *rest ? cron_wrong(reader, rest, "nothing may follow %s", macros[i].name)
                     : expand(reader, macros[i].fields);
    }
    return cron_wrong(reader, at,
                      "%.*s is not one of @yearly @annually @monthly @weekly @daily @midnight "
                      "@hourly @minutely @every",
                      (int)(length < SAID_MOST ? length : SAID_MOST), at);
}

/* --- The whole ------------------------------------------------------------------------------- */

/* What a fault repeats must be text that can be shown. */
static bool check_text(const struct cron_reader *reader)
{
    size_t length = strnlen(reader->text, CRON_TEXT_MOST + 1);

    if (length > CRON_TEXT_MOST)
        return cron_wrong(reader, reader->text + CRON_TEXT_MOST, "longer than %d bytes",
                          CRON_TEXT_MOST);
    for (const char *at = reader->text; *at; at++)
        if (*at != '\t' && (*at < ' ' || *at > '~'))
            return cron_wrong(reader, at, "only printable ASCII, blanks and tabs can stand here");
    return true;
}

static bool read_zone(struct cron_reader *reader, const char **at)
{
    size_t length = strcspn(*at, BLANKS);

    if (!length || length >= sizeof reader->cron.zone)
        return cron_wrong(reader, *at, "a time zone must stand here, at most %zu bytes",
                          sizeof reader->cron.zone - 1);
    memcpy(reader->cron.zone, *at, length);
    *at += length;
    *at += strspn(*at, BLANKS);
    return true;
}

static bool read_prefix(struct cron_reader *reader, const char **at)
{
    static const char *const prefixes[] = {"CRON_TZ=", "TZ="};

    for (size_t i = 0; i < COUNT(prefixes); i++) {
        size_t length = strlen(prefixes[i]);

        if (strncmp(*at, prefixes[i], length))
            continue;
        *at += length;
        return read_zone(reader, at);
    }
    return true;
}

bool cron_read(struct cron *ret, const char *text, enum cron_dialect dialect, const char *seed,
               struct fault *fault)
{
    struct cron_reader reader = {.text = text,
                                 .seed = seed ? seed : "",
                                 .dialect = dialect,
                                 .field = CRON_FIELD_COUNT,
                                 .cron = {.dialect = dialect},
                                 .fault = fault};
    const char *at = text;

    if (!check_text(&reader))
        return false;
    at += strspn(at, BLANKS);
    if (!read_prefix(&reader, &at))
        return false;
    if (!*at)
        return cron_wrong(&reader, at, "an expression is missing, such as 30 2 * * MON-FRI");
    if (!(*at == '@' ? read_macro(&reader, at) : read_fields(&reader, at)))
        return false;
    *ret = reader.cron;
    return true;
}
