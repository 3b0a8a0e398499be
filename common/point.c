#include "common/point.h"

#include "common/cleanup.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ORDER_MOST 96

/* What the test wants: NAME=stop or NAME=kill, and @N for the passing that counts. */
struct order {
    char name[48], what[8];
    int passing;
};

static bool read_order(struct order *ret, const char *path)
{
    char text[ORDER_MOST] = "";
    SCOPED(scoped_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
        return false;
    ret->passing = 1;
    return sscanf(text, "%47[^=]=%7[a-z]@%d", ret->name, ret->what, &ret->passing) >= 2;
}

/* The rename is what strikes once: another process of the same node finds no file any more. */
static bool strike_first(const char *path)
{
    char reached[PATH_MAX];

    snprintf(reached, sizeof reached, "%s.reached", path);
    SCOPED(scoped_fd) int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd < 0 || dprintf(fd, "%d\n", (int)getpid()) < 0)
        return false;
    return rename(path, reached) == 0;
}

void point_pass(const char *name, int *passings)
{
    const char *path = getenv("FAULT_POINT");
    struct order order;

    if (!path || !read_order(&order, path) || strcmp(order.name, name) != 0 ||
        ++*passings < order.passing || !strike_first(path))
        return;
    raise(!strcmp(order.what, "kill") ? SIGKILL : SIGSTOP);
}
