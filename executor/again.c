#include "executor/again.h"

#include "common/json.h"
#include "common/retry.h"

#include <curl/curl.h>

void again_judge(struct attempt *attempt)
{
    const struct retry_ended ended = {.outcome = attempt->outcome,
                                      .has_code = attempt->has_exit_code,
                                      .code = attempt->exit_code,
                                      .after_ms = attempt->after_ms,
                                      .spent = attempt->spent + 1,
                                      .task = attempt->task,
                                      .token = attempt->token};
    const char *text = attempt->texts.retry;
    struct problems problems = {0};
    struct field at = {.problems = &problems};
    struct json_object *value;
    struct retry retry;
    struct fault fault;

    if (!text || (ended.outcome != OUTCOME_FAILED && ended.outcome != OUTCOME_TIMED_OUT) ||
        !json_read(&value, text, strlen(text), &fault))
        return;
    if (retry_read(&retry, value, attempt->texts.type, &at, false))
        attempt->again_ms = retry_wait_ms(&retry, &ended);
    json_object_put(value);
}

int64_t again_after(const char *header, int64_t now_us)
{
    int64_t wait_ms;
    time_t at;

    if (strspn(header, "0123456789") == strlen(header) && *header && strlen(header) < 10)
        wait_ms = atoll(header) * 1000;
    else if ((at = curl_getdate(header, NULL)) >= 0)
        wait_ms = (int64_t)at * 1000 - now_us / 1000;
    else
        return 0;
    return wait_ms > 1 ? wait_ms : 1;
}
