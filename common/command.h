/*
 * Commands on rota.commands: CloudEvents in binary mode. The header ce_type says what the value is
 * (rota.task.schedule.v1, rota.task.cancel.v1), ce_id the id of the task; the record's key is the
 * task's id, so that commands for one task stay in order. A later version (.v2) is refused with its
 * reason. Records of the founding topic scheduler-task, {"execTs":ms,"data":".."}, read as log tasks
 * whose id is derived from topic, partition and offset.
 */
#pragma once

#include "common/bus.h"
#include "common/task.h"

#include <librdkafka/rdkafka.h>

#define COMMAND_BYTES_MOST (1024 * 1024)

enum command_kind { COMMAND_SCHEDULE, COMMAND_CANCEL, COMMAND_KIND_COUNT };

struct command {
    enum command_kind kind;
    struct uuid id;     /* of the task it is about */
    struct task task;   /* of COMMAND_SCHEDULE */
    char reason[256];   /* of COMMAND_CANCEL */
};

struct command_refusal {
    char code[48]; /* invalid-json, invalid-command, unsupported-version, ... */
    char detail[320];
    struct uuid id; /* nil where it could not be read */
};

/* False: the record can never be stored, `refusal` says why. */
bool command_read(struct command *ret, const rd_kafka_message_t *message, bool legacy,
                  struct command_refusal *refusal);
void command_done(struct command *command);

/* Sends it to <prefix>commands, from the producer named `node`. See bus_send. */
bool command_send_task(struct bus *bus, const char *topic, const char *node,
                       const struct task *task, bus_reply *reply, void *data, struct fault *fault);
bool command_send_cancel(struct bus *bus, const char *topic, const char *node,
                         const struct uuid *id, const char *reason, bus_reply *reply, void *data,
                         struct fault *fault);
