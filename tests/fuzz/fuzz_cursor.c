/*
 * Cursors and places that are taken are written as they were read; and since no stranger guesses a
 * cursor's check, one made of the bytes themselves must come back as it was.
 */
#include "producer/after.h"
#include "producer/cursor.h"
#include "tests/fuzz/fuzz.h"

static void check_made(const uint8_t *bytes)
{
    char text[CURSOR_TEXT];
    struct cursor cursor = {.source = bytes[0] & CURSOR_SOURCE_MOST}, again;
    struct fault fault;

    memcpy(&cursor.key, bytes + 1, sizeof cursor.key);
    memcpy(cursor.id.bytes, bytes + 9, sizeof cursor.id.bytes);
    memcpy(&cursor.filter, bytes + 25, sizeof cursor.filter);
    cursor_write(text, &cursor);
    assert(strlen(text) == CURSOR_TEXT - 1);
    if (!cursor_read(&again, text, &fault)) {
        assert(cursor.key < 0);
        return;
    }
    assert(again.key >= 0 && again.key == cursor.key && again.source == cursor.source);
    assert(again.filter == cursor.filter && uuid_equal(&again.id, &cursor.id));
    text[bytes[28] % (CURSOR_TEXT - 1)] ^= 1;
    assert(!cursor_read(&again, text, &fault) || again.key >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    SCOPED(scoped_text) char *text = fuzz_text(bytes, size);
    char out[AFTER_TEXT];
    struct cursor cursor;
    struct after after;
    struct fault fault;

    if (cursor_read(&cursor, text, &fault)) {
        assert(cursor.key >= 0 && cursor.source >= 0 && cursor.source <= CURSOR_SOURCE_MOST);
        assert(!strcmp(cursor_write(out, &cursor), text));
    } else {
        fuzz_check_fault(&fault);
    }
    if (after_read(&after, text)) {
        assert(*after.topic && after.partition >= 0 && after.offset >= 0);
        assert(!strcmp(after_write(out, &after), text));
    }
    if (size >= 29)
        check_made(bytes);
    return 0;
}
