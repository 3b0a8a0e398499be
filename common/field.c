#include "common/field.h"

#include "common/instant.h"
#include "common/json.h"
#include "common/mem.h"

#include <stdarg.h>

#define NEAR 2 /* slips of the pen */
#define NEAR_MOST 40

struct field field_member(const struct field *of, const char *name)
{
    struct field field = *of;
    size_t used = strlen(field.pointer), room = sizeof field.pointer - 3;

    if (used < room)
        field.pointer[used++] = '/';
    for (; *name && used < room; name++) {
        if (*name == '~' || *name == '/') {
            field.pointer[used++] = '~';
            field.pointer[used++] = *name == '~' ? '0' : '1';
        } else {
            field.pointer[used++] = *name;
        }
    }
    field.pointer[used] = '\0';
    return field;
}

struct field field_item(const struct field *of, size_t index)
{
    char number[24];

    snprintf(number, sizeof number, "%zu", index);
    return field_member(of, number);
}

bool field_refuse(const struct field *at, const char *format, ...)
{
    char text[240];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    problems_add(at->problems, at->pointer, "%s", text);
    return false;
}

/* Edits between two names, by the row of Levenshtein's table that is needed. */
static size_t distance(const char *one, const char *other)
{
    size_t row[NEAR_MOST + 1], size = strlen(other);

    for (size_t j = 0; j <= size; j++)
        row[j] = j;
    for (size_t i = 1; *one; i++, one++) {
        size_t corner = row[0];

        row[0] = i;
        for (size_t j = 1; j <= size; j++) {
            size_t changed = corner + (*one != other[j - 1]);

            corner = row[j];
            row[j] = row[j] + 1 < row[j - 1] + 1 ? row[j] + 1 : row[j - 1] + 1;
            if (changed < row[j])
                row[j] = changed;
        }
    }
    return row[size];
}

const char *field_nearest(const char *name, const char *(*names)(const void *data, size_t i),
                          const void *data, size_t count)
{
    const char *nearest = NULL;
    size_t least = NEAR + 1;

    if (strlen(name) > NEAR_MOST)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        const char *other = names(data, i);
        size_t apart = strlen(other) > NEAR_MOST ? least : distance(name, other);

        if (apart < least && apart < strlen(other)) {
            least = apart;
            nearest = other;
        }
    }
    return nearest;
}

static const char *name_of(const void *rows, size_t i)
{
    return ((const struct field_row *)rows)[i].name;
}

static void refuse_unknown(const struct field *at, const char *name, const struct field_row *rows,
                           size_t count)
{
    struct field member = field_member(at, name);
    const char *nearest = field_nearest(name, name_of, rows, count);

    at->problems->unknown_field = true;
    if (nearest)
        field_refuse(&member, "is not a known field; did you mean %s?", nearest);
    else
        field_refuse(&member, "is not a known field");
}

void field_read_all(const struct field *at, struct json_object *object,
                    const struct field_row *rows, size_t count, bool strict, void *data)
{
    json_object_object_foreach(object, name, value)
    {
        size_t i = 0;

        while (i < count && strcmp(rows[i].name, name) != 0)
            i++;
        if (i < count && value) {
            struct field member = field_member(at, name);

            rows[i].read(data, value, &member);
        } else if (i == count && strict) {
            refuse_unknown(at, name, rows, count);
        }
    }
}

bool field_object(const struct field *at, struct json_object *value)
{
    return json_object_is_type(value, json_type_object) || field_refuse(at, "must be an object");
}

bool field_array(const struct field *at, struct json_object *value, size_t most)
{
    if (!json_object_is_type(value, json_type_array))
        return field_refuse(at, "must be a list");
    if (json_object_array_length(value) > most)
        return field_refuse(at, "must have at most %zu items", most);
    return true;
}

bool field_text(const char **ret, const struct field *at, struct json_object *value, size_t least,
                size_t most_bytes)
{
    if (!json_object_is_type(value, json_type_string))
        return field_refuse(at, "must be a text");
    size_t size = (size_t)json_object_get_string_len(value);

    if (size < least)
        return field_refuse(at, "must not be empty");
    if (size > most_bytes)
        return field_refuse(at, "must have at most %zu bytes", most_bytes);
    *ret = json_object_get_string(value);
    return true;
}

bool field_int(int64_t *ret, const struct field *at, struct json_object *value, int64_t least,
               int64_t most)
{
    /* json-c gives INT64_MAX for what is more. */
    int64_t number = json_object_get_int64(value);

    if (!json_object_is_type(value, json_type_int))
        return field_refuse(at, "must be a whole number");
    if (number < least || number > most)
        return field_refuse(at, "must be a whole number from %lld to %lld", (long long)least,
                            (long long)most);
    *ret = number;
    return true;
}

bool field_number(double *ret, const struct field *at, struct json_object *value, double least,
                  double most)
{
    double number = json_object_get_double(value);

    if (!json_object_is_type(value, json_type_int) && !json_object_is_type(value, json_type_double))
        return field_refuse(at, "must be a number");
    if (!(number >= least && number <= most))
        return field_refuse(at, "must be from %.9g to %.9g", least, most);
    *ret = number;
    return true;
}

bool field_instant(int64_t *ret_us, const struct field *at, struct json_object *value)
{
    struct fault fault;

    if (!json_object_is_type(value, json_type_string))
        return field_refuse(at, "must be an RFC 3339 instant, as a text");
    return instant_read(ret_us, json_object_get_string(value), &fault) ||
           field_refuse(at, "%s", fault.text);
}

bool field_duration(int64_t *ret_ms, const struct field *at, struct json_object *value,
                    int64_t least_ms, int64_t most_ms)
{
    struct fault fault;
    char least[INSTANT_TEXT], most[INSTANT_TEXT];
    int64_t ms;

    if (!json_object_is_type(value, json_type_string))
        return field_refuse(at, "must be an ISO 8601 duration, as a text such as PT30S");
    if (!duration_read(&ms, json_object_get_string(value), &fault))
        return field_refuse(at, "%s", fault.text);
    if (ms < least_ms || ms > most_ms)
        return field_refuse(at, "must be from %s to %s", duration_write(least, least_ms),
                            duration_write(most, most_ms));
    *ret_ms = ms;
    return true;
}

bool field_size(const struct field *at, struct json_object *value, size_t most_bytes)
{
    size_t size;

    json_text(value, &size);
    return size <= most_bytes ||
           field_refuse(at, "must have at most %zu bytes as JSON, but has %zu", most_bytes, size);
}
