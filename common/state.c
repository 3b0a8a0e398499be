#include "common/state.h"

#include "common/mem.h"

static const struct {
    const char *name, *meaning;
    bool final;
} states[STATE_COUNT] = {
    [STATE_ACCEPTED] = {"accepted", "Kafka has it, the database not yet", false},
    [STATE_SCHEDULED] = {"scheduled", "stored; waits for its instant or for an executor", false},
    [STATE_ASSIGNED] = {"assigned", "handed to one executor; no start is on record", false},
    [STATE_RUNNING] = {"running", "its executor has started it", false},
    [STATE_RETRYING] = {"retrying", "an attempt is spent; waits for the next one", false},
    [STATE_SUCCEEDED] = {"succeeded", "done", true},
    [STATE_FAILED] = {"failed", "ended without success; the reason says why", true},
    [STATE_CANCELLED] = {"cancelled", "ended because somebody asked for it", true},
    [STATE_EXPIRED] = {"expired", "its start deadline passed", true},
    [STATE_PAUSED] = {"paused", "held back", false},
    [STATE_SKIPPED] = {"skipped", "decided not to run; the reason says why", true},
};

static const char *const outcomes[OUTCOME_COUNT] = {
    [OUTCOME_SUCCEEDED] = "succeeded", [OUTCOME_FAILED] = "failed",
    [OUTCOME_TIMED_OUT] = "timed_out", [OUTCOME_CANCELLED] = "cancelled",
    [OUTCOME_LOST] = "lost",           [OUTCOME_RETURNED] = "returned",
};

static const struct {
    enum task_state from, to;
    const char *why;
} moves[] = {
    {STATE_ACCEPTED, STATE_SCHEDULED, "a consumer stores it"},
    {STATE_SCHEDULED, STATE_ASSIGNED, "its instant has come: the master hands it over"},
    {STATE_SCHEDULED, STATE_CANCELLED, "it is cancelled before it is handed over"},
    {STATE_SCHEDULED, STATE_EXPIRED, "its start_deadline passes before it could start"},
    {STATE_ASSIGNED, STATE_RUNNING, "the executor has started it"},
    {STATE_ASSIGNED, STATE_SUCCEEDED, "start and end are reported together"},
    {STATE_ASSIGNED, STATE_FAILED, "start and end are reported together"},
    {STATE_ASSIGNED, STATE_CANCELLED, "it is cancelled before it starts"},
    {STATE_ASSIGNED, STATE_SCHEDULED, "handed back, or its executor is lost: costs no attempt"},
    {STATE_ASSIGNED, STATE_RETRYING,
     "start and failure are reported together; or the same as above, where an earlier attempt is "
     "spent"},
    {STATE_RUNNING, STATE_SUCCEEDED, "the attempt succeeded"},
    {STATE_RUNNING, STATE_FAILED,
     "the attempt failed or timed out, or its executor is lost and on_lost is fail"},
    {STATE_RUNNING, STATE_CANCELLED, "the executor stopped it because it was asked to"},
    {STATE_RUNNING, STATE_RETRYING,
     "the attempt failed and is to be retried, or its executor is lost"},
    {STATE_RETRYING, STATE_ASSIGNED, "the master hands it over again"},
    {STATE_RETRYING, STATE_CANCELLED, "it is cancelled before it is handed over"},
    {STATE_FAILED, STATE_SCHEDULED, "somebody has it run again"},
    {STATE_CANCELLED, STATE_SCHEDULED, "somebody has it run again"},
    {STATE_EXPIRED, STATE_SCHEDULED, "somebody has it run again"},
};

const char *state_name(enum task_state state)
{
    return states[state].name;
}

bool state_read(enum task_state *ret, const char *name)
{
    for (int i = 0; i < STATE_COUNT; i++)
        if (!strcmp(states[i].name, name)) {
            *ret = (enum task_state)i;
            return true;
        }
    return false;
}

bool state_is_final(enum task_state state)
{
    return states[state].final;
}

const char *state_why(enum task_state from, enum task_state to)
{
    for (size_t i = 0; i < COUNT(moves); i++)
        if (moves[i].from == from && moves[i].to == to)
            return moves[i].why;
    return NULL;
}

bool state_may_become(enum task_state from, enum task_state to)
{
    return state_why(from, to) != NULL;
}

const char *outcome_name(enum outcome outcome)
{
    return outcomes[outcome];
}

/* Whether a task of this version can be in it. */
static bool is_reached(enum task_state state)
{
    for (size_t i = 0; i < COUNT(moves); i++)
        if (moves[i].from == state || moves[i].to == state)
            return true;
    return false;
}

void state_print_docs(FILE *to)
{
    fputs("# States of a task\n\n"
          "Printed from the table in `common/state.c`; a test compares. A task's state is derived "
          "in the view\n`task_state` and stored nowhere.\n\n"
          "| state | meaning | final |\n|---|---|---|\n",
          to);
    for (int i = 0; i < STATE_COUNT; i++)
        if (is_reached((enum task_state)i))
            fprintf(to, "| `%s` | %s | %s |\n", states[i].name, states[i].meaning,
                    states[i].final ? "yes" : "no");
    fputs("\n## The legal moves\n\n```mermaid\nstateDiagram-v2\n    [*] --> accepted\n", to);
    for (size_t i = 0; i < COUNT(moves); i++)
        fprintf(to, "    %s --> %s\n", states[moves[i].from].name, states[moves[i].to].name);
    for (int i = 0; i < STATE_COUNT; i++)
        if (is_reached((enum task_state)i) && states[i].final)
            fprintf(to, "    %s --> [*]\n", states[i].name);
    fputs("```\n\n| from | to | why |\n|---|---|---|\n", to);
    for (size_t i = 0; i < COUNT(moves); i++)
        fprintf(to, "| `%s` | `%s` | %s |\n", states[moves[i].from].name, states[moves[i].to].name,
                moves[i].why);
    fputs("\nAn attempt ends as", to);
    for (int i = 0; i < OUTCOME_COUNT; i++)
        fprintf(to, "%s `%s`", i ? "," : "", outcomes[i]);
    fputs(".\n`returned` was handed back without a start and costs no attempt.\n", to);
}
