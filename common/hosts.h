/*
 * The servers that a conninfo names (`host=a,b port=1,2`), taken in turns.
 *
 * libpq tries them in their order, and goes on from one that refuses. One that does not answer at
 * all (its machine is gone, or frozen) takes the whole time for connecting, and would take it again
 * at the next try: so each try that ran out of time is followed by one that begins a server later.
 */
#pragma once

#include "common/fault.h"

struct hosts {
    char *host, *hostaddr, *port; /* lists with commas, as libpq takes them; NULL: not given */
};

/* Fails where libpq cannot read the conninfo. */
bool hosts_read(struct hosts *ret, const char *conninfo, struct fault *fault);

/* The first server becomes the last. */
void hosts_turn(struct hosts *hosts);

/* The server of that name and port becomes the first, where it is one of them. */
void hosts_begin_with(struct hosts *hosts, const char *host, const char *port);
void hosts_done(struct hosts *hosts);
