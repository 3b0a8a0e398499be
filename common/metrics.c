#include "common/metrics.h"

#include "common/clock.h"
#include "common/config.h"
#include "common/log.h"
#include "common/mem.h"

#include <dirent.h>
#include <math.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

enum kind { COUNTER, GAUGE, HISTOGRAM };

static const struct row {
    const char *name;
    enum kind kind;
    const char *labels, *help;
} rows[METRIC_COUNT] = {
#define METRIC_ROW(id, name, kind, labels, help) [METRIC_##id] = {name, kind, labels, help},
    METRICS(METRIC_ROW)
#undef METRIC_ROW
};

/* Upper bounds in seconds, as number and as the label le, in the canonical form of OpenMetrics. */
static const struct {
    double most;
    const char *text;
} buckets[] = {
    {.001, "0.001"}, {.0025, "0.0025"}, {.005, "0.005"}, {.01, "0.01"}, {.025, "0.025"},
    {.05, "0.05"},   {.1, "0.1"},       {.25, "0.25"},   {.5, "0.5"},   {1, "1.0"},
    {2.5, "2.5"},    {5, "5.0"},        {10, "10.0"},    {30, "30.0"},  {60, "60.0"},
};

/* The value of a row; of a histogram its sum, with a count for each bucket and one for the rest. */
static struct {
    _Atomic double value;
    _Atomic uint64_t counts[COUNT(buckets) + 1];
} state[METRIC_COUNT];

static const char *role = "unknown";

void metrics_add(enum metric metric, double amount)
{
    double old = atomic_load_explicit(&state[metric].value, memory_order_relaxed);

    while (!atomic_compare_exchange_weak_explicit(&state[metric].value, &old, old + amount,
                                                  memory_order_relaxed, memory_order_relaxed))
        continue;
}

void metrics_set(enum metric metric, double value)
{
    atomic_store_explicit(&state[metric].value, value, memory_order_relaxed);
}

static uint64_t count_of(enum metric metric, size_t bucket)
{
    return atomic_load_explicit(&state[metric].counts[bucket], memory_order_relaxed);
}

double metrics_get(enum metric metric)
{
    uint64_t observed = 0;

    if (rows[metric].kind != HISTOGRAM)
        return atomic_load_explicit(&state[metric].value, memory_order_relaxed);
    for (size_t i = 0; i <= COUNT(buckets); i++)
        observed += count_of(metric, i);
    return (double)observed;
}

void metrics_observe(enum metric metric, double seconds)
{
    size_t i = 0;

    while (i < COUNT(buckets) && seconds > buckets[i].most)
        i++;
    atomic_fetch_add_explicit(&state[metric].counts[i], 1, memory_order_relaxed);
    metrics_add(metric, seconds);
}

void metrics_set_role(const char *name)
{
    role = name;
}

/* The shortest text that reads back as the same number. */
static void write_number(FILE *to, double value)
{
    char text[40];

    if (isnan(value) || isinf(value)) {
        fputs(isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf", to);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    fputs(text, to);
}

/* OpenMetrics names the family of a counter without the ending of its sample. */
static void write_head(FILE *to, bool open_metrics, const struct row *row)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    size_t size = strlen(row->name);

    if (open_metrics && row->kind == COUNTER)
        size -= strlen("_total");
    fprintf(to, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int)size, row->name, row->help, (int)size,
            row->name, kinds[row->kind]);
}

static void write_sample(FILE *to, const struct row *row, double value)
{
    fprintf(to, *row->labels ? "%s{%s} " : "%s%s ", row->name, row->labels);
    write_number(to, value);
    fputc('\n', to);
}

static void write_histogram(FILE *to, enum metric metric)
{
    const struct row *row = &rows[metric];
    const char *comma = *row->labels ? "," : "";
    uint64_t below = 0;

    for (size_t i = 0; i <= COUNT(buckets); i++) {
        below += count_of(metric, i);
        fprintf(to, "%s_bucket{%s%sle=\"%s\"} %llu\n", row->name, row->labels, comma,
                i < COUNT(buckets) ? buckets[i].text : "+Inf", (unsigned long long)below);
    }
    fprintf(to, *row->labels ? "%s_sum{%s} " : "%s_sum%s ", row->name, row->labels);
    write_number(to, atomic_load_explicit(&state[metric].value, memory_order_relaxed));
    fprintf(to, *row->labels ? "\n%s_count{%s} %llu\n" : "\n%s_count%s %llu\n", row->name,
            row->labels, (unsigned long long)below);
}

/* Rows of one name stand together under one head, wherever they are in the table. */
static void write_family(FILE *to, bool open_metrics, enum metric first)
{
    for (enum metric i = 0; i < first; i++)
        if (!strcmp(rows[i].name, rows[first].name))
            return;
    write_head(to, open_metrics, &rows[first]);
    for (enum metric i = first; i < METRIC_COUNT; i++) {
        if (strcmp(rows[i].name, rows[first].name) != 0)
            continue;
        if (rows[i].kind == HISTOGRAM)
            write_histogram(to, i);
        else
            write_sample(to, &rows[i], metrics_get(i));
    }
}

/* A label's value: backslash, quote and line feed are escaped. */
static void escape(char *to, size_t room, const char *text)
{
    char *end = to + room - 3;

    for (; *text && to < end; text++) {
        if (strchr("\\\"\n", *text))
            *to++ = '\\';
        *to++ = *text == '\n' ? 'n' : *text;
    }
    *to = '\0';
}

static double resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long long pages = 0;

    if (file && fscanf(file, "%*d %lld", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = -3; /* itself, . and .. */

    if (!dir)
        return 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* Field 22 of /proc/self/stat, ticks since the machine's start, told as an instant. */
static double started_at(void)
{
    static double known;
    FILE *file = known != 0 ? NULL : fopen("/proc/self/stat", "re");
    unsigned long long ticks = 0;
    char line[1024];

    if (!file)
        return known;
    char *at = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;

    /* What follows the program's name is field 3. */
    for (int i = 2; at && i < 22; i++)
        at = strchr(at + 1, ' ');
    ticks = at ? strtoull(at, NULL, 10) : 0;
    fclose(file);
    known = (double)(clock_wall_us() - clock_boot_us()) / 1e6 +
            (double)ticks / (double)sysconf(_SC_CLK_TCK);
    return known;
}

static double cpu_seconds(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static void write_process(FILE *to, bool open_metrics)
{
    char node[160], node_labels[256];
    const struct {
        struct row row;
        double value;
    } facts[] = {
        {{"rota_build_info", GAUGE, "version=\"" ROTA_VERSION "\"", "the version that runs"}, 1},
        {{"rota_node_info", GAUGE, node_labels, "name and role of this node"}, 1},
        {{"process_cpu_seconds_total", COUNTER, "", "CPU time used, user and system"},
         cpu_seconds()},
        {{"process_resident_memory_bytes", GAUGE, "", "resident memory"}, resident_bytes()},
        {{"process_open_fds", GAUGE, "", "open file descriptors"}, open_files()},
        {{"process_start_time_seconds", GAUGE, "", "start of the process since 1970"},
         started_at()},
    };

    escape(node, sizeof node, log_node());
    snprintf(node_labels, sizeof node_labels, "node=\"%s\",role=\"%s\"", node, role);
    for (size_t i = 0; i < COUNT(facts); i++) {
        write_head(to, open_metrics, &facts[i].row);
        write_sample(to, &facts[i].row, facts[i].value);
    }
}

char *metrics_write(bool open_metrics, size_t *size)
{
    char *text = NULL;
    FILE *to = mem_or_end(open_memstream(&text, size));

    write_process(to, open_metrics);
    for (enum metric i = 0; i < METRIC_COUNT; i++)
        write_family(to, open_metrics, i);
    if (open_metrics)
        fputs("# EOF\n", to);
    fclose(to);
    return mem_or_end(text);
}
