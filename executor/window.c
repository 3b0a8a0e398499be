#include "executor/window.h"

void window_init(struct window *window, int64_t slots, int64_t most)
{
    *window = (struct window){.slots = slots, .most = most > slots ? most : slots, .size = slots};
}

void window_read(struct window *window, int64_t count, int64_t slotted)
{
    if (slotted > 0)
        window->size = window->slots;
    else if (count > 0)
        window->size = window->size > window->most / 2 ? window->most : window->size * 2;
}

int64_t window_credits(const struct window *window, int64_t held)
{
    return held < window->size ? window->size - held : 0;
}
