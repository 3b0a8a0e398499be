/*
 * Whether an attempt that has ended is followed by another one, by the task's own policy
 * (common/retry.h): again_ms is how long until then, 0: it is not. To be called before its texts
 * are let go of.
 */
#pragma once

#include "executor/attempt.h"

void again_judge(struct attempt *attempt);

/*
 * What a Retry-After header asks for, in ms: seconds, or an HTTP date (RFC 9110, 10.2.3) that
 * counts from the Date of the same answer, or from `now_us` where `date` is NULL. 0: nothing, or
 * nothing that can be understood, or a time that is over.
 */
int64_t again_after(const char *header, const char *date, int64_t now_us);
