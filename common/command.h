/*
 * Commands on rota.commands: CloudEvents in binary mode. The header ce_type says what the value is
 * (rota.task.schedule.v1, cancel, retry, run-now, rota.queue.set.v1, rota.schedule.put.v1, pause,
 * resume, delete) and the
 * value names the task, or the schedule; the record's key is the task's id, or the schedule's name,
 * so that commands for one object stay in order. A later version (.v2) is refused with
 * its reason. Records of the founding topic scheduler-task, {"execTs":ms,"data":".."}, read as log
 * tasks whose id is derived from topic, partition and offset.
 */
#pragma once

#include "common/bus.h"
#include "common/edit.h"
#include "common/queue.h"
#include "common/task.h"

#include <librdkafka/rdkafka.h>

#define COMMAND_BYTES_MOST (1024 * 1024)
#define COMMAND_REASON_MOST 255 /* bytes */

enum command_kind {
    COMMAND_TASK,
    COMMAND_CANCEL,
    COMMAND_RETRY,
    COMMAND_RUN_NOW,
    COMMAND_QUEUE, /* what holds for a queue */
    COMMAND_PUT,   /* of a schedule, as those that follow */
    COMMAND_PAUSE,
    COMMAND_RESUME,
    COMMAND_DELETE,
    COMMAND_KIND_COUNT,
};

struct command {
    enum command_kind kind;
    struct uuid id;   /* of the task it is about; of the command itself, where it is a schedule's */
    struct task task; /* of COMMAND_TASK */
    struct queue_change *queue; /* of COMMAND_QUEUE, else NULL */
    struct edit *edit;          /* of a schedule's, else NULL */
    struct uuid command;        /* its own identity, where it is an action on a task; nil: none */
    char reason[COMMAND_REASON_MOST + 1]; /* of such an action */
};

struct command_refusal {
    char code[48]; /* invalid-json, invalid-command, unsupported-version, unknown-command, too-large
                    */
    char detail[320];
    struct uuid id; /* nil where it could not be read */
};

/* A record as this reader sees it. */
struct command_record {
    const char *topic;
    int32_t partition;
    int64_t offset, timestamp_ms; /* timestamp -1: none */
    const char *type;             /* the header ce_type, NULL: none */
    const void *value;
    size_t value_size;
};

/* False: the record can never be stored, `refusal` says why. */
bool command_read_record(struct command *ret, const struct command_record *record, bool legacy,
                         struct command_refusal *refusal);
bool command_read(struct command *ret, const rd_kafka_message_t *message, bool legacy,
                  struct command_refusal *refusal);
void command_done(struct command *command);

/*
 * Sends it to `topic` (<prefix>commands), from the producer named `node`. See bus_send. `reason`
 * has at most COMMAND_REASON_MOST bytes.
 */
bool command_send_task(struct bus *bus, const char *topic, const char *node,
                       const struct task *task, bus_reply *reply, void *data, struct fault *fault);

/* An action on a task: `kind` (COMMAND_CANCEL, COMMAND_RETRY, COMMAND_RUN_NOW), `id` of the task,
 * `command` of its own. */
struct command_action {
    enum command_kind kind;
    struct uuid id, command;
    const char *reason; /* NULL: none */
};
bool command_send_action(struct bus *bus, const char *topic, const char *node,
                         const struct command_action *action, bus_reply *reply, void *data,
                         struct fault *fault);
bool command_send_queue(struct bus *bus, const char *topic, const char *node,
                        const struct queue_change *change, bus_reply *reply, void *data,
                        struct fault *fault);
bool command_send_edit(struct bus *bus, const char *topic, const char *node,
                       const struct edit *edit, bus_reply *reply, void *data, struct fault *fault);
