/*
 * How many tasks an executor takes ahead: slow start.
 *
 * It begins with one task a slot. As long as what is read needs no slot (it ends at once), each
 * read doubles the window up to its bound; a task that needs a slot sets it back, so that such
 * tasks go where a slot is free and do not queue here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct window {
    int64_t slots, most, size;
};

void window_init(struct window *window, int64_t slots, int64_t most);

/* `count` new tasks were read, of which `slotted` need a slot. */
void window_read(struct window *window, int64_t count, int64_t slotted);

/* Tasks it would take while `held` are not reported. Never negative. */
int64_t window_credits(const struct window *window, int64_t held);
