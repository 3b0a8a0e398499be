/*
 * Where a page of a list ended, as an opaque text that the caller hands back as it came: base64url
 * of version, source, key, id, the filters' digest, and a check of these.
 *
 * It is not signed: a made-up one names another place to begin, nothing more. Refused: any other
 * length, alphabet or version, a check that does not fit, a source or a key out of bounds.
 */
#pragma once

#include "common/fault.h"
#include "common/uuid.h"

#include <stdint.h>

#define CURSOR_TEXT 45 /* with the ending zero */
#define CURSOR_SOURCE_MOST 15

struct cursor {
    int source;      /* which walk of the list: see list.c */
    int64_t key;     /* what that walk is ordered by: microseconds since 1970, or an inbox number */
    struct uuid id;  /* and among equal keys */
    uint32_t filter; /* filter_digest of the list it belongs to */
};

char *cursor_write(char text[static CURSOR_TEXT], const struct cursor *cursor);

/* *ret is untouched on failure. */
bool cursor_read(struct cursor *ret, const char *text, struct fault *fault);
