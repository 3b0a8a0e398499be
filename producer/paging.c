#include "producer/paging.h"

#include <glib.h>

#define CURSOR_MOST 256

bool paging_refuse(struct web_request *request, const char *parameter, const char *detail)
{
    answer_parameter(request, PROBLEM_INVALID_PARAMETER, parameter, detail);
    return false;
}

bool paging_read_limit(int *ret, struct web_request *request)
{
    return answer_read_count(ret, request, "limit", PAGING_LIMIT_MOST);
}

static bool add_parameter(void *data, const char *name, const char *value)
{
    if (strcmp(name, "cursor") != 0) {
        char *escaped = g_uri_escape_string(value, NULL, FALSE);

        g_string_append_printf(data, "%s=%s&", name, escaped);
        g_free(escaped);
    }
    return true;
}

/* The same list, from there on. */
static void add_link(struct web_request *request, const char *cursor)
{
    GString *link = g_string_new(NULL);

    g_string_append_printf(link, "<%s?", web_path(request));
    web_each_query(request, add_parameter, link);
    g_string_append_printf(link, "cursor=%s>; rel=\"next\"", cursor);
    web_reply_header(request, "Link", link->str);
    g_string_free(link, TRUE);
}

void paging_put_cursor(struct json_object *to, struct web_request *request,
                       const struct paging *paging, const char *place)
{
    char *whole = place ? g_strdup_printf("%c%s", paging->kind, place) : NULL;
    char *text = whole ? g_base64_encode((const guchar *)whole, strlen(whole)) : NULL;

    for (char *at = text; at && *at; at++)
        *at = *at == '+' ? '-' : *at == '/' ? '_' : *at == '=' ? '.' : *at;
    put_text(to, "next_cursor", text);
    if (text)
        add_link(request, text);
    g_free(text);
    g_free(whole);
}

bool paging_read_cursor(char *ret, size_t room, struct web_request *request,
                        const struct paging *paging)
{
    const char *text = web_query(request, "cursor");
    char copy[CURSOR_MOST];
    gsize size = 0;

    if (!text)
        return true;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *at = copy; *at; at++)
        *at = *at == '-' ? '+' : *at == '_' ? '/' : *at == '.' ? '=' : *at;
    if (strlen(text) > 1 && strlen(text) < sizeof copy)
        g_base64_decode_inplace(copy, &size);
    if (size > 1 && size <= room && copy[0] == paging->kind) {
        memcpy(ret, copy + 1, size - 1);
        ret[size - 1] = '\0';
        if (paging->fits(ret))
            return true;
    }
    answer_parameter(request, PROBLEM_INVALID_CURSOR, "cursor", "is not one that this list gave");
    return false;
}
