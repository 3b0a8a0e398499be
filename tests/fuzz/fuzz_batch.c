/*
 * A batch, as an array or a line a task: the first byte says which, and what Kafka does. Each item
 * has one result, in its place, and is accepted exactly where Kafka was given it.
 */
#include "producer/producer.h"
#include "tests/fuzz/fake.h"

static int count_accepted(struct json_object *results)
{
    int accepted = 0;

    for (size_t i = 0; i < json_object_array_length(results); i++) {
        struct json_object *result = json_object_array_get_idx(results, i);
        int status = json_object_get_int(json_object_object_get(result, "status"));

        assert(json_object_get_int(json_object_object_get(result, "index")) == (int)i);
        assert((status >= 400) == (json_object_object_get(result, "problem") != NULL));
        accepted += status == 202;
    }
    return accepted;
}

static void check(const struct fake_answer *answer, enum fake_kafka kafka)
{
    struct json_object *results;
    int accepted = 0;

    if (json_object_object_get_ex(answer->body, "results", &results))
        accepted = count_accepted(results);
    assert(accepted == (kafka == FAKE_DELIVERS ? answer->sent : 0));
    assert((answer->status == 202) == (accepted > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const types[] = {"application/json", "application/x-ndjson"};
    struct fake_answer answer;

    if (!size)
        return 0;
    struct fake_request request = {.handler = accept_batch,
                                   .type = types[bytes[0] & 1],
                                   .query = "",
                                   .body = bytes + 1,
                                   .size = size - 1,
                                   .kafka = (bytes[0] >> 1) % FAKE_KAFKA_COUNT};

    if (fake_ask(&answer, &request)) {
        check(&answer, request.kafka);
        json_object_put(answer.body);
    }
    return 0;
}
