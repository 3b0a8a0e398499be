/*
 * The executor's end of the line to its guardian (guardian.h says what the guardian does with it).
 *
 * Groups are told in order, and each answer is the guardian's word that it knows, or no longer
 * knows, that group. The line ends only when the guardian does: then `gone` is called once.
 */
#pragma once

#include "common/fault.h"
#include "common/uuid.h"

#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

struct leash;

struct leash_owner {
    void (*stop)(void *data); /* the guardian asks for a clean stop */
    void (*gone)(void *data); /* there is no guardian any more */
    void *data;
};

typedef void leash_reply(void *data);

/* Takes the file descriptor over. */
bool leash_open(struct leash **ret, sd_event *loop, int fd, const struct leash_owner *owner,
                struct fault *fault);

/* Open questions are not answered any more. Takes NULL. */
void leash_close(struct leash *leash);

void leash_node(struct leash *leash, const struct uuid *node);
void leash_deadline(struct leash *leash, int64_t boot_us);
void leash_stopped(struct leash *leash);

void leash_add(struct leash *leash, pid_t group, leash_reply *reply, void *data);
void leash_forget(struct leash *leash, pid_t group, leash_reply *reply, void *data);
