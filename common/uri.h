/*
 * The parts of a request's target: the segments of its path, and its parameters. Each is
 * percent-decoded once, after the cutting, so that %2F within a segment is data.
 *
 * Refused: a broken percent sign, a decoded U+0000, what is not UTF-8, more parts than the bounds
 * below.
 */
#pragma once

#include "common/fault.h"

#include <stdbool.h>
#include <stddef.h>

#define URI_SEGMENTS_MOST 16
#define URI_PARAMS_MOST 100

struct uri_path {
    char *text; /* the decoded segments, each ended by a zero */
    const char *segments[URI_SEGMENTS_MOST];
    int count;
};

struct uri_params {
    char *text;
    struct {
        const char *name, *value;
    } list[URI_PARAMS_MOST];
    int count;
};

/* `text` up to `size`, which begins with '/'. */
bool uri_path_read(struct uri_path *ret, const char *text, size_t size, struct fault *fault);
void uri_path_done(struct uri_path *path);

/* A pattern is a path in which {name} stands for any one segment that is not empty. */
bool uri_path_fits(const struct uri_path *path, const char *pattern);

/* The segment that stands for {name}, or NULL. The path must fit the pattern. */
const char *uri_path_value(const struct uri_path *path, const char *pattern, const char *name);

/* a=1&b=2, as in a query and in a form: + is a space; a name alone has the value "". */
bool uri_params_read(struct uri_params *ret, const char *text, size_t size, struct fault *fault);
void uri_params_done(struct uri_params *params);

/* The first one of that name, or NULL. */
const char *uri_params_find(const struct uri_params *params, const char *name);
