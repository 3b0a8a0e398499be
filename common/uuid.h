/*
 * Identities: random ones for nodes, time-ordered ones for tasks, derived ones for idempotency
 * keys.
 *
 * Versions 4, 7 and 8 of RFC 9562. The text form is lower case with hyphens.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UUID_TEXT 37 /* with the ending zero */

struct uuid {
    uint8_t bytes[16];
};

struct uuid uuid_random(void);

/* Version 7 from `unix_us`; those made by one process within a millisecond ascend. */
struct uuid uuid_ordered(int64_t unix_us);

/* Version 8 from the SHA-256 of scope and key: the same everywhere and at any time. */
struct uuid uuid_derived(const char *scope, const char *key);

/* Takes both cases; refuses anything but 8-4-4-4-12 hexadecimal digits. */
bool uuid_read(struct uuid *ret, const char *text);
char *uuid_write(char text[static UUID_TEXT], const struct uuid *uuid);
bool uuid_equal(const struct uuid *one, const struct uuid *other);
bool uuid_is_nil(const struct uuid *uuid);

#define DIGEST_SIZE 32

/* SHA-256 (FIPS 180-4). */
void digest(uint8_t ret[static DIGEST_SIZE], const void *bytes, size_t size);
