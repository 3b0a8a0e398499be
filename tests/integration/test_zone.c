/*
 * A second opinion on time zones: PostgreSQL's AT TIME ZONE, which has a reader of the same files
 * of its own. Every zone of the list, around every change of the clock from 1970 to 2199 and in the
 * middle between two of them, both ways: what the clock shows at an instant, and which instant a
 * time on the clock stands for.
 */
#include "tests/integration/real.h"

#include "tests/harness/walls.h"

#define LAST_S INT64_C(7258118399) /* of 2199 */
#define POINTS_MOST 5000
#define TEXT_MOST (POINTS_MOST * 24)

static const char *name;
static PGconn *sql;

/* Columns of one question, as array literals. */
struct question {
    char instants[TEXT_MOST], offsets[TEXT_MOST];
    char locals[TEXT_MOST], meant[TEXT_MOST];
    size_t instant_size, offset_size, local_size, meant_size;
};

static void add(char *text, size_t *size, int64_t value)
{
    *size += (size_t)snprintf(text + *size, TEXT_MOST - *size, "%c%lld", *size ? ',' : '{',
                              (long long)value);
    assert_true(*size < TEXT_MOST - 2);
}

static void end(char *text, size_t *size)
{
    memcpy(text + *size, "}", 2);
    *size = 0;
}

/* PostgreSQL reads a time in a gap by the offset before it, and in an overlap by the one after it.
 */
static void add_point(struct question *question, const struct zone *zone, int64_t unix_s)
{
    int offset_s = zone_offset_at(zone, unix_s);
    int64_t local_s = unix_s + offset_s;
    struct civil civil = civil_of(local_s);
    struct walls found = walls_of(zone, &civil);

    assert_int_not_equal(found.match, WALLS_GAP);
    add(question->instants, &question->instant_size, unix_s);
    add(question->offsets, &question->offset_size, offset_s);
    add(question->locals, &question->local_size, local_s);
    add(question->meant, &question->meant_size, found.last_s);
}

static void add_gap(struct question *question, const struct zone *zone, int64_t change_s,
                    int before_s)
{
    struct civil civil = civil_of(change_s + before_s);
    struct walls found = walls_of(zone, &civil);

    assert_int_equal(found.match, WALLS_GAP);
    assert_int_equal(found.change_s, change_s);
    add(question->locals, &question->local_size, change_s + before_s);
    add(question->meant, &question->meant_size, found.first_s);
}

static int add_changes(struct question *question, const struct zone *zone)
{
    struct zone_span span = zone_span_at(zone, 0);
    int changes = 0;

    add_point(question, zone, 0);
    while (span.to_s <= LAST_S) {
        int64_t change_s = span.to_s;

        add_point(question, zone, change_s - 1);
        add_point(question, zone, change_s);
        if (span.offset_s < span.after_s)
            add_gap(question, zone, change_s, span.offset_s);
        span = zone_span_at(zone, change_s);
        add_point(question, zone, change_s + (span.to_s < LAST_S ? span.to_s - change_s : 1) / 2);
        changes++;
    }
    add_point(question, zone, LAST_S);
    return changes;
}

/* Fails where the server sees one of them otherwise. */
static void compare(const char *zone, struct question *question)
{
    static const char *const looks[] = {
        "SELECT 'at', s, mine, theirs FROM (SELECT s, mine,"
        " extract(epoch FROM to_timestamp(s) AT TIME ZONE $1 AT TIME ZONE 'UTC')::bigint - s"
        " AS theirs FROM unnest($2::bigint[], $3::bigint[]) AS p(s, mine)) AS q"
        " WHERE mine <> theirs LIMIT 1",
        "SELECT 'local', s, mine, theirs FROM (SELECT s, mine,"
        " extract(epoch FROM (to_timestamp(s) AT TIME ZONE 'UTC') AT TIME ZONE $1)::bigint"
        " AS theirs FROM unnest($2::bigint[], $3::bigint[]) AS p(s, mine)) AS q"
        " WHERE mine <> theirs LIMIT 1",
    };
    const char *const columns[][3] = {{zone, question->instants, question->offsets},
                                      {zone, question->locals, question->meant}};

    end(question->instants, &question->instant_size);
    end(question->offsets, &question->offset_size);
    end(question->locals, &question->local_size);
    end(question->meant, &question->meant_size);
    for (int i = 0; i < 2; i++) {
        PGresult *rows = PQexecParams(sql, looks[i], 3, NULL, columns[i], NULL, NULL, 0);

        if (PQresultStatus(rows) != PGRES_TUPLES_OK)
            fail_msg("%s: %s", zone, PQerrorMessage(sql));
        if (PQntuples(rows))
            fail_msg("%s: %s %s: %s here, %s there", zone, PQgetvalue(rows, 0, 0),
                     PQgetvalue(rows, 0, 1), PQgetvalue(rows, 0, 2), PQgetvalue(rows, 0, 3));
        PQclear(rows);
    }
}

static void the_server_sees_the_same(void **state)
{
    static struct question question;
    PGresult *names = PQexec(sql, "SELECT name FROM pg_timezone_names"
                                  " WHERE name !~ '^(posix|right)/' ORDER BY name");
    int compared = 0, changes = 0;

    (void)state;
    for (int i = 0; i < PQntuples(names); i++) {
        struct zone *zone = NULL;
        struct fault fault;

        if (!zone_open(&zone, PQgetvalue(names, i, 0), &fault))
            continue; /* EST5EDT, posixrules and the like */
        changes += add_changes(&question, zone);
        compare(zone_name(zone), &question);
        zone_close(zone);
        compared++;
    }
    assert_true(compared > 500);
    assert_true(changes > 50000);
    PQclear(names);
}

static int begin(void **state)
{
    const char *url;

    (void)state;
    name = fresh_name("zone_");
    url = make_database(name);
    if (!url)
        exit(77);
    sql = connect_to(url);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    PQfinish(sql);
    drop_database(name);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_server_sees_the_same),
    };

    return cmocka_run_group_tests(tests, begin, finish);
}
