/*
 * The place of a record in Kafka as text, topic.partition.offset: ?after= of a status link says
 * which record must be stored before "not found" is an answer. A topic may hold dots.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define AFTER_TEXT 320

struct after {
    char topic[256]; /* "": no place */
    int32_t partition;
    int64_t offset;
};

/* Digits only, no signs, no leading zeros, a topic that Kafka allows. */
bool after_read(struct after *ret, const char *text);
char *after_write(char text[static AFTER_TEXT], const struct after *after);
