#include "consumer/definitions.h"

#include "common/cleanup.h"
#include "common/json.h"
#include "common/mem.h"

struct definitions {
    GHashTable *table; /* of struct key to struct definition */
};

struct key {
    struct uuid schedule;
    int version;
};

static guint key_hash(gconstpointer data)
{
    const struct key *key = data;
    uint32_t hash;

    memcpy(&hash, key->schedule.bytes + 12, sizeof hash); /* random, or hashed */
    return hash ^ (uint32_t)key->version;
}

static gboolean key_equal(gconstpointer one, gconstpointer other)
{
    const struct key *a = one, *b = other;

    return a->version == b->version && uuid_equal(&a->schedule, &b->schedule);
}

static void definition_free(void *data)
{
    struct definition *definition = data;

    spec_free(definition->spec);
    free(definition);
}

struct definitions *definitions_new(void)
{
    return mem_new(struct definitions,
                   .table = g_hash_table_new_full(key_hash, key_equal, free, definition_free));
}

void definitions_free(struct definitions *definitions)
{
    if (!definitions)
        return;
    g_hash_table_destroy(definitions->table);
    free(definitions);
}

const struct definition *definitions_find(const struct definitions *definitions,
                                          const struct uuid *schedule, int version)
{
    struct key key = {.schedule = *schedule, .version = version};

    return g_hash_table_lookup(definitions->table, &key);
}

void definitions_clear(struct definitions *definitions)
{
    g_hash_table_remove_all(definitions->table);
}

void definitions_make_room(struct definitions *definitions, size_t count)
{
    if (g_hash_table_size(definitions->table) + count > DEFINITIONS_MOST)
        g_hash_table_remove_all(definitions->table);
}

static bool read_parts(struct definition *ret, const char *name, const char *spec,
                       const char *policy, struct fault *fault)
{
    SCOPED(scoped_json) struct json_object *when = NULL;
    SCOPED(scoped_json) struct json_object *how = NULL;
    struct problems problems = {0};
    struct field at = {.problems = &problems};

    if (!json_read(&when, spec, strlen(spec), fault) ||
        !json_read(&how, policy, strlen(policy), fault))
        return false;
    if (!policy_read(&ret->policy, how, &at, false) ||
        !spec_read(&ret->spec, when, &at, name, false))
        return fault_set(fault, FAULT_REJECTED, "%s: %s", problems.list[0].pointer,
                         problems.list[0].detail);
    return true;
}

bool definitions_add(struct definitions *definitions, const struct uuid *schedule, int version,
                     const char *name, const char *spec, const char *policy, struct fault *fault)
{
    struct definition *definition = mem_new(struct definition, .spec = NULL);
    bool read = read_parts(definition, name, spec, policy, fault);

    g_hash_table_replace(definitions->table,
                         mem_new(struct key, .schedule = *schedule, .version = version),
                         definition);
    return read;
}
