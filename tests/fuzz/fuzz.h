/*
 * What the fuzz targets share: copies of their own size, so that reading past the end is seen, and
 * what holds of every refusal, whoever wrote it: it says something, in valid UTF-8.
 */
#pragma once

#include "common/cleanup.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/problem.h"

#include <assert.h>
#include <glib.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Up to the first zero byte, if there is one; to be freed. */
static inline char *fuzz_text(const uint8_t *bytes, size_t size)
{
    char *text = mem_array(char, size + 1);

    if (size)
        memcpy(text, bytes, size);
    return text;
}

static inline void fuzz_check_text(const char *text)
{
    assert(*text && g_utf8_validate(text, -1, NULL));
}

static inline void fuzz_check_fault(const struct fault *fault)
{
    assert(fault->kind == FAULT_REJECTED);
    fuzz_check_text(fault->text);
}

/* Every problem names its place and reason, and the answer made of them is JSON that we take. */
static inline void fuzz_check_problems(const struct problems *problems)
{
    SCOPED(scoped_json) struct json_object *body = NULL, *again = NULL;
    struct fault fault;
    size_t size;

    assert(problems->count > 0 && problems->count <= PROBLEMS_MOST);
    for (int i = 0; i < problems->count; i++) {
        assert(problems->list[i].pointer[0] == '#');
        fuzz_check_text(problems->list[i].pointer);
        fuzz_check_text(problems->list[i].detail);
    }
    body = problem_json(PROBLEM_VALIDATION, "id", "/", problems->list[0].detail, problems);
    const char *text = json_text(body, &size);

    assert(json_read(&again, text, size, &fault));
}
