/*
 * Tasks of type shell: {"command": text} for sh -c, or {"argv": [text, ...]}; "env", "cwd",
 * "grace".
 *
 * The environment is made anew: PATH, HOME, LANG, the task's own, and ROTA_* that say which attempt
 * this is. The payload comes as JSON on standard input. Exit code 0 is success.
 */
#include "common/cleanup.h"
#include "common/log.h"
#include "common/mem.h"
#include "executor/child.h"
#include "executor/run.h"
#include "executor/work.h"

#define ARGUMENTS_MOST 512
#define VARIABLES_MOST 256
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define ERROR_TAIL 2048

struct shell {
    struct child *child;
    int64_t grace_ms;
};

/* What the command is started with; the texts of the task belong to `work`. */
struct command {
    struct json_object *work;
    const char *directory;
    char *arguments[ARGUMENTS_MOST + 1];
    char *environment[VARIABLES_MOST + 1];
    int variables;
    int64_t grace_ms;
};

static void command_done(struct command *command)
{
    for (int i = 0; i < command->variables; i++)
        free(command->environment[i]);
    if (command->work)
        json_object_put(command->work);
}

static char *unconst(const char *text)
{
    return (char *)(uintptr_t)text;
}

static bool read_list(struct command *command, struct json_object *list, struct fault *fault)
{
    size_t count = json_object_array_length(list);

    if (!count || count > ARGUMENTS_MOST)
        return fault_set(fault, FAULT_REJECTED, "argv: must hold 1 to %d texts", ARGUMENTS_MOST);
    for (size_t i = 0; i < count; i++) {
        struct json_object *value = json_object_array_get_idx(list, i);

        if (!json_object_is_type(value, json_type_string))
            return fault_set(fault, FAULT_REJECTED, "argv: item %zu must be a text", i);
        command->arguments[i] = unconst(json_object_get_string(value));
    }
    return true;
}

static bool read_arguments(struct command *command, struct fault *fault)
{
    struct json_object *list;
    const char *text;

    if (!work_text(&text, command->work, "command", fault) ||
        !work_list(&list, command->work, "argv", fault))
        return false;
    if (!text == !list)
        return fault_set(fault, FAULT_REJECTED, "shell: needs either command or argv");
    if (list)
        return read_list(command, list, fault);
    command->arguments[0] = unconst("/bin/sh");
    command->arguments[1] = unconst("-c");
    command->arguments[2] = unconst(text);
    return true;
}

/* A later value of the same name takes the place of the earlier one. */
static bool add_variable(struct command *command, const char *name, const char *value,
                         struct fault *fault)
{
    size_t size = strlen(name) + 1;
    char *text;
    int place = 0;

    if (!*name || strchr(name, '='))
        return fault_set(fault, FAULT_REJECTED, "env: %.64s is no name", name);
    if (asprintf(&text, "%s=%s", name, value) < 0)
        abort();
    while (place < command->variables && strncmp(command->environment[place], text, size) != 0)
        place++;
    if (place == VARIABLES_MOST) {
        free(text);
        return fault_set(fault, FAULT_REJECTED, "env: more than %d names", VARIABLES_MOST);
    }
    free(command->environment[place]);
    command->environment[place] = text;
    command->variables += place == command->variables;
    return true;
}

static bool read_environment(struct command *command, const struct attempt *attempt,
                             struct fault *fault)
{
    struct json_object *env;
    char task[UUID_TEXT], token[16];
    const char *home = getenv("HOME"), *lang = getenv("LANG"), *path = getenv("PATH");

    if (!add_variable(command, "PATH", path ? path : DEFAULT_PATH, fault) ||
        !add_variable(command, "HOME", home ? home : "/", fault) ||
        !add_variable(command, "LANG", lang ? lang : "C.UTF-8", fault) ||
        !work_texts(&env, command->work, "env", fault))
        return false;
    if (env) {
        json_object_object_foreach(env, key, value)
        {
            if (!add_variable(command, key, json_object_get_string(value), fault))
                return false;
        }
    }
    snprintf(token, sizeof token, "%d", attempt->token);
    return add_variable(command, "ROTA_TASK_ID", uuid_write(task, &attempt->task), fault) &&
           add_variable(command, "ROTA_ATTEMPT", token, fault) &&
           add_variable(command, "ROTA_TOKEN", token, fault) &&
           add_variable(command, "ROTA_NODE", attempt->executor->node_text, fault);
}

static bool read_command(struct command *command, const struct attempt *attempt,
                         struct fault *fault)
{
    if (!work_read(&command->work, attempt->texts.work, fault) || !read_arguments(command, fault) ||
        !read_environment(command, attempt, fault) ||
        !work_text(&command->directory, command->work, "cwd", fault) ||
        !work_duration(&command->grace_ms, command->work, "grace",
                       attempt->executor->config->kill_grace_ms, fault))
        return false;
    if (command->directory && command->directory[0] != '/')
        return fault_set(fault, FAULT_REJECTED, "cwd: must be an absolute path");
    return true;
}

/* What is reported of a command that failed: how it ended, and the last it said. To be freed. */
static char *describe(int code, const char *tail)
{
    char *text;

    if (asprintf(&text, code < 0 ? "signal %d%s%s" : "exit status %d%s%s", abs(code),
                 *tail ? ": " : "", tail) < 0)
        abort();
    return text;
}

static void on_ended(void *data, const struct child_end *end)
{
    struct attempt *attempt = data;
    char task[UUID_TEXT];
    SCOPED(scoped_text) char *tail = output_tail(end->output, ERROR_TAIL);
    SCOPED(scoped_text) char *error = end->code ? describe(end->code, tail) : NULL;

    free(attempt->job);
    if (!end->began) {
        run_end(attempt, OUTCOME_FAILED, NULL, "the command did not start");
        return;
    }
    if (*tail && log_wants(LOG_DEBUG))
        log_debug("task.output", "task=%s bytes=%llu dropped=%llu tail=%s",
                  uuid_write(task, &attempt->task), (unsigned long long)end->output->total,
                  (unsigned long long)output_dropped(end->output), LOG_VALUE(tail));
    run_end(attempt, error ? OUTCOME_FAILED : OUTCOME_SUCCEEDED, &end->code, error);
}

static bool start_shell(struct attempt *attempt, struct fault *fault)
{
    SCOPED(command_done) struct command command = {0};
    struct executor *executor = attempt->executor;
    struct shell *shell;

    if (!read_command(&command, attempt, fault))
        return false;
    const struct child_settings settings = {
        .launcher = executor->launcher,
        .arguments = command.arguments,
        .environment = command.environment,
        .directory = command.directory ? command.directory : "",
        .input = attempt->texts.payload,
        .output_most = (size_t)executor->config->output_max,
    };
    shell = mem_new(struct shell, .grace_ms = command.grace_ms);
    if (!child_start(&shell->child, executor->loop, executor->leash, &settings, on_ended, attempt,
                     fault)) {
        free(shell);
        return false;
    }
    attempt->job = shell;
    return true;
}

static void stop_shell(struct attempt *attempt, int64_t grace_ms)
{
    struct shell *shell = attempt->job;

    if (grace_ms == RUN_LET_GO) {
        child_abandon(shell->child);
        free(shell);
        attempt->job = NULL;
    } else
        child_stop(shell->child, grace_ms == RUN_OWN_GRACE ? shell->grace_ms : grace_ms);
}

const struct work_type shell_type = {
    .name = "shell", .needs_slot = true, .start = start_shell, .stop = stop_shell};
