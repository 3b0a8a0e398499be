#include "consumer/redrive.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "common/point.h"
#include "common/rows.h"

struct redrive {
    redrive_reply *reply;
    void *data;
};

/* done; state; lane. */
static void on_redriven(void *data, const PGresult *rows, const struct fault *fault)
{
    struct redrive *redrive = data;

    if (!fault)
        POINT(REDRIVE_COMMITTED);
    redrive->reply(redrive->data, !fault && rows_bool(rows, 0, 0),
                   fault ? NULL : rows_text(rows, 0, 2), fault ? NULL : rows_text(rows, 0, 1),
                   fault);
    free(redrive);
}

void redrive_apply(struct db *db, const struct command *command, redrive_reply *reply, void *data)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    args_uuid(&args, &command->id);
    args_uuid(&args, &command->command);
    args_text(&args, command->reason);
    db_call(db, command->kind == COMMAND_RETRY ? QUERY_REDRIVE : QUERY_RUN_NOW, &args, on_redriven,
            mem_new(struct redrive, .reply = reply, .data = data));
}
