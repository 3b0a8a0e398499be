#include "executor/kin.h"

#include "common/cleanup.h"
#include "common/mem.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENVIRONMENT_MOST (4 << 20)

struct process {
    pid_t pid, parent;
    uint64_t began; /* in ticks since boot: tells two owners of one number apart */
    bool kin;
};

struct processes {
    struct process *list;
    size_t count, room;
};

/* False: it is gone, or a zombie that only waits for its parent. */
static bool look_at(struct process *ret, pid_t pid)
{
    char path[32], text[1024], state;
    unsigned long long began;
    int parent;

    ret->pid = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    SCOPED(scoped_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (size <= 0)
        return false;
    text[size] = '\0';
    /* The name in brackets may itself hold brackets and spaces: the last one ends it. */
    const char *rest = strrchr(text, ')');
    if (!rest || sscanf(rest,
                        ") %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
                        "%*d %llu",
                        &state, &parent, &began) != 3)
        return false;
    *ret = (struct process){.pid = pid, .parent = parent, .began = began};
    return state != 'Z' && state != 'X';
}

static bool has_mark(pid_t pid, const char *mark)
{
    char path[32];
    size_t size = 0, mark_size = strlen(mark) + 1;
    ssize_t more;

    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    SCOPED(scoped_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t room = 64 << 10;
    SCOPED(scoped_text) char *text = mem_array(char, room);
    while (room <= ENVIRONMENT_MOST && (more = read(fd, text + size, room - size)) > 0) {
        size += (size_t)more;
        if (size == room)
            text = mem_grow(text, room *= 2);
    }
    for (char *at = text; at + mark_size <= text + size;) {
        char *end = memchr(at, '\0', (size_t)(text + size - at));

        if (!memcmp(at, mark, mark_size))
            return true;
        if (!end)
            break;
        at = end + 1;
    }
    return false;
}

static void list_all(struct processes *all)
{
    DIR *folder = opendir("/proc");
    struct dirent *entry;

    while (folder && (entry = readdir(folder))) {
        pid_t pid = (pid_t)atoi(entry->d_name);

        if (pid <= 0)
            continue;
        if (all->count == all->room)
            all->list = mem_grow(all->list, all->room = all->room * 2 + 256);
        /* Zombies stay in the list: their children are found through them. */
        if (look_at(&all->list[all->count], pid) || all->list[all->count].pid == pid)
            all->count++;
    }
    if (folder)
        closedir(folder);
}

static int by_pid(const void *one, const void *other)
{
    const struct process *a = one, *b = other;

    return (a->pid > b->pid) - (a->pid < b->pid);
}

static const struct process *find(const struct processes *all, pid_t pid)
{
    const struct process wanted = {.pid = pid};

    return bsearch(&wanted, all->list, all->count, sizeof wanted, by_pid);
}

/* A child may stand before its parent in the list: goes round until nothing new is found. */
static void mark_descendants(struct processes *all, pid_t root)
{
    bool more = true;

    while (more) {
        more = false;
        for (size_t i = 0; i < all->count; i++) {
            struct process *process = &all->list[i];
            const struct process *parent = process->kin ? NULL : find(all, process->parent);

            if (process->kin || (process->parent != root && (!parent || !parent->kin)))
                continue;
            process->kin = more = true;
        }
    }
}

static bool kill_one(const struct process *process)
{
    SCOPED(scoped_fd) int fd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    struct process now;

    if (fd < 0 || !look_at(&now, process->pid) || now.began != process->began)
        return false;
    return syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0;
}

int kin_kill(pid_t root, const char *mark)
{
    struct processes all = {0};
    int alive = 0;

    list_all(&all);
    if (all.count)
        qsort(all.list, all.count, sizeof *all.list, by_pid);
    mark_descendants(&all, root);
    for (size_t i = 0; i < all.count; i++) {
        const struct process *process = &all.list[i];

        if (process->pid == root || process->pid == getpid())
            continue;
        if (process->kin || (mark && has_mark(process->pid, mark)))
            alive += kill_one(process);
    }
    free(all.list);
    return alive;
}
