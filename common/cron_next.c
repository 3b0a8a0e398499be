#include "common/cron.h"

#include "common/cron_fields.h"
#include "common/instant.h"

#include <assert.h>

#define US 1000000
#define LAST_S (INSTANT_MOST_US / US)
#define EDGE_S (2 * CIVIL_DAY_S) /* more than any offset */

/* What is asked; the zone is gone through span by span. */
struct walk {
    const struct cron *cron;
    const struct zone *zone;
    struct cron_dst dst;
};

/* Whether it means a time of day, which a change of the clock can leave out or repeat. */
static bool is_fixed(const struct cron *cron)
{
    return !cron->open[CRON_HOUR];
}

/* Whether the clock shows it again in the span before or after this one. */
static bool is_repeated(const struct zone_span *span, int64_t local_s)
{
    bool before = span->before_s > span->offset_s && local_s < span->from_s + span->before_s;
    bool after = span->after_s < span->offset_s && local_s >= span->to_s + span->after_s;

    return before || after;
}

struct window {
    int64_t first_s, last_s; /* local */
};

/* The local times of a span, without those that belong to its neighbour by the policy. */
static struct window window_of(const struct walk *walk, const struct zone_span *span)
{
    int64_t from_s = span->from_s < -EDGE_S ? -EDGE_S : span->from_s;
    int64_t to_s = span->to_s > LAST_S + EDGE_S ? LAST_S + EDGE_S : span->to_s;
    int first_s = span->offset_s, last_s = first_s;
    bool fixed = is_fixed(walk->cron);

    if (fixed && walk->dst.overlap == CRON_OVERLAP_FIRST && span->before_s > first_s)
        first_s = span->before_s;
    if (fixed && walk->dst.overlap == CRON_OVERLAP_SECOND && span->after_s < last_s)
        last_s = span->after_s;
    return (struct window){from_s + first_s, to_s - 1 + last_s};
}

static bool seek_within(const struct cron *cron, const struct window *window, bool forward,
                        struct civil *ret)
{
    struct civil first, last;

    if (window->first_s > window->last_s)
        return false;
    first = civil_of(window->first_s);
    last = civil_of(window->last_s);
    *ret = forward ? first : last;
    if (!cron_seek(cron, ret, forward ? &last : &first, forward))
        return false;
    int64_t local_s = civil_seconds(ret);

    return local_s >= window->first_s && local_s <= window->last_s;
}

/* A time that the clock shows: the first one at `from_s` or later, or the last one up to it. */
static bool shown(const struct walk *walk, const struct zone_span *span, int64_t from_s,
                  bool forward, struct cron_fire *ret)
{
    struct window window = window_of(walk, span);
    int64_t local_s = from_s + span->offset_s;
    struct civil found;

    if (forward && local_s > window.first_s)
        window.first_s = local_s;
    if (!forward && local_s < window.last_s)
        window.last_s = local_s;
    if (!seek_within(walk->cron, &window, forward, &found))
        return false;
    local_s = civil_seconds(&found);
    *ret = (struct cron_fire){
        .at_us = (local_s - span->offset_s) * US,
        .nominal = found,
        .touched = is_repeated(span, local_s) ? CRON_TOUCHED_OVERLAP : CRON_TOUCHED_NONE,
    };
    return true;
}

/* Times that the clock left out when it was put forward at `change_s`; they fire once, at `at_s`.
 */
static bool left_out(const struct walk *walk, int64_t change_s, int before_s, int after_s,
                     int64_t at_s, struct cron_fire *ret)
{
    struct civil found;

    if (!is_fixed(walk->cron) || before_s >= after_s)
        return false;
    if (!seek_within(walk->cron, &(struct window){change_s + before_s, change_s + after_s - 1},
                     true, &found))
        return false;
    *ret = (struct cron_fire){at_s * US, found, CRON_TOUCHED_GAP};
    return true;
}

/* What the span's beginning makes up for. */
static bool after_gap(const struct walk *walk, const struct zone_span *span, struct cron_fire *ret)
{
    return walk->dst.gap == CRON_GAP_RUN_AFTER &&
           left_out(walk, span->from_s, span->before_s, span->offset_s, span->from_s, ret);
}

/* What the span's last second does ahead of time. */
static bool before_gap(const struct walk *walk, const struct zone_span *span, struct cron_fire *ret)
{
    return walk->dst.gap == CRON_GAP_RUN_BEFORE &&
           left_out(walk, span->to_s, span->offset_s, span->after_s, span->to_s - 1, ret);
}

/* A fire beside a gap stands for one that is due in the same second as well. */
static bool next_in(const struct walk *walk, const struct zone_span *span, int64_t from_s,
                    struct cron_fire *ret)
{
    if (from_s == span->from_s && after_gap(walk, span, ret))
        return true;
    bool any = shown(walk, span, from_s, true, ret);

    if (any && ret->at_us / US < span->to_s - 1)
        return true;
    return before_gap(walk, span, ret) || any;
}

static bool previous_in(const struct walk *walk, const struct zone_span *span, int64_t last_s,
                        struct cron_fire *ret)
{
    if (last_s == span->to_s - 1 && before_gap(walk, span, ret))
        return true;
    bool any = shown(walk, span, last_s, false, ret);

    if (any && ret->at_us / US > span->from_s)
        return true;
    return after_gap(walk, span, ret) || any;
}

static int64_t floor_s(int64_t us)
{
    return us / US - (us % US < 0);
}

static bool is_within(const struct cron_fire *fire)
{
    return fire->at_us >= INSTANT_LEAST_US && fire->at_us <= INSTANT_MOST_US;
}

bool cron_next(const struct cron *cron, const struct zone *zone, const struct cron_dst *dst,
               int64_t after_us, struct cron_fire *ret)
{
    struct walk walk = {cron, zone, *dst};
    int64_t from_s = after_us < 0 ? 0 : floor_s(after_us) + 1;
    struct cron_fire fire;

    assert(cron->kind == CRON_CALENDAR);
    while (from_s <= LAST_S) {
        struct zone_span span = zone_span_at(zone, from_s);

        if (next_in(&walk, &span, from_s, &fire)) {
            if (is_within(&fire))
                *ret = fire;
            return is_within(&fire);
        }
        from_s = span.to_s;
    }
    return false;
}

bool cron_previous(const struct cron *cron, const struct zone *zone, const struct cron_dst *dst,
                   int64_t before_us, struct cron_fire *ret)
{
    struct walk walk = {cron, zone, *dst};
    int64_t last_s = before_us > INSTANT_MOST_US ? LAST_S
                     : before_us > 0             ? floor_s(before_us - 1)
                                                 : -1;
    struct cron_fire fire;

    assert(cron->kind == CRON_CALENDAR);
    while (last_s >= 0) {
        struct zone_span span = zone_span_at(zone, last_s);

        if (previous_in(&walk, &span, last_s, &fire)) {
            if (is_within(&fire))
                *ret = fire;
            return is_within(&fire);
        }
        if (span.from_s <= 0)
            return false;
        last_s = span.from_s - 1;
    }
    return false;
}
