/* Records of Kafka: the first byte chooses the kind, the rest is the value. */
#include "common/command.h"
#include "common/mem.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const types[] = {"rota.task.schedule.v1", "rota.task.cancel.v1", NULL};
    struct command command;
    struct command_refusal refusal;

    if (!size)
        return 0;
    size_t kind = bytes[0] % COUNT(types);
    struct command_record record = {.topic = "t",
                                    .timestamp_ms = 1565185500000,
                                    .type = types[kind],
                                    .value = bytes + 1,
                                    .value_size = size - 1};

    if (!command_read_record(&command, &record, !types[kind], &refusal)) {
        assert(*refusal.code && *refusal.detail);
        return 0;
    }
    assert(!uuid_is_nil(&command.id));
    assert(command.kind != COMMAND_SCHEDULE || uuid_equal(&command.id, &command.task.id));
    command_done(&command);
    return 0;
}
