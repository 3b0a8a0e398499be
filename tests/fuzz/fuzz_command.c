/*
 * Records of Kafka: the first byte chooses the kind, the rest is the value. What is taken can be
 * stored, and reads the same when it is sent again; the text of a refusal can be stored, too.
 */
#include "common/command.h"
#include "common/instant.h"
#include "tests/fuzz/fuzz.h"

static void check_again(const struct task *task)
{
    struct command_refusal refusal;
    struct command again;
    size_t size;
    SCOPED(scoped_text) char *text = task_command(task, &size);
    struct command_record record = {.topic = "t",
                                    .timestamp_ms = -1,
                                    .type = "rota.task.schedule.v1",
                                    .value = text,
                                    .value_size = size};

    assert(command_read_record(&again, &record, false, &refusal));
    SCOPED(scoped_text) char *second = task_command(&again.task, &size);

    assert(!strcmp(second, text));
    command_done(&again);
}

static void check_task(const struct command *command)
{
    const struct task *task = &command->task;

    assert(uuid_equal(&command->id, &task->id));
    assert(task->run_at_us >= INSTANT_LEAST_US && task->run_at_us <= INSTANT_MOST_US);
    assert(task->priority >= TASK_PRIORITY_LEAST && task->priority <= TASK_PRIORITY_MOST);
    assert(task->timeout_ms >= 0 && task->timeout_ms <= TASK_TIMEOUT_MOST_MS);
    assert(*task->queue && strlen(task->queue) <= TASK_QUEUE_MOST);
    assert(!task->key || strlen(task->key) <= TASK_KEY_MOST);
    assert(!task->tags || json_object_array_length(task->tags) <= TASK_TAGS_MOST);
    check_again(task);
}

static void check_queue(const struct queue_change *change)
{
    struct command_refusal refusal;
    struct command again;
    size_t size;
    SCOPED(scoped_text) char *text = queue_command(change, &size);
    struct command_record record = {.topic = "t",
                                    .timestamp_ms = -1,
                                    .type = "rota.queue.set.v1",
                                    .value = text,
                                    .value_size = size};

    assert(queue_name_fits(change->name));
    assert(change->concurrency >= 0 && change->concurrency <= QUEUE_CONCURRENCY_MOST);
    assert(change->has_paused || change->has_concurrency || change->has_rate);
    assert(command_read_record(&again, &record, false, &refusal));
    SCOPED(scoped_text) char *second = queue_command(again.queue, &size);

    assert(!strcmp(second, text));
    command_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const types[] = {"rota.task.schedule.v1", "rota.task.cancel.v1", NULL,
                                        "rota.task.retry.v1", "rota.queue.set.v1"};
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
        fuzz_check_text(refusal.code);
        fuzz_check_text(refusal.detail);
        return 0;
    }
    assert(!uuid_is_nil(&command.id));
    if (command.kind == COMMAND_TASK)
        check_task(&command);
    else if (command.kind == COMMAND_QUEUE)
        check_queue(command.queue);
    else
        assert(g_utf8_validate(command.reason, -1, NULL));
    command_done(&command);
    return 0;
}
