/* What the parts of rota-producer share. */
#pragma once

#include "common/bus.h"
#include "common/db.h"
#include "common/service.h"
#include "common/task.h"
#include "producer/spread.h"

/* How young a heartbeat shows that a node lives: the default of ROTA_ALIVE, for show only. */
#define ALIVE_MS 5000

struct waiters;

struct producer {
    struct service *service;
    sd_event *loop;
    const struct config *config;
    struct bus *bus;
    struct db *db; /* reads only */
    struct waiters *waiters;
    struct spread spread;
    char topic[256];  /* <prefix>commands */
    bool schema_fits; /* the database has the tables that we read */
    bool asking_schema;
    sd_event_source *tick;
    int64_t asked_us; /* for the clock, 0: no question is open */
};

/* Routes; `data` is the struct producer. */
web_handler accept_task, accept_batch, accept_legacy, accept_either, legacy_health;
web_handler status_task, status_attempts, list_tasks, cluster_nodes, cluster_show;
web_handler action_cancel, action_retry, action_run_now, task_explain;
web_handler queue_list, queue_get, queue_patch, queue_pause, queue_resume;
web_handler schedule_list, schedule_get, schedule_put, schedule_delete, schedule_pause;
web_handler schedule_resume, schedule_trigger, schedule_backfill, schedule_upcoming, schedule_fires;
web_handler schedule_import, cron_explain;
