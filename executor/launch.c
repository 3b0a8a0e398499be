/*
 * rota-launch: stands in for a command until its process group is known to the guardian.
 *
 *     rota-launch <parent> <directory> <program> <argument>...
 *
 * A program of its own because between fork and exec of a process with threads almost nothing may
 * be called, and because it is small: starting it costs less than a millisecond. It waits for one
 * byte on file descriptor 3, then becomes the command. The end of that pipe without a byte, or the
 * end of its parent, ends it. What it cannot do it says on standard error, and exits as a shell
 * would: 126, or 127 where the program is not there.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define GO_FD 3

enum { STATUS_NEVER_RAN = 125, STATUS_REFUSED = 126, STATUS_NOT_FOUND = 127 };

static int complain(const char *what)
{
    int error = errno;

    fprintf(stderr, "rota: %s: %s\n", what, strerror(error));
    return error == ENOENT ? STATUS_NOT_FOUND : STATUS_REFUSED;
}

int main(int count, char **arguments)
{
    char go;
    ssize_t size;

    if (count < 4) {
        fputs("rota-launch is started by rota-executor\n", stderr);
        return STATUS_NEVER_RAN;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != (pid_t)atoi(arguments[1]))
        return STATUS_NEVER_RAN;
    /* A task gains no rights that its executor has not. */
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    do {
        size = read(GO_FD, &go, 1);
    } while (size < 0 && errno == EINTR);
    if (size != 1)
        return STATUS_NEVER_RAN;
    close(GO_FD);
    if (*arguments[2] && chdir(arguments[2]) < 0)
        return complain(arguments[2]);
    execvp(arguments[3], arguments + 3);
    return complain(arguments[3]);
}
