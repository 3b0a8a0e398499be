/*
 * One request handled by the producer's real handlers, with no server, Kafka or database around
 * them: fake.c takes the place of web.c, bus.c and db.c. Delivery reports come once the handler has
 * returned, as they do in life.
 *
 * Checked of every request: it is answered exactly once; what goes to Kafka can be read by the
 * store; a JSON answer is JSON; a refusal is a whole problem (RFC 9457).
 */
#pragma once

#include "common/web.h"
#include "tests/fuzz/fuzz.h"

enum fake_kafka { FAKE_DELIVERS, FAKE_LOSES, FAKE_IS_FULL, FAKE_KAFKA_COUNT };

struct fake_request {
    web_handler *handler;
    const char *type; /* of the body, NULL: none is given */
    const char *query;
    const uint8_t *body;
    size_t size;
    enum fake_kafka kafka;
};

struct fake_answer {
    int status;
    struct json_object *body; /* NULL where it is no JSON; to be put */
    int sent;                 /* records that Kafka was given */
};

/* False: the query or the form is refused by web.c before any handler is asked. */
bool fake_ask(struct fake_answer *ret, const struct fake_request *request);
