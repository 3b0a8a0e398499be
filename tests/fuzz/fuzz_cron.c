/*
 * An expression that is taken has fires on both sides that agree with each other, a sentence, and
 * one form that means the same; a refused one is told where.
 */
#include "common/cron.h"
#include "common/instant.h"
#include "tests/fuzz/fuzz.h"

#define FIRES 3

static const struct zone *berlin(void)
{
    static struct zone *zone;
    struct fault fault;

    if (!zone && !zone_open(&zone, "Europe/Berlin", &fault))
        abort();
    return zone;
}

/* Of the other one, from the same instant, the same. */
static void check_same(const struct cron *one, const struct cron *other, const struct cron_dst *dst)
{
    int64_t at_us = INT64_C(1774657800000000); /* 2026-03-28, a day before the clock is changed */
    struct cron_fire fire, again, back;

    for (int i = 0; i < FIRES; i++) {
        bool any = cron_next(one, berlin(), dst, at_us, &fire);

        assert(any == cron_next(other, berlin(), dst, at_us, &again));
        if (!any)
            return;
        assert(fire.at_us == again.at_us && fire.touched == again.touched);
        assert(fire.at_us > at_us && fire.at_us <= INSTANT_MOST_US && fire.at_us % 1000000 == 0);
        assert(cron_previous(one, berlin(), dst, fire.at_us + 1, &back));
        assert(back.at_us == fire.at_us);
        assert(!cron_previous(one, berlin(), dst, fire.at_us, &back) || back.at_us <= at_us);
        at_us = fire.at_us;
    }
}

static void check_fires(const struct cron *one, const struct cron *other)
{
    for (int gap = 0; gap < CRON_GAP_COUNT; gap++)
        check_same(one, other, &(struct cron_dst){(enum cron_gap)gap, (enum cron_overlap)gap});
}

static void check(const struct cron *cron)
{
    const struct cron_warning *warnings[CRON_WARNINGS_MOST];
    char canonical[CRON_CANONICAL], sentence[CRON_SENTENCE];
    struct cron again;
    struct fault fault;

    assert(cron_warnings(warnings, cron) <= CRON_WARNINGS_MOST);
    fuzz_check_text(cron_sentence(sentence, cron));
    fuzz_check_text(cron_canonical(canonical, cron));
    if (cron->kind == CRON_EVERY) {
        assert(cron->every_ms >= CRON_EVERY_LEAST_MS && cron->every_ms <= CRON_EVERY_MOST_MS);
        return;
    }
    if (strlen(canonical) > CRON_TEXT_MOST)
        return;
    assert(cron_read(&again, canonical, CRON_ROTA, "", &fault));
    check_fires(cron, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    SCOPED(scoped_text) char *text = fuzz_text(bytes, size);

    for (int dialect = 0; dialect < CRON_DIALECT_COUNT; dialect++) {
        struct fault fault;
        struct cron cron;

        if (cron_read(&cron, text, (enum cron_dialect)dialect, "name", &fault)) {
            check(&cron);
            continue;
        }
        fuzz_check_fault(&fault);
        assert(!strncmp(fault.text, "column ", 7));
    }
    return 0;
}
