#include "common/sink.h"

#include "common/mem.h"

#include <errno.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define KEPT_MOST 256
#define BYTES_MOST (16u << 20)
#define TIME_US (UINT64_C(2) * 1000 * 1000)
#define AT_ONCE_MOST (256u << 10) /* read in one turn of the loop */

struct guest {
    LIST_ENTRY(guest) next;
    struct sink *sink;
    int fd;
    size_t bytes;
    sd_event_source *readable, *limit;
};

struct sink {
    sd_event *loop;
    LIST_HEAD(guest_list, guest) guests;
    int count;
};

struct sink *sink_new(sd_event *loop)
{
    return mem_new(struct sink, .loop = loop);
}

static void leave(struct guest *guest)
{
    LIST_REMOVE(guest, next);
    guest->sink->count--;
    sd_event_source_disable_unref(guest->readable);
    sd_event_source_disable_unref(guest->limit);
    close(guest->fd);
    free(guest);
}

void sink_free(struct sink *sink)
{
    if (!sink)
        return;
    while (!LIST_EMPTY(&sink->guests))
        leave(LIST_FIRST(&sink->guests));
    free(sink);
}

static int drop_bytes(sd_event_source *source, int fd, uint32_t events, void *data)
{
    static char scratch[64 << 10];
    struct guest *guest = data;

    (void)source, (void)events;
    for (size_t turn = 0; turn < AT_ONCE_MOST;) {
        ssize_t size = recv(fd, scratch, sizeof scratch, MSG_DONTWAIT);

        if (size < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        if (size <= 0 || (guest->bytes += (size_t)size) > BYTES_MOST) {
            leave(guest);
            return 0;
        }
        turn += (size_t)size;
    }
    return 0;
}

static int time_is_up(sd_event_source *source, uint64_t now, void *data)
{
    (void)source, (void)now;
    leave(data);
    return 0;
}

void sink_take(struct sink *sink, int fd)
{
    struct guest *guest;

    if (fd < 0)
        return;
    if (sink->count == KEPT_MOST) {
        close(fd);
        return;
    }
    guest = mem_new(struct guest, .sink = sink, .fd = fd);
    LIST_INSERT_HEAD(&sink->guests, guest, next);
    sink->count++;
    if (sd_event_add_io(sink->loop, &guest->readable, fd, EPOLLIN, drop_bytes, guest) < 0 ||
        sd_event_add_time_relative(sink->loop, &guest->limit, CLOCK_BOOTTIME, TIME_US, 0,
                                   time_is_up, guest) < 0)
        leave(guest);
}
