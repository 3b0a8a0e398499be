/*
 * A request's target: path, query, and the query as the filter of a list. A filter that is taken
 * keeps its bounds, and written out as a query it is the same filter.
 */
#include "common/task.h"
#include "common/uri.h"
#include "producer/filter.h"
#include "tests/fuzz/fuzz.h"

static void check_path(const char *text, size_t size)
{
    static const char pattern[] = "/api/v1/tasks/{id}";
    struct uri_path path;
    struct fault fault;

    if (!uri_path_read(&path, text, size, &fault)) {
        fuzz_check_fault(&fault);
        return;
    }
    assert(path.count > 0 && path.count <= URI_SEGMENTS_MOST);
    for (int i = 0; i < path.count; i++)
        assert(g_utf8_validate(path.segments[i], -1, NULL));
    if (uri_path_fits(&path, pattern))
        assert(path.count == 4 && *uri_path_value(&path, pattern, "id"));
    uri_path_done(&path);
}

static bool read_filter(struct filter *filter, const struct uri_params *params)
{
    struct fault fault;

    filter_init(filter);
    for (int i = 0; i < params->count; i++)
        if (!filter_set(filter, params->list[i].name, params->list[i].value, &fault)) {
            fuzz_check_fault(&fault);
            return false;
        }
    return true;
}

static void check_bounds(const struct filter *filter)
{
    assert(filter->limit >= 1 && filter->limit <= FILTER_LIMIT_MOST);
    assert(filter->due_after_us >= INSTANT_LEAST_US && filter->due_before_us <= FILTER_LATE_US);
    assert(filter->created_after_us >= INSTANT_LEAST_US);
    assert(filter->created_before_us <= FILTER_LATE_US);
    assert(!filter->queue || strlen(filter->queue) <= TASK_QUEUE_MOST);
    assert(!filter->tag || *filter->tag);
}

static void check_again(const struct filter *filter)
{
    SCOPED(scoped_text) char *text = NULL;
    struct uri_params params;
    struct filter again;
    struct fault fault;
    size_t size;
    FILE *stream = mem_or_end(open_memstream(&text, &size));

    filter_write_query(filter, stream);
    fclose(stream);
    assert(uri_params_read(&params, text, size, &fault) && read_filter(&again, &params));
    assert(filter_digest(&again) == filter_digest(filter) && again.limit == filter->limit);
    assert(filter_count(&again) == filter_count(filter));
    uri_params_done(&params);
}

static void check_params(const char *text, size_t size)
{
    struct uri_params params;
    struct filter filter;
    struct fault fault;

    if (!uri_params_read(&params, text, size, &fault)) {
        fuzz_check_fault(&fault);
        return;
    }
    assert(params.count <= URI_PARAMS_MOST);
    for (int i = 0; i < params.count; i++)
        assert(g_utf8_validate(params.list[i].name, -1, NULL) &&
               g_utf8_validate(params.list[i].value, -1, NULL));
    if (read_filter(&filter, &params)) {
        check_bounds(&filter);
        check_again(&filter);
    }
    uri_params_done(&params);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    SCOPED(scoped_text) char *text = fuzz_text(bytes, size);
    size_t length = strlen(text), path = strcspn(text, "?");

    check_path(text, path);
    if (path < length)
        check_params(text + path + 1, length - path - 1);
    return 0;
}
