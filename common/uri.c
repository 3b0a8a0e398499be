#include "common/uri.h"

#include "common/mem.h"

#include <glib.h>

/* Writes the decoded text and its ending zero to `to`, which has room for size + 1 bytes. */
static char *decode(char *to, const char *text, size_t size, bool plus, struct fault *fault)
{
    char *begin = to;

    for (size_t i = 0; i < size; i++) {
        char c = text[i];

        if (c == '%') {
            int high = size - i > 2 ? g_ascii_xdigit_value(text[i + 1]) : -1;
            int low = size - i > 2 ? g_ascii_xdigit_value(text[i + 2]) : -1;

            if (high < 0 || low < 0) {
                fault_set(fault, FAULT_REJECTED, "a percent sign without two hexadecimal digits");
                return NULL;
            }
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        *to++ = c;
    }
    *to = '\0';
    if (!g_utf8_validate(begin, to - begin, NULL)) { /* which takes no U+0000 either */
        fault_set(fault, FAULT_REJECTED, "what is not UTF-8, or holds U+0000");
        return NULL;
    }
    return to + 1;
}

bool uri_path_read(struct uri_path *ret, const char *text, size_t size, struct fault *fault)
{
    struct uri_path path = {.text = mem_array(char, size + 1)};
    const char *at = text, *end = text + size;
    char *to = path.text;

    if (!size || *text != '/') {
        fault_set(fault, FAULT_REJECTED, "no / at its begin");
        goto refused;
    }
    while (at < end) {
        size_t length = strcspn(++at, "/");

        if (length > (size_t)(end - at))
            length = (size_t)(end - at);
        if (path.count == URI_SEGMENTS_MOST) {
            fault_set(fault, FAULT_REJECTED, "more than %d segments", URI_SEGMENTS_MOST);
            goto refused;
        }
        path.segments[path.count++] = to;
        to = decode(to, at, length, false, fault);
        if (!to)
            goto refused;
        at += length;
    }
    *ret = path;
    return true;
refused:
    free(path.text);
    return false;
}

void uri_path_done(struct uri_path *path)
{
    free(path->text);
    *path = (struct uri_path){0};
}

/* Goes on to the next segment of a pattern; false: there is none. */
static bool next_part(const char **pattern, const char **part, size_t *size)
{
    if (**pattern != '/')
        return false;
    *part = *pattern + 1;
    *size = strcspn(*part, "/");
    *pattern = *part + *size;
    return true;
}

static bool is_name(const char *part, size_t size)
{
    return size > 2 && *part == '{' && part[size - 1] == '}';
}

bool uri_path_fits(const struct uri_path *path, const char *pattern)
{
    const char *part;
    size_t size;
    int i = 0;

    for (; next_part(&pattern, &part, &size); i++) {
        if (i == path->count)
            return false;
        if (is_name(part, size)
                ? !*path->segments[i]
                : strlen(path->segments[i]) != size || memcmp(path->segments[i], part, size) != 0)
            return false;
    }
    return i == path->count;
}

const char *uri_path_value(const struct uri_path *path, const char *pattern, const char *name)
{
    const char *part;
    size_t size, length = strlen(name);

    for (int i = 0; i < path->count && next_part(&pattern, &part, &size); i++)
        if (is_name(part, size) && size == length + 2 && !memcmp(part + 1, name, length))
            return path->segments[i];
    return NULL;
}

bool uri_params_read(struct uri_params *ret, const char *text, size_t size, struct fault *fault)
{
    struct uri_params params = {.text = mem_array(char, size * 2 + 2)};
    const char *at = text, *end = text + size;
    char *to = params.text;

    for (; at < end; at++) {
        const char *stop = memchr(at, '&', (size_t)(end - at));
        const char *next = stop ? stop : end;
        const char *equals = memchr(at, '=', (size_t)(next - at));
        const char *name_end = equals ? equals : next, *value = equals ? equals + 1 : next;

        if (next == at)
            continue;
        if (params.count == URI_PARAMS_MOST) {
            fault_set(fault, FAULT_REJECTED, "more than %d parameters", URI_PARAMS_MOST);
            goto refused;
        }
        params.list[params.count].name = to;
        to = decode(to, at, (size_t)(name_end - at), true, fault);
        params.list[params.count].value = to;
        to = to ? decode(to, value, (size_t)(next - value), true, fault) : NULL;
        if (!to)
            goto refused;
        params.count++;
        at = next;
    }
    *ret = params;
    return true;
refused:
    free(params.text);
    return false;
}

void uri_params_done(struct uri_params *params)
{
    free(params->text);
    params->text = NULL;
    params->count = 0;
}

const char *uri_params_find(const struct uri_params *params, const char *name)
{
    for (int i = 0; i < params->count; i++)
        if (!strcmp(params->list[i].name, name))
            return params->list[i].value;
    return NULL;
}
