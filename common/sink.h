/*
 * Connections that were answered before all they sent was read.
 *
 * Closing such a socket at once makes the kernel send a reset, and a reset may destroy the answer
 * before the client has read it. So the socket is kept for a moment, and what still comes is read
 * and dropped: until the client closes, a bound of bytes, or a short time.
 */
#pragma once

#include <systemd/sd-event.h>

struct sink;

struct sink *sink_new(sd_event *loop);

/* Closes whatever is kept. Takes NULL. */
void sink_free(struct sink *sink);

/* Takes the descriptor over. When too many are kept already it is closed at once. */
void sink_take(struct sink *sink, int fd);
