/*
 * A program asks itself, from another process, whether it is ready: for images without a client of
 * their own. Plain blocking calls; nothing else of the program is opened.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

/*
 * GET of `path` at `address` (as in ROTA_HTTP_ADDR). 0 where it was answered 200 within the limit,
 * else 1; says which in one line.
 */
int probe_run(const char *address, const char *path, int64_t limit_ms, FILE *to);
