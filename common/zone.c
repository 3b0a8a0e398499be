#include "common/zone.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "common/tzif.h"
#include "common/zone_names.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

struct zone {
    char name[ZONE_NAME];
    struct tzif tzif;
};

/* Returns how many bytes were read; -1 with errno where it is no file of a zone's size. */
static ssize_t read_file(const char *path, uint8_t *bytes, size_t room)
{
    SCOPED(scoped_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat stat;
    size_t size = 0;
    ssize_t count = 0;

    if (fd < 0 || fstat(fd, &stat) < 0)
        return -1;
    if (!S_ISREG(stat.st_mode) || stat.st_size > (off_t)room) {
        errno = ENOENT;
        return -1;
    }
    while (size < room && (count = read(fd, bytes + size, room - size)) > 0)
        size += (size_t)count;
    return count < 0 ? -1 : (ssize_t)size;
}

static bool read_zone(struct tzif *ret, const char *name, struct fault *fault)
{
    const char *folder = zone_names_folder();
    uint8_t bytes[TZIF_BYTES_MOST];
    char path[PATH_MAX];

    if (zone_names_is_utc(name)) {
        *ret = tzif_utc();
        return true;
    }
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return fault_set(fault, FAULT_BROKEN, "the path of the time zone files is too long");
    ssize_t size = read_file(path, bytes, sizeof bytes);

    if (size < 0 && access(folder, R_OK | X_OK) < 0)
        return fault_set(fault, FAULT_BROKEN, "no time zone files are installed");
    if (size < 4 || memcmp(bytes, "TZif", 4))
        return zone_names_unknown(name, fault);
    return tzif_read(ret, bytes, (size_t)size, fault) || fault_while(fault, "zone file %s", name);
}

bool zone_open(struct zone **ret, const char *name, struct fault *fault)
{
    struct tzif tzif;

    if (!zone_names_check(name, fault) || !read_zone(&tzif, name, fault))
        return false;
    *ret = mem_new(struct zone, .tzif = tzif);
    snprintf((*ret)->name, sizeof(*ret)->name, "%s", name);
    return true;
}

void zone_close(struct zone *zone)
{
    if (!zone)
        return;
    tzif_done(&zone->tzif);
    free(zone);
}

const char *zone_name(const struct zone *zone)
{
    return zone->name;
}

/* The last span that begins at or before it. */
static size_t index_at(const struct zone *zone, int64_t unix_s)
{
    size_t least = 0, most = zone->tzif.count - 1;

    while (least < most) {
        size_t middle = (least + most + 1) / 2;

        if (zone->tzif.spans[middle].from_s <= unix_s)
            least = middle;
        else
            most = middle - 1;
    }
    return least;
}

int zone_offset_at(const struct zone *zone, int64_t unix_s)
{
    return zone->tzif.spans[index_at(zone, unix_s)].offset_s;
}

static struct zone_span span_of(const struct zone *zone, size_t index)
{
    const struct tzif_span *span = &zone->tzif.spans[index];
    bool first = index == 0, last = index == zone->tzif.count - 1;

    return (struct zone_span){
        .from_s = span->from_s,
        .to_s = last ? INT64_MAX : span[1].from_s,
        .offset_s = span->offset_s,
        .before_s = first ? span->offset_s : span[-1].offset_s,
        .after_s = last ? span->offset_s : span[1].offset_s,
    };
}

struct zone_span zone_span_at(const struct zone *zone, int64_t unix_s)
{
    return span_of(zone, index_at(zone, unix_s));
}
