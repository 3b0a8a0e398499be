#include "executor/again.h"

#include "common/instant.h"
#include "common/json.h"
#include "common/log.h"
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
    char task[UUID_TEXT];

    if (!text || (ended.outcome != OUTCOME_FAILED && ended.outcome != OUTCOME_TIMED_OUT) ||
        !json_read(&value, text, strlen(text), &fault))
        return;
    if (retry_read(&retry, value, attempt->texts.type, &at, false))
        attempt->again_ms = retry_wait_ms(&retry, &ended);
    else
        log_warn("task.retry_unread", "task=%s cause=%s", uuid_write(task, &attempt->task),
                 LOG_VALUE(problems.list[0].detail));
    json_object_put(value);
}

/* Seconds since 1970; -1: no date that HTTP knows. */
static int64_t read_date(const char *text)
{
    int64_t at = text ? (int64_t)curl_getdate(text, NULL) : -1;

    return at >= 0 && at <= INSTANT_MOST_US / 1000000 ? at : -1;
}

int64_t again_after(const char *header, const char *date, int64_t now_us)
{
    int64_t at, from, wait_s;

    if (*header && strspn(header, "0123456789") == strlen(header))
        return strlen(header) < 10 ? atoll(header) * 1000 : 0;
    at = read_date(header);
    from = read_date(date);
    wait_s = at - (from >= 0 ? from : now_us / 1000000);
    return at >= 0 && wait_s > 0 ? wait_s * 1000 : 0;
}
