/*
 * Cancel requests for what this executor holds. They stand on the attempts in the database; a
 * notification says that there is one, and they are looked for now and then as a net under it.
 */
#pragma once

#include "executor/executor.h"

struct cancel *cancel_open(struct executor *executor);
void cancel_close(struct cancel *cancel); /* takes NULL */

void cancel_look(struct cancel *cancel);
