#include "common/db.h"

#include "common/clock.h"
#include "common/hosts.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"

#include <assert.h>
#include <sys/epoll.h>
#include <sys/random.h>

#define CONNECT_LIMIT_US INT64_C(5000000)
#define FIRST_WAIT_US INT64_C(100000)
#define LONGEST_WAIT_US INT64_C(5000000)
#define WATCH_US UINT64_C(1000000)
#define STATEMENT_MS 5000
#define LOCK_MS 1000
#define ANSWER_SLACK_US INT64_C(5000000) /* on the way, beyond the server's own time-out */
#define CHANNELS_MOST 8
#define CHANNEL_SIZE 64

enum call_kind { CALL_QUERY, CALL_SESSION, CALL_LISTEN, CALL_SCRIPT };

struct call {
    enum call_kind kind;
    enum query query;
    bool preparing; /* the next result is that of the preparation */
    bool answered;
    int64_t asked_us;
    PGresult *rows; /* what it gave; an answer only once it is committed */
    db_reply *reply;
    void *data;
    struct call *next;
};

struct db {
    sd_event *loop;
    sd_event_source *io, *alarm;
    struct db_settings settings;
    char *conninfo, *name;
    struct hosts hosts;
    PGconn *conn;
    bool ready, scripting, closing;
    int64_t connecting_since_us, wait_us, told_ms;
    bool prepared[QUERY_COUNT];
    struct call *first, **last;
    int calls;
    char channels[CHANNELS_MOST][CHANNEL_SIZE];
    struct db *other; /* the next one in `all` */
};

static struct db *all;

static void begin(struct db *db);

/*
 * SQLSTATE decides the kind (PostgreSQL's manual, appendix A). Data that the database refuses (22,
 * 23 but for a key that is there by now) is the caller's; a server that only reads (25006) or goes
 * away (57P) is left for another one; whatever was not foreseen is our own bug.
 */
static enum fault_kind kind_of(const char *sqlstate)
{
    static const struct {
        const char *prefix;
        enum fault_kind kind;
    } known[] = {
        {"40001", FAULT_BUSY},  {"40P01", FAULT_BUSY},  {"55P03", FAULT_BUSY},
        {"23505", FAULT_LOST}, /* somebody else was first, and is seen next time */
        {"57014", FAULT_BUSY},  {"53", FAULT_BUSY},     {"57P", FAULT_DOWN},
        {"25006", FAULT_DOWN},  {"08", FAULT_DOWN},     {"25P03", FAULT_DOWN},
        {"23", FAULT_REJECTED}, {"22", FAULT_REJECTED}, {"58", FAULT_DOWN},
    };

    if (!sqlstate)
        return FAULT_DOWN; /* libpq's own: the connection went away */
    for (size_t i = 0; i < COUNT(known); i++)
        if (!strncmp(sqlstate, known[i].prefix, strlen(known[i].prefix)))
            return known[i].kind;
    return FAULT_BROKEN;
}

static struct call *push_call(struct db *db, enum call_kind kind, db_reply *reply, void *data)
{
    struct call *call = mem_new(struct call, .kind = kind, .reply = reply, .data = data,
                                .asked_us = clock_boot_us());

    *db->last = call;
    db->last = &call->next;
    db->calls++;
    return call;
}

static struct call *pop_call(struct db *db)
{
    struct call *call = db->first;

    db->first = call->next;
    if (!db->first)
        db->last = &db->first;
    db->calls--;
    return call;
}

static void free_call(struct call *call)
{
    PQclear(call->rows);
    free(call);
}

static void answer(struct call *call, const PGresult *rows, const struct fault *fault)
{
    if (call->answered)
        return;
    call->answered = true;
    if (fault)
        metrics_count(METRIC_DB_ERRORS);
    if (call->reply)
        call->reply(call->data, rows, fault);
}

static void set_alarm(struct db *db, int64_t wait_us)
{
    sd_event_source_set_time_relative(db->alarm, (uint64_t)wait_us);
    sd_event_source_set_enabled(db->alarm, SD_EVENT_ONESHOT);
}

/* The next wait: twice the last one, up to the longest, of which half is chance. */
static int64_t next_wait(struct db *db)
{
    uint32_t chance = 0;

    (void)!getrandom(&chance, sizeof chance, GRND_NONBLOCK);
    db->wait_us = db->wait_us ? db->wait_us * 2 : FIRST_WAIT_US;
    if (db->wait_us > LONGEST_WAIT_US)
        db->wait_us = LONGEST_WAIT_US;
    return db->wait_us / 2 + db->wait_us / 2 * (int64_t)(chance % 1000) / 1000;
}

static void drop_connection(struct db *db)
{
    db->io = sd_event_source_disable_unref(db->io);
    PQfinish(db->conn);
    db->conn = NULL;
    db->ready = db->scripting = false;
    memset(db->prepared, 0, sizeof db->prepared);
}

/* Ends the connection, answers every open call and tells the owner; the alarm connects again. */
static void lose(struct db *db, const char *cause)
{
    bool was_ready = db->ready;
    struct fault fault;

    fault_set(&fault, FAULT_DOWN, "database: %s", cause);
    drop_connection(db);
    while (db->first) {
        struct call *call = pop_call(db);

        answer(call, NULL, &fault);
        free_call(call);
    }
    if (db->closing)
        return;
    int64_t wait = next_wait(db);
    if (was_ready || log_now_and_then(&db->told_ms, 10000))
        log_warn("db.lost", "connection=%s wait_ms=%lld cause=%s", db->name, (long long)wait / 1000,
                 LOG_VALUE(fault.text));
    set_alarm(db, wait);
    if (was_ready && db->settings.lost)
        db->settings.lost(db->settings.data, &fault);
}

static void lose_by_libpq(struct db *db)
{
    char cause[200];

    snprintf(cause, sizeof cause, "%s", PQerrorMessage(db->conn));
    cause[strcspn(cause, "\n")] = '\0';
    lose(db, *cause ? cause : "the connection was closed");
}

/* Wants to write only while libpq holds bytes it could not send. */
static bool flush(struct db *db)
{
    int unsent = PQflush(db->conn);

    sd_event_source_set_io_events(db->io, unsent > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
    return unsent >= 0;
}

static void refuse(struct db *db, struct call *call, const PGresult *rows)
{
    const char *sqlstate = PQresultErrorField(rows, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(rows, PG_DIAG_MESSAGE_PRIMARY);
    struct fault fault;

    fault_set(&fault, kind_of(sqlstate), "database: %s (%s%s%s)",
              text ? text : PQresultErrorMessage(rows), sqlstate ? sqlstate : "no answer",
              call->kind == CALL_QUERY ? ", " : "",
              call->kind == CALL_QUERY ? query_texts[call->query].name : "");
    if (call->preparing)
        db->prepared[call->query] = false;
    bool session = call->kind == CALL_SESSION;
    answer(call, NULL, &fault);
    if (session) /* one that cannot be set up is of no use */
        lose(db, fault.text);
}

static bool is_elsewhere(const struct db *db, const char *host, const char *port)
{
    return strcmp(PQhost(db->conn), host) != 0 || strcmp(PQport(db->conn), port) != 0;
}

/*
 * One process works with one server. Where a connection has found another one that writes, the
 * rest need not find out by themselves that the former one is frozen: they begin there, too.
 */
static void follow(struct db *found)
{
    char host[256], port[16];

    if (found->settings.read_any)
        return;
    snprintf(host, sizeof host, "%s", PQhost(found->conn));
    snprintf(port, sizeof port, "%s", PQport(found->conn));
    for (struct db *db = all; db; db = db->other) {
        if (db->settings.read_any || strcmp(db->conninfo, found->conninfo) != 0)
            continue;
        hosts_begin_with(&db->hosts, host, port);
        if (db != found && db->conn && is_elsewhere(db, host, port))
            lose(db, "another server has taken over");
    }
}

static void session_done(struct db *db)
{
    db->ready = true;
    db->wait_us = 0;
    db->told_ms = 0;
    set_alarm(db, WATCH_US);
    log_info("db.ready", "connection=%s host=%s server=%d", db->name, LOG_VALUE(PQhost(db->conn)),
             PQserverVersion(db->conn));
    follow(db);
    if (db->settings.ready)
        db->settings.ready(db->settings.data);
}

/* Takes the result over. */
static void take_result(struct db *db, struct call *call, PGresult *rows)
{
    switch (PQresultStatus(rows)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
        if (call->preparing)
            call->preparing = false;
        else {
            PQclear(call->rows);
            call->rows = rows;
            return;
        }
        break;
    case PGRES_PIPELINE_ABORTED:
        break;
    default:
        refuse(db, call, rows);
    }
    PQclear(rows);
}

/*
 * The rows of a statement come before its commit: the server commits at the sync that follows it,
 * and sends what it had still to send when it is ended in between. So they are an answer only now.
 */
static void committed(struct db *db)
{
    struct call *call = pop_call(db);

    if (call->rows)
        answer(call, call->rows, NULL);
    if (call->kind == CALL_SESSION && db->conn)
        session_done(db);
    free_call(call);
}

/* The connection may be gone after any reply: everything is looked up again each time. */
static void take_results(struct db *db)
{
    while (db->conn && db->first && !PQisBusy(db->conn)) {
        PGresult *rows = PQgetResult(db->conn);
        struct call *call = db->first;

        if (PQresultStatus(rows) == PGRES_PIPELINE_SYNC) {
            PQclear(rows);
            committed(db);
        } else if (rows) {
            take_result(db, call, rows);
        } else if (call->kind == CALL_SCRIPT) {
            db->scripting = !PQenterPipelineMode(db->conn);
            pop_call(db);
            answer(call, NULL, NULL);
            free_call(call);
        }
    }
}

static void take_notifications(struct db *db)
{
    PGnotify *notification;

    while (db->conn && (notification = PQnotifies(db->conn))) {
        if (db->settings.notified)
            db->settings.notified(db->settings.data, notification->relname, notification->extra);
        PQfreemem(notification);
    }
}

static int socket_ready(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct db *db = data;

    (void)source, (void)fd;
    if ((events & ~(uint32_t)EPOLLOUT) && !PQconsumeInput(db->conn)) {
        lose_by_libpq(db);
        return 0;
    }
    take_results(db);
    take_notifications(db);
    if (db->conn && PQstatus(db->conn) == CONNECTION_BAD)
        lose_by_libpq(db);
    else if (db->conn && !flush(db))
        lose_by_libpq(db);
    return 0;
}

static void on_session(void *data, const PGresult *rows, const struct fault *fault)
{
    struct db *db = data;

    (void)rows;
    if (fault)
        log_error("db.session_refused", "connection=%s cause=%s", db->name, LOG_VALUE(fault->text));
}

static bool send_listen(struct db *db, const char *verb, const char *channel)
{
    char text[CHANNEL_SIZE + 16];

    snprintf(text, sizeof text, "%s %s", verb, channel);
    push_call(db, CALL_LISTEN, NULL, NULL);
    return PQsendQueryParams(db->conn, text, 0, NULL, NULL, NULL, NULL, 1) &&
           PQpipelineSync(db->conn);
}

static bool set_up_session(struct db *db)
{
    const struct query_text *text = &query_texts[QUERY_SESSION];
    int64_t statement_ms = db->settings.statement_ms ? db->settings.statement_ms : STATEMENT_MS;
    char statement[24], lock[24];
    const char *values[] = {statement, lock};

    snprintf(statement, sizeof statement, "%lld", (long long)statement_ms);
    snprintf(lock, sizeof lock, "%lld",
             (long long)(statement_ms < LOCK_MS ? statement_ms : LOCK_MS));
    push_call(db, CALL_SESSION, on_session, db);
    if (!PQsendQueryParams(db->conn, text->text, 2, NULL, values, NULL, NULL, 1) ||
        !PQpipelineSync(db->conn))
        return false;
    for (int i = 0; i < CHANNELS_MOST; i++)
        if (*db->channels[i] && !send_listen(db, "LISTEN", db->channels[i]))
            return false;
    return flush(db);
}

static int connect_step(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct db *db = data;
    PostgresPollingStatusType step = PQconnectPoll(db->conn);

    (void)source, (void)fd, (void)events;
    db->io = sd_event_source_disable_unref(db->io);
    if (step == PGRES_POLLING_READING || step == PGRES_POLLING_WRITING) {
        /* libpq may have opened another socket since: watch the one that it uses now. */
        sd_event_add_io(db->loop, &db->io, PQsocket(db->conn),
                        step == PGRES_POLLING_WRITING ? EPOLLOUT : EPOLLIN, connect_step, db);
        return 0;
    }
    if (step != PGRES_POLLING_OK) {
        lose_by_libpq(db);
        return 0;
    }
    sd_event_add_io(db->loop, &db->io, PQsocket(db->conn), EPOLLIN, socket_ready, db);
    if (PQsetnonblocking(db->conn, 1) || !PQenterPipelineMode(db->conn) || !set_up_session(db))
        lose_by_libpq(db);
    return 0;
}

static void swallow(void *data, const char *notice)
{
    (void)data, (void)notice;
}

static void begin(struct db *db)
{
    /* What stands after dbname wins over what the conninfo says. */
    const char *names[] = {"dbname",
                           "host",
                           "hostaddr",
                           "port",
                           "application_name",
                           "target_session_attrs",
                           "client_encoding",
                           "keepalives",
                           "keepalives_idle",
                           "keepalives_interval",
                           "keepalives_count",
                           "tcp_user_timeout",
                           NULL};
    const char *values[] = {db->conninfo,
                            db->hosts.host,
                            db->hosts.hostaddr,
                            db->hosts.port,
                            db->name,
                            db->settings.read_any ? "any" : "read-write",
                            "UTF8",
                            "1",
                            "5",
                            "2",
                            "3",
                            "8000",
                            NULL};

    db->connecting_since_us = clock_boot_us();
    db->conn = PQconnectStartParams(names, values, 1);
    if (!db->conn || PQstatus(db->conn) == CONNECTION_BAD) {
        if (db->conn)
            lose_by_libpq(db);
        else
            lose(db, "no memory");
        return;
    }
    PQsetNoticeProcessor(db->conn, swallow, NULL);
    sd_event_add_io(db->loop, &db->io, PQsocket(db->conn), EPOLLOUT, connect_step, db);
    set_alarm(db, CONNECT_LIMIT_US);
}

/* Ends a wait, an attempt to connect that takes too long, or a connection that does not answer. */
static int alarm_rings(sd_event_source *source, uint64_t usec, void *data)
{
    struct db *db = data;
    int64_t limit_us =
        (db->settings.statement_ms ? db->settings.statement_ms : STATEMENT_MS) * 1000;

    (void)source, (void)usec;
    if (!db->conn)
        begin(db);
    else if (!db->ready) {
        hosts_turn(&db->hosts);
        lose(db, "no connection within 5 s");
    } else if (db->first && !db->scripting &&
               clock_boot_us() - db->first->asked_us > limit_us + ANSWER_SLACK_US)
        lose(db, "no answer in time");
    else
        set_alarm(db, WATCH_US);
    return 0;
}

bool db_open(struct db **ret, sd_event *loop, const struct db_settings *settings,
             struct fault *fault)
{
    const char *conninfo = settings->conninfo ? settings->conninfo : "";
    struct hosts hosts;

    if (!hosts_read(&hosts, conninfo, fault))
        return false;
    struct db *db =
        mem_new(struct db, .loop = sd_event_ref(loop), .settings = *settings,
                .conninfo = mem_text(conninfo), .name = mem_text(settings->name), .hosts = hosts);
    db->last = &db->first;
    db->other = all;
    all = db;
    sd_event_add_time_relative(loop, &db->alarm, CLOCK_BOOTTIME, 0, 1000, alarm_rings, db);
    *ret = db;
    return true;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    db->closing = true;
    for (struct db **link = &all; *link; link = &(*link)->other)
        if (*link == db) {
            *link = db->other;
            break;
        }
    lose(db, "closing");
    sd_event_source_disable_unref(db->alarm);
    sd_event_unref(db->loop);
    hosts_done(&db->hosts);
    free(db->conninfo);
    free(db->name);
    free(db);
}

sd_event *db_loop(const struct db *db)
{
    return db->loop;
}

bool db_is_ready(const struct db *db)
{
    return db->ready;
}

int db_open_calls(const struct db *db)
{
    return db->calls;
}

int db_backend(const struct db *db)
{
    return db->ready ? PQbackendPID(db->conn) : 0;
}

static bool send_query(struct db *db, enum query query, const struct args *args)
{
    const struct query_text *text = &query_texts[query];
    const char *values[ARGS_MOST];
    int formats[ARGS_MOST], count = args ? args->count : 0;

    assert(count == text->parameters);
    for (int i = 0; i < count; i++) {
        values[i] = args->lengths[i] < 0 ? NULL : args->bytes + args->starts[i];
        formats[i] = 1;
    }
    if (!db->prepared[query]) {
        if (!PQsendPrepare(db->conn, text->name, text->text, 0, NULL))
            return false;
        db->prepared[query] = true;
    }
    return PQsendQueryPrepared(db->conn, text->name, count, values, args ? args->lengths : NULL,
                               formats, 1) &&
           PQpipelineSync(db->conn) && flush(db);
}

void db_call(struct db *db, enum query query, const struct args *args, db_reply *reply, void *data)
{
    struct fault fault;

    if (!db->ready || db->scripting) {
        fault_set(&fault, db->ready ? FAULT_BUSY : FAULT_DOWN, "database: not connected");
        if (reply)
            reply(data, NULL, &fault);
        return;
    }
    struct call *call = push_call(db, CALL_QUERY, reply, data);
    call->query = query;
    call->preparing = !db->prepared[query];
    if (!send_query(db, query, args))
        lose_by_libpq(db);
}

void db_listen(struct db *db, const char *channel)
{
    int place = -1;

    for (int i = 0; i < CHANNELS_MOST; i++) {
        if (!strcmp(db->channels[i], channel))
            return;
        if (!*db->channels[i] && place < 0)
            place = i;
    }
    assert(place >= 0 && strlen(channel) < CHANNEL_SIZE);
    snprintf(db->channels[place], CHANNEL_SIZE, "%s", channel);
    if (db->ready && !(send_listen(db, "LISTEN", channel) && flush(db)))
        lose_by_libpq(db);
}

void db_unlisten(struct db *db, const char *channel)
{
    for (int i = 0; i < CHANNELS_MOST; i++)
        if (!strcmp(db->channels[i], channel))
            *db->channels[i] = '\0';
    if (db->ready && !(send_listen(db, "UNLISTEN", channel) && flush(db)))
        lose_by_libpq(db);
}

void db_reconnect(struct db *db, const char *why)
{
    if (db->conn)
        lose(db, why);
}

void db_script(struct db *db, const char *sql, db_reply *reply, void *data)
{
    struct fault fault;

    if (!db->ready || db->first || !PQexitPipelineMode(db->conn)) {
        fault_set(&fault, db->ready ? FAULT_BUSY : FAULT_DOWN, "database: not free for a script");
        reply(data, NULL, &fault);
        return;
    }
    db->scripting = true;
    push_call(db, CALL_SCRIPT, reply, data);
    if (!PQsendQuery(db->conn, sql) || !flush(db))
        lose_by_libpq(db);
}
