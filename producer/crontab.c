#include "producer/crontab.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "common/uuid.h"

#include <ctype.h>
#include <glib.h>

#define FIELDS 5
#define HASH_BYTES 6
#define SETTINGS_MOST 128
#define SETTINGS_BYTES_MOST 32768

struct reading {
    struct json_object *items;
    GHashTable *names;       /* of the items */
    struct json_object *env; /* shared by the entries since the last setting */
    bool env_is_shared;
    size_t env_size;
    struct problems *problems;
    const char *prefix;
    char *zone, *comment; /* NULL: none */
    int line;
};

static void refuse(const struct reading *reading, const char *detail)
{
    char pointer[24];

    snprintf(pointer, sizeof pointer, "/%d", reading->line);
    problems_add(reading->problems, pointer, "%s", detail);
}

static void put(struct json_object *to, const char *name, const char *text)
{
    json_object_object_add(to, name, json_object_new_string(text));
}

/* --- Entries --------------------------------------------------------------------------------- */

/* Where the command begins; NULL where there are not so many words before it. */
static char *skip_words(char *text, int count)
{
    while (count-- > 0) {
        text += strcspn(text, " \t");
        if (!*text)
            return NULL;
        text += strspn(text, " \t");
    }
    return *text ? text : NULL;
}

/* \% is a percent sign; one that stands bare ends the command and feeds its standard input. */
static bool unescape(char *command)
{
    char *to = command;

    for (const char *from = command; *from; from++) {
        if (*from == '%')
            return false;
        if (*from == '\\' && from[1] == '%')
            from++;
        *to++ = *from;
    }
    *to = '\0';
    return true;
}

/* The same entry in the same zone has the same name, wherever it stands in the file. */
static void write_name(char name[static 128], const struct reading *reading, const char *entry)
{
    uint8_t hash[DIGEST_SIZE];
    int used = snprintf(name, 96, "%s", reading->prefix);
    char *whole = g_strconcat(reading->zone ? reading->zone : "", " ", entry, NULL);

    digest(hash, whole, strlen(whole));
    g_free(whole);
    for (int i = 0; i < HASH_BYTES; i++)
        used += snprintf(name + used, 128 - (size_t)used, "%02x", hash[i]);
}

static struct json_object *spec_of(const struct reading *reading, const char *expression)
{
    struct json_object *spec = json_object_new_object();

    put(spec, "cron", expression);
    put(spec, "cron_dialect", "vixie");
    if (reading->zone)
        put(spec, "timezone", reading->zone);
    return spec;
}

static struct json_object *task_of(struct reading *reading, const char *command)
{
    struct json_object *task = json_object_new_object(), *shell = json_object_new_object();

    put(task, "type", "shell");
    put(shell, "command", command);
    if (json_object_object_length(reading->env)) {
        json_object_object_add(shell, "env", json_object_get(reading->env));
        reading->env_is_shared = true;
    }
    json_object_object_add(task, "shell", shell);
    return task;
}

static void take_entry(struct reading *reading, char *text)
{
    struct json_object *item;
    char name[128];

    write_name(name, reading, text);
    if (g_hash_table_contains(reading->names, name))
        return;
    if (json_object_array_length(reading->items) == CRONTAB_ENTRIES_MOST) {
        refuse(reading, "is one entry too many: 2000 are taken");
        return;
    }
    char *command = skip_words(text, *text == '@' ? 1 : FIELDS), *end = command;

    if (!command) {
        refuse(reading, "needs five fields, or a macro such as @daily, and a command");
        return;
    }
    while (end[-1] == ' ' || end[-1] == '\t')
        end--;
    *end = '\0';
    if (!unescape(command)) {
        refuse(reading,
               "a % feeds standard input, which tasks do not have: write \\% for the sign");
        return;
    }
    item = json_object_new_object();
    json_object_object_add(item, CRONTAB_LINE, json_object_new_int(reading->line));
    put(item, "name", name);
    if (reading->comment)
        put(item, "description", reading->comment);
    json_object_object_add(item, "spec", spec_of(reading, text));
    json_object_object_add(item, "task", task_of(reading, command));
    json_object_array_add(reading->items, item);
    g_hash_table_add(reading->names, g_strdup(name));
}

/* --- Lines ----------------------------------------------------------------------------------- */

static char *trim(char *text)
{
    char *end;

    text += strspn(text, " \t");
    end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1]))
        *--end = '\0';
    return text;
}

static char *unquote(char *text)
{
    size_t size = strlen(text);

    if (size >= 2 && (*text == '"' || *text == '\'') && text[size - 1] == *text) {
        text[size - 1] = '\0';
        text++;
    }
    return text;
}

static void set_variable(struct reading *reading, const char *name, const char *value)
{
    reading->env_size += strlen(name) + strlen(value);
    if (reading->env_size > SETTINGS_BYTES_MOST ||
        json_object_object_length(reading->env) >= SETTINGS_MOST) {
        refuse(reading, "is one setting too many: 128 of 32768 bytes in all are taken");
        return;
    }
    if (reading->env_is_shared) {
        struct json_object *own = NULL;

        json_object_deep_copy(reading->env, &own, NULL);
        json_object_put(reading->env);
        reading->env = own;
        reading->env_is_shared = false;
    }
    put(reading->env, name, value);
}

/* NAME = value, with or without spaces and quotes. */
static bool take_setting(struct reading *reading, char *text)
{
    size_t size = 0;
    char *equals;

    while (isalnum((unsigned char)text[size]) || text[size] == '_')
        size++;
    equals = text + size + strspn(text + size, " \t");
    if (!size || isdigit((unsigned char)*text) || *equals != '=')
        return false;
    char *value = unquote(trim(equals + 1));

    text[size] = '\0';
    if (!strcmp(text, "CRON_TZ") || !strcmp(text, "TZ")) {
        free(reading->zone);
        reading->zone = mem_text(value);
    } else {
        set_variable(reading, text, value);
    }
    return true;
}

static void forget_comment(struct reading *reading)
{
    free(reading->comment);
    reading->comment = NULL;
}

static void take_line(struct reading *reading, char *text)
{
    text = trim(text);
    if (*text == '#') {
        forget_comment(reading);
        reading->comment = mem_text(trim(text + 1));
        return;
    }
    if (*text && !take_setting(reading, text))
        take_entry(reading, text);
    forget_comment(reading);
}

bool crontab_read(struct json_object **ret, const char *text, size_t size, const char *prefix,
                  struct problems *problems)
{
    struct reading reading = {.items = json_object_new_array(),
                              .names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
                              .env = json_object_new_object(),
                              .problems = problems,
                              .prefix = prefix};
    char copy[CRONTAB_LINE_MOST + 1];
    int before = problems->total;

    for (const char *end = text + size, *line = text;
         line < end && problems->count < PROBLEMS_MOST;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((stop ? stop : end) - line);

        reading.line++;
        if (length > CRONTAB_LINE_MOST) {
            refuse(&reading, "is too long: 8192 bytes are taken");
        } else if (!g_utf8_validate(line, (gssize)length, NULL)) {
            refuse(&reading, "is not valid UTF-8, or holds a zero byte");
        } else {
            memcpy(copy, line, length);
            copy[length] = '\0';
            take_line(&reading, copy);
        }
        line += length + 1;
    }
    json_object_put(reading.env);
    g_hash_table_destroy(reading.names);
    free(reading.zone);
    forget_comment(&reading);
    if (problems->total != before) {
        json_object_put(reading.items);
        return false;
    }
    *ret = reading.items;
    return true;
}
