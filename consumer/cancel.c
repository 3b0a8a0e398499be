#include "consumer/cancel.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "common/point.h"
#include "common/rows.h"

#define ROUNDS_MOST 50

struct cancel {
    struct db *db;
    struct uuid id, command;
    char *reason;
    int rounds;
    cancel_reply *reply;
    void *data;
};

static void end_waiting(struct cancel *cancel);

static void finish(struct cancel *cancel, enum cancel_outcome outcome, const char *state,
                   const struct fault *fault)
{
    cancel->reply(cancel->data, outcome, state, fault);
    free(cancel->reason);
    free(cancel);
}

static void ask(struct cancel *cancel, enum query query, db_reply *reply)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    args_uuid(&args, &cancel->id);
    args_text(&args, cancel->reason);
    if (uuid_is_nil(&cancel->command))
        args_null(&args);
    else
        args_uuid(&args, &cancel->command);
    db_call(cancel->db, query, &args, reply, cancel);
}

static void on_looked(void *data, const PGresult *rows, const struct fault *fault)
{
    struct cancel *cancel = data;
    struct fault busy;

    if (fault) {
        finish(cancel, CANCEL_REFUSED, NULL, fault);
    } else if (!rows_bool(rows, 0, 1)) {
        finish(cancel, CANCEL_REFUSED, rows_text(rows, 0, 0), NULL);
    } else if (++cancel->rounds < ROUNDS_MOST) {
        end_waiting(cancel);
    } else {
        fault_set(&busy, FAULT_BUSY, "the task kept moving");
        finish(cancel, CANCEL_REFUSED, NULL, &busy);
    }
}

static void on_asked(void *data, const PGresult *rows, const struct fault *fault)
{
    struct cancel *cancel = data;

    if (fault)
        finish(cancel, CANCEL_REFUSED, NULL, fault);
    else if (PQntuples(rows)) {
        POINT(CANCEL_ASKED);
        finish(cancel, CANCEL_REQUESTED, NULL, NULL);
    } else {
        POINT(CANCEL_MISSED);
        ask(cancel, QUERY_CANCEL_LOOK, on_looked);
    }
}

static void on_ended(void *data, const PGresult *rows, const struct fault *fault)
{
    struct cancel *cancel = data;

    if (fault)
        finish(cancel, CANCEL_REFUSED, NULL, fault);
    else if (PQntuples(rows)) {
        POINT(CANCEL_ENDED);
        finish(cancel, CANCEL_DONE, "cancelled", NULL);
    } else {
        POINT(CANCEL_BETWEEN);
        ask(cancel, QUERY_CANCEL_ATTEMPT, on_asked);
    }
}

static void end_waiting(struct cancel *cancel)
{
    ask(cancel, QUERY_CANCEL_DUE, on_ended);
}

void cancel_apply(struct db *db, const struct uuid *id, const struct uuid *command,
                  const char *reason, cancel_reply *reply, void *data)
{
    struct cancel *cancel = mem_new(struct cancel, .db = db, .id = *id, .command = *command,
                                    .reason = mem_text(reason), .reply = reply, .data = data);

    end_waiting(cancel);
}
