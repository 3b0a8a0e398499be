/* A task that is taken keeps its bounds, and comes back from its command as it was. */
#include "common/cleanup.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/task.h"

#include <assert.h>

#define NOW_US INT64_C(1795226400123456)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_again(const struct task *task)
{
    SCOPED(scoped_json) struct json_object *command = task_command(task), *read = NULL;
    struct problems problems = {0};
    struct fault fault;
    struct task again;
    size_t size;
    const char *text = json_text(command, &size);

    assert(json_read(&read, text, size, &fault));
    assert(task_read_command(&again, read, &problems));
    SCOPED(scoped_json) struct json_object *second = task_command(&again);

    assert(!strcmp(json_text(second, &size), text));
    task_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    SCOPED(scoped_json) struct json_object *object = NULL;
    struct problems problems = {0};
    struct fault fault;
    struct task task;

    if (!json_read(&object, (const char *)bytes, size, &fault))
        return 0;
    if (!task_read(&task, object, NULL, NOW_US, &problems)) {
        assert(problems.count > 0 && problems.count <= PROBLEMS_MOST);
        assert(problems.list[0].pointer[0] == '#' && problems.list[0].detail[0]);
        return 0;
    }
    assert(task.priority >= TASK_PRIORITY_LEAST && task.priority <= TASK_PRIORITY_MOST);
    assert(task.timeout_ms >= 0 && task.timeout_ms <= TASK_TIMEOUT_MOST_MS);
    assert((task.type == TASK_LOG) == (!task.work || !json_object_object_length(task.work)));
    check_again(&task);
    task_done(&task);
    return 0;
}
