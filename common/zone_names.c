#include "common/zone_names.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "common/zone.h"

#include <ctype.h>
#include <limits.h>

#define FOLDER "/usr/share/zoneinfo"
#define LIST_BYTES_MOST (512 * 1024)
#define LIST_NAMES_MOST 2000
#define NEAR_MOST 3     /* names that are told */
#define CHANGES_MOST 3  /* letters that may differ in a whole name */
#define PLACE_LEAST 4   /* letters from which on the last part alone is compared */
#define PLACE_CHANGES 1 /* letters that may differ in it */

const char *zone_names_folder(void)
{
    const char *folder = getenv("TZDIR");

    return folder && *folder ? folder : FOLDER;
}

bool zone_names_is_utc(const char *name)
{
    return !strcmp(name, "UTC") || !strcmp(name, "Etc/UTC");
}

/* Files that stand beside the zones, and zones that only look like one. */
static const struct {
    const char *name, *instead; /* NULL: it is not a zone at all */
} refused[] = {
    {"localtime", NULL},
    {"posixrules", NULL},
    {"Factory", NULL},
    {"EST", "America/Panama"},
    {"MST", "America/Phoenix"},
    {"HST", "Pacific/Honolulu"},
    {"EST5EDT", "America/New_York"},
    {"CST6CDT", "America/Chicago"},
    {"MST7MDT", "America/Denver"},
    {"PST8PDT", "America/Los_Angeles"},
    {"WET", "Europe/Lisbon"},
    {"CET", "Europe/Paris"},
    {"MET", "Europe/Berlin"},
    {"EET", "Europe/Athens"},
};

static bool check_refused(const char *name, struct fault *fault)
{
    for (size_t i = 0; i < COUNT(refused); i++) {
        if (strcmp(name, refused[i].name))
            continue;
        if (!refused[i].instead)
            return zone_names_unknown(name, fault);
        return fault_set(fault, FAULT_REJECTED,
                         "%s abbreviates an offset: name a place with its rules, such as %s", name,
                         refused[i].instead);
    }
    if (!strncmp(name, "posix/", 6) || !strncmp(name, "right/", 6))
        return zone_names_unknown(name, fault);
    return true;
}

/* No dots, so no way out of the folder; parts are not empty. */
static bool is_plain(const char *name)
{
    for (const char *at = name; *at; at++) {
        if (!isalnum((unsigned char)*at) && !strchr("_+-/", *at))
            return false;
        if (*at == '/' && (at == name || at[1] == '/' || !at[1]))
            return false;
    }
    return *name && *name != '-';
}

bool zone_names_check(const char *name, struct fault *fault)
{
    if (strlen(name) >= ZONE_NAME)
        return fault_set(fault, FAULT_REJECTED, "must be the name of a time zone, at most %d bytes",
                         ZONE_NAME - 1);
    if (!is_plain(name))
        return zone_names_unknown(name, fault);
    return check_refused(name, fault);
}

/* --- Names that come near -------------------------------------------------------------------- */

struct near {
    char name[ZONE_NAME];
    int distance;
};

struct guess {
    const char *name;
    struct near list[NEAR_MOST]; /* nearest first */
    size_t count;
};

static int least_of(int one, int two, int three)
{
    int least = one < two ? one : two;

    return least < three ? least : three;
}

/* The letters to change, put in or leave out to get from one to the other (Levenshtein). */
static int distance(const char *one, const char *other)
{
    int row[ZONE_NAME], diagonal;
    size_t width = strlen(other);

    for (size_t j = 0; j <= width; j++)
        row[j] = (int)j;
    for (size_t i = 0; one[i]; i++) {
        diagonal = row[0]++;
        for (size_t j = 0; j < width; j++) {
            int same = tolower((unsigned char)one[i]) == tolower((unsigned char)other[j]);
            int above = row[j + 1];

            row[j + 1] = least_of(above + 1, row[j] + 1, diagonal + !same);
            diagonal = above;
        }
    }
    return row[width];
}

/* What follows the last slash: Berlin of Europe/Berlin. */
static const char *place_of(const char *name)
{
    const char *slash = strrchr(name, '/');

    return slash ? slash + 1 : name;
}

static bool is_far(const char *one, const char *other, size_t most)
{
    size_t lengths[] = {strlen(one), strlen(other)};

    return lengths[0] > lengths[1] + most || lengths[1] > lengths[0] + most;
}

/* -1 where it is too far. The right place in the wrong region comes after a letter or two. */
static int distance_of(const char *wanted, const char *name)
{
    const char *place = place_of(wanted);
    int whole = is_far(wanted, name, CHANGES_MOST) ? INT_MAX : distance(wanted, name);

    if (whole <= CHANGES_MOST && whole * 3 <= (int)strlen(name))
        return whole;
    if (strlen(place) < PLACE_LEAST || is_far(place, place_of(name), PLACE_CHANGES))
        return -1;
    int part = distance(place, place_of(name));

    return part <= PLACE_CHANGES ? CHANGES_MOST + 1 + part : -1;
}

static void consider(struct guess *guess, const char *name)
{
    int far = distance_of(guess->name, name);
    size_t i = guess->count;

    if (far < 0)
        return;
    while (i > 0 && guess->list[i - 1].distance > far)
        i--;
    if (i == NEAR_MOST)
        return;
    size_t kept = guess->count < NEAR_MOST ? guess->count++ : NEAR_MOST - 1;

    memmove(&guess->list[i + 1], &guess->list[i], (kept - i) * sizeof *guess->list);
    guess->list[i].distance = far;
    snprintf(guess->list[i].name, sizeof guess->list[i].name, "%s", name);
}

/* "Z Europe/Berlin ...", "L Europe/Berlin Europe/Copenhagen" */
static const char *name_of_rule(char *line)
{
    char *rest = line, *kind = strsep(&rest, " ");
    char *first = rest ? strsep(&rest, " ") : NULL;

    if (!strcmp(kind, "Z"))
        return first;
    return !strcmp(kind, "L") && rest ? strsep(&rest, " ") : NULL;
}

/* Country, coordinates, name, remarks; between tabs. */
static const char *name_of_row(char *line)
{
    char *rest = line;

    if (*line == '#')
        return NULL;
    strsep(&rest, "\t");
    if (rest)
        strsep(&rest, "\t");
    return rest ? strsep(&rest, "\t") : NULL;
}

static const struct {
    const char *file;
    const char *(*name_of)(char *line);
} lists[] = {{"tzdata.zi", name_of_rule}, {"zone1970.tab", name_of_row}};

/* The whole file with an ending zero, or as much as the limit lets through; NULL without it. */
static char *list_text(const char *file)
{
    char path[PATH_MAX];
    char *text = NULL;

    snprintf(path, sizeof path, "%s/%s", zone_names_folder(), file);
    FILE *stream = fopen(path, "re");

    if (!stream)
        return NULL;
    text = mem_or_end(malloc(LIST_BYTES_MOST + 1));
    text[fread(text, 1, LIST_BYTES_MOST, stream)] = '\0';
    fclose(stream);
    return text;
}

/* Names without a region are old ones that are better not told, but for UTC. */
static bool is_told(const char *name)
{
    return name && strlen(name) < ZONE_NAME && (strchr(name, '/') || !strcmp(name, "UTC"));
}

static bool search(struct guess *guess, size_t list)
{
    SCOPED(scoped_text) char *text = list_text(lists[list].file);
    char *rest = text, *line;
    int names = 0;

    while (text && names < LIST_NAMES_MOST && (line = strsep(&rest, "\n"))) {
        const char *name = lists[list].name_of(line);

        if (!is_told(name))
            continue;
        consider(guess, name);
        names++;
    }
    return names > 0;
}

bool zone_names_unknown(const char *name, struct fault *fault)
{
    static const char *const between[] = {"; did you mean ", ", ", " or "};
    struct guess guess = {.name = name};
    char near[NEAR_MOST * (ZONE_NAME + 20)] = "";
    size_t length = 0;

    for (size_t i = 0; i < COUNT(lists) && !search(&guess, i); i++)
        ;
    /* One that differs in its capitals alone is meant; others would only distract. */
    while (guess.count > 1 && guess.list[guess.count - 1].distance > guess.list[0].distance + 1)
        guess.count--;
    for (size_t i = 0; i < guess.count; i++) {
        size_t which = i == 0 ? 0 : i + 1 < guess.count ? 1 : 2;

        length += (size_t)snprintf(near + length, sizeof near - length, "%s%s", between[which],
                                   guess.list[i].name);
    }
    return fault_set(fault, FAULT_REJECTED,
                     "is not the name of a time zone such as Europe/Berlin%s%s", near,
                     *near ? "?" : "");
}
