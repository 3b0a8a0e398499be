#include "producer/cursor.h"

#include <endian.h>
#include <string.h>

#define VERSION 1
/* 1 version, 1 source, 8 key, 16 id, 4 filter, 3 check: a multiple of three, so nothing is padded
 */
#define BYTES 33
#define CHECKED 30

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* RFC 4648, section 5. */
static void encode(char text[static CURSOR_TEXT], const uint8_t bytes[static BYTES])
{
    for (int i = 0; i < BYTES; i += 3) {
        unsigned three = (unsigned)bytes[i] << 16 | (unsigned)bytes[i + 1] << 8 | bytes[i + 2];

        for (int shift = 18; shift >= 0; shift -= 6)
            *text++ = digits[three >> shift & 63];
    }
    *text = '\0';
}

static bool decode(uint8_t bytes[static BYTES], const char *text)
{
    if (strlen(text) != CURSOR_TEXT - 1)
        return false;
    for (int i = 0; i < BYTES; i += 3) {
        unsigned three = 0;

        for (int j = 0; j < 4; j++) {
            const char *digit = strchr(digits, *text++);

            if (!digit)
                return false;
            three = three << 6 | (unsigned)(digit - digits);
        }
        bytes[i] = (uint8_t)(three >> 16);
        bytes[i + 1] = (uint8_t)(three >> 8);
        bytes[i + 2] = (uint8_t)three;
    }
    return true;
}

static void write_check(uint8_t check[static BYTES - CHECKED], const uint8_t bytes[static CHECKED])
{
    uint8_t sum[DIGEST_SIZE];

    digest(sum, bytes, CHECKED);
    memcpy(check, sum, BYTES - CHECKED);
}

char *cursor_write(char text[static CURSOR_TEXT], const struct cursor *cursor)
{
    uint8_t bytes[BYTES] = {VERSION, (uint8_t)cursor->source};
    uint64_t key = htobe64((uint64_t)cursor->key);
    uint32_t filter = htobe32(cursor->filter);

    memcpy(bytes + 2, &key, sizeof key);
    memcpy(bytes + 10, cursor->id.bytes, sizeof cursor->id.bytes);
    memcpy(bytes + 26, &filter, sizeof filter);
    write_check(bytes + CHECKED, bytes);
    encode(text, bytes);
    return text;
}

static bool is_ours(uint8_t bytes[static BYTES], const char *text)
{
    uint8_t check[BYTES - CHECKED];

    if (!decode(bytes, text) || bytes[0] != VERSION || bytes[1] > CURSOR_SOURCE_MOST)
        return false;
    write_check(check, bytes);
    return !memcmp(check, bytes + CHECKED, sizeof check);
}

bool cursor_read(struct cursor *ret, const char *text, struct fault *fault)
{
    uint8_t bytes[BYTES];
    uint64_t key;
    uint32_t filter;

    if (!is_ours(bytes, text))
        return fault_set(fault, FAULT_REJECTED,
                         "this is no cursor: send back next_cursor as it came");
    memcpy(&key, bytes + 2, sizeof key);
    memcpy(&filter, bytes + 26, sizeof filter);
    if ((int64_t)be64toh(key) < 0)
        return fault_set(fault, FAULT_REJECTED, "the cursor's place is out of bounds");
    *ret = (struct cursor){
        .source = bytes[1], .key = (int64_t)be64toh(key), .filter = be32toh(filter)};
    memcpy(ret->id.bytes, bytes + 10, sizeof ret->id.bytes);
    return true;
}
