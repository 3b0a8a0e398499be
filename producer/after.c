#include "producer/after.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define TOPIC_MOST 249

/* The digits from `text` to `end`; -1 where it is no number up to `most`. */
static int64_t number(const char *text, const char *end, int64_t most)
{
    int64_t value = 0;

    if (text == end || end - text > 19 || (*text == '0' && end - text > 1))
        return -1;
    for (; text < end; text++)
        if (!isdigit((unsigned char)*text) || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *text - '0', &value))
            return -1;
    return value <= most ? value : -1;
}

static bool is_topic(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("._-", text[i]))
            return false;
    return size > 0 && size <= TOPIC_MOST;
}

bool after_read(struct after *ret, const char *text)
{
    const char *last = strrchr(text, '.'), *middle = last;
    struct after after;

    while (middle && middle > text && *--middle != '.')
        continue;
    if (!last || *middle != '.' || middle == last || !is_topic(text, (size_t)(middle - text)))
        return false;
    int64_t partition = number(middle + 1, last, INT32_MAX);

    after.offset = number(last + 1, text + strlen(text), INT64_MAX - 1);
    if (partition < 0 || after.offset < 0)
        return false;
    after.partition = (int32_t)partition;
    snprintf(after.topic, sizeof after.topic, "%.*s", (int)(middle - text), text);
    *ret = after;
    return true;
}

char *after_write(char text[static AFTER_TEXT], const struct after *after)
{
    snprintf(text, AFTER_TEXT, "%s.%d.%lld", after->topic, after->partition,
             (long long)after->offset);
    return text;
}
