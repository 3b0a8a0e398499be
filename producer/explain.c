/*
 * GET /api/v1/tasks/{id}/explain: why a task has not run, or what happened to it, as findings in
 * the order in which they matter. Each is one row of a table: a code that does not change, and a
 * text for people.
 */
#include "common/cleanup.h"
#include "common/instant.h"
#include "common/mem.h"
#include "common/rows.h"
#include "common/state.h"
#include "producer/question.h"
#include "producer/render.h"

#define TEXT_MOST 512
#define AHEAD_COUNTED 1000

/* Columns of task_explain.sql. */
enum {
    NOW,
    ID,
    QUEUE,
    RUN_AT,
    MAX_ATTEMPTS,
    STATE,
    REASON,
    ENDED_AT,
    NEXT_AT,
    START_BY,
    WAITING_SPENT,
    TOKEN,
    ATTEMPT_SPENT,
    EXECUTOR,
    EXECUTOR_DEAD,
    EXECUTOR_SILENT,
    HEARTBEAT_AT,
    ASSIGNED_AT,
    STARTED_AT,
    FINISHED_AT,
    CANCEL_AT,
    OUTCOME,
    ERROR,
    PAUSED_AT,
    PAUSE_REASON,
    CONCURRENCY,
    RUNNING,
    RATE,
    TOKENS,
    EXECUTORS,
    CREDITS,
    MASTER,
    SCHEDULE,
    FIRE_AT,
    AHEAD,
    CODE,
    DETAIL,
    BEHIND,
};

/* --- What the row says ----------------------------------------------------------------------- */

static bool is_in(const PGresult *rows, enum task_state state)
{
    const char *name = rows_text(rows, 0, STATE);

    return name && !strcmp(name, state_name(state));
}

static bool is_waiting(const PGresult *rows)
{
    return !rows_is_null(rows, 0, NEXT_AT);
}

static bool is_due(const PGresult *rows)
{
    return is_waiting(rows) && rows_time(rows, 0, NEXT_AT) <= rows_time(rows, 0, NOW);
}

static bool is_with_an_executor(const PGresult *rows)
{
    return is_in(rows, STATE_ASSIGNED) || is_in(rows, STATE_RUNNING);
}

static const char *text_or(const PGresult *rows, int column, const char *otherwise)
{
    const char *text = rows_text(rows, 0, column);

    return text && *text ? text : otherwise;
}

static const char *instant(char text[static INSTANT_TEXT], const PGresult *rows, int column)
{
    return instant_write(text, rows_time(rows, 0, column));
}

/* "PT4.2S", from there to now. */
static const char *since(char text[static INSTANT_TEXT], const PGresult *rows, int column)
{
    int64_t ms = (rows_time(rows, 0, NOW) - rows_time(rows, 0, column)) / 1000;

    return duration_write(text, ms > 0 ? ms : 0);
}

/* --- Findings: false where it is not so, else the text is written ---------------------------- */

static bool ingest_behind(const PGresult *rows, char text[static TEXT_MOST])
{
    if (!rows_is_null(rows, 0, ID) || rows_int(rows, 0, BEHIND) <= 0)
        return false;
    snprintf(text, TEXT_MOST,
             "Kafka has it, and consumers have %lld records to store before and with it",
             (long long)rows_int(rows, 0, BEHIND));
    return true;
}

static bool refused(const PGresult *rows, char text[static TEXT_MOST])
{
    if (!rows_is_null(rows, 0, ID) || rows_is_null(rows, 0, CODE))
        return false;
    snprintf(text, TEXT_MOST, "it was not stored: %.40s: %.400s", rows_text(rows, 0, CODE),
             rows_text(rows, 0, DETAIL));
    return true;
}

static bool not_due(const PGresult *rows, char text[static TEXT_MOST])
{
    char at[INSTANT_TEXT];

    if (!is_in(rows, STATE_SCHEDULED) || is_due(rows))
        return false;
    snprintf(text, TEXT_MOST, "it is due at %s", instant(at, rows, NEXT_AT));
    return true;
}

static bool waiting_for_retry(const PGresult *rows, char text[static TEXT_MOST])
{
    char at[INSTANT_TEXT];
    int most = rows_is_null(rows, 0, MAX_ATTEMPTS) ? 1 : (int)rows_int(rows, 0, MAX_ATTEMPTS);

    if (!is_in(rows, STATE_RETRYING) || is_due(rows))
        return false;
    snprintf(text, TEXT_MOST, "attempt %lld of %d ended as %s (%.200s); the next one is due at %s",
             (long long)rows_int(rows, 0, WAITING_SPENT), most, text_or(rows, OUTCOME, "unknown"),
             text_or(rows, ERROR, "no word on why"), instant(at, rows, NEXT_AT));
    return true;
}

static bool start_deadline_passed(const PGresult *rows, char text[static TEXT_MOST])
{
    char at[INSTANT_TEXT];

    if (rows_is_null(rows, 0, START_BY) || rows_time(rows, 0, START_BY) > rows_time(rows, 0, NOW))
        return false;
    snprintf(text, TEXT_MOST, "its start_deadline passed at %s: it ends as expired in a moment",
             instant(at, rows, START_BY));
    return true;
}

static bool no_master(const PGresult *rows, char text[static TEXT_MOST])
{
    if (!is_waiting(rows) || rows_bool(rows, 0, MASTER))
        return false;
    snprintf(text, TEXT_MOST,
             "no consumer is master now, so nothing is handed over: see "
             "/api/v1/cluster");
    return true;
}

static bool queue_paused(const PGresult *rows, char text[static TEXT_MOST])
{
    char at[INSTANT_TEXT];

    if (!is_waiting(rows) || rows_is_null(rows, 0, PAUSED_AT))
        return false;
    snprintf(text, TEXT_MOST, "queue %s is paused since %s: %.255s", rows_text(rows, 0, QUEUE),
             instant(at, rows, PAUSED_AT), text_or(rows, PAUSE_REASON, "no reason was given"));
    return true;
}

static bool no_executor(const PGresult *rows, char text[static TEXT_MOST])
{
    if (!is_waiting(rows) || rows_int(rows, 0, EXECUTORS))
        return false;
    snprintf(text, TEXT_MOST,
             "no live executor serves queue %s (ROTA_EXECUTOR_QUEUES of an executor names them)",
             rows_text(rows, 0, QUEUE));
    return true;
}

static bool queue_full(const PGresult *rows, char text[static TEXT_MOST])
{
    if (!is_due(rows) || rows_is_null(rows, 0, CONCURRENCY) ||
        rows_int(rows, 0, RUNNING) < rows_int(rows, 0, CONCURRENCY))
        return false;
    snprintf(text, TEXT_MOST,
             "%lld tasks of queue %s are with executors, as many as its concurrency",
             (long long)rows_int(rows, 0, RUNNING), rows_text(rows, 0, QUEUE));
    return true;
}

static bool queue_rate(const PGresult *rows, char text[static TEXT_MOST])
{
    if (!is_due(rows) || rows_is_null(rows, 0, RATE) || rows_double(rows, 0, TOKENS) >= 1)
        return false;
    snprintf(text, TEXT_MOST, "queue %s lets %g tasks a second go, and the bucket is empty now",
             rows_text(rows, 0, QUEUE), rows_double(rows, 0, RATE));
    return true;
}

static bool executors_full(const PGresult *rows, char text[static TEXT_MOST])
{
    if (!is_due(rows) || !rows_int(rows, 0, EXECUTORS) || rows_int(rows, 0, CREDITS) > 0)
        return false;
    snprintf(text, TEXT_MOST, "the %lld executors of queue %s have all they can take",
             (long long)rows_int(rows, 0, EXECUTORS), rows_text(rows, 0, QUEUE));
    return true;
}

static bool others_first(const PGresult *rows, char text[static TEXT_MOST])
{
    int64_t ahead = rows_is_null(rows, 0, AHEAD) ? 0 : rows_int(rows, 0, AHEAD);

    if (!is_due(rows) || !ahead)
        return false;
    snprintf(text, TEXT_MOST, "%s%lld tasks of its queue and priority were due before it",
             ahead == AHEAD_COUNTED ? "at least " : "", (long long)ahead);
    return true;
}

static bool ready(const PGresult *rows, char text[static TEXT_MOST])
{
    char span[INSTANT_TEXT];

    if (!is_due(rows))
        return false;
    snprintf(text, TEXT_MOST, "it is due for %s, and the next to be handed over",
             since(span, rows, NEXT_AT));
    return true;
}

static bool executor_lost(const PGresult *rows, char text[static TEXT_MOST])
{
    char at[INSTANT_TEXT];

    if (!is_with_an_executor(rows) ||
        !(rows_bool(rows, 0, EXECUTOR_DEAD) || rows_bool(rows, 0, EXECUTOR_SILENT)))
        return false;
    snprintf(text, TEXT_MOST,
             "its executor %s %s, the last heartbeat is of %s: what follows is decided when its "
             "lease is over",
             text_or(rows, EXECUTOR, "(unknown)"),
             rows_bool(rows, 0, EXECUTOR_DEAD) ? "is dead" : "is silent",
             instant(at, rows, HEARTBEAT_AT));
    return true;
}

static bool cancel_asked(const PGresult *rows, char text[static TEXT_MOST])
{
    char span[INSTANT_TEXT];

    if (!is_with_an_executor(rows) || rows_is_null(rows, 0, CANCEL_AT))
        return false;
    snprintf(text, TEXT_MOST, "its cancel was asked for %s ago; its executor stops it",
             since(span, rows, CANCEL_AT));
    return true;
}

static bool running(const PGresult *rows, char text[static TEXT_MOST])
{
    char span[INSTANT_TEXT];

    if (!is_in(rows, STATE_RUNNING))
        return false;
    snprintf(text, TEXT_MOST, "attempt %lld runs on %s for %s", (long long)rows_int(rows, 0, TOKEN),
             text_or(rows, EXECUTOR, "(unknown)"), since(span, rows, STARTED_AT));
    return true;
}

static bool assigned(const PGresult *rows, char text[static TEXT_MOST])
{
    char span[INSTANT_TEXT];

    if (!is_in(rows, STATE_ASSIGNED))
        return false;
    snprintf(text, TEXT_MOST,
             "attempt %lld is with %s for %s: it waits for a slot there, or its start is not on "
             "record yet",
             (long long)rows_int(rows, 0, TOKEN), text_or(rows, EXECUTOR, "(unknown)"),
             since(span, rows, ASSIGNED_AT));
    return true;
}

static bool succeeded(const PGresult *rows, char text[static TEXT_MOST])
{
    char at[INSTANT_TEXT];

    if (!is_in(rows, STATE_SUCCEEDED))
        return false;
    snprintf(text, TEXT_MOST, "attempt %lld succeeded on %s at %s",
             (long long)rows_int(rows, 0, TOKEN), text_or(rows, EXECUTOR, "(unknown)"),
             instant(at, rows, FINISHED_AT));
    return true;
}

static bool ended(const PGresult *rows, char text[static TEXT_MOST])
{
    char at[INSTANT_TEXT];

    if (rows_is_null(rows, 0, ENDED_AT))
        return false;
    snprintf(text, TEXT_MOST, "it %s at %s: %.300s",
             is_in(rows, STATE_FAILED)      ? "failed"
             : is_in(rows, STATE_CANCELLED) ? "was cancelled"
             : is_in(rows, STATE_EXPIRED)   ? "expired"
                                            : "was skipped",
             instant(at, rows, ENDED_AT), text_or(rows, REASON, "no reason was given"));
    return true;
}

static bool attempts_spent(const PGresult *rows, char text[static TEXT_MOST])
{
    if (!is_in(rows, STATE_FAILED) || rows_is_null(rows, 0, TOKEN))
        return false;
    snprintf(
        text, TEXT_MOST,
        "%lld of %lld attempts were spent, the last ended as %s; POST .../retry starts it anew",
        (long long)rows_int(rows, 0, ATTEMPT_SPENT) + 1,
        rows_is_null(rows, 0, MAX_ATTEMPTS) ? 1LL : (long long)rows_int(rows, 0, MAX_ATTEMPTS),
        text_or(rows, OUTCOME, "unknown"));
    return true;
}

static bool run_of_a_schedule(const PGresult *rows, char text[static TEXT_MOST])
{
    char at[INSTANT_TEXT];

    if (rows_is_null(rows, 0, SCHEDULE) || rows_is_null(rows, 0, FIRE_AT))
        return false;
    snprintf(text, TEXT_MOST, "it is the run of schedule %s for %s", rows_text(rows, 0, SCHEDULE),
             instant(at, rows, FIRE_AT));
    return true;
}

/* The first that is so is why. */
static const struct finding {
    const char *code;
    bool (*tell)(const PGresult *rows, char text[static TEXT_MOST]);
} findings[] = {
    {"ingest-behind", ingest_behind},
    {"rejected", refused},
    {"not-due", not_due},
    {"waiting-for-retry", waiting_for_retry},
    {"start-deadline-passed", start_deadline_passed},
    {"no-master", no_master},
    {"queue-paused", queue_paused},
    {"no-executor", no_executor},
    {"queue-concurrency", queue_full},
    {"queue-rate", queue_rate},
    {"executors-full", executors_full},
    {"others-first", others_first},
    {"ready", ready},
    {"executor-lost", executor_lost},
    {"cancel-asked", cancel_asked},
    {"running", running},
    {"assigned", assigned},
    {"succeeded", succeeded},
    {"ended", ended},
    {"attempts-spent", attempts_spent},
    {"run-of-a-schedule", run_of_a_schedule},
};

/* --- The answer ------------------------------------------------------------------------------ */

static struct json_object *render_findings(const PGresult *rows)
{
    struct json_object *list = json_object_new_array();
    bool is_found = false;

    for (size_t i = 0; i < COUNT(findings); i++) {
        char text[TEXT_MOST];
        struct json_object *finding;

        /* Nothing else holds it back. */
        if (findings[i].tell == ready && is_found)
            continue;
        if (!findings[i].tell(rows, text))
            continue;
        finding = json_object_new_object();
        put_text(finding, "code", findings[i].code);
        put_text(finding, "text", text);
        json_object_array_add(list, finding);
        is_found = true;
    }
    return list;
}

static void take_explanation(struct question *question, const PGresult *rows,
                             const struct fault *fault)
{
    struct json_object *body, *list;
    const char *state;

    if (fault) {
        answer_database_fault(question->request, fault);
        question_free(question);
        return;
    }
    list = render_findings(rows);
    if (!json_object_array_length(list)) {
        problem_reply(question->request, PROBLEM_NOT_FOUND, "there is no task of this id");
        json_object_put(list);
        question_free(question);
        return;
    }
    state = rows_text(rows, 0, STATE);
    body = json_object_new_object();
    put_uuid(body, "id", &question->id);
    put_text(body, "state",
             state                         ? state
             : rows_is_null(rows, 0, CODE) ? state_name(STATE_ACCEPTED)
                                           : "rejected");
    put_time_of(body, "at", rows, 0, NOW);
    json_object_object_add(body, "findings", list);
    json_object_object_add(body, "links", render_links(&question->id, NULL));
    answer_json(question->request, 200, body);
    question_free(question);
}

void task_explain(struct web_request *request, void *data)
{
    static const char *const known[] = {"after"};
    SCOPED(scoped_args) struct args args = ARGS_INIT;
    struct question question = {.producer = data, .request = request, .answer = take_explanation};
    struct question *asked;

    if (!answer_read_id(&question.id, request) ||
        !answer_knows_parameters(request, known, COUNT(known)) ||
        !question_read_after(&question.after, data, request) || !answer_has_database(data, request))
        return;
    asked = memcpy(mem_new(struct question, .id = question.id), &question, sizeof question);
    question_add_keys(asked, &args);
    args_int8(&args, ALIVE_MS);
    args_int4(&args, AHEAD_COUNTED);
    question_call(asked, QUERY_TASK_EXPLAIN, &args);
}
