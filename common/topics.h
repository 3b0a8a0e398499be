/* The topics that Rota reads and writes: whichever program comes first makes those that are not
 * there. */
#pragma once

#include "common/bus.h"
#include "common/config.h"

/* Of a producer or a consumer. Goes on in the background. */
void topics_ensure(struct bus *bus, const struct config *config);
