#include "executor/attempt.h"

#include "common/mem.h"

void attempt_keep(struct attempt *attempt)
{
    const char **texts[] = {&attempt->texts.type, &attempt->texts.queue, &attempt->texts.name,
                            &attempt->texts.payload, &attempt->texts.work};
    size_t size = 0;
    char *at;

    if (attempt->kept)
        return;
    for (size_t i = 0; i < COUNT(texts); i++)
        size += *texts[i] ? strlen(*texts[i]) + 1 : 0;
    at = attempt->kept = mem_array(char, size);
    for (size_t i = 0; i < COUNT(texts); i++) {
        if (!*texts[i])
            continue;
        *texts[i] = strcpy(at, *texts[i]);
        at += strlen(at) + 1;
    }
}

void attempt_free(struct attempt *attempt)
{
    if (!attempt)
        return;
    sd_event_source_disable_unref(attempt->limit);
    free(attempt->kept);
    free(attempt->error);
    free(attempt);
}
