/* What one field of a cron expression may hold, item by item; for cron_read.c alone. */
#pragma once

#include "common/cron.h"

struct cron_reader {
    const char *text; /* columns are counted from here */
    const char *seed;
    enum cron_dialect dialect;
    enum cron_field field; /* CRON_FIELD_COUNT outside of all */
    int item;              /* of the field's list */
    const char *item_at, *end;
    bool unspecified[CRON_FIELD_COUNT]; /* is ? */
    bool by_number;                     /* a weekday is */
    struct cron cron;
    struct fault *fault;
};

/* Says the column of `at`, the field and what is the matter. Returns false. */
bool cron_wrong(const struct cron_reader *reader, const char *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds what stands from `at` to before `end`, where a blank or the text's end follows. */
bool cron_read_field(struct cron_reader *reader, enum cron_field field, const char *at,
                     const char *end);
