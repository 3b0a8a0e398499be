#include "common/line.h"

#include "common/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define DIGITS_MOST 20

struct line {
    char *at, *end;
    va_list args;
};

static void put(struct line *line, const char *bytes, size_t size)
{
    size_t room = (size_t)(line->end - line->at);

    if (size > room)
        size = room;
    memcpy(line->at, bytes, size);
    line->at += size;
}

static void put_number(struct line *line, uint64_t number)
{
    char digits[DIGITS_MOST], *first = digits + DIGITS_MOST;

    do
        *--first = (char)('0' + number % 10);
    while (number /= 10);
    put(line, first, (size_t)(digits + DIGITS_MOST - first));
}

static void put_signed(struct line *line, int64_t number)
{
    if (number < 0)
        put(line, "-", 1);
    put_number(line, number < 0 ? -(uint64_t)number : (uint64_t)number);
}

static void put_text(struct line *line)
{
    const char *text = va_arg(line->args, const char *);

    if (!text)
        text = "(null)";
    put(line, text, strlen(text));
}

static void put_int(struct line *line)
{
    put_signed(line, va_arg(line->args, int));
}

static void put_long_long(struct line *line)
{
    put_signed(line, va_arg(line->args, long long));
}

static void put_size(struct line *line)
{
    put_number(line, va_arg(line->args, size_t));
}

static void put_unsigned(struct line *line)
{
    put_number(line, va_arg(line->args, unsigned long long));
}

static const struct conversion {
    const char *name;
    size_t size;
    void (*put)(struct line *line);
} conversions[] = {
    {"s", 1, put_text},  {"d", 1, put_int},        {"lld", 3, put_long_long},
    {"zu", 2, put_size}, {"llu", 3, put_unsigned},
};

/* What the text behind a percent sign asks for; NULL: something else. */
static const struct conversion *conversion_of(const char *text)
{
    for (size_t i = 0; i < COUNT(conversions); i++)
        if (!strncmp(text, conversions[i].name, conversions[i].size))
            return &conversions[i];
    return NULL;
}

/* False: the format holds something else. */
static bool write_ours(struct line *line, const char *format)
{
    for (const char *percent; (percent = strchr(format, '%'));) {
        const struct conversion *conversion = conversion_of(percent + 1);

        if (!conversion)
            return false;
        put(line, format, (size_t)(percent - format));
        conversion->put(line);
        format = percent + 1 + conversion->size;
    }
    put(line, format, strlen(format));
    return true;
}

static size_t write_any(char *at, size_t room, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

static size_t write_any(char *at, size_t room, const char *format, va_list args)
{
    int wanted = vsnprintf(at, room, format, args);
    size_t size = wanted < 0 ? 0 : (size_t)wanted;

    return size < room ? size : room - 1;
}

size_t line_write(char *at, size_t room, const char *format, va_list args)
{
    struct line line = {.at = at, .end = at + room - 1};
    bool ours;

    va_copy(line.args, args);
    ours = write_ours(&line, format);
    va_end(line.args);
    return ours ? (size_t)(line.at - at) : write_any(at, room, format, args);
}

size_t line_format(char *at, size_t room, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    size_t size = line_write(at, room, format, args);
    va_end(args);
    return size;
}
