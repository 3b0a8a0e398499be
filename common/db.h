/*
 * One PostgreSQL connection that never makes the loop wait.
 *
 * Calls are sent at once through libpq's pipeline mode, each in a transaction of its own, and are
 * answered in order. The connection is opened and reopened behind the caller's back; while it is
 * away calls are answered with FAULT_DOWN instead of being kept. Each statement is prepared when it
 * is first used on a connection. Sessions are set so that a dead client's locks are gone well
 * before a lease passes (keepalives, statement_timeout, lock_timeout,
 * idle_in_transaction_session_timeout) and so that plans do not depend on statistics (DESIGN notes
 * in ARCHITECTURE.md, "Plans").
 */
#pragma once

#include "common/args.h"
#include "common/fault.h"
#include "queries.h"

#include <libpq-fe.h>
#include <systemd/sd-event.h>

struct db;

/*
 * Every call is answered exactly once, at the latest by db_close. Exactly one of `rows` and `fault`
 * is set; `rows` (binary results, see rows.h) lives until the function returns. It may call
 * db_call, never db_close.
 */
typedef void db_reply(void *data, const PGresult *rows, const struct fault *fault);

struct db_settings {
    const char *conninfo;
    const char *name;     /* application_name, and the word in log lines */
    int64_t statement_ms; /* statement_timeout; 0: 5 s */
    bool read_any;        /* any server will do, also one that only reads */
    /* All may be NULL. */
    void (*ready)(void *data); /* connected (again): nothing of the former session is left */
    void (*lost)(void *data, const struct fault *fault);
    void (*notified)(void *data, const char *channel, const char *payload);
    void *data;
};

/* Fails only where asking again cannot help, such as an unreadable conninfo. */
bool db_open(struct db **ret, sd_event *loop, const struct db_settings *settings,
             struct fault *fault);

/* Answers the open calls with FAULT_DOWN. Takes NULL. */
void db_close(struct db *db);

sd_event *db_loop(const struct db *db);
bool db_is_ready(const struct db *db);
int db_open_calls(const struct db *db);

/* The server process behind the connection, 0 while there is none. */
int db_backend(const struct db *db);

/* `args` may be NULL where the statement has no parameters; it is free again when this returns. */
void db_call(struct db *db, enum query query, const struct args *args, db_reply *reply, void *data);

/* LISTEN on a channel, now and after each reconnect. `channel` is a plain lower-case name. */
void db_listen(struct db *db, const char *channel);
void db_unlisten(struct db *db, const char *channel);

/* Closes the connection and opens a new one: whatever was on its way is of unknown outcome. */
void db_reconnect(struct db *db, const char *why);

/* Runs a migration's script of several statements in one transaction, as migrate.c needs it. */
void db_script(struct db *db, const char *sql, db_reply *reply, void *data);
