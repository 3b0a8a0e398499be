/*
 * A change of a schedule, applied: its preconditions are judged against the row as it is, and one
 * statement writes what follows if the row is still the same, otherwise it is read again. Applying
 * one twice does what applying it once does: the row keeps the place in Kafka of the last one.
 */
#pragma once

#include "common/db.h"
#include "common/edit.h"

enum change_outcome {
    CHANGE_DONE,
    CHANGE_SAME,    /* the definition was this one already, or the command was applied before */
    CHANGE_REFUSED, /* by a precondition, or since there is no such schedule */
};

/* Where the command stands in Kafka. */
struct change_place {
    const char *cluster, *topic;
    int32_t partition;
    int64_t offset;
};

/*
 * `code` and `detail` are set where it was refused. Faults are of db.h, or FAULT_BUSY where the row
 * kept moving: apply it again later.
 */
typedef void change_reply(void *data, enum change_outcome outcome, const char *code,
                          const char *detail, const struct fault *fault);

/*
 * A change that the master makes of itself, of a schedule as it has read it: a pause by failures,
 * the end of a pause. The reply has no row where the schedule has moved meanwhile.
 */
void change_by_master(struct db *db, const struct uuid *id, int64_t seq, enum edit_action action,
                      const char *reason, db_reply *reply, void *data);

/* `edit` and `place->topic` must live until the reply. */
void change_apply(struct db *db, const struct edit *edit, const struct change_place *place,
                  change_reply *reply, void *data);
