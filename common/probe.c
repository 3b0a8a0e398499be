#include "common/probe.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/listen.h"
#include "common/mem.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#define ANSWER_MOST 4096

/* Waits for the socket until the deadline. */
static bool await(int fd, short events, int64_t until_us)
{
    struct pollfd one = {.fd = fd, .events = events};
    int64_t left_us = until_us - clock_boot_us();
    int count = left_us > 0 ? poll(&one, 1, (int)(left_us / 1000) + 1) : 0;

    if (!count)
        errno = ETIMEDOUT;
    return count > 0;
}

static int dial(const struct listen_address *address, int64_t until_us)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *where;
    int error = 0;
    socklen_t size = sizeof error;

    errno = EINVAL;
    if (getaddrinfo(address->host, address->port, &hints, &where))
        return -1;
    int fd = socket(where->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, where->ai_addr, where->ai_addrlen) && errno != EINPROGRESS)
        error = errno;
    freeaddrinfo(where);
    if (fd < 0)
        return -1;
    if (!error && !await(fd, POLLOUT, until_us))
        error = errno;
    if (!error)
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (!error)
        return fd;
    close(fd);
    errno = error;
    return -1;
}

/* The whole answer, up to its bound, as text. */
static bool ask(int fd, const char *path, int64_t until_us, char answer[static ANSWER_MOST])
{
    char request[256];
    size_t used = 0;
    int size = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);

    if (send(fd, request, (size_t)size, MSG_NOSIGNAL) != size)
        return false;
    while (used < ANSWER_MOST - 1) {
        if (!await(fd, POLLIN, until_us))
            return false;
        ssize_t got = recv(fd, answer + used, ANSWER_MOST - 1 - used, 0);

        if (got < 0)
            return false;
        if (!got)
            break;
        used += (size_t)got;
    }
    answer[used] = '\0';
    return true;
}

/* The body in one line. */
static const char *body_of(char *answer)
{
    char *body = strstr(answer, "\r\n\r\n");

    if (!body)
        return "";
    body += 4;
    while (*body && body[strlen(body) - 1] == '\n')
        body[strlen(body) - 1] = '\0';
    for (char *at = body; (at = strpbrk(at, "\r\n"));)
        *at = ';';
    return body;
}

int probe_run(const char *address, const char *path, int64_t limit_ms, FILE *to)
{
    int64_t until_us = clock_boot_us() + limit_ms * 1000;
    struct listen_address where;
    struct fault fault;
    char answer[ANSWER_MOST];
    int status = 0;

    if (!listen_read(&where, address, &fault)) {
        fprintf(to, "ROTA_HTTP_ADDR=%s: %s\n", address, fault.text);
        return 1;
    }
    listen_make_near(&where);
    SCOPED(scoped_fd) int fd = dial(&where, until_us);

    if (fd < 0 || !ask(fd, path, until_us, answer)) {
        fprintf(to, "no answer from %s port %s: %s\n", where.host, where.port, strerror(errno));
        return 1;
    }
    if (sscanf(answer, "HTTP/%*d.%*d %d", &status) != 1)
        status = 0;
    if (status == 200)
        fprintf(to, "ready\n");
    else
        fprintf(to, "not ready: status %d: %s\n", status, body_of(answer));
    return status != 200;
}
