/*
 * This consumer as a node: it registers under a fresh identity once the schema fits, and writes its
 * heartbeat at a fixed rate. The heartbeat touches its own timestamp and nothing else; it also
 * tells this process what the database's clock says. A node that was marked dead registers anew.
 */
#pragma once

#include "common/config.h"
#include "common/db.h"

#include <systemd/sd-event.h>

struct member;

struct member_owner {
    void (*joined)(void *data, const struct uuid *id);
    void (*dead)(
        void *data); /* marked dead: the identity is void, `joined` follows with a new one */
    void *data;
};

/* `db` may be shared; the schema must be there. */
struct member *member_start(sd_event *loop, struct db *db, const struct config *config,
                            const struct member_owner *owner);

/* Signs off; `done` is called when the database knows or cannot. */
void member_leave(struct member *member, void (*done)(void *data), void *data);
void member_stop(struct member *member);

const struct uuid *member_id(const struct member *member); /* nil before the first `joined` */
