/*
 * rota-executor. Started by a user it is the guardian, which starts this program again as the
 * executor proper. What only asks (--help, --version, --check, --healthcheck) needs no guardian.
 */
#include "executor/executor.h"
#include "executor/guardian.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static bool only_asks(int count, char **arguments)
{
    static const char *const words[] = {"--help", "-h", "--version", "--check", "--healthcheck"};

    for (int i = 1; i < count; i++)
        for (size_t word = 0; word < sizeof words / sizeof *words; word++)
            if (!strcmp(arguments[i], words[word]))
                return true;
    return false;
}

/* Takes what the guardian put before the user's arguments away from them. */
static bool read_birth(struct executor_birth *ret, int *count, char **arguments)
{
    int own = 0;

    if (*count < 2 || strncmp(arguments[1], GUARDIAN_FLAG, strlen(GUARDIAN_FLAG)) != 0)
        return false;
    ret->line = atoi(arguments[1] + strlen(GUARDIAN_FLAG));
    own++;
    if (*count > 2 && !strncmp(arguments[2], GUARDIAN_FORMER, strlen(GUARDIAN_FORMER)) &&
        uuid_read(&ret->former, arguments[2] + strlen(GUARDIAN_FORMER)))
        own++;
    memmove(arguments + 1, arguments + 1 + own, (size_t)(*count - own) * sizeof *arguments);
    *count -= own;
    return fcntl(ret->line, F_SETFD, FD_CLOEXEC) == 0;
}

/* Threads that are started later leave this signal to the loop. */
static void block_death_signal(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, GUARDIAN_GONE_SIGNAL);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

int main(int count, char **arguments)
{
    struct executor_birth birth = {.line = -1};

    if (read_birth(&birth, &count, arguments)) {
        block_death_signal();
        return executor_run(&birth, count, arguments);
    }
    if (only_asks(count, arguments))
        return executor_run(&birth, count, arguments);
    return guardian_run(count, arguments);
}
