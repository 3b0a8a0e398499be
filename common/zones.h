/*
 * Zones that were opened once, kept for the life of the process: a schedule's zone is read from its
 * file when it is first asked for. There are about six hundred, so that nothing has to leave.
 */
#pragma once

#include "common/zone.h"

/* The zone is shared, and not to be closed. */
bool zones_get(const struct zone **ret, const char *name, struct fault *fault);

/* The version of the zone files, such as 2025b; empty where they do not say. */
const char *zones_version(void);
