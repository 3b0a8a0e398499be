/*
 * A reader of its own, because json-c's takes more than JSON (comments, NaN, names cut at U+0000,
 * numbers cut at 64 bits) and says less about where it stopped.
 */
#include "common/json.h"

#include "common/cleanup.h"
#include "common/mem.h"

#include <errno.h>
#include <glib.h>
#include <math.h>

struct reader {
    const char *text, *at, *end;
    int depth;
    GString *string;  /* the text that is being read */
    GString *pointer; /* of the value that is being read */
    bool is_value;    /* what was refused is JSON */
    struct fault *fault;
};

static bool refuse(struct reader *reader, const char *at, const char *why)
{
    int line = 1;
    const char *start = reader->text;

    for (const char *c = reader->text; c < at; c++)
        if (*c == '\n') {
            line++;
            start = c + 1;
        }
    return fault_set(reader->fault, FAULT_REJECTED, "line %d, column %lld: %s", line,
                     (long long)(at - start) + 1, why);
}

/* It is JSON, but what it says would be lost. */
static bool refuse_value(struct reader *reader, const char *at, const char *why)
{
    reader->is_value = true;
    return refuse(reader, at, why);
}

static void skip_space(struct reader *reader)
{
    while (reader->at < reader->end && *reader->at && strchr(" \t\r\n", *reader->at))
        reader->at++;
}

static bool is_next(struct reader *reader, char wanted)
{
    if (reader->at == reader->end || *reader->at != wanted)
        return false;
    reader->at++;
    return true;
}

/* --- Texts ----------------------------------------------------------------------------------- */

static int hex4(struct reader *reader)
{
    int number = 0;

    if (reader->end - reader->at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = g_ascii_xdigit_value(reader->at[i]);

        if (digit < 0)
            return -1;
        number = number << 4 | digit;
    }
    reader->at += 4;
    return number;
}

/* What follows \u: one code point, which may take two escapes. */
static bool read_code_point(struct reader *reader, const char *start)
{
    int high = hex4(reader), low;

    if (high < 0)
        return refuse(reader, start, "\\u needs four hexadecimal digits");
    if (high == 0)
        return refuse_value(reader, start, "U+0000 is not allowed");
    if (high >= 0xdc00 && high <= 0xdfff)
        return refuse_value(reader, start, "a surrogate without its first half");
    if (high < 0xd800 || high > 0xdbff) {
        g_string_append_unichar(reader->string, (gunichar)high);
        return true;
    }
    if (!is_next(reader, '\\') || !is_next(reader, 'u') || (low = hex4(reader)) < 0xdc00 ||
        low > 0xdfff)
        return refuse_value(reader, start, "a surrogate without its second half");
    g_string_append_unichar(reader->string,
                            (gunichar)(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)));
    return true;
}

static bool read_escape(struct reader *reader)
{
    static const char names[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char *start = reader->at - 1, *name;

    if (is_next(reader, 'u'))
        return read_code_point(reader, start);
    if (reader->at == reader->end || !*reader->at || !(name = strchr(names, *reader->at)))
        return refuse(reader, start, "an escape that JSON does not know");
    reader->at++;
    g_string_append_c(reader->string, meant[name - names]);
    return true;
}

/* Behind the opening quote. The text is left in reader->string. */
static bool read_string(struct reader *reader)
{
    g_string_truncate(reader->string, 0);
    while (reader->at < reader->end) {
        const char *plain = reader->at;

        while (reader->at < reader->end && (unsigned char)*reader->at >= 0x20 &&
               *reader->at != '"' && *reader->at != '\\')
            reader->at++;
        g_string_append_len(reader->string, plain, reader->at - plain);
        if (reader->at == reader->end)
            break;
        if (is_next(reader, '"'))
            return true;
        if (!is_next(reader, '\\'))
            return refuse(reader, reader->at, "a control character within a text");
        if (!read_escape(reader))
            return false;
    }
    return refuse(reader, reader->at, "the text ends too early");
}

/* --- Numbers --------------------------------------------------------------------------------- */

static bool skip_digits(struct reader *reader)
{
    const char *start = reader->at;

    while (reader->at < reader->end && g_ascii_isdigit(*reader->at))
        reader->at++;
    return reader->at > start;
}

/* -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)? */
static bool skip_number(struct reader *reader, bool *whole)
{
    *whole = true;
    is_next(reader, '-');
    if (!is_next(reader, '0') && !skip_digits(reader))
        return false;
    if (is_next(reader, '.')) {
        *whole = false;
        if (!skip_digits(reader))
            return false;
    }
    if (is_next(reader, 'e') || is_next(reader, 'E')) {
        *whole = false;
        if (!is_next(reader, '+'))
            is_next(reader, '-');
        return skip_digits(reader);
    }
    return true;
}

static bool is_zero(const char *text)
{
    return text[strcspn(text, "123456789eE")] == '\0' ||
           strchr("eE", text[strcspn(text, "123456789eE")]);
}

/* An integer of 64 bits, or NULL. */
static struct json_object *read_integer(const char *text)
{
    errno = 0;
    if (*text == '-') {
        int64_t number = strtoll(text, NULL, 10);

        return errno ? NULL : json_object_new_int64(number);
    }
    uint64_t number = strtoull(text, NULL, 10);

    if (errno)
        return NULL;
    return number <= INT64_MAX ? json_object_new_int64((int64_t)number)
                               : json_object_new_uint64(number);
}

static bool read_number(struct reader *reader, struct json_object **ret)
{
    const char *start = reader->at;
    char text[JSON_NUMBER_MOST + 1];
    bool whole;

    if (!skip_number(reader, &whole))
        return refuse(reader, start, "neither a value nor a number");
    size_t size = (size_t)(reader->at - start), most = JSON_NUMBER_MOST;

    if (memchr(start, 'e', size) || memchr(start, 'E', size))
        most = JSON_EXPONENT_MOST;
    if (size > most)
        return refuse_value(reader, start, "a number with too many characters");
    memcpy(text, start, size);
    text[size] = '\0';
    if (whole && (*ret = read_integer(text)))
        return true;
    double number = g_ascii_strtod(text, NULL);

    if (isinf(number) || (number == 0 && !is_zero(text)))
        return refuse_value(reader, start, "a number beyond a double");
    *ret = mem_or_end(json_object_new_double_s(number, text));
    return true;
}

/* --- Where we are ---------------------------------------------------------------------------- */

static void enter_member(struct reader *reader, const char *name)
{
    g_string_append_c(reader->pointer, '/');
    for (; *name; name++)
        if (*name == '~' || *name == '/')
            g_string_append(reader->pointer, *name == '~' ? "~0" : "~1");
        else
            g_string_append_c(reader->pointer, *name);
}

/* What was refused is looked for where the reader stood. */
static void leave(struct reader *reader, size_t before, bool ok)
{
    if (ok)
        g_string_truncate(reader->pointer, before);
}

/* --- Values ---------------------------------------------------------------------------------- */

static bool read_value(struct reader *reader, struct json_object **ret);

static bool read_item(struct reader *reader, struct json_object *array)
{
    struct json_object *item = NULL;
    size_t before = reader->pointer->len;

    g_string_append_printf(reader->pointer, "/%zu", json_object_array_length(array));
    bool ok = read_value(reader, &item);

    leave(reader, before, ok);
    json_object_array_add(array, item);
    return ok;
}

static bool read_array(struct reader *reader, struct json_object *array)
{
    skip_space(reader);
    if (is_next(reader, ']'))
        return true;
    for (;;) {
        if (!read_item(reader, array))
            return false;
        skip_space(reader);
        if (is_next(reader, ']'))
            return true;
        if (!is_next(reader, ','))
            return refuse(reader, reader->at, "a comma or ] is missing");
    }
}

static bool read_member(struct reader *reader, struct json_object *object)
{
    SCOPED(scoped_text) char *name = NULL;
    const char *start = reader->at;
    struct json_object *value = NULL;
    size_t before = reader->pointer->len;

    if (!is_next(reader, '"'))
        return refuse(reader, start, "a name in quotes is missing");
    if (!read_string(reader))
        return false;
    name = mem_text(reader->string->str);
    enter_member(reader, name);
    if (json_object_object_get_ex(object, name, NULL))
        return refuse_value(reader, start, "the name stands twice in one object");
    skip_space(reader);
    if (!is_next(reader, ':'))
        return refuse(reader, reader->at, "a colon is missing");
    bool ok = read_value(reader, &value);

    leave(reader, before, ok);
    json_object_object_add(object, name, value);
    return ok;
}

static bool read_object(struct reader *reader, struct json_object *object)
{
    skip_space(reader);
    if (is_next(reader, '}'))
        return true;
    for (;;) {
        skip_space(reader);
        if (!read_member(reader, object))
            return false;
        skip_space(reader);
        if (is_next(reader, '}'))
            return true;
        if (!is_next(reader, ','))
            return refuse(reader, reader->at, "a comma or } is missing");
    }
}

static bool read_nested(struct reader *reader, struct json_object **ret, bool is_object)
{
    if (++reader->depth > JSON_DEPTH_MOST)
        return refuse(reader, reader->at - 1, "nested more than 32 deep");
    *ret = mem_or_end(is_object ? json_object_new_object() : json_object_new_array());
    bool ok = is_object ? read_object(reader, *ret) : read_array(reader, *ret);

    reader->depth--;
    return ok;
}

static bool read_word(struct reader *reader, const char *word)
{
    size_t size = strlen(word);

    if ((size_t)(reader->end - reader->at) < size || memcmp(reader->at, word, size) != 0)
        return refuse(reader, reader->at, "not a value");
    reader->at += size;
    return true;
}

/* *ret is the caller's to put, also where this fails. */
static bool read_value(struct reader *reader, struct json_object **ret)
{
    skip_space(reader);
    switch (reader->at < reader->end ? *reader->at : '\0') {
    case '{':
        reader->at++;
        return read_nested(reader, ret, true);
    case '[':
        reader->at++;
        return read_nested(reader, ret, false);
    case '"':
        reader->at++;
        if (!read_string(reader))
            return false;
        *ret =
            mem_or_end(json_object_new_string_len(reader->string->str, (int)reader->string->len));
        return true;
    case 't':
        *ret = json_object_new_boolean(1);
        return read_word(reader, "true");
    case 'f':
        *ret = json_object_new_boolean(0);
        return read_word(reader, "false");
    case 'n':
        return read_word(reader, "null");
    default:
        return reader->at < reader->end ? read_number(reader, ret)
                                        : refuse(reader, reader->at, "the text ends too early");
    }
}

static bool read_document(struct reader *reader, struct json_object **ret)
{
    const char *broken;

    if (!g_utf8_validate_len(reader->text, (gsize)(reader->end - reader->text), &broken))
        return refuse(reader, broken, *broken ? "not valid UTF-8" : "U+0000 is not allowed");
    if (!read_value(reader, ret))
        return false;
    skip_space(reader);
    return reader->at == reader->end || refuse(reader, reader->at, "more than one value");
}

bool json_read_at(struct json_object **ret, const char *text, size_t size, struct json_place *place,
                  struct fault *fault)
{
    SCOPED(scoped_json) struct json_object *value = NULL;
    struct reader reader = {.text = text, .at = text, .end = text + size, .fault = fault};

    *place = (struct json_place){0};
    if (!size)
        return fault_set(fault, FAULT_REJECTED, "line 1, column 1: there is nothing");
    reader.string = g_string_new(NULL);
    reader.pointer = g_string_new(NULL);
    bool ok = read_document(&reader, &value);

    place->is_value = reader.is_value;
    snprintf(place->pointer, sizeof place->pointer, "%s", reader.pointer->str);
    g_string_free(reader.string, TRUE);
    g_string_free(reader.pointer, TRUE);
    if (ok)
        *ret = TAKE(value);
    return ok;
}

bool json_read(struct json_object **ret, const char *text, size_t size, struct fault *fault)
{
    struct json_place place;

    return json_read_at(ret, text, size, &place, fault);
}

/* --- Out ------------------------------------------------------------------------------------- */

const char *json_text(struct json_object *value, size_t *size)
{
    return json_object_to_json_string_length(
        value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, size);
}

void json_add_text(GString *to, const char *text)
{
    struct json_object *string = json_object_new_string(text);
    size_t size;
    const char *quoted = json_text(string, &size);

    g_string_append_len(to, quoted, (gssize)size);
    json_object_put(string);
}

static void write_value(GString *to, struct json_object *value);

static int by_name(const void *one, const void *other)
{
    return strcmp(*(const char *const *)one, *(const char *const *)other);
}

static void write_object(GString *to, struct json_object *object)
{
    size_t count = (size_t)json_object_object_length(object), i = 0;
    const char **names = mem_array(const char *, count);

    json_object_object_foreach(object, name, value)
    {
        (void)value;
        names[i++] = name;
    }
    qsort(names, count, sizeof *names, by_name);
    g_string_append_c(to, '{');
    for (i = 0; i < count; i++) {
        if (i)
            g_string_append_c(to, ',');
        json_add_text(to, names[i]);
        g_string_append_c(to, ':');
        write_value(to, json_object_object_get(object, names[i]));
    }
    g_string_append_c(to, '}');
    free(names);
}

static void write_array(GString *to, struct json_object *array)
{
    g_string_append_c(to, '[');
    for (size_t i = 0; i < json_object_array_length(array); i++) {
        if (i)
            g_string_append_c(to, ',');
        write_value(to, json_object_array_get_idx(array, i));
    }
    g_string_append_c(to, ']');
}

#define WHOLE_MOST 9007199254740992.0 /* whole numbers below are exact in a double */

static void write_double(GString *to, struct json_object *value)
{
    double number = json_object_get_double(value);
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    const char *kept = json_object_to_json_string(value);

    if (kept[strspn(kept, "-0123456789")] == '\0' && fabs(number) >= WHOLE_MOST)
        g_string_append(to, kept);
    else if (number == trunc(number) && fabs(number) < WHOLE_MOST)
        g_string_append_printf(to, "%lld", (long long)number);
    else
        g_string_append(to, g_ascii_formatd(text, sizeof text, "%.17g", number));
}

static void write_value(GString *to, struct json_object *value)
{
    size_t size;
    const char *text;

    switch (json_object_get_type(value)) {
    case json_type_object:
        write_object(to, value);
        return;
    case json_type_array:
        write_array(to, value);
        return;
    case json_type_double:
        write_double(to, value);
        return;
    default:
        text = json_text(value, &size);
        g_string_append_len(to, text, (gssize)size);
    }
}

char *json_canonical(struct json_object *value)
{
    GString *text = g_string_new(NULL);

    write_value(text, value);
    char *copy = mem_text(text->str);

    g_string_free(text, TRUE);
    return copy;
}
