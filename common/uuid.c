#include "common/uuid.h"

#include "common/mem.h"

#include <ctype.h>
#include <glib.h>
#include <sys/random.h>

static void fill_random(void *bytes, size_t size)
{
    /* Up to 256 bytes are given whole once the kernel's pool is ready (getrandom(2)). */
    if (getrandom(bytes, size, 0) != (ssize_t)size)
        abort();
}

static void mark(struct uuid *uuid, int version)
{
    uuid->bytes[6] = (uint8_t)((uuid->bytes[6] & 0x0f) | version << 4);
    uuid->bytes[8] = (uint8_t)((uuid->bytes[8] & 0x3f) | 0x80);
}

struct uuid uuid_random(void)
{
    struct uuid uuid;

    fill_random(uuid.bytes, sizeof uuid.bytes);
    mark(&uuid, 4);
    return uuid;
}

/* Random bits for many identities at once: one system call for sixteen of them. */
static void random_tail(uint8_t tail[8])
{
    static uint8_t pool[128];
    static size_t used = sizeof pool;

    if (used == sizeof pool) {
        fill_random(pool, sizeof pool);
        used = 0;
    }
    memcpy(tail, pool + used, 8);
    used += 8;
}

/*
 * RFC 9562, 6.2, method 3: the twelve bits after the milliseconds hold the fraction of the
 * millisecond, and an instant that was given before is moved on by one step.
 */
struct uuid uuid_ordered(int64_t unix_us)
{
    static int64_t last;
    struct uuid uuid;
    int64_t milliseconds = unix_us / 1000, step = milliseconds << 12 | unix_us % 1000 * 4096 / 1000;

    if (step <= last)
        step = last + 1;
    last = step;
    for (int i = 0; i < 6; i++)
        uuid.bytes[i] = (uint8_t)(step >> (52 - 8 * i));
    uuid.bytes[6] = (uint8_t)(step >> 8 & 0x0f);
    uuid.bytes[7] = (uint8_t)step;
    random_tail(uuid.bytes + 8);
    mark(&uuid, 7);
    return uuid;
}

void digest(uint8_t ret[static DIGEST_SIZE], const void *bytes, size_t size)
{
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    gsize length = DIGEST_SIZE;

    g_checksum_update(sum, bytes, (gssize)size);
    g_checksum_get_digest(sum, ret, &length);
    g_checksum_free(sum);
}

struct uuid uuid_derived(const char *scope, const char *key)
{
    uint8_t sum[DIGEST_SIZE];
    size_t scope_size = strlen(scope) + 1, key_size = strlen(key);
    char *text = mem_array(char, scope_size + key_size);
    struct uuid uuid;

    /* The zero between them keeps ("a", "bc") apart from ("ab", "c"). */
    memcpy(text, scope, scope_size);
    memcpy(text + scope_size, key, key_size);
    digest(sum, text, scope_size + key_size);
    free(text);
    memcpy(uuid.bytes, sum, sizeof uuid.bytes);
    mark(&uuid, 8);
    return uuid;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool uuid_read(struct uuid *ret, const char *text)
{
    struct uuid uuid;
    size_t at = 0;

    for (size_t i = 0; i < sizeof uuid.bytes; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && text[at++] != '-')
            return false;
        int high = hex_digit(text[at]), low = high < 0 ? -1 : hex_digit(text[at + 1]);

        if (low < 0)
            return false;
        uuid.bytes[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    if (text[at])
        return false;
    *ret = uuid;
    return true;
}

char *uuid_write(char text[static UUID_TEXT], const struct uuid *uuid)
{
    static const char digits[] = "0123456789abcdef";
    char *at = text;

    for (size_t i = 0; i < sizeof uuid->bytes; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = digits[uuid->bytes[i] >> 4];
        *at++ = digits[uuid->bytes[i] & 15];
    }
    *at = '\0';
    return text;
}

bool uuid_equal(const struct uuid *one, const struct uuid *other)
{
    return !memcmp(one->bytes, other->bytes, sizeof one->bytes);
}

bool uuid_is_nil(const struct uuid *uuid)
{
    return uuid_equal(uuid, &(struct uuid){0});
}
