#include "common/hosts.h"

#include "common/mem.h"

#include <libpq-fe.h>
#include <stddef.h>

static struct {
    const char *name;
    size_t place;
} const lists[] = {{"host", offsetof(struct hosts, host)},
                   {"hostaddr", offsetof(struct hosts, hostaddr)},
                   {"port", offsetof(struct hosts, port)}};

static char **list_of(struct hosts *hosts, size_t i)
{
    return (char **)((char *)hosts + lists[i].place);
}

bool hosts_read(struct hosts *ret, const char *conninfo, struct fault *fault)
{
    char *why = NULL;
    PQconninfoOption *options = PQconninfoParse(conninfo, &why);

    if (!options) {
        fault_set(fault, FAULT_REJECTED, "ROTA_DATABASE_URL: %s", why ? why : "no memory");
        PQfreemem(why);
        return false;
    }
    *ret = (struct hosts){0};
    for (const PQconninfoOption *option = options; option->keyword; option++)
        for (size_t i = 0; i < COUNT(lists); i++)
            if (option->val && !strcmp(option->keyword, lists[i].name))
                *list_of(ret, i) = mem_text(option->val);
    PQconninfoFree(options);
    return true;
}

/* a,b,c becomes b,c,a; a list of one counts for all servers and stays. */
static void turn(char *list)
{
    const char *comma = list ? strchr(list, ',') : NULL;
    char *first;
    size_t size;

    if (!comma)
        return;
    size = strlen(list);
    first = mem_or_end(strndup(list, (size_t)(comma - list)));
    memmove(list, comma + 1, size - (size_t)(comma - list));
    strcat(strcat(list, ","), first);
    free(first);
}

void hosts_turn(struct hosts *hosts)
{
    for (size_t i = 0; i < COUNT(lists); i++)
        turn(*list_of(hosts, i));
}

static size_t count(const char *list)
{
    size_t servers = 1;

    for (; list && *list; list++)
        servers += *list == ',';
    return servers;
}

/* A list of one counts for all servers. */
static bool begins_with(const char *list, const char *name)
{
    size_t size = list ? strcspn(list, ",") : 0;

    return !list || !list[size] || (strlen(name) == size && !strncmp(list, name, size));
}

void hosts_begin_with(struct hosts *hosts, const char *host, const char *port)
{
    const char *names = hosts->host ? hosts->host : hosts->hostaddr;

    for (size_t left = count(names); left; left--) {
        if (begins_with(names, host) && begins_with(hosts->port, port))
            return;
        hosts_turn(hosts); /* in place: `names` stays */
    }
}

void hosts_done(struct hosts *hosts)
{
    for (size_t i = 0; i < COUNT(lists); i++)
        free(*list_of(hosts, i));
    *hosts = (struct hosts){0};
}
