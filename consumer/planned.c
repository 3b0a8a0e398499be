#include "consumer/planned.h"

#include "common/mem.h"

static const char *const statuses[PLANNED_STATUS_COUNT] = {
    [PLANNED_ACTIVE] = "active", [PLANNED_PAUSED] = "paused", [PLANNED_ENDED] = "ended"};

enum look_column {
    NOW,
    COMING_AT,
    ID,
    NAME,
    SEQ,
    STATUS,
    DELETED,
    DECIDED_AT,
    RUNS,
    MISSED,
    LAST_RUN,
    JUDGED,
    STREAK,
    KEPT,
    FIRST_KEPT,
    PAUSED_UNTIL,
    VERSION,
    FROM_AT,
    UNTIL_AT,
    PAUSED,
    CATCH_UP,
    LATEST,
    START_DEADLINE,
    BUSY,
    FAILED,
    SUCCEEDED,
    ROW_AT,
    ROW_REASON,
};

/* --- As it was read -------------------------------------------------------------------------- */

static int64_t time_or(const PGresult *rows, int row, int column, int64_t otherwise)
{
    return rows_is_null(rows, row, column) ? otherwise : rows_time(rows, row, column);
}

static enum planned_status read_status(const char *name)
{
    int i = 0;

    while (i < PLANNED_STATUS_COUNT - 1 && strcmp(statuses[i], name) != 0)
        i++;
    return (enum planned_status)i;
}

static void read_place(struct decide_row *to, const PGresult *rows, int row)
{
    const char *reason = rows_text(rows, row, ROW_REASON);

    to->deleted = rows_bool(rows, row, DELETED);
    to->decided_us = rows_time(rows, row, DECIDED_AT);
    to->runs = rows_int(rows, row, RUNS);
    to->missed = rows_int(rows, row, MISSED);
    to->busy = rows_bool(rows, row, BUSY);
    to->kept = (int)rows_int(rows, row, KEPT);
    to->first_kept_us = rows_time(rows, row, FIRST_KEPT);
    to->resume_us = time_or(rows, row, PAUSED_UNTIL, DECIDE_NEVER);
    to->from_us = rows_time(rows, row, FROM_AT);
    to->until_us = time_or(rows, row, UNTIL_AT, DECIDE_NEVER);
    to->paused = rows_bool(rows, row, PAUSED);
    to->catch_up = rows_bool(rows, row, CATCH_UP);
    to->latest = rows_bool(rows, row, LATEST);
    to->start_deadline_ms = rows_int(rows, row, START_DEADLINE);
    to->row_us = rows_time(rows, row, ROW_AT);
    if (!reason || !skip_read(&to->row_skip, reason))
        to->row_skip = SKIP_NOT;
}

static void read_row(struct planned *to, const PGresult *rows, int row)
{
    *to = (struct planned){
        .id = rows_uuid(rows, row, ID),
        .seq = rows_int(rows, row, SEQ),
        .status = read_status(rows_text(rows, row, STATUS)),
        .version = (int)rows_int(rows, row, VERSION),
        .has_version = !rows_is_null(rows, row, VERSION),
        .streak = (int)rows_int(rows, row, STREAK),
        .has_last = !rows_is_null(rows, row, LAST_RUN),
        .last_run = rows_uuid(rows, row, LAST_RUN),
        .judged = rows_bool(rows, row, JUDGED),
        .failed = rows_bool(rows, row, FAILED),
        .succeeded = rows_bool(rows, row, SUCCEEDED),
    };
    snprintf(to->name, sizeof to->name, "%s", rows_text(rows, row, NAME));
    read_place(&to->row, rows, row);
}

struct planned_look planned_read(struct planned *ret, int most, const PGresult *rows)
{
    struct planned_look look = {.now_us = rows_time(rows, 0, NOW),
                                .coming_us = time_or(rows, 0, COMING_AT, DECIDE_NEVER)};

    for (int row = 0; row < PQntuples(rows) && look.count < most; row++)
        if (!rows_is_null(rows, row, ID))
            read_row(&ret[look.count++], rows, row);
    return look;
}

/* --- As it is written ------------------------------------------------------------------------ */

bool planned_ends(const struct planned *planned)
{
    return planned->step.ended && planned->status == PLANNED_ACTIVE;
}

static void add_time(struct args *args, int64_t us)
{
    if (us == DECIDE_NEVER)
        args_null(args);
    else
        args_time(args, us);
}

static void add_id(struct args *args, const struct planned *planned)
{
    args_uuid(args, &planned->id);
}

static void add_seq(struct args *args, const struct planned *planned)
{
    args_int8(args, planned->seq);
}

static void add_status(struct args *args, const struct planned *planned)
{
    args_text(args, statuses[planned_ends(planned) ? PLANNED_ENDED : planned->status]);
}

static void add_next(struct args *args, const struct planned *planned)
{
    add_time(args, planned->step.next_us);
}

static void add_look(struct args *args, const struct planned *planned)
{
    add_time(args, planned->step.look_us);
}

static void add_decided(struct args *args, const struct planned *planned)
{
    args_time(args, planned->step.decided_us);
}

static void add_runs(struct args *args, const struct planned *planned)
{
    args_int8(args, planned->step.runs);
}

static void add_missed(struct args *args, const struct planned *planned)
{
    args_int8(args, planned->step.missed);
}

static void add_streak(struct args *args, const struct planned *planned)
{
    args_int4(args, planned->streak);
}

static const struct uuid *last_task(const struct planned *planned)
{
    for (int i = planned->step.count; i-- > 0;)
        if (planned->step.entries[i].skip == SKIP_NOT)
            return &planned->tasks[i];
    return NULL;
}

static void add_judged(struct args *args, const struct planned *planned)
{
    args_bool(args, planned->judged && !last_task(planned));
}

static void add_last_run(struct args *args, const struct planned *planned)
{
    const struct uuid *task = last_task(planned);

    if (task)
        args_uuid(args, task);
    else
        args_null(args);
}

static void add_keep(struct args *args, const struct planned *planned)
{
    add_time(args, planned->step.keep_us);
}

static void add_let_go(struct args *args, const struct planned *planned)
{
    args_bool(args, planned->step.let_go);
}

static void add_done(struct args *args, const struct planned *planned)
{
    if (planned->step.done)
        args_int4(args, planned->version);
    else
        args_null(args);
}

/* $3 to $16 of plan_decide.sql. */
static const struct {
    enum args_type type;
    void (*add)(struct args *args, const struct planned *planned);
} schedule_columns[] = {
    {ARGS_UUID, add_id},     {ARGS_INT8, add_seq},      {ARGS_TEXT, add_status},
    {ARGS_TIME, add_next},   {ARGS_TIME, add_look},     {ARGS_TIME, add_decided},
    {ARGS_INT8, add_runs},   {ARGS_INT8, add_missed},   {ARGS_INT4, add_streak},
    {ARGS_BOOL, add_judged}, {ARGS_UUID, add_last_run}, {ARGS_TIME, add_keep},
    {ARGS_BOOL, add_let_go}, {ARGS_INT4, add_done},
};

/* One decision: entry `i` of a schedule that is the `place`-th of those written. */
struct entry {
    const struct planned *planned;
    const struct decide_entry *decided;
    int i, place;
};

static void add_place(struct args *args, const struct entry *entry)
{
    args_int4(args, entry->place);
}

static void add_schedule(struct args *args, const struct entry *entry)
{
    args_uuid(args, &entry->planned->id);
}

static void add_fire(struct args *args, const struct entry *entry)
{
    args_time(args, entry->decided->fire_us);
}

static void add_last(struct args *args, const struct entry *entry)
{
    args_time(args, entry->decided->last_us);
}

static void add_count(struct args *args, const struct entry *entry)
{
    args_int8(args, entry->decided->count);
}

static void add_reason(struct args *args, const struct entry *entry)
{
    args_text(args, entry->decided->skip == SKIP_NOT ? NULL : skip_name(entry->decided->skip));
}

static void add_task(struct args *args, const struct entry *entry)
{
    if (entry->decided->skip == SKIP_NOT)
        args_uuid(args, &entry->planned->tasks[entry->i]);
    else
        args_null(args);
}

static void add_stands_for(struct args *args, const struct entry *entry)
{
    args_int8(args, entry->decided->missed);
}

static void add_after(struct args *args, const struct entry *entry)
{
    args_time(args, entry->decided->after_us);
}

static void add_version(struct args *args, const struct entry *entry)
{
    args_int4(args, entry->planned->version);
}

static void add_grows(struct args *args, const struct entry *entry)
{
    args_bool(args, entry->decided->grows);
}

static void add_due(struct args *args, const struct entry *entry)
{
    if (entry->decided->skip == SKIP_NOT)
        args_time(args, entry->decided->due_us);
    else
        args_null(args);
}

/* $17 to $28. */
static const struct {
    enum args_type type;
    void (*add)(struct args *args, const struct entry *entry);
} entry_columns[] = {
    {ARGS_INT4, add_place},   {ARGS_UUID, add_schedule},   {ARGS_TIME, add_fire},
    {ARGS_TIME, add_last},    {ARGS_INT8, add_count},      {ARGS_TEXT, add_reason},
    {ARGS_UUID, add_task},    {ARGS_INT8, add_stands_for}, {ARGS_TIME, add_after},
    {ARGS_INT4, add_version}, {ARGS_BOOL, add_grows},      {ARGS_TIME, add_due},
};

static void add_entries_of(struct args *args, size_t column, const struct planned *planned,
                           int place)
{
    for (int i = 0; i < planned->step.count; i++)
        entry_columns[column].add(args, &(struct entry){.planned = planned,
                                                        .decided = &planned->step.entries[i],
                                                        .i = i,
                                                        .place = place});
}

static void add_entries(struct args *args, size_t column, const struct planned *planned, int count)
{
    int place = 0;

    args_array(args, entry_columns[column].type);
    for (int i = 0; i < count; i++)
        if (planned[i].outcome == PLANNED_TAKEN)
            add_entries_of(args, column, &planned[i], ++place);
    args_array_end(args);
}

static void add_schedules(struct args *args, size_t column, const struct planned *planned,
                          int count)
{
    args_array(args, schedule_columns[column].type);
    for (int i = 0; i < count; i++)
        if (planned[i].outcome == PLANNED_TAKEN)
            schedule_columns[column].add(args, &planned[i]);
    args_array_end(args);
}

void planned_add(struct args *args, const struct planned *planned, int count)
{
    for (size_t column = 0; column < COUNT(schedule_columns); column++)
        add_schedules(args, column, planned, count);
    for (size_t column = 0; column < COUNT(entry_columns); column++)
        add_entries(args, column, planned, count);
}
