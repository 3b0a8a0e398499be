#include "common/zones.h"

#include "common/mem.h"
#include "common/zone_names.h"

#include <limits.h>

#define VERSION_MOST 32

static struct zone **open_zones;
static size_t count;

static struct zone *find(const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(zone_name(open_zones[i]), name))
            return open_zones[i];
    return NULL;
}

bool zones_get(const struct zone **ret, const char *name, struct fault *fault)
{
    struct zone *zone = find(name);

    if (!zone) {
        if (!zone_open(&zone, name, fault))
            return false;
        open_zones = mem_grow(open_zones, count + 1);
        open_zones[count++] = zone;
    }
    *ret = zone;
    return true;
}

const char *zones_version(void)
{
    static char version[VERSION_MOST];
    char path[PATH_MAX];

    if (*version)
        return version;
    snprintf(path, sizeof path, "%s/tzdata.zi", zone_names_folder());
    FILE *file = fopen(path, "re");

    if (!file)
        return "";
    if (fscanf(file, "# version %31s", version) != 1)
        *version = '\0';
    fclose(file);
    return version;
}
