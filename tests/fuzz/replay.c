/*
 * Runs a fuzz target over files, under any compiler: each as it is, cut at every place, and with
 * each byte changed a few ways. Large files are changed at some places only.
 */
#include "common/mem.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define FILE_MOST 65536
#define PLACES 2000

/* A copy of its own size, so that reading past its end is seen. */
static void run(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = mem_or_end(malloc(size ? size : 1));

    memcpy(copy, bytes, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void run_changed(uint8_t *bytes, size_t size)
{
    static const uint8_t changes[] = {0x00, 0x20, '"', '\\', '{', ']', '9', 0x80, 0xff};
    size_t step = size / PLACES + 1;

    for (size_t i = 0; i < size; i += step) {
        uint8_t kept = bytes[i];

        run(bytes, i);
        for (size_t j = 0; j < sizeof changes; j++) {
            bytes[i] = changes[j];
            run(bytes, size);
        }
        bytes[i] = kept;
    }
}

int main(int count, char **arguments)
{
    static uint8_t bytes[FILE_MOST];

    for (int i = 1; i < count; i++) {
        FILE *file = fopen(arguments[i], "rb");

        if (!file) {
            fprintf(stderr, "%s cannot be read\n", arguments[i]);
            return 1;
        }
        size_t size = fread(bytes, 1, sizeof bytes, file);

        fclose(file);
        run(bytes, size);
        run_changed(bytes, size);
    }
    printf("%d files\n", count - 1);
    return count > 1 ? 0 : 1;
}
