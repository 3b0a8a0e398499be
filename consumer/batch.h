/*
 * A batch: the records of Kafka that one statement stores, as its parameters and its outcome.
 *
 * A place is a partition with the offset that is stored. An item is one record; it belongs to the
 * term of its place in which it came: once the place was taken away or begun anew, the item is
 * stale and will not be stored from here.
 */
#pragma once

#include "common/args.h"
#include "common/command.h"

#include <libpq-fe.h>

enum place_state {
    PLACE_AWAY,  /* not ours */
    PLACE_ASKED, /* ours, where it stands is not known yet */
    PLACE_FIRST, /* begun at the oldest record, which has not come yet: nothing is stored */
    PLACE_OPEN,  /* records come, `stored` is what the database says */
    PLACE_GAP,   /* stands still: records are missing, or another Kafka has them */
};

struct place {
    char *topic;
    int32_t partition;
    bool legacy;
    enum place_state state;
    uint32_t term;
    int64_t stored; /* the next record to be stored, by the database */
    int64_t next;   /* the next record to be received */
    bool queried;
    bool doubted;    /* open, and the database may have lost what it said of it */
    bool hole;       /* begun again since something after `next` came */
    int64_t hole_at; /* that record */
    int64_t hole_us;
    char *old_cluster; /* of the row that an accepted gap gives up; NULL: there was none */
    int64_t old_next;
    char why[200]; /* of PLACE_GAP */
    /* Of the batch under way. */
    int slot;
    bool moved;
    int64_t after;
    struct place *other;
};

enum item_kind {
    ITEM_TASK,
    ITEM_CANCEL,
    ITEM_REDRIVE,
    ITEM_QUEUE,
    ITEM_EDIT, /* of a schedule */
    ITEM_REJECTED,
    ITEM_PASSED, /* has had its effect, only the offset moves */
};

struct item {
    struct place *place;
    uint32_t term;
    enum item_kind kind;
    bool stored, reused; /* what the statement answered */
    bool read;           /* `command` holds something */
    bool refused;        /* by the database, while it stood alone */
    bool lost;           /* its key was there already, while it stood alone */
    rd_kafka_message_t *message;
    struct command command;
    struct command_refusal *refusal;
    struct item *next;
};

struct item *item_new(struct place *place, rd_kafka_message_t *message);
void item_free(struct item *item);
bool item_stands_alone(const struct item *item); /* applied by statements of its own */
size_t item_size(const struct item *item);       /* about what it holds of memory */
bool item_is_stale(const struct item *item);

/* It was refused, by the database where `code` is NULL: from now on it is a rejection. */
void item_refuse(struct item *item, const char *code, const char *detail);

#define BATCH_PLACES_MOST 1024
#define NOTICE_MOST 7000

struct batch {
    size_t count, bytes, tasks;
    struct item *first; /* the first `count` items from here on */
    struct place *places[BATCH_PLACES_MOST];
    int place_count;
    struct item **table; /* of tasks, by id */
    size_t table_size;
    struct args args;
    char notice[NOTICE_MOST + 160];
};

void batch_init(struct batch *batch, size_t most);
void batch_done(struct batch *batch);

/* Empties it; `first` is the head of the items it will be cut from. */
void batch_begin(struct batch *batch, struct item *first);

/* Takes the next item. False: it cannot be in one statement with those before. */
bool batch_add(struct batch *batch, struct item *item);

/* The parameters of store.sql. */
const struct args *batch_args(struct batch *batch, const char *cluster);

/* What the dispatcher is told: a line for each lane, or "*". NULL: nothing to tell. */
const char *batch_notice(struct batch *batch);

/* Sets `moved` of the places, `stored` and `reused` of the items. */
void batch_read(struct batch *batch, const PGresult *rows);
