/*
 * Reading binary results. Column numbers are those of the statement's file under sql/queries.
 * Asking for another type than the column has is a bug and ends the process.
 */
#pragma once

#include "common/uuid.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

bool rows_is_null(const PGresult *rows, int row, int column);
bool rows_bool(const PGresult *rows, int row, int column); /* null: false */
/* int2, int4 or int8; null: 0 */
int64_t rows_int(const PGresult *rows, int row, int column);
/* timestamptz as microseconds since 1970; null: INT64_MIN; infinities: INT64_MAX, INT64_MIN + 1 */
int64_t rows_time(const PGresult *rows, int row, int column);
struct uuid rows_uuid(const PGresult *rows, int row, int column); /* null: nil */
/* text, name, enum, jsonb cast to text; null: NULL; lives as long as `rows` */
double rows_double(const PGresult *rows, int row, int column); /* float8 */
const char *rows_text(const PGresult *rows, int row, int column);
int rows_length(const PGresult *rows, int row, int column);

/* A one-dimensional array; null counts as empty. Elements are read by number. */
struct rows_array {
    const char *next;
    int count, length; /* length of the element that rows_next gave; -1: null */
};

struct rows_array rows_array(const PGresult *rows, int row, int column);
const char *rows_next(struct rows_array *array); /* the bytes of the next element */
int64_t rows_next_int(struct rows_array *array);
int64_t rows_next_time(struct rows_array *array);
struct uuid rows_next_uuid(struct rows_array *array);
