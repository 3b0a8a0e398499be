#include "executor/cancel.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/rows.h"
#include "executor/run.h"

#define BATCH_MOST 2000

struct cancel {
    struct executor *executor;
    bool calling, again;
    int64_t after; /* the last number that was asked about; 0: begin anew */
    struct args args;
};

static bool is_open(const struct attempt *attempt)
{
    return attempt->stop == STOP_NONE &&
           (attempt->stage == ATTEMPT_WAITING || attempt->stage == ATTEMPT_RUNNING);
}

static void on_read(void *data, const PGresult *rows, const struct fault *fault)
{
    struct cancel *cancel = data;
    struct rows_array inboxes;

    cancel->calling = false;
    if (fault) {
        log_debug("cancels.unread", "error=%s", LOG_VALUE(fault->text));
        cancel->after = 0;
        return;
    }
    inboxes = rows_array(rows, 0, 0);
    for (int i = inboxes.count; i > 0; i--) {
        struct attempt *attempt = ledger_find(&cancel->executor->ledger, rows_next_int(&inboxes));

        if (attempt && is_open(attempt))
            run_cancel(attempt);
    }
    if (cancel->again || cancel->after)
        cancel_look(cancel);
}

static size_t collect(struct cancel *cancel, const struct attempt **batch)
{
    const struct attempt *attempt;
    size_t count = 0;

    attempt = TAILQ_FIRST(&cancel->executor->ledger.held);
    for (; attempt; attempt = TAILQ_NEXT(attempt, held)) {
        if (attempt->inbox <= cancel->after || !is_open(attempt))
            continue;
        if (count == BATCH_MOST)
            break;
        batch[count++] = attempt;
    }
    cancel->after = attempt ? batch[count - 1]->inbox : 0;
    return count;
}

void cancel_look(struct cancel *cancel)
{
    const struct attempt *batch[BATCH_MOST];
    struct args *args = &cancel->args;
    size_t count;

    cancel->again = cancel->calling;
    if (cancel->calling || !db_is_ready(cancel->executor->db))
        return;
    count = collect(cancel, batch);
    if (!count)
        return;
    args_reset(args);
    args_uuid(args, &cancel->executor->node);
    args_array(args, ARGS_UUID);
    for (size_t i = 0; i < count; i++)
        args_uuid(args, &batch[i]->task);
    args_array_end(args);
    args_array(args, ARGS_INT4);
    for (size_t i = 0; i < count; i++)
        args_int4(args, batch[i]->token);
    args_array_end(args);
    cancel->calling = true;
    db_call(cancel->executor->db, QUERY_CANCELS, args, on_read, cancel);
}

struct cancel *cancel_open(struct executor *executor)
{
    return mem_new(struct cancel, .executor = executor);
}

void cancel_close(struct cancel *cancel)
{
    if (!cancel)
        return;
    args_free(&cancel->args);
    free(cancel);
}
