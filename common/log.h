/*
 * One event, one logfmt line: ts= level= event= node=, then the event's own facts.
 *
 * Lines go to <dir>/<role>-<n>.log, where n is the lowest number whose file this process could
 * lock; role-n is the node's name unless another was given. A thread of its own writes what has
 * gathered, so that a slow or full disk never holds up the work: past a bound lines are dropped,
 * counted, and the count is logged once there is room again. Files turn over by size; SIGHUP
 * (log_reopen) opens the file anew for outside rotation.
 *
 * The event is a constant name such as task.stored. Values that came from outside go through
 * log_quote, which escapes and cuts them; secrets never get here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/fault.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_LEVEL_COUNT };

struct log_settings {
    const char *dir;  /* NULL or empty: stderr only */
    const char *role; /* consumer, executor, producer */
    const char *name; /* the node's name; NULL: role-n from the file that could be locked */
    enum log_level least;
    bool to_stderr;     /* also to stderr */
    int64_t most_bytes; /* of one file; then it becomes .1, .1 becomes .2, ... */
    int keep;           /* former files kept */
};

/* Before log_open lines go to stderr. A directory that cannot be written is a warning, not a fault.
 */
bool log_open(const struct log_settings *settings, struct fault *fault);

/* Writes what is left, waiting at most a second. */
void log_close(void);
void log_reopen(void);

/* role-n, or the name that was given. */
const char *log_node(void);

bool log_wants(enum log_level level);

/* Lines dropped since the start. */
uint64_t log_lost(void);

/* log_info("task.stored", "task=%s queue=%s", id, queue); the format may be "". */
#define log_debug(event, ...) log_line(LOG_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...) log_line(LOG_INFO, event, __VA_ARGS__)
#define log_warn(event, ...) log_line(LOG_WARN, event, __VA_ARGS__)
#define log_error(event, ...) log_line(LOG_ERROR, event, __VA_ARGS__)

void log_line(enum log_level level, const char *event, const char *pairs, ...)
    __attribute__((format(printf, 3, 4)));

#define LOG_QUOTED 512

/* A logfmt value: bare where it can be, else quoted and escaped; cut to what fits. Returns `out`.
 */
const char *log_quote(char out[static LOG_QUOTED], const char *text, size_t size);

/* The same for a text that ends in zero; NULL is written as "". */
#define LOG_VALUE(text) log_value((char[LOG_QUOTED]){0}, (text))
const char *log_value(char out[static LOG_QUOTED], const char *text);

/* For lines that a fault would repeat: true at most once in `every_ms` for each `last_ms`. */
bool log_now_and_then(int64_t *last_ms, int64_t every_ms);
