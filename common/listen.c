#include "common/listen.h"

#include "common/cleanup.h"
#include "common/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define ALLOWED "must be host:port, [v6]:port or :port; the host a number or localhost"

static bool is_port(const char *text)
{
    size_t size = strlen(text);

    return size >= 1 && size <= 5 && strspn(text, "0123456789") == size && atoi(text) <= 65535;
}

static bool is_number(const char *host, bool bracketed)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return inet_pton(bracketed ? AF_INET6 : AF_INET, host, bytes) == 1;
}

bool listen_read(struct listen_address *ret, const char *text, struct fault *fault)
{
    const char *colon = strrchr(text, ':');
    bool bracketed = *text == '[' && colon > text && colon[-1] == ']';
    const char *host = text + bracketed;
    size_t size = colon ? (size_t)(colon - host) - bracketed : 0;
    struct listen_address address;

    if (!colon || !is_port(colon + 1) || size >= sizeof address.host)
        return fault_set(fault, FAULT_REJECTED, ALLOWED);
    snprintf(address.port, sizeof address.port, "%s", colon + 1);
    snprintf(address.host, sizeof address.host, "%.*s", (int)size, host);
    if (!*address.host && !bracketed)
        snprintf(address.host, sizeof address.host, "0.0.0.0");
    if (!strcmp(address.host, "localhost"))
        snprintf(address.host, sizeof address.host, "127.0.0.1");
    if (!is_number(address.host, bracketed))
        return fault_set(fault, FAULT_REJECTED, ALLOWED);
    *ret = address;
    return true;
}

void listen_make_near(struct listen_address *address)
{
    if (!strcmp(address->host, "0.0.0.0"))
        snprintf(address->host, sizeof address->host, "127.0.0.1");
    if (!strcmp(address->host, "::"))
        snprintf(address->host, sizeof address->host, "::1");
}

static bool refused(const char *doing, struct fault *fault)
{
    int error = errno;

    if (error == EADDRINUSE)
        return fault_set(fault, FAULT_BUSY,
                         "the port is in use by another program; name a free one, or port 0");
    if (error == EADDRNOTAVAIL)
        return fault_set(fault, FAULT_REJECTED, "no interface of this machine has that address");
    if (error == EACCES)
        return fault_set(fault, FAULT_REJECTED,
                         "this user may not listen there; take a port from 1024 up");
    return fault_set(fault, FAULT_DOWN, "%s: %s", doing, strerror(error));
}

static bool bind_to(int socket, const struct addrinfo *where, struct fault *fault)
{
    if (setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)))
        return refused("SO_REUSEADDR", fault);
    if (where->ai_family == AF_INET6)
        setsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, &(int){0}, sizeof(int));
    return !bind(socket, where->ai_addr, where->ai_addrlen) || refused("bind", fault);
}

bool listen_open(int *ret, const struct listen_address *address, int backlog, struct fault *fault)
{
    const struct addrinfo hints = {
        .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
        .ai_socktype = SOCK_STREAM,
    };
    struct addrinfo *where;
    int error = getaddrinfo(address->host, address->port, &hints, &where);

    if (error)
        return fault_set(fault, FAULT_REJECTED, "%s", gai_strerror(error));
    SCOPED(scoped_fd)
    int fd = socket(where->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 ? bind_to(fd, where, fault) : refused("socket", fault);

    freeaddrinfo(where);
    if (!ok || (listen(fd, backlog) && !refused("listen", fault)))
        return false;
    *ret = fd;
    fd = -1;
    return true;
}

int listen_port(int socket)
{
    struct sockaddr_storage name;
    socklen_t size = sizeof name;

    if (getsockname(socket, (struct sockaddr *)&name, &size))
        return 0;
    return ntohs(name.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&name)->sin6_port
                                            : ((struct sockaddr_in *)&name)->sin_port);
}
