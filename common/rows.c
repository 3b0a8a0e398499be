#include "common/rows.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define POSTGRES_EPOCH_US INT64_C(946684800000000)

static int64_t big_endian(const char *bytes, int length)
{
    uint64_t wide;
    uint32_t middle;
    uint16_t narrow;

    switch (length) {
    case 8:
        memcpy(&wide, bytes, sizeof wide);
        return (int64_t)be64toh(wide);
    case 4:
        memcpy(&middle, bytes, sizeof middle);
        return (int32_t)be32toh(middle);
    case 2:
        memcpy(&narrow, bytes, sizeof narrow);
        return (int16_t)be16toh(narrow);
    default:
        abort(); /* an integer of PostgreSQL has 2, 4 or 8 bytes */
    }
}

/* Infinity stays the greatest number, minus infinity the least but one: the least means null. */
static int64_t unix_us(int64_t postgres_us)
{
    if (postgres_us == INT64_MAX)
        return INT64_MAX;
    if (postgres_us == INT64_MIN)
        return INT64_MIN + 1;
    return postgres_us + POSTGRES_EPOCH_US;
}

bool rows_is_null(const PGresult *rows, int row, int column)
{
    return PQgetisnull(rows, row, column);
}

bool rows_bool(const PGresult *rows, int row, int column)
{
    if (rows_is_null(rows, row, column))
        return false;
    assert(PQgetlength(rows, row, column) == 1);
    return *PQgetvalue(rows, row, column);
}

int64_t rows_int(const PGresult *rows, int row, int column)
{
    if (rows_is_null(rows, row, column))
        return 0;
    return big_endian(PQgetvalue(rows, row, column), PQgetlength(rows, row, column));
}

int64_t rows_time(const PGresult *rows, int row, int column)
{
    if (rows_is_null(rows, row, column))
        return INT64_MIN;
    assert(PQgetlength(rows, row, column) == 8);
    return unix_us(big_endian(PQgetvalue(rows, row, column), 8));
}

struct uuid rows_uuid(const PGresult *rows, int row, int column)
{
    struct uuid uuid = {0};

    if (rows_is_null(rows, row, column))
        return uuid;
    assert(PQgetlength(rows, row, column) == (int)sizeof uuid.bytes);
    memcpy(uuid.bytes, PQgetvalue(rows, row, column), sizeof uuid.bytes);
    return uuid;
}

double rows_double(const PGresult *rows, int row, int column)
{
    int64_t bits;
    double number;

    if (rows_is_null(rows, row, column))
        return 0;
    assert(PQgetlength(rows, row, column) == 8);
    bits = big_endian(PQgetvalue(rows, row, column), 8);
    memcpy(&number, &bits, sizeof number);
    return number;
}

const char *rows_text(const PGresult *rows, int row, int column)
{
    return rows_is_null(rows, row, column) ? NULL : PQgetvalue(rows, row, column);
}

int rows_length(const PGresult *rows, int row, int column)
{
    return PQgetlength(rows, row, column);
}

struct rows_array rows_array(const PGresult *rows, int row, int column)
{
    const char *bytes = PQgetvalue(rows, row, column);

    if (rows_is_null(rows, row, column) || big_endian(bytes, 4) == 0)
        return (struct rows_array){0};
    assert(big_endian(bytes, 4) == 1);
    return (struct rows_array){.next = bytes + 20, .count = (int)big_endian(bytes + 12, 4)};
}

const char *rows_next(struct rows_array *array)
{
    const char *bytes = array->next + 4;

    array->length = (int)big_endian(array->next, 4);
    array->next = bytes + (array->length > 0 ? array->length : 0);
    return bytes;
}

int64_t rows_next_int(struct rows_array *array)
{
    const char *bytes = rows_next(array);

    return array->length < 0 ? 0 : big_endian(bytes, array->length);
}

int64_t rows_next_time(struct rows_array *array)
{
    const char *bytes = rows_next(array);

    return array->length < 0 ? INT64_MIN : unix_us(big_endian(bytes, array->length));
}

struct uuid rows_next_uuid(struct rows_array *array)
{
    const char *bytes = rows_next(array);
    struct uuid uuid = {0};

    if (array->length == (int)sizeof uuid.bytes)
        memcpy(uuid.bytes, bytes, sizeof uuid.bytes);
    return uuid;
}
