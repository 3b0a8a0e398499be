/*
 * A line of text from a format: what vsnprintf writes, in a fifth of its time for the plain formats
 * of log lines and messages.
 *
 * Handled here are %s %d %lld %zu %llu, without flags, width or precision. A format that holds
 * anything else goes to vsnprintf as a whole.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

/* Writes less than `room` bytes, which is not 0, and returns how many; no zero follows them. */
size_t line_format(char *at, size_t room, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
size_t line_write(char *at, size_t room, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
