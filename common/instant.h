/*
 * Instants and durations as text.
 *
 * Instants: RFC 3339 with an offset, years 1970 to 2199, leap seconds refused; microseconds since
 * 1970 UTC inside. Written as UTC with milliseconds and Z.
 * Durations: ISO 8601 P[nW] or P[nD][T[nH][nM][n[.n]S]]; years and months are refused, since their
 * length is not known; a day is 86,400 s. Settings also take 30s, 5m, 1h30m, 500ms, 7d.
 */
#pragma once

#include "common/fault.h"

#include <stdbool.h>
#include <stdint.h>

#define INSTANT_TEXT 32
#define INSTANT_LEAST_US INT64_C(0)
#define INSTANT_MOST_US INT64_C(7258118399999999) /* the last one of 2199 */

bool instant_read(int64_t *ret_us, const char *text, struct fault *fault);
char *instant_write(char text[static INSTANT_TEXT], int64_t unix_us);

/* ISO 8601 only. Never negative. */
bool duration_read(int64_t *ret_ms, const char *text, struct fault *fault);

/* ISO 8601, or the short form of settings. */
bool duration_read_setting(int64_t *ret_ms, const char *text, struct fault *fault);
char *duration_write(char text[static INSTANT_TEXT], int64_t ms);
