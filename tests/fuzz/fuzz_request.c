/*
 * The other handlers that take a body or a query: the founding system's door with its query, form
 * and JSON, a task, a cancel. The first byte says which, of what type the body is, and what Kafka
 * does; the query is the first line, the body is the rest.
 */
#include "producer/producer.h"
#include "producer/status.h"
#include "tests/fuzz/fake.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static web_handler *const handlers[] = {accept_legacy, accept_either, accept_task,
                                            action_cancel};
    static const char *const types[] = {"application/json", "application/x-www-form-urlencoded",
                                        NULL, "Application/JSON; charset=utf-8"};
    const uint8_t *end = size > 1 ? memchr(bytes + 1, '\n', size - 1) : NULL;
    struct fake_answer answer;

    if (!end)
        return 0;
    SCOPED(scoped_text) char *query = fuzz_text(bytes + 1, (size_t)(end - bytes) - 1);
    struct fake_request request = {.handler = handlers[bytes[0] & 3],
                                   .type = types[bytes[0] >> 2 & 3],
                                   .query = query,
                                   .body = end + 1,
                                   .size = size - (size_t)(end + 1 - bytes),
                                   .kafka = (bytes[0] >> 4) % FAKE_KAFKA_COUNT};

    if (!fake_ask(&answer, &request))
        return 0;
    assert((answer.status < 300) == (answer.sent > 0 && request.kafka == FAKE_DELIVERS));
    assert(answer.sent <= 1);
    json_object_put(answer.body);
    return 0;
}
