/*
 * The executor proper: its parts, and what they know of each other.
 *
 *     inbox -> run -> (log, shell, http, kafka) -> report
 *                \-> begin (writes starts)          cancel (reads cancel requests)
 *                                         review (after each reconnect)
 *
 * lease holds the node's row and heartbeat on a connection of its own; the other statements share
 * one, so that what is said of credits and numbers read arrives in order. leash is the line to the
 * guardian.
 */
#pragma once

#include "common/bus.h"
#include "common/config.h"
#include "common/db.h"
#include "common/service.h"
#include "executor/leash.h"
#include "executor/ledger.h"
#include "executor/past.h"
#include "executor/window.h"

struct executor {
    struct service *service;
    sd_event *loop;
    const struct config *config;
    struct uuid node;
    char node_text[UUID_TEXT];
    char launcher[4096];

    struct leash *leash;
    struct lease *lease;
    struct db *db;   /* NULL until the node has joined */
    struct bus *bus; /* NULL where kafka tasks are not run */
    struct ledger ledger;
    struct past past;
    struct window window;
    size_t kept_bytes; /* texts of attempts that wait or run */
    struct inbox *inbox;
    struct run *run;
    struct begin *begin;
    struct cancel *cancel;
    struct report *report;
    struct review *review;
    struct requests *requests;

    bool draining; /* takes nothing new */
    bool leaving;  /* nothing is reported any more: recovery settles what is open */
};

/* What the guardian handed to this process on its command line. */
struct executor_birth {
    int line;           /* to the guardian */
    struct uuid former; /* the incarnation before, nil for the first */
};

/* The exit status of main. */
int executor_run(const struct executor_birth *birth, int count, char **arguments);

/* Stops all work at once without a report and ends the process, for another incarnation. */
void executor_give_up(struct executor *executor, const char *why);
