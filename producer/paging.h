/*
 * Pages of the lists about schedules: ?limit=, an opaque ?cursor= that names what the page goes on
 * from, and the Link header (RFC 8288) of the next one.
 */
#pragma once

#include "producer/answer.h"

#define PAGING_LIMIT_USUAL 50
#define PAGING_LIMIT_MOST 500

/* `kind` is a letter of the list's own, so that no other list's cursor fits. */
struct paging {
    char kind;
    bool (*fits)(const char *place);
};

/* These answer the request where they return false. */
bool paging_refuse(struct web_request *request, const char *parameter, const char *detail);
bool paging_read_limit(int *ret, struct web_request *request);

/* *ret is untouched where the request names none. */
bool paging_read_cursor(char *ret, size_t room, struct web_request *request,
                        const struct paging *paging);

/* Adds next_cursor, and the Link header. `place` NULL: this is the last page. */
void paging_put_cursor(struct json_object *to, struct web_request *request,
                       const struct paging *paging, const char *place);
