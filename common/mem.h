/*
 * Memory of known, small size: it is had, or the process ends.
 *
 * Stored offsets and leases make a restart safe, so an empty heap is not a fault that each caller
 * has to handle. Whatever comes from outside is held against a named limit before memory is asked.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void *mem_or_end(void *memory)
{
    if (!memory) {
        fputs("out of memory\n", stderr);
        abort();
    }
    return memory;
}

/* mem_new(struct call, .reply = reply): fields not named are zero. */
#define mem_new(type, ...)                                                                         \
    ((type *)memcpy(mem_or_end(malloc(sizeof(type))), &(type){__VA_ARGS__}, sizeof(type)))

#define mem_text(text) ((char *)mem_or_end(strdup(text)))

/* `count` zeroed elements. */
#define mem_array(type, count) ((type *)mem_or_end(calloc((count) ? (count) : 1, sizeof(type))))

#define mem_grow(array, count) mem_or_end(reallocarray((array), (count), sizeof *(array)))

#define COUNT(array) (sizeof(array) / sizeof *(array))
