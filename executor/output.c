#include "executor/output.h"

#include "common/mem.h"

#include <stdbool.h>

void output_init(struct output *output, size_t most)
{
    *output = (struct output){.most = most};
}

void output_done(struct output *output)
{
    free(output->first);
    free(output->last);
    *output = (struct output){0};
}

static size_t fill_first(struct output *output, const char *bytes, size_t size)
{
    size_t half = output->most / 2, free_size = half - output->first_size;

    if (size > free_size)
        size = free_size;
    if (output->first_size + size > output->first_room) {
        output->first_room = (output->first_size + size) * 2;
        if (output->first_room > half)
            output->first_room = half;
        output->first = mem_grow(output->first, output->first_room);
    }
    if (size)
        memcpy(output->first + output->first_size, bytes, size);
    output->first_size += size;
    return size;
}

static void fill_last(struct output *output, const char *bytes, size_t size)
{
    size_t half = output->most / 2;

    if (!half)
        return;
    if (!output->last)
        output->last = mem_array(char, half);
    if (size > half) {
        bytes += size - half;
        size = half;
    }
    while (size) {
        size_t piece = half - output->last_at < size ? half - output->last_at : size;

        memcpy(output->last + output->last_at, bytes, piece);
        output->last_at = (output->last_at + piece) % half;
        output->last_size = output->last_size + piece > half ? half : output->last_size + piece;
        bytes += piece;
        size -= piece;
    }
}

void output_add(struct output *output, const char *bytes, size_t size)
{
    size_t taken;

    output->total += size;
    taken = fill_first(output, bytes, size);
    if (taken < size)
        fill_last(output, bytes + taken, size - taken);
}

uint64_t output_dropped(const struct output *output)
{
    return output->total - output->first_size - output->last_size;
}

char *output_all(const struct output *output, size_t *size)
{
    size_t half = output->most / 2;
    char *all = mem_array(char, output->first_size + output->last_size + 1);

    if (output->first_size)
        memcpy(all, output->first, output->first_size);
    for (size_t i = 0; i < output->last_size; i++)
        all[output->first_size + i] =
            output->last[(output->last_at + half - output->last_size + i) % half];
    *size = output->first_size + output->last_size;
    return all;
}

/* Bytes of the UTF-8 character that starts at `text`; 0: none does (Unicode table 3-7). */
static size_t character(const unsigned char *text, size_t size)
{
    static const struct {
        unsigned char first, last, least, most, length;
    } forms[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    for (size_t i = 0; i < COUNT(forms); i++) {
        if (*text < forms[i].first || *text > forms[i].last)
            continue;
        if (forms[i].length > size)
            return 0;
        if (forms[i].length > 1 && (text[1] < forms[i].least || text[1] > forms[i].most))
            return 0;
        for (size_t j = 2; j < forms[i].length; j++)
            if ((text[j] & 0xc0) != 0x80)
                return 0;
        return forms[i].length;
    }
    return 0;
}

static bool is_odd(unsigned char byte)
{
    return (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f;
}

size_t output_clean(char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t length = character((const unsigned char *)text + i, size - i);

        if (!length || (length == 1 && is_odd((unsigned char)text[i])))
            text[i] = '?';
        i += length ? length : 1;
    }
    while (size && strchr(" \n\t", text[size - 1]))
        size--;
    return size;
}

char *output_tail(const struct output *output, size_t most)
{
    size_t size, skip = 0;
    char *all = output_all(output, &size);

    if (size > most) {
        skip = size - most;
        while (skip < size && (all[skip] & 0xc0) == 0x80)
            skip++;
    }
    memmove(all, all + skip, size - skip);
    size = output_clean(all, size - skip);
    all[size] = '\0';
    return all;
}
