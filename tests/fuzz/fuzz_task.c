/*
 * A task that is taken keeps its bounds, and comes back from its command as it was. A first line
 * that begins with '#' is the header Idempotency-Key.
 */
#include "common/instant.h"
#include "common/task.h"
#include "tests/fuzz/fuzz.h"

#define NOW_US INT64_C(1795226400123456)

static void check_bounds(const struct task *task)
{
    size_t size;

    assert(task->type < TASK_TYPE_COUNT && !uuid_is_nil(&task->id));
    assert(*task->queue && strlen(task->queue) <= TASK_QUEUE_MOST);
    assert(!task->name || (*task->name && strlen(task->name) <= TASK_NAME_MOST));
    assert(!task->key || (*task->key && strlen(task->key) <= TASK_KEY_MOST));
    assert(!task->key == !task->has_fingerprint);
    assert(!task->tags || json_object_array_length(task->tags) <= TASK_TAGS_MOST);
    assert(task->priority >= TASK_PRIORITY_LEAST && task->priority <= TASK_PRIORITY_MOST);
    assert(task->timeout_ms >= 0 && task->timeout_ms <= TASK_TIMEOUT_MOST_MS);
    assert(task->run_at_us >= INSTANT_LEAST_US && task->run_at_us <= INSTANT_MOST_US);
    assert(!strcmp(task->on_lost, "retry") || !strcmp(task->on_lost, "fail"));
    assert((task->type == TASK_LOG) == (!task->work || !json_object_object_length(task->work)));
    assert(!task->payload || (json_text(task->payload, &size) && size <= TASK_PAYLOAD_MOST));
    assert(!task->work || (json_text(task->work, &size) && size <= TASK_WORK_MOST));
}

static void check_again(const struct task *task)
{
    SCOPED(scoped_json) struct json_object *read = NULL;
    struct problems problems = {0};
    struct fault fault;
    struct task again;
    size_t size;
    SCOPED(scoped_text) char *text = task_command(task, &size);

    assert(json_read(&read, text, size, &fault));
    assert(task_read_command(&again, read, &problems));
    SCOPED(scoped_text) char *second = task_command(&again, &size);

    assert(!strcmp(second, text));
    task_done(&again);
}

/* The text behind the '#', to be freed; moves on to the next line. */
static char *take_header(const uint8_t **bytes, size_t *size)
{
    const uint8_t *end = *size && **bytes == '#' ? memchr(*bytes, '\n', *size) : NULL;

    if (!end)
        return NULL;
    size_t length = (size_t)(end - *bytes);
    char *text = fuzz_text(*bytes + 1, length - 1);

    *bytes += length + 1;
    *size -= length + 1;
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    SCOPED(scoped_text) char *key = take_header(&bytes, &size);
    SCOPED(scoped_json) struct json_object *object = NULL;
    struct problems problems = {0};
    struct fault fault;
    struct task task;

    if (!json_read(&object, (const char *)bytes, size, &fault))
        return 0;
    if (!task_read(&task, object, key, NOW_US, &problems)) {
        fuzz_check_problems(&problems);
        return 0;
    }
    check_bounds(&task);
    check_again(&task);
    task_done(&task);
    return 0;
}
