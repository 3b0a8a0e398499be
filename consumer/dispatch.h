/*
 * Dispatch: the master hands due tasks to executors, one short statement at a time.
 *
 * It wakes by a timer for the next due instant, by notifications (rota_due: a stored batch and its
 * least instants; rota_credit: an executor would take work again), and by a look once a second, the
 * net under both. While it is not started it does nothing.
 */
#pragma once

#include "common/config.h"
#include "common/db.h"
#include "consumer/takers.h"

#include <systemd/sd-event.h>

struct dispatch;

struct dispatch_owner {
    /* The lease yielded no row, or a statement ended in doubt: this node is not the master. */
    void (*doubt)(void *data, const char *reason);
    /* Nodes as the look found them, one call a row and one with NULL at the end. */
    void (*looked)(void *data, const PGresult *rows, int row);
    void (*late)(void *data); /* tasks wait that are past their start_deadline */
    void *data;
};

/* `work` writes as master, `look` only reads. */
struct dispatch *dispatch_new(sd_event *loop, struct db *work, struct db *look,
                              const struct config *config, const struct dispatch_owner *owner);
void dispatch_free(struct dispatch *dispatch);

void dispatch_begin(struct dispatch *dispatch, const struct uuid *id, int64_t epoch);
void dispatch_end(struct dispatch *dispatch);

/* Notifications. */
void dispatch_due(struct dispatch *dispatch, const char *text);
void dispatch_credit(struct dispatch *dispatch);
void dispatch_queue(struct dispatch *dispatch, const char *queue);

/* Tasks came back from a lost executor, of any lane: look now. */
void dispatch_look(struct dispatch *dispatch);
