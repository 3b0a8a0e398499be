/*
 * What a task of a fault run runs: it leaves its trace outside Rota, in a file that it alone and
 * its like append to, a line a write.
 *
 *   trace FILE MARK MILLISECONDS [family]
 *
 *   start MARK TASK TOKEN NODE PID BOOT_US WALL_US      first of all
 *   beat  ...                                           every 20 ms while it runs
 *   end   ...                                           last of all
 *
 * With `family` a child and a grandchild in a session of its own beat too until the task ends them,
 * and each goes on for ever where the task is killed and nobody ends what it left.
 *
 * PID is the task's own in all lines. BOOT_US is CLOCK_BOOTTIME: one for all processes of the
 * machine. The program is linked statically, so that a clock library preloaded into a node does not
 * reach it.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BEAT_MS 20

struct trace {
    int fd;
    pid_t pid;
    const char *mark;
};

static int64_t now_us(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static const char *fact(const char *name)
{
    const char *value = getenv(name);

    return value ? value : "-";
}

static void tell(const struct trace *trace, const char *word)
{
    char line[512];
    int size =
        snprintf(line, sizeof line, "%s %s %s %s %s %d %lld %lld\n", word, trace->mark,
                 fact("ROTA_TASK_ID"), fact("ROTA_TOKEN"), fact("ROTA_NODE"), (int)trace->pid,
                 (long long)now_us(CLOCK_BOOTTIME), (long long)now_us(CLOCK_REALTIME));

    if (size <= 0 || size >= (int)sizeof line || write(trace->fd, line, (size_t)size) != size)
        _exit(111);
}

static void beat(const struct trace *trace)
{
    const struct timespec pause = {.tv_nsec = BEAT_MS * 1000000};

    nanosleep(&pause, NULL);
    tell(trace, "beat");
}

static pid_t child(const struct trace *trace)
{
    pid_t pid = fork();

    if (pid)
        return pid;
    for (;;)
        beat(trace);
}

/* The number of a grandchild that is in no session and group of ours. */
static pid_t grandchild(const struct trace *trace)
{
    pid_t pid = -1, between;
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        _exit(112);
    between = fork();
    if (between == 0) {
        setsid();
        pid = child(trace);
        _exit(write(ends[1], &pid, sizeof pid) != sizeof pid);
    }
    close(ends[1]);
    if (between < 0 || read(ends[0], &pid, sizeof pid) != sizeof pid || pid < 0)
        _exit(113);
    close(ends[0]);
    waitpid(between, NULL, 0);
    return pid;
}

int main(int count, char **arguments)
{
    if (count < 4)
        return 2;
    const struct trace trace = {
        .fd = open(arguments[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644),
        .pid = getpid(),
        .mark = arguments[2]};
    int64_t until_us = now_us(CLOCK_BOOTTIME) + strtoll(arguments[3], NULL, 10) * 1000;
    pid_t family[2] = {0};

    if (trace.fd < 0)
        return 110;
    tell(&trace, "start");
    if (count > 4 && !strcmp(arguments[4], "family")) {
        family[0] = child(&trace);
        family[1] = grandchild(&trace);
        if (family[0] < 0)
            return 114;
    }
    while (now_us(CLOCK_BOOTTIME) < until_us)
        beat(&trace);
    for (int i = 0; i < 2; i++)
        if (family[i] > 0)
            kill(family[i], SIGKILL);
    tell(&trace, "end");
    return 0;
}
