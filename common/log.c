#include "common/log.h"

#include "common/clock.h"
#include "common/line.h"
#include "common/mem.h"
#include "common/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_MOST 16384
#define TELL_ELSEWHERE_MS 10000
#define GATHERED_MOST (8 << 20) /* beyond this, lines are dropped and counted */
#define NUMBER_MOST 10000
#define RETRY_MS 200   /* after a write that failed */
#define GATHER_US 2000 /* lines that come within it are written together */

static const char *const level_names[] = {"debug", "info", "warn", "error"};

struct buffer {
    char *bytes;
    size_t size, room;
};

static struct {
    struct log_settings settings;
    char node[64], path[PATH_MAX];
    enum log_level least;
    bool threaded;

    pthread_t writer;
    pthread_mutex_t lock; /* guards the fields of this paragraph */
    pthread_cond_t wake;
    struct buffer gathering;
    uint64_t lost, lost_told;
    bool closing, reopen;

    int fd, lock_fd; /* the writer's from here on */
    int64_t written; /* the size of the file */
    int64_t told_elsewhere_ms;
} state = {.least = LOG_INFO,
           .lock = PTHREAD_MUTEX_INITIALIZER,
           .wake = PTHREAD_COND_INITIALIZER,
           .fd = -1,
           .lock_fd = -1};

const char *log_node(void)
{
    return *state.node ? state.node : "starting";
}

bool log_wants(enum log_level level)
{
    return level >= state.least;
}

uint64_t log_lost(void)
{
    pthread_mutex_lock(&state.lock);
    uint64_t lost = state.lost;
    pthread_mutex_unlock(&state.lock);
    return lost;
}

/* As much as fits before `end`. */
static char *put(char *at, const char *end, const char *text)
{
    size_t size = strnlen(text, (size_t)(end - at));

    memcpy(at, text, size);
    return at + size;
}

/* ts= with milliseconds; the second's text is made once a second. */
static char *write_head(char *at, const char *end, enum log_level level, const char *event)
{
    static __thread time_t known = -1;
    static __thread char second_text[24];
    int64_t now = clock_wall_us();
    time_t second = (time_t)(now / 1000000);
    int thousandths = (int)(now / 1000 % 1000);
    const char digits[] = {(char)('0' + thousandths / 100), (char)('0' + thousandths / 10 % 10),
                           (char)('0' + thousandths % 10), '\0'};

    if (second != known) {
        struct tm parts;

        gmtime_r(&second, &parts);
        strftime(second_text, sizeof second_text, "%Y-%m-%dT%H:%M:%S", &parts);
        known = second;
    }
    const char *const texts[] = {"ts=",      second_text,        ".",       digits,
                                 "Z level=", level_names[level], " event=", event,
                                 " node=",   log_node(),         " "};

    for (size_t i = 0; i < COUNT(texts); i++)
        at = put(at, end, texts[i]);
    return at;
}

/* Nothing may break a line in two, whatever a value holds. */
static void blank_controls(char *line, size_t size)
{
    bool any = false;

    for (size_t i = 0; i < size; i++)
        any |= (unsigned char)line[i] < ' ';
    for (size_t i = 0; any && i < size; i++)
        if ((unsigned char)line[i] < ' ')
            line[i] = ' ';
}

/* Writes one line to `line`, which has room for LINE_MOST bytes, and returns its length. */
static size_t write_line(char *line, enum log_level level, const char *event, const char *pairs,
                         va_list args) __attribute__((format(printf, 4, 0)));

static size_t write_line(char *line, enum log_level level, const char *event, const char *pairs,
                         va_list args)
{
    const char *end = line + LINE_MOST - 1;
    char *at = write_head(line, end, level, event);

    at += line_write(at, (size_t)(end - at) + 1, pairs, args);
    blank_controls(line, (size_t)(at - line));
    if (at > line && at[-1] == ' ')
        at--;
    *at++ = '\n';
    return (size_t)(at - line);
}

static void gather(enum log_level level, const char *event, const char *pairs, va_list args)
    __attribute__((format(printf, 3, 0)));

static void gather(enum log_level level, const char *event, const char *pairs, va_list args)
{
    struct buffer *to = &state.gathering;

    pthread_mutex_lock(&state.lock);
    bool first = !to->size;

    if (to->size + LINE_MOST > GATHERED_MOST) {
        state.lost++;
        metrics_count(METRIC_LOG_LOST);
    } else {
        if (to->size + LINE_MOST > to->room) {
            to->room = to->room * 2 + 4 * LINE_MOST;
            to->bytes = mem_grow(to->bytes, to->room);
        }
        to->size += write_line(to->bytes + to->size, level, event, pairs, args);
    }
    pthread_mutex_unlock(&state.lock);
    if (first)
        pthread_cond_signal(&state.wake);
}

void log_line(enum log_level level, const char *event, const char *pairs, ...)
{
    va_list args;

    if (!log_wants(level))
        return;
    metrics_count(METRIC_LOG_DEBUG_LINES + level);
    va_start(args, pairs);
    if (state.threaded) {
        gather(level, event, pairs, args);
    } else {
        char line[LINE_MOST];
        size_t size = write_line(line, level, event, pairs, args);

        (void)!write(STDERR_FILENO, line, size);
    }
    va_end(args);
}

static void open_file(void)
{
    if (state.fd >= 0)
        close(state.fd);
    state.fd = open(state.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    off_t size = state.fd >= 0 ? lseek(state.fd, 0, SEEK_END) : 0;
    state.written = size > 0 ? size : 0;
}

/* consumer-1.log becomes consumer-1.log.1, that becomes .2, and the oldest one goes. */
static void turn_over(void)
{
    char from[PATH_MAX + 16], to[PATH_MAX + 16];

    for (int i = state.settings.keep; i >= 1; i--) {
        snprintf(to, sizeof to, "%s.%d", state.path, i);
        if (i > 1)
            snprintf(from, sizeof from, "%s.%d", state.path, i - 1);
        else
            snprintf(from, sizeof from, "%s", state.path);
        rename(from, to);
    }
    if (!state.settings.keep)
        unlink(state.path);
    open_file();
}

static bool write_all(int fd, const char *bytes, size_t size)
{
    while (size) {
        ssize_t done = write(fd, bytes, size);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        bytes += done;
        size -= (size_t)done;
    }
    return true;
}

/* All of it, or nothing: what a full disk took before it refused would end in half a line. */
static bool append(const char *bytes, size_t size)
{
    if (state.fd < 0)
        return false;
    if (!write_all(state.fd, bytes, size)) {
        (void)!ftruncate(state.fd, (off_t)state.written);
        return false;
    }
    state.written += (int64_t)size;
    return true;
}

static void rest(long us)
{
    nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

static uint64_t count_lines(const char *bytes, size_t size)
{
    uint64_t lines = 0;

    for (const char *at = bytes; (at = memchr(at, '\n', size - (size_t)(at - bytes))); at++)
        lines++;
    return lines;
}

/*
 * What a full disk refused is lost; the count is told when it takes lines again, and until then now
 * and then on standard error.
 */
static void write_out(const struct buffer *lines)
{
    bool ok = true;

    if (*state.path) {
        if (state.fd < 0)
            open_file();
        else if (state.written + (int64_t)lines->size > state.settings.most_bytes && state.written)
            turn_over();
        ok = append(lines->bytes, lines->size);
    }
    if (state.settings.to_stderr || !*state.path)
        write_all(STDERR_FILENO, lines->bytes, lines->size);
    if (ok)
        return;
    uint64_t count = count_lines(lines->bytes, lines->size);

    pthread_mutex_lock(&state.lock);
    state.lost += count;
    pthread_mutex_unlock(&state.lock);
    metrics_add(METRIC_LOG_LOST, (double)count);
    if (state.fd >= 0)
        close(state.fd);
    state.fd = -1;
    rest(RETRY_MS * 1000L);
}

static void tell_loss(void)
{
    char line[256];
    uint64_t lost;

    pthread_mutex_lock(&state.lock);
    lost = state.lost - state.lost_told;
    state.lost_told = state.lost;
    pthread_mutex_unlock(&state.lock);
    if (!lost)
        return;
    char *at = write_head(line, line + sizeof line - 40, LOG_WARN, "log.lost");
    size_t used =
        (size_t)(at - line) + (size_t)sprintf(at, "lines=%llu\n", (unsigned long long)lost);
    if (state.fd < 0 && *state.path)
        open_file();
    if (!*state.path || append(line, used))
        return;
    if (log_now_and_then(&state.told_elsewhere_ms, TELL_ELSEWHERE_MS))
        write_all(STDERR_FILENO, line, used);
    pthread_mutex_lock(&state.lock);
    state.lost_told -= lost;
    pthread_mutex_unlock(&state.lock);
}

/*
 * Waits for a line, and a moment for those behind it: a write for each would cost more than all
 * else that a line costs.
 */
static void await(void)
{
    pthread_mutex_lock(&state.lock);
    while (!state.gathering.size && !state.closing && !state.reopen)
        pthread_cond_wait(&state.wake, &state.lock);
    bool alone = !state.closing && state.gathering.size < GATHERED_MOST / 2;
    pthread_mutex_unlock(&state.lock);
    if (alone)
        rest(GATHER_US);
}

/* Takes what was gathered and gives an empty buffer for it; false: closing, and nothing is left. */
static bool take(struct buffer *empty, bool *reopen)
{
    await();
    pthread_mutex_lock(&state.lock);
    struct buffer full = state.gathering;
    state.gathering = *empty;
    *empty = full;
    *reopen = state.reopen;
    state.reopen = false;
    bool more = full.size || !state.closing;
    pthread_mutex_unlock(&state.lock);
    return more;
}

static void *writer(void *unused)
{
    struct buffer lines = {0};
    bool reopen;

    (void)unused;
    while (take(&lines, &reopen)) {
        if (reopen && *state.path)
            open_file();
        if (lines.size) {
            write_out(&lines);
            tell_loss();
        }
        lines.size = 0;
    }
    free(lines.bytes);
    return NULL;
}

/* Locks .role-n.lock for the lowest n that nobody holds. */
static bool take_number(const char *dir, const char *role, int *ret)
{
    for (int n = 1; n <= NUMBER_MOST; n++) {
        char path[PATH_MAX];

        snprintf(path, sizeof path, "%s/.%s-%d.lock", dir, role, n);
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

        if (fd < 0 && errno != EACCES)
            return false;
        if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB)) {
            state.lock_fd = fd;
            *ret = n;
            return true;
        }
        if (fd >= 0)
            close(fd);
    }
    errno = EAGAIN;
    return false;
}

/* Process numbers coincide in containers; host names tell them apart. */
static void name_by_host(const char *role)
{
    char host[32] = "";

    gethostname(host, sizeof host - 1);
    snprintf(state.node, sizeof state.node, "%s-%.30s-%d", role, host, (int)getpid());
}

static void name_node(const struct log_settings *settings, int number)
{
    if (settings->name && *settings->name)
        snprintf(state.node, sizeof state.node, "%s", settings->name);
    else if (number)
        snprintf(state.node, sizeof state.node, "%s-%d", settings->role, number);
    else
        name_by_host(settings->role);
}

static void open_in_dir(const struct log_settings *settings)
{
    int number = 0;

    if (mkdir(settings->dir, 0755) && errno != EEXIST)
        goto refused;
    if (!take_number(settings->dir, settings->role, &number))
        goto refused;
    name_node(settings, number);
    snprintf(state.path, sizeof state.path, "%s/%s-%d.log", settings->dir, settings->role, number);
    open_file();
    if (state.fd >= 0)
        return;
refused:
    name_node(settings, number);
    *state.path = '\0';
    log_warn("log.dir_refused", "dir=%s uid=%d cause=%s help=%s", LOG_VALUE(settings->dir),
             (int)getuid(), LOG_VALUE(strerror(errno)),
             LOG_VALUE("lines go to stderr; give this user the folder, or set ROTA_LOG_DIR"));
}

bool log_open(const struct log_settings *settings, struct fault *fault)
{
    sigset_t all, before;

    state.settings = *settings;
    state.least = settings->least;
    if (settings->dir && *settings->dir)
        open_in_dir(settings);
    else
        name_node(settings, 0);

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&state.writer, NULL, writer, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return fault_set(fault, FAULT_BROKEN, "log: no thread: %s", strerror(error));
    state.threaded = true;
    return true;
}

void log_close(void)
{
    struct timespec limit;

    if (!state.threaded)
        return;
    pthread_mutex_lock(&state.lock);
    state.closing = true;
    pthread_mutex_unlock(&state.lock);
    pthread_cond_signal(&state.wake);
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec++;
    if (pthread_timedjoin_np(state.writer, NULL, &limit))
        return; /* the disk hangs: what is left goes with the process */
    state.threaded = false;
    state.closing = false;
    free(state.gathering.bytes);
    state.gathering = (struct buffer){0};
    if (state.fd >= 0)
        close(state.fd);
    if (state.lock_fd >= 0)
        close(state.lock_fd);
    state.fd = state.lock_fd = -1;
    *state.path = '\0';
}

void log_reopen(void)
{
    pthread_mutex_lock(&state.lock);
    state.reopen = true;
    pthread_mutex_unlock(&state.lock);
    pthread_cond_signal(&state.wake);
}

static bool is_bare(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] <= ' ' || text[i] == '"' || text[i] == '=' || text[i] == '\\' ||
            text[i] == 0x7f)
            return false;
    return size > 0;
}

const char *log_quote(char out[static LOG_QUOTED], const char *text, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    bool cut = false, bare = size < LOG_QUOTED - 16 && is_bare(text, size);
    char *at = out, *end = out + LOG_QUOTED - 12;

    if (!bare)
        *at++ = '"';
    for (size_t i = 0; i < size && !(cut = at >= end); i++) {
        unsigned char c = (unsigned char)text[i];

        if (c == '"' || c == '\\') {
            *at++ = '\\';
            *at++ = (char)c;
        } else if (c == '\n' || c == '\t' || c == '\r') {
            *at++ = '\\';
            *at++ = c == '\n' ? 'n' : c == '\t' ? 't' : 'r';
        } else if (c < ' ' || c == 0x7f) {
            at = stpcpy(at, "\\x");
            *at++ = digits[c >> 4];
            *at++ = digits[c & 15];
        } else {
            *at++ = (char)c;
        }
    }
    if (cut) {
        while (at > out + 1 && ((unsigned char)at[-1] & 0xc0) == 0x80)
            at--; /* do not cut a character of UTF-8 in two */
        if ((unsigned char)at[-1] >= 0xc0)
            at--;
        at = stpcpy(at, "...");
    }
    if (!bare)
        *at++ = '"';
    *at = '\0';
    return out;
}

const char *log_value(char out[static LOG_QUOTED], const char *text)
{
    return log_quote(out, text ? text : "", text ? strlen(text) : 0);
}

bool log_now_and_then(int64_t *last_ms, int64_t every_ms)
{
    int64_t now_ms = clock_boot_us() / 1000;

    if (*last_ms && now_ms - *last_ms < every_ms)
        return false;
    *last_ms = now_ms ? now_ms : 1;
    return true;
}
