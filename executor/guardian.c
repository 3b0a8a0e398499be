#include "executor/guardian.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/point.h"
#include "executor/kin.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define SETTLED_US INT64_C(10000000) /* who lived this long did not die at once */
#define PAUSE_LEAST_MS 100
#define PAUSE_MOST_MS 10000
#define KILL_AGAIN_MS 10

struct guardian {
    int argument_count;
    char **arguments;
    int signals, timer, line; /* line: -1 while there is no executor */
    pid_t executor;
    int64_t born_us;
    bool over;   /* the executor has ended, or must */
    bool reaped; /* and `status` is its exit status */
    int status;
    bool has_node;
    struct uuid node;
    pid_t *groups;
    size_t group_count, group_room;
    int stops; /* TERM and INT received */
    int quick; /* incarnations in a row that died at once */
    bool came_up;
};

/* --- Starting the executor proper ------------------------------------------------------------ */

static void become_executor(const struct guardian *guardian, int line, pid_t parent)
{
    char flag[48], former[64], text[UUID_TEXT];
    char **arguments = mem_array(char *, (size_t)guardian->argument_count + 3);
    int count = 0;
    sigset_t blocked;

    /* Of its own group: what a terminal sends to the guardian's must not reach it twice. */
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, GUARDIAN_GONE_SIGNAL);
    if (getppid() != parent)
        _exit(1);
    sigemptyset(&blocked);
    sigaddset(&blocked, GUARDIAN_GONE_SIGNAL);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    fcntl(line, F_SETFD, 0);

    snprintf(flag, sizeof flag, GUARDIAN_FLAG "%d", line);
    snprintf(former, sizeof former, GUARDIAN_FORMER "%s", uuid_write(text, &guardian->node));
    arguments[count++] = guardian->arguments[0];
    arguments[count++] = flag;
    if (guardian->has_node)
        arguments[count++] = former;
    for (int i = 1; i < guardian->argument_count; i++)
        arguments[count++] = guardian->arguments[i];
    execv("/proc/self/exe", arguments);
    _exit(127);
}

static bool start_executor(struct guardian *guardian)
{
    int ends[2];
    pid_t self = getpid();

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return false;
    pid_t pid = fork();
    if (pid == 0)
        become_executor(guardian, ends[1], self);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return false;
    }
    guardian->executor = pid;
    guardian->line = ends[0];
    guardian->born_us = clock_boot_us();
    guardian->over = guardian->reaped = false;
    return true;
}

/* --- What the executor says ------------------------------------------------------------------ */

/* Deadline 0: none. */
static void set_timer(const struct guardian *guardian, int64_t deadline_us)
{
    struct itimerspec when = {
        .it_value = {.tv_sec = deadline_us / 1000000, .tv_nsec = deadline_us % 1000000 * 1000}};

    timerfd_settime(guardian->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static size_t group_place(const struct guardian *guardian, pid_t group)
{
    size_t i = 0;

    while (i < guardian->group_count && guardian->groups[i] != group)
        i++;
    return i;
}

static void add_group(struct guardian *guardian, pid_t group)
{
    /* A group number below 2 would make kill(-group) mean everybody. */
    if (group < 2)
        return;
    if (guardian->group_count == guardian->group_room)
        guardian->groups =
            mem_grow(guardian->groups, guardian->group_room = guardian->group_room * 2 + 64);
    guardian->groups[guardian->group_count++] = group;
}

static void forget_group(struct guardian *guardian, pid_t group)
{
    size_t place = group_place(guardian, group);

    if (place < guardian->group_count)
        guardian->groups[place] = guardian->groups[--guardian->group_count];
}

static void obey(struct guardian *guardian, const struct guardian_note *note)
{
    switch ((enum guardian_say)note->say) {
    case GUARDIAN_NODE:
        guardian->node = note->node;
        guardian->has_node = guardian->came_up = true;
        return;
    case GUARDIAN_DEADLINE:
        set_timer(guardian, note->deadline_us);
        return;
    case GUARDIAN_STOPPED:
        set_timer(guardian, 0);
        return;
    case GUARDIAN_ADD:
        add_group(guardian, note->group);
        break;
    case GUARDIAN_FORGET:
        forget_group(guardian, note->group);
        break;
    case GUARDIAN_STOP:
        return;
    }
    POINT(GUARDIAN_HEARD);
    /* The echo. It holds itself to GUARDIAN_OPEN_MOST, so a full line means that it is broken. */
    if (send(guardian->line, note, sizeof *note, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
        errno == EAGAIN)
        guardian->over = true;
}

static void hear(struct guardian *guardian)
{
    struct guardian_note note;
    ssize_t size;

    while ((size = recv(guardian->line, &note, sizeof note, MSG_DONTWAIT)) > 0)
        if (size == (ssize_t)sizeof note)
            obey(guardian, &note);
    if (size == 0) { /* closed: its end comes as SIGCHLD */
        close(guardian->line);
        guardian->line = -1;
    }
}

/* --- Signals and children -------------------------------------------------------------------- */

static void ask_to_stop(struct guardian *guardian)
{
    const struct guardian_note note = {.say = GUARDIAN_STOP};

    /* The first time as a word, which may come on top of a signal from whoever stops all of a
     * service's processes; a second time as the signal that ends at once. */
    if (guardian->stops++ == 0 && guardian->line >= 0)
        send(guardian->line, &note, sizeof note, MSG_NOSIGNAL | MSG_DONTWAIT);
    else if (!guardian->reaped)
        kill(guardian->executor, SIGTERM);
}

static void read_signals(struct guardian *guardian)
{
    struct signalfd_siginfo info;

    while (read(guardian->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            ask_to_stop(guardian);
        else if (info.ssi_signo == SIGHUP && !guardian->reaped)
            kill(guardian->executor, SIGHUP);
    }
}

static bool executor_ended(const struct guardian *guardian)
{
    siginfo_t info = {0};

    return guardian->reaped ||
           (waitid(P_PID, (id_t)guardian->executor, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
            info.si_pid == guardian->executor);
}

/*
 * Reaps orphans that came to us. A leader of a known group is only ours when the executor has
 * ended; its number must stay taken until the group is killed.
 */
static void reap_orphans(struct guardian *guardian)
{
    siginfo_t info;

    for (;;) {
        info.si_pid = 0;
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || !info.si_pid)
            return;
        if (info.si_pid == guardian->executor ||
            group_place(guardian, info.si_pid) < guardian->group_count) {
            guardian->over = true;
            return;
        }
        waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WNOHANG);
    }
}

/* True when there are no children left, so no descendants either: orphans become children. */
static bool reap_all(struct guardian *guardian)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != guardian->executor)
            continue;
        guardian->reaped = true;
        guardian->status = status;
    }
    return pid < 0 && errno == ECHILD;
}

static void kill_everything(struct guardian *guardian)
{
    struct pollfd wake = {.fd = guardian->signals, .events = POLLIN};

    if (!guardian->reaped)
        kill(guardian->executor, SIGKILL); /* first, so that it starts nothing more */
    for (size_t i = 0; i < guardian->group_count; i++)
        kill(-guardian->groups[i], SIGKILL);
    guardian->group_count = 0;
    do {
        kin_kill(getpid(), NULL);
        poll(&wake, 1, KILL_AGAIN_MS);
        read_signals(guardian);
    } while (!reap_all(guardian));
    set_timer(guardian, 0);
    if (guardian->line >= 0)
        close(guardian->line);
    guardian->line = -1;
}

/* --- One incarnation after the other --------------------------------------------------------- */

static void watch(struct guardian *guardian)
{
    while (!guardian->over) {
        struct pollfd ready[] = {{.fd = guardian->signals, .events = POLLIN},
                                 {.fd = guardian->timer, .events = POLLIN},
                                 {.fd = guardian->line, .events = POLLIN}};

        poll(ready, COUNT(ready), -1);
        /* What it said last counts before the deadline is judged. */
        if (guardian->line >= 0)
            hear(guardian);
        uint64_t passed;
        if (read(guardian->timer, &passed, sizeof passed) > 0) {
            log_error("guardian.deadline", "executor=%d groups=%zu", (int)guardian->executor,
                      guardian->group_count);
            guardian->over = true;
        }
        read_signals(guardian);
        if (executor_ended(guardian))
            guardian->over = true;
        else
            reap_orphans(guardian);
    }
}

/* Waits before the next incarnation, longer each time one dies at once; ends early on a stop. */
static void pause_between(struct guardian *guardian)
{
    struct pollfd wake = {.fd = guardian->signals, .events = POLLIN};
    bool settled = clock_boot_us() - guardian->born_us >= SETTLED_US;

    guardian->quick = settled ? 0 : guardian->quick + 1;
    int64_t wait_ms =
        guardian->quick ? PAUSE_LEAST_MS << (guardian->quick > 7 ? 7 : guardian->quick - 1) : 0;
    int64_t until_us = clock_boot_us() + (wait_ms > PAUSE_MOST_MS ? PAUSE_MOST_MS : wait_ms) * 1000;
    int64_t left_us;

    while (!guardian->stops && (left_us = until_us - clock_boot_us()) > 0) {
        poll(&wake, 1, (int)(left_us / 1000) + 1);
        read_signals(guardian);
    }
}

/* True: it ended for good, and *ret is how. */
static bool is_final(const struct guardian *guardian, int *ret)
{
    bool exited = WIFEXITED(guardian->status);
    int code = exited ? WEXITSTATUS(guardian->status) : 128 + WTERMSIG(guardian->status);

    *ret = code;
    if (exited && (code == GUARDIAN_CLEAN || code == GUARDIAN_SETTINGS))
        return true;
    if (guardian->stops)
        return true;
    /* A first start that says itself that it cannot: the same again would not help. */
    return exited && !guardian->came_up;
}

static bool open_guardian(struct guardian *guardian)
{
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGHUP);
    sigaddset(&mask, SIGCHLD);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    guardian->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    guardian->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    return guardian->signals >= 0 && guardian->timer >= 0;
}

int guardian_run(int count, char **arguments)
{
    struct guardian guardian = {.argument_count = count, .arguments = arguments, .line = -1};
    int status;

    if (!open_guardian(&guardian)) {
        log_error("guardian.failed", "error=%s", LOG_VALUE(strerror(errno)));
        return 1;
    }
    for (;;) {
        if (!start_executor(&guardian)) {
            log_error("guardian.failed", "error=%s", LOG_VALUE(strerror(errno)));
            return 1;
        }
        watch(&guardian);
        kill_everything(&guardian);
        POINT(GUARDIAN_EMPTIED);
        if (is_final(&guardian, &status))
            break;
        log_warn("guardian.executor_ended", "status=%d signal=%d",
                 WIFEXITED(guardian.status) ? WEXITSTATUS(guardian.status) : -1,
                 WIFSIGNALED(guardian.status) ? WTERMSIG(guardian.status) : 0);
        pause_between(&guardian);
        if (guardian.stops) {
            status = 0;
            break;
        }
    }
    free(guardian.groups);
    return status;
}
