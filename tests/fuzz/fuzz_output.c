/*
 * What commands print and targets answer, on its way into a task's error text and a log line: the
 * first byte is the limit. Nothing of it may be refused by PostgreSQL or break a line of the log.
 */
#include "common/log.h"
#include "executor/output.h"
#include "tests/fuzz/fuzz.h"

static void check_quoted(const char *text, size_t size)
{
    char out[LOG_QUOTED];
    const char *quoted = log_quote(out, text, size);

    assert(*quoted && strlen(quoted) < LOG_QUOTED);
    for (const char *c = quoted; *c; c++)
        assert((unsigned char)*c >= ' ' && *c != 0x7f);
    assert(*quoted != '"' || (quoted[1] && quoted[strlen(quoted) - 1] == '"'));
    assert(*quoted == '"' || !strpbrk(quoted, " =\""));
}

static void check_clean(const char *text)
{
    assert(g_utf8_validate(text, -1, NULL));
    for (const char *c = text; *c; c++)
        assert((unsigned char)*c >= ' ' || *c == '\n' || *c == '\t');
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct output output;
    size_t kept, half;

    if (!size)
        return 0;
    half = size / 2;
    output_init(&output, bytes[0]);
    output_add(&output, (const char *)bytes, half);
    output_add(&output, (const char *)bytes + half, size - half);
    SCOPED(scoped_text) char *all = output_all(&output, &kept);
    SCOPED(scoped_text) char *tail = output_tail(&output, bytes[size - 1]);

    assert(all && output.total == size && kept + output_dropped(&output) == size &&
           kept <= bytes[0]);
    assert(strlen(tail) <= bytes[size - 1]);
    check_clean(tail);
    check_quoted((const char *)bytes, size);
    check_quoted(tail, strlen(tail));
    output_done(&output);
    return 0;
}
