/*
 * A time zone file (TZif, RFC 9636, before that RFC 8536) as a row of spans of one offset each.
 *
 * Taken are files of version 2 and later; the 64-bit part and the last line are read, the 32-bit
 * part is passed over. The last line's rule is written out to the end of 2200, so that whoever asks
 * needs no second way of looking up. Transitions that only change a name or the summer flag are
 * left out: neighbours differ. Refused are leap seconds (the "right" zones), since Unix time has
 * none, and whatever contradicts itself.
 */
#pragma once

#include "common/fault.h"

#include <stddef.h>
#include <stdint.h>

#define TZIF_BYTES_MOST 65536

struct tzif_span {
    int64_t from_s; /* of the first INT64_MIN */
    int offset_s;   /* seconds east of UTC */
};

struct tzif {
    struct tzif_span *spans; /* ascending; never none */
    size_t count;
};

bool tzif_read(struct tzif *ret, const void *bytes, size_t size, struct fault *fault);

/* Offset 0 for ever. */
struct tzif tzif_utc(void);
void tzif_done(struct tzif *tzif);
