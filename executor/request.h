/*
 * HTTP calls on the loop, over libcurl's multi interface; the tasks of type http are request_type.
 */
#pragma once

#include "common/config.h"
#include "common/fault.h"

#include <systemd/sd-event.h>

struct requests;

bool requests_open(struct requests **ret, sd_event *loop, const struct config *config,
                   struct fault *fault);

/* All requests have ended before. Takes NULL. */
void requests_close(struct requests *requests);
