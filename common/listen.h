/*
 * Listening addresses as settings write them: host:port, [v6]:port, or :port for every address.
 *
 * Hosts are numbers or the word localhost, which is 127.0.0.1: nothing is looked up. Port 0 means
 * any free one. [::] takes IPv4 as well.
 */
#pragma once

#include "common/fault.h"

#include <stdbool.h>

#define LISTEN_TEXT 64

struct listen_address {
    char host[LISTEN_TEXT]; /* a number */
    char port[8];
};

/* The fault says what is allowed. */
bool listen_read(struct listen_address *ret, const char *text, struct fault *fault);

/* Where a program on the same machine reaches it: "every address" becomes loopback. */
void listen_make_near(struct listen_address *address);

/* A non-blocking listening socket. FAULT_REJECTED: a wrong address; FAULT_BUSY: it is taken. */
bool listen_open(int *ret, const struct listen_address *address, int backlog, struct fault *fault);

/* The port that `socket` got. */
int listen_port(int socket);
