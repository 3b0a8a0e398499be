/*
 * What is kept of a command's output: the first part and the last part, within a limit.
 *
 * output_tail gives the end of it as one line of valid UTF-8 that PostgreSQL's text takes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct output {
    size_t most;        /* half of it for the first part, half for the last */
    char *first, *last; /* `last` is a ring */
    size_t first_size, first_room, last_size, last_at;
    uint64_t total; /* bytes that came */
};

void output_init(struct output *output, size_t most);
void output_done(struct output *output);
void output_add(struct output *output, const char *bytes, size_t size);

/* Bytes that came and are not kept. */
uint64_t output_dropped(const struct output *output);

/* What is kept, in order, to be freed; `size` is filled. */
char *output_all(const struct output *output, size_t *size);

/*
 * The last `most` bytes or less, to be freed: starts at a character, bytes that are no UTF-8 and
 * control characters other than line feed and tab replaced by '?', white space at the end cut.
 */
char *output_tail(const struct output *output, size_t most);

/* The same for any text, in place: the new size. */
size_t output_clean(char *text, size_t size);
