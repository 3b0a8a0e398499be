#include "common/cron.h"

#include "common/cron_fields.h"
#include "common/instant.h"

/* Fields where it matters whether the first item is a star. */
static bool star_counts(enum cron_field field)
{
    return field == CRON_HOUR || field == CRON_DAY || field == CRON_WEEKDAY;
}

static void put_value(struct cron_out *out, enum cron_field field, int value)
{
    const struct cron_range *range = &cron_ranges[field];

    if (range->words)
        cron_put(out, "%s", range->words[value]);
    else
        cron_put(out, "%d", value);
}

static void put_range(struct cron_out *out, enum cron_field field, int first, int last)
{
    put_value(out, field, first);
    if (last == first)
        return;
    cron_put(out, last == first + 1 ? "," : "-");
    put_value(out, field, last);
}

/* A comma before everything but the first item. */
struct list {
    struct cron_out *out;
    int count;
};

static struct cron_out *next(struct list *list)
{
    if (list->count++)
        cron_put(list->out, ",");
    return list->out;
}

static void put_runs(struct list *list, const struct cron *cron, enum cron_field field)
{
    int most = cron_ranges[field].most;

    for (int first = cron_ranges[field].least, last; first <= most; first = last + 1) {
        last = first;
        if (!cron_has(cron, field, first))
            continue;
        while (last < most && cron_has(cron, field, last + 1))
            last++;
        put_range(next(list), field, first, last);
    }
}

/* Every value, every Nth, or a list that begins with a star that adds nothing to it. */
static bool put_open(struct list *list, const struct cron *cron, enum cron_field field,
                     const struct cron_shape *shape)
{
    const struct cron_range *range = &cron_ranges[field];

    if (shape->full) {
        cron_put(next(list), "*");
        return true;
    }
    if (shape->step && shape->first == range->least && shape->last + shape->step > range->most) {
        cron_put(next(list), "*/%d", shape->step);
        return true;
    }
    if (cron->open[field] && star_counts(field))
        cron_put(next(list), "*/%d", range->most - range->least + 1);
    return cron->open[field] && star_counts(field) && shape->count == 1;
}

static void put_set(struct list *list, const struct cron *cron, enum cron_field field)
{
    struct cron_shape shape = cron_shape(cron, field);
    bool star = star_counts(field) ? cron->open[field] : shape.full || shape.count > 2;

    if (star && put_open(list, cron, field, &shape))
        return;
    if (shape.step < 2 || shape.count < 3) {
        put_runs(list, cron, field);
        return;
    }
    put_range(next(list), field, shape.first, shape.last);
    cron_put(list->out, "/%d", shape.step);
}

static void put_month_days(struct list *list, const struct cron *cron)
{
    for (int n = 0; n <= 30; n++) {
        if (!(cron->before_last >> n & 1))
            continue;
        cron_put(next(list), "L");
        if (n)
            cron_put(list->out, "-%d", n);
    }
    for (int n = 1; n <= 31; n++)
        if (cron->nearest >> n & 1)
            cron_put(next(list), "%dW", n);
    if (cron->last_workday)
        cron_put(next(list), "LW");
}

static void put_month_weekdays(struct list *list, const struct cron *cron)
{
    const char *const *names = cron_ranges[CRON_WEEKDAY].words;

    for (int day = 0; day < 7; day++) {
        for (int nth = 0; nth < 5; nth++)
            if (cron->nth_weekdays[nth] >> day & 1)
                cron_put(next(list), "%s#%d", names[day], nth + 1);
        if (cron->last_weekdays >> day & 1)
            cron_put(next(list), "%sL", names[day]);
    }
}

static void put_field(struct cron_out *out, const struct cron *cron, enum cron_field field)
{
    struct list list = {.out = out};

    put_set(&list, cron, field);
    if (field == CRON_DAY)
        put_month_days(&list, cron);
    if (field == CRON_WEEKDAY)
        put_month_weekdays(&list, cron);
}

char *cron_canonical(char text[static CRON_CANONICAL], const struct cron *cron)
{
    struct cron_out out = {.text = text, .room = CRON_CANONICAL};
    char duration[INSTANT_TEXT];

    *text = '\0';
    if (cron->kind == CRON_EVERY) {
        cron_put(&out, "@every %s", duration_write(duration, cron->every_ms));
        return text;
    }
    for (int field = 0; field < CRON_FIELD_COUNT; field++) {
        if (field > 0)
            cron_put(&out, " ");
        put_field(&out, cron, (enum cron_field)field);
    }
    return text;
}
