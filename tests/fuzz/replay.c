/*
 * Runs a fuzz target over the files of a folder, under any compiler: each as it is, cut at every
 * place, and with each byte changed a few ways. Large files are changed at some places only, and a
 * large corpus at fewer places of each.
 */
#include "common/mem.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define FILE_MOST 65536
#define PLACES 8000 /* in all */

/* A copy of its own size, so that reading past its end is seen. */
static void run(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = mem_or_end(malloc(size ? size : 1));

    memcpy(copy, bytes, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void run_changed(uint8_t *bytes, size_t size, size_t places)
{
    static const uint8_t changes[] = {0x00, 0x20, '"', '\\', '{', ']', '9', 0x80, 0xff};
    size_t step = size / places + 1;

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

static bool replay(const char *folder, const char *name, size_t places)
{
    static uint8_t bytes[FILE_MOST];
    char path[4096];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "%s cannot be read\n", path);
        return false;
    }
    size_t size = fread(bytes, 1, sizeof bytes, file);

    fclose(file);
    run(bytes, size);
    run_changed(bytes, size, places);
    return true;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int count, char **arguments)
{
    struct dirent **entries;
    int files = count == 2 ? scandir(arguments[1], &entries, is_visible, alphasort) : -1;
    bool ok = files > 0;

    for (int i = 0; i < files; i++) {
        ok &= replay(arguments[1], entries[i]->d_name, (size_t)(PLACES / files + 1));
        free(entries[i]);
    }
    if (files >= 0)
        free(entries);
    printf("%d files\n", files);
    return ok ? 0 : 1;
}
