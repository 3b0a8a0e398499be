/*
 * LD_PRELOAD: a program whose wall clock is off by TEST_CLOCK_OFF seconds, or by the eight bytes in
 * the file TEST_CLOCK_FILE, which may change while it runs. Monotonic and boot clocks are left
 * alone, as on a machine whose time was set wrong. What waits until an instant of the wall clock
 * waits as long as it would there.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

/* Instants since 1970 are larger than this, those since the machine's start are not. */
#define WALL_LEAST_S 1000000000

static const volatile int64_t *stepping;

__attribute__((constructor)) static void map_file(void)
{
    const char *path = getenv("TEST_CLOCK_FILE");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    if (fd < 0)
        return;
    const void *place = mmap(NULL, sizeof *stepping, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    stepping = place == MAP_FAILED ? NULL : place;
}

static time_t off_by(void)
{
    const char *text;

    if (stepping)
        return (time_t)*stepping;
    text = getenv("TEST_CLOCK_OFF");
    return text ? (time_t)strtol(text, NULL, 10) : 0;
}

static struct timespec real(const struct timespec *when)
{
    struct timespec moved = *when;

    if (moved.tv_sec > WALL_LEAST_S)
        moved.tv_sec -= off_by();
    return moved;
}

#define NEXT(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int status = NEXT(clock_gettime)(clock, now);

    if (!status && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += off_by();
    return status;
}

int timespec_get(struct timespec *now, int base)
{
    return clock_gettime(CLOCK_REALTIME, now) ? 0 : base;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    int status = NEXT(gettimeofday)(now, zone);

    now->tv_sec += off_by();
    return status;
}

time_t time(time_t *ret)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (ret)
        *ret = now.tv_sec;
    return now.tv_sec;
}

int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex,
                  const struct timespec *restrict until)
{
    struct timespec moved = real(until);

    return NEXT(cnd_timedwait)(condition, mutex, &moved);
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until)
{
    struct timespec moved = real(until);

    return NEXT(pthread_cond_timedwait)(condition, mutex, &moved);
}
