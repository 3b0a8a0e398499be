#include "common/migrate.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/rows.h"

#include <assert.h>

#define AGAIN_US UINT64_C(50000)
#define TRIES_MOST 200 /* of one step that finds the connection or the lock taken */
#define CHECKSUM_TEXT (2 * DIGEST_SIZE + 1)

/* One run: look, make the table, read, apply, read again, ... Each step is taken from the loop. */
struct run {
    struct db *db;
    sd_event_source *next;
    void (*step)(struct run *run);
    bool apply;
    int tries;
    int applying; /* place in migrations[] */
    char *script;
    migrate_reply *reply;
    void *data;
};

static void look(struct run *run);
static void read_applied(struct run *run);

static int take_step(sd_event_source *source, uint64_t usec, void *data)
{
    struct run *run = data;

    (void)source, (void)usec;
    run->step(run);
    return 0;
}

static void go_on(struct run *run, void (*step)(struct run *run), uint64_t wait_us)
{
    run->step = step;
    sd_event_source_set_time_relative(run->next, wait_us);
    sd_event_source_set_enabled(run->next, SD_EVENT_ONESHOT);
}

static void finish(struct run *run, const struct fault *fault)
{
    run->reply(run->data, fault);
    sd_event_source_disable_unref(run->next);
    free(run->script);
    free(run);
}

/* Another statement or another program has the way: again a little later, up to a bound. */
static void step_failed(struct run *run, void (*step)(struct run *run), const struct fault *fault)
{
    if (fault->kind == FAULT_BUSY && run->tries++ < TRIES_MOST)
        go_on(run, step, AGAIN_US);
    else
        finish(run, fault);
}

static const char *checksum(char text[static CHECKSUM_TEXT], const char *script)
{
    uint8_t sum[DIGEST_SIZE];

    digest(sum, script, strlen(script));
    for (int i = 0; i < DIGEST_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", sum[i]);
    return text;
}

static void apply(struct run *run);

static void on_applied(void *data, const PGresult *rows, const struct fault *fault)
{
    struct run *run = data;
    const struct migration *migration = &migrations[run->applying];
    struct fault broken;

    (void)rows;
    if (!fault) {
        log_info("schema.ready", "version=%d script=%s", migration->version, migration->name);
        run->tries = 0;
        go_on(run, read_applied, 0);
        return;
    }
    broken = *fault;
    fault_while(&broken, "migration %s", migration->name);
    step_failed(run, apply, &broken);
}

struct word {
    const char *name, *value;
};

/* Copies `text` with each @name@ replaced. */
static char *put_in(const char *text, const struct word *words, size_t count)
{
    char *ret = NULL;
    size_t size;
    FILE *to = mem_or_end(open_memstream(&ret, &size));

    while (*text) {
        size_t plain = strcspn(text, "@"), i = 0;

        fwrite(text, 1, plain, to);
        text += plain;
        while (*text && i < count && strncmp(text, words[i].name, strlen(words[i].name)) != 0)
            i++;
        if (!*text)
            break;
        fputs(i < count ? words[i].value : "@", to);
        text += i < count ? strlen(words[i].name) : 1;
    }
    fclose(to);
    return mem_or_end(ret);
}

static void apply(struct run *run)
{
    const struct migration *migration = &migrations[run->applying];
    char version[16], sum[CHECKSUM_TEXT];
    const struct word words[] = {{"@version@", version},
                                 {"@name@", migration->name},
                                 {"@checksum@", checksum(sum, migration->text)},
                                 {"@script@", migration->text}};

    snprintf(version, sizeof version, "%d", migration->version);
    free(run->script);
    run->script = put_in(query_texts[QUERY_MIGRATION_APPLY].text, words, COUNT(words));
    db_script(run->db, run->script, on_applied, run);
}

/* What stands there already must be what we know. */
static bool check(const PGresult *rows, int *applied, struct fault *fault)
{
    int known = migrations[migration_count - 1].version;
    char sum[CHECKSUM_TEXT];

    for (*applied = 0; *applied < PQntuples(rows); ++*applied) {
        int version = (int)rows_int(rows, *applied, 0);

        if (version > known + 1)
            return fault_set(fault, FAULT_REJECTED,
                             "the database has schema %d, this program works with %d and %d: "
                             "upgrade the program",
                             (int)rows_int(rows, PQntuples(rows) - 1, 0), known, known + 1);
        if (*applied >= migration_count)
            continue;
        if (version != migrations[*applied].version)
            return fault_set(fault, FAULT_BROKEN,
                             "the database lacks migration %s but has later ones",
                             migrations[*applied].name);
        if (strcmp(rows_text(rows, *applied, 2), checksum(sum, migrations[*applied].text)) != 0)
            return fault_set(fault, FAULT_BROKEN,
                             "migration %s was applied to the database with another text (%s)",
                             migrations[*applied].name, rows_text(rows, *applied, 1));
    }
    return true;
}

static void on_read(void *data, const PGresult *rows, const struct fault *fault)
{
    struct run *run = data;
    struct fault unfit;
    int applied;

    if (fault) {
        step_failed(run, read_applied, fault);
        return;
    }
    if (!check(rows, &applied, &unfit)) {
        finish(run, &unfit);
    } else if (applied >= migration_count) {
        finish(run, NULL);
    } else if (!run->apply) {
        fault_set(&unfit, FAULT_BUSY, "the database has schema %d and %d is waited for",
                  applied ? migrations[applied - 1].version : 0,
                  migrations[migration_count - 1].version);
        finish(run, &unfit);
    } else {
        run->applying = applied;
        go_on(run, apply, 0);
    }
}

static void read_applied(struct run *run)
{
    db_call(run->db, QUERY_MIGRATION_READ, NULL, on_read, run);
}

static void make_table(struct run *run);

static void on_table(void *data, const PGresult *rows, const struct fault *fault)
{
    struct run *run = data;

    (void)rows;
    if (fault)
        step_failed(run, make_table, fault);
    else
        go_on(run, read_applied, 0);
}

static void make_table(struct run *run)
{
    db_call(run->db, QUERY_MIGRATION_TABLE, NULL, on_table, run);
}

static void on_look(void *data, const PGresult *rows, const struct fault *fault)
{
    struct run *run = data;
    struct fault early;

    if (fault) {
        step_failed(run, look, fault);
    } else if (rows_bool(rows, 0, 0)) {
        go_on(run, read_applied, 0);
    } else if (run->apply) {
        go_on(run, make_table, 0);
    } else {
        fault_set(&early, FAULT_BUSY, "the database has no schema yet: a consumer makes it");
        finish(run, &early);
    }
}

static void look(struct run *run)
{
    db_call(run->db, QUERY_MIGRATION_LOOK, NULL, on_look, run);
}

void migrate_run(struct db *db, bool may_apply, migrate_reply *reply, void *data)
{
    struct run *run =
        mem_new(struct run, .db = db, .apply = may_apply, .reply = reply, .data = data);

    assert(migration_count > 0);
    sd_event_add_time(db_loop(db), &run->next, CLOCK_BOOTTIME, 0, 0, take_step, run);
    go_on(run, look, 0);
}
