/*
 * A crontab (crontab(5) of vixie cron and cronie, a user's own: without a user field) as schedules.
 *
 * Each entry becomes a definition in the dialect vixie with a shell task, under a name that is made
 * of its text, so that reading the same file again changes nothing. NAME=value lines become the
 * environment of what follows, CRON_TZ= (or TZ=) its zone; SHELL, MAILTO and the like are taken as
 * environment and have no further meaning here. The comment right above an entry is its
 * description. Refused, by line: what cron.h refuses, @reboot, and a % that feeds standard input.
 */
#pragma once

#include "common/field.h"

#include <stddef.h>

#define CRONTAB_LINE_MOST 8192
#define CRONTAB_ENTRIES_MOST 2000
#define CRONTAB_LINE "line" /* the member of an item that says where it stands, from 1 */

/*
 * An array of objects with "line", "name", "spec" and "task". What is wrong is told by line: "/3".
 */
bool crontab_read(struct json_object **ret, const char *text, size_t size, const char *prefix,
                  struct problems *problems);
