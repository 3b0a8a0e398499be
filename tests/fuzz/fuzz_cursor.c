/* Cursors and places that are taken are written as they were read. */
#include "common/mem.h"
#include "producer/after.h"
#include "producer/cursor.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char text[AFTER_TEXT], out[AFTER_TEXT];
    struct cursor cursor;
    struct after after;
    struct fault fault;

    if (size >= sizeof text)
        return 0;
    memcpy(text, bytes, size);
    text[size] = '\0';
    if (cursor_read(&cursor, text, &fault))
        assert(!strcmp(cursor_write(out, &cursor), text));
    if (after_read(&after, text))
        assert(!strcmp(after_write(out, &after), text));
    return 0;
}
