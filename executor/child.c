#include "executor/child.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/point.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define GO_FD 3
#define READ_SIZE (64 << 10)
#define READS_MOST 16 /* of one turn of the loop */

struct child {
    pid_t pid;
    int pidfd, go, output_fd;
    struct leash *leash;
    sd_event_source *exit, *readable, *grace;
    struct output output;
    bool began, asked, ended; /* asked: TERM was sent */
    int code;
    child_ended *tell;
    void *data;
};

/* --- Starting -------------------------------------------------------------------------------- */

/* The child's ends, closed when the launcher has them. */
struct ends {
    int input, output, go;
};

static void close_ends(struct ends *ends)
{
    if (ends->input >= 0)
        close(ends->input);
    if (ends->output >= 0)
        close(ends->output);
    if (ends->go >= 0)
        close(ends->go);
}

static int open_input(const char *text)
{
    int fd;

    if (!text)
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    fd = memfd_create("rota-payload", MFD_CLOEXEC);
    size_t size = strlen(text);
    if (fd < 0 || write(fd, text, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) < 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

static bool open_pipes(struct child *child, struct ends *ends)
{
    int pair[2];

    if (pipe2(pair, O_CLOEXEC) < 0)
        return false;
    child->output_fd = pair[0];
    ends->output = pair[1];
    fcntl(child->output_fd, F_SETFL, O_NONBLOCK);
    if (pipe2(pair, O_CLOEXEC) < 0)
        return false;
    ends->go = pair[0];
    child->go = pair[1];
    return true;
}

static int add_files(posix_spawn_file_actions_t *files, const struct ends *ends)
{
    int error = posix_spawn_file_actions_adddup2(files, ends->input, STDIN_FILENO);

    error = error ? error : posix_spawn_file_actions_adddup2(files, ends->output, STDOUT_FILENO);
    error = error ? error : posix_spawn_file_actions_adddup2(files, ends->output, STDERR_FILENO);
    error = error ? error : posix_spawn_file_actions_adddup2(files, ends->go, GO_FD);
    return error ? error : posix_spawn_file_actions_addclosefrom_np(files, GO_FD + 1);
}

static int add_attributes(posix_spawnattr_t *attributes)
{
    sigset_t all, none;
    int error;

    sigfillset(&all);
    sigemptyset(&none);
    error = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                     POSIX_SPAWN_SETSIGDEF);
    error = error ? error : posix_spawnattr_setpgroup(attributes, 0);
    error = error ? error : posix_spawnattr_setsigmask(attributes, &none);
    return error ? error : posix_spawnattr_setsigdefault(attributes, &all);
}

static char **launch_arguments(const struct child_settings *settings, char *parent)
{
    size_t count = 0;

    while (settings->arguments[count])
        count++;
    char **all = mem_array(char *, count + 4);
    all[0] = (char *)(uintptr_t) "rota-launch";
    all[1] = parent;
    all[2] = (char *)(uintptr_t)settings->directory;
    memcpy(all + 3, settings->arguments, count * sizeof *all);
    return all;
}

static int spawn(pid_t *ret, const struct child_settings *settings, const struct ends *ends)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    char parent[16];
    char **arguments = NULL;
    int error;

    snprintf(parent, sizeof parent, "%d", (int)getpid());
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    error = add_files(&files, ends);
    error = error ? error : add_attributes(&attributes);
    if (!error) {
        arguments = launch_arguments(settings, parent);
        error = posix_spawn(ret, settings->launcher, &files, &attributes, arguments,
                            settings->environment);
    }
    free(arguments);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

/* --- Ending ---------------------------------------------------------------------------------- */

static void release(struct child *child)
{
    sd_event_source_disable_unref(child->exit);
    sd_event_source_disable_unref(child->readable);
    sd_event_source_disable_unref(child->grace);
    if (child->pidfd >= 0)
        close(child->pidfd);
    if (child->go >= 0)
        close(child->go);
    if (child->output_fd >= 0)
        close(child->output_fd);
    output_done(&child->output);
    free(child);
}

/* False: the pipe has ended. */
static bool read_output(struct child *child)
{
    static char bytes[READ_SIZE];

    for (int i = 0; i < READS_MOST; i++) {
        ssize_t size = read(child->output_fd, bytes, sizeof bytes);

        if (size > 0)
            output_add(&child->output, bytes, (size_t)size);
        else if (size == 0 || errno != EINTR)
            return size != 0 && errno == EAGAIN;
    }
    return true;
}

static int on_output(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct child *child = data;

    (void)source, (void)fd, (void)events;
    if (!read_output(child))
        sd_event_source_set_enabled(child->readable, SD_EVENT_OFF);
    return 0;
}

static void on_forgotten(void *data)
{
    struct child *child = data;
    siginfo_t info;

    waitid(P_PID, (id_t)child->pid, &info, WEXITED);
    child->tell(
        child->data,
        &(struct child_end){.began = child->began, .code = child->code, .output = &child->output});
    release(child);
}

/* The leader has ended and is not reaped: its number, and so its group's, is still ours. */
static int on_exit_seen(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct child *child = data;
    siginfo_t info = {0};

    (void)fd, (void)events;
    if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || !info.si_pid)
        return 0;
    sd_event_source_set_enabled(source, SD_EVENT_OFF);
    sd_event_source_set_enabled(child->readable, SD_EVENT_OFF);
    if (child->grace)
        sd_event_source_set_enabled(child->grace, SD_EVENT_OFF);
    child->ended = true;
    child->code = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
    kill(-child->pid, SIGKILL);
    read_output(child);
    leash_forget(child->leash, child->pid, on_forgotten, child);
    return 0;
}

static void on_known(void *data)
{
    struct child *child = data;

    if (child->ended)
        return;
    POINT(SPAWN_KNOWN);
    child->began = write(child->go, "g", 1) == 1;
    close(child->go);
    child->go = -1;
}

static int on_grace(sd_event_source *source, uint64_t usec, void *data)
{
    struct child *child = data;

    (void)source, (void)usec;
    if (!child->ended)
        kill(-child->pid, SIGKILL);
    return 0;
}

void child_stop(struct child *child, int64_t grace_ms)
{
    uint64_t at_us = (uint64_t)(clock_boot_us() + grace_ms * 1000), set_us;

    if (child->ended)
        return;
    if (grace_ms <= 0 || !child->began) {
        kill(-child->pid, SIGKILL);
        return;
    }
    if (!child->asked) {
        kill(-child->pid, SIGTERM);
        kill(-child->pid, SIGCONT); /* a stopped process would not see it */
    }
    child->asked = true;
    if (!child->grace) {
        sd_event_add_time(sd_event_source_get_event(child->exit), &child->grace, CLOCK_BOOTTIME,
                          at_us, 1, on_grace, child);
        return;
    }
    if (sd_event_source_get_time(child->grace, &set_us) >= 0 && at_us < set_us)
        sd_event_source_set_time(child->grace, at_us);
}

void child_abandon(struct child *child)
{
    kill(-child->pid, SIGKILL);
    release(child);
}

static bool watch(struct child *child, sd_event *loop)
{
    child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
    return child->pidfd >= 0 &&
           sd_event_add_io(loop, &child->exit, child->pidfd, EPOLLIN, on_exit_seen, child) >= 0 &&
           sd_event_add_io(loop, &child->readable, child->output_fd, EPOLLIN, on_output, child) >=
               0;
}

bool child_start(struct child **ret, sd_event *loop, struct leash *leash,
                 const struct child_settings *settings, child_ended *ended, void *data,
                 struct fault *fault)
{
    struct child *child = mem_new(struct child, .pidfd = -1, .go = -1, .output_fd = -1,
                                  .leash = leash, .tell = ended, .data = data);
    SCOPED(close_ends) struct ends ends = {.input = -1, .output = -1, .go = -1};
    int error;

    output_init(&child->output, settings->output_most);
    ends.input = open_input(settings->input);
    if (ends.input < 0 || !open_pipes(child, &ends)) {
        fault_set(fault, FAULT_BUSY, "cannot start: %s", strerror(errno));
        release(child);
        return false;
    }
    error = spawn(&child->pid, settings, &ends);
    if (error) {
        release(child);
        return fault_set(fault, error == E2BIG ? FAULT_REJECTED : FAULT_BUSY, "cannot start: %s",
                         strerror(error));
    }
    if (!watch(child, loop)) {
        fault_set(fault, FAULT_BUSY, "cannot watch: %s", strerror(errno));
        kill(-child->pid, SIGKILL);
        waitpid(child->pid, NULL, 0);
        release(child);
        return false;
    }
    POINT(SPAWN_FORKED);
    leash_add(leash, child->pid, on_known, child);
    *ret = child;
    return true;
}
