#include "executor/attempt.h"

#include "common/mem.h"
#include "executor/executor.h"

void attempt_keep(struct attempt *attempt)
{
    const char **texts[] = {&attempt->texts.type,    &attempt->texts.queue, &attempt->texts.name,
                            &attempt->texts.payload, &attempt->texts.work,  &attempt->texts.retry};
    size_t size = 0;
    char *at;

    if (attempt->kept)
        return;
    for (size_t i = 0; i < COUNT(texts); i++)
        size += *texts[i] ? strlen(*texts[i]) + 1 : 0;
    attempt->kept_size = size;
    attempt->executor->kept_bytes += size;
    at = attempt->kept = mem_array(char, size);
    for (size_t i = 0; i < COUNT(texts); i++) {
        if (!*texts[i])
            continue;
        *texts[i] = strcpy(at, *texts[i]);
        at += strlen(at) + 1;
    }
}

void attempt_forget(struct attempt *attempt)
{
    if (attempt->kept)
        attempt->executor->kept_bytes -= attempt->kept_size;
    free(attempt->kept);
    attempt->kept = NULL;
    attempt->texts = (struct attempt_texts){0};
}

void attempt_free(struct attempt *attempt)
{
    if (!attempt)
        return;
    sd_event_source_disable_unref(attempt->limit);
    attempt_forget(attempt);
    free(attempt->error);
    free(attempt);
}

void attempt_add_keys(struct args *args, struct attempt *const *list, size_t count)
{
    args_array(args, ARGS_UUID);
    for (size_t i = 0; i < count; i++)
        args_uuid(args, &list[i]->task);
    args_array_end(args);
    args_array(args, ARGS_INT4);
    for (size_t i = 0; i < count; i++)
        args_int4(args, list[i]->token);
    args_array_end(args);
    args_array(args, ARGS_INT8);
    for (size_t i = 0; i < count; i++)
        args_int8(args, list[i]->inbox);
    args_array_end(args);
}
