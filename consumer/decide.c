#include "consumer/decide.h"

#include "common/mem.h"

static const char *const skips[SKIP_COUNT] = {
    [SKIP_NOT] = "run",
    [SKIP_OVERLAP] = "overlap",
    [SKIP_MISFIRE] = "misfire",
    [SKIP_PAUSED] = "paused",
    [SKIP_EXCLUDED] = "excluded",
    [SKIP_COALESCED] = "coalesced",
    [SKIP_START_DEADLINE] = "start_deadline",
    [SKIP_BUFFERED] = "buffered",
};

const char *skip_name(enum skip skip)
{
    return skips[skip];
}

bool skip_read(enum skip *ret, const char *name)
{
    for (int i = 0; i < SKIP_COUNT; i++)
        if (!strcmp(skips[i], name)) {
            *ret = (enum skip)i;
            return true;
        }
    return false;
}

/* A step that is being taken. */
struct walk {
    struct decide_step *step;
    const struct decide_row *row;
    const struct spec *spec;
    const struct policy *policy;
    int64_t now_us;
    int *budget;
    bool busy;
    int kept;
    struct spec_fire fire; /* the one to be decided */
    bool any;              /* there is one */
};

/* What a fire leads to. */
enum verdict {
    VERDICT_DECIDED, /* go on with the one after it */
    VERDICT_STOP,    /* look again at step.look_us */
};

static bool has_room(const struct walk *walk)
{
    return *walk->budget > 0 && walk->step->count < DECIDE_ENTRIES_MOST;
}

static bool next_after(const struct walk *walk, int64_t after_us, struct spec_fire *ret)
{
    --*walk->budget;
    return spec_next(walk->spec, after_us, ret) && ret->at_us < walk->row->until_us;
}

static void go_on(struct walk *walk)
{
    walk->step->decided_us = walk->fire.at_us;
    walk->any = next_after(walk, walk->fire.at_us, &walk->fire);
}

static struct decide_entry *add(struct walk *walk, enum skip skip)
{
    struct decide_entry *entry = &walk->step->entries[walk->step->count++];

    *entry = (struct decide_entry){.skip = skip,
                                   .fire_us = walk->fire.at_us,
                                   .last_us = walk->fire.at_us,
                                   .count = 1,
                                   .after_us = walk->step->decided_us};
    return entry;
}

/* Fires skipped in a row for one reason are one row, also across steps. */
static void skip(struct walk *walk, enum skip reason)
{
    struct decide_step *step = walk->step;
    struct decide_entry *last = step->count ? &step->entries[step->count - 1] : NULL;

    if (last && last->skip == reason && reason != SKIP_BUFFERED) {
        last->last_us = walk->fire.at_us;
        last->count++;
    } else {
        struct decide_entry *entry = add(walk, reason);

        if (!last && walk->row->row_skip == reason && reason != SKIP_BUFFERED) {
            entry->fire_us = walk->row->row_us;
            entry->grows = true;
        }
    }
    go_on(walk);
}

static void run(struct walk *walk)
{
    struct decide_entry *entry = add(walk, SKIP_NOT);

    entry->due_us = spec_due_us(walk->spec, entry->fire_us);
    entry->missed = walk->step->missed;
    walk->step->missed = 0;
    walk->step->runs++;
    walk->busy = true;
    go_on(walk);
}

/* The oldest fire that was kept back goes, as soon as nothing is in its way. */
static void let_go(struct walk *walk)
{
    struct decide_step *step = walk->step;
    int64_t fire_us = walk->row->first_kept_us;

    step->entries[step->count++] = (struct decide_entry){.fire_us = fire_us,
                                                         .last_us = fire_us,
                                                         .count = 1,
                                                         .after_us = fire_us - 1,
                                                         .grows = true,
                                                         .due_us = walk->now_us};
    step->let_go = true;
    step->runs++;
    walk->kept--;
    walk->busy = true;
}

static enum verdict look_at(struct walk *walk, int64_t look_us)
{
    walk->step->look_us = look_us;
    return VERDICT_STOP;
}

/* A fire that is due and not the last one that is, excluded ones apart. */
static bool is_followed(struct walk *walk)
{
    struct spec_fire next = walk->fire;

    while (*walk->budget > 0 && next_after(walk, next.at_us, &next) && next.at_us <= walk->now_us)
        if (!next.excluded)
            return true;
    return false;
}

static void keep(struct walk *walk)
{
    walk->step->keep_us = walk->fire.at_us;
    walk->kept++;
    skip(walk, SKIP_BUFFERED);
}

/* The run before has not ended. Judged at the fire itself, and not before. */
static enum verdict overlap(struct walk *walk)
{
    enum overlap policy = walk->policy->overlap;
    int most = policy == OVERLAP_BUFFER_ALL ? POLICY_KEPT_MOST : 1;

    if (walk->fire.at_us > walk->now_us)
        return look_at(walk, walk->fire.at_us);
    /* What is deleted lets nothing go any more. */
    bool keeps = policy != OVERLAP_SKIP && !walk->row->deleted && walk->kept < most;

    /* One a step: the row has room for one more in each statement. */
    if (keeps && walk->step->keep_us != DECIDE_NEVER)
        return look_at(walk, walk->now_us);
    if (keeps)
        keep(walk);
    else
        skip(walk, SKIP_OVERLAP);
    return VERDICT_DECIDED;
}

static enum verdict decide_due(struct walk *walk)
{
    const struct policy *policy = walk->policy;
    int64_t late_us = walk->now_us - walk->fire.at_us;
    /* One that was looked at in time, and judged at its instant, is not late. */
    int64_t most_us = policy->catch_up_ms * 1000 + DECIDE_AHEAD_US;
    int64_t grace_us = policy->grace_ms * 1000 + DECIDE_AHEAD_US;
    int64_t deadline_us = walk->row->start_deadline_ms * 1000;

    if (late_us > most_us || (policy->misfire == MISFIRE_SKIP && late_us > grace_us)) {
        skip(walk, SKIP_MISFIRE);
        return VERDICT_DECIDED;
    }
    if (policy->misfire == MISFIRE_FIRE_ONCE && late_us > 0 && is_followed(walk)) {
        walk->step->missed++;
        skip(walk, SKIP_COALESCED);
        return VERDICT_DECIDED;
    }
    /* Its run would be past its start_deadline before it is a task. */
    if (deadline_us && walk->now_us > spec_due_us(walk->spec, walk->fire.at_us) + deadline_us) {
        skip(walk, SKIP_START_DEADLINE);
        return VERDICT_DECIDED;
    }
    if (policy->overlap != OVERLAP_ALLOW_ALL && (walk->busy || walk->kept))
        return overlap(walk);
    run(walk);
    return VERDICT_DECIDED;
}

static enum verdict decide_fire(struct walk *walk)
{
    const struct decide_row *row = walk->row;
    int64_t most = spec_max_runs(walk->spec);

    if (row->paused && row->until_us == DECIDE_NEVER)
        return look_at(walk, row->resume_us);
    if (row->paused && !row->catch_up) {
        skip(walk, SKIP_PAUSED);
        return VERDICT_DECIDED;
    }
    if (most && walk->step->runs + walk->kept >= most) {
        walk->any = false;
        return VERDICT_STOP;
    }
    if (walk->fire.at_us > walk->now_us + DECIDE_AHEAD_US)
        return look_at(walk, walk->fire.at_us - DECIDE_AHEAD_US);
    if (!walk->fire.excluded)
        return decide_due(walk);
    if (walk->fire.at_us > walk->now_us)
        return look_at(walk, walk->fire.at_us);
    skip(walk, SKIP_EXCLUDED);
    return VERDICT_DECIDED;
}

static void find_first(struct walk *walk)
{
    const struct decide_row *row = walk->row;
    int64_t after_us = row->decided_us > row->from_us - 1 ? row->decided_us : row->from_us - 1;

    walk->any = next_after(walk, after_us, &walk->fire);
}

/* No fire is left of this definition. */
static void end_walk(struct walk *walk)
{
    struct decide_step *step = walk->step;
    bool closed = walk->row->until_us != DECIDE_NEVER;

    step->next_us = DECIDE_NEVER;
    step->done = closed;
    step->ended = !closed;
    if (closed)
        step->look_us = walk->row->deleted && walk->row->latest ? DECIDE_NEVER : walk->now_us;
    else
        step->look_us = walk->row->paused ? walk->row->resume_us : DECIDE_NEVER;
}

void decide(struct decide_step *ret, const struct decide_row *row, const struct spec *spec,
            const struct policy *policy, int64_t now_us, int *budget)
{
    struct walk walk = {.step = ret,
                        .row = row,
                        .spec = spec,
                        .policy = policy,
                        .now_us = now_us,
                        .budget = budget,
                        .busy = row->busy,
                        .kept = row->kept};
    enum verdict verdict = VERDICT_DECIDED;

    *ret = (struct decide_step){.look_us = now_us,
                                .decided_us = row->decided_us,
                                .runs = row->runs,
                                .missed = row->missed,
                                .keep_us = DECIDE_NEVER};
    if (row->paused && row->until_us == DECIDE_NEVER && row->resume_us <= now_us) {
        ret->resume = true;
        return;
    }
    if (walk.kept && !walk.busy && !(row->paused && row->until_us == DECIDE_NEVER))
        let_go(&walk);
    find_first(&walk);
    while (walk.any && verdict == VERDICT_DECIDED && has_room(&walk))
        verdict = decide_fire(&walk);
    ret->cancel_last = walk.kept && row->busy && policy->overlap == OVERLAP_CANCEL_OTHER;
    if (walk.any)
        ret->next_us = walk.fire.at_us;
    else
        end_walk(&walk);
    if (walk.kept && !row->paused && ret->look_us > now_us + DECIDE_KEPT_US)
        ret->look_us = now_us + DECIDE_KEPT_US;
}
