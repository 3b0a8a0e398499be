/*
 * Names of time zones: which are taken, where their files lie, and which come near one that is
 * not known.
 *
 * The list is the one that comes with the files (tzdata.zi, or else zone1970.tab); it is read only
 * to make a refusal helpful, and no further than its limits.
 */
#pragma once

#include "common/fault.h"

const char *zone_names_folder(void);

/* Whether it is UTC by one of its two names, and so needs no file. */
bool zone_names_is_utc(const char *name);

/* Refuses what cannot be a zone's name, before any file is opened by it. */
bool zone_names_check(const char *name, struct fault *fault);

/* Says that there is no such zone, and up to three that there are. Returns false. */
bool zone_names_unknown(const char *name, struct fault *fault);
