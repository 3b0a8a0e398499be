#include "executor/work.h"

#include "common/instant.h"
#include "common/json.h"

#include <string.h>

bool work_read(struct json_object **ret, const char *text, struct fault *fault)
{
    struct json_object *work = NULL;

    if (!text)
        text = "{}";
    if (!json_read(&work, text, strlen(text), fault))
        return fault_while(fault, "work");
    if (!json_object_is_type(work, json_type_object)) {
        json_object_put(work);
        return fault_set(fault, FAULT_REJECTED, "work: must be an object");
    }
    *ret = work;
    return true;
}

static bool read_type(struct json_object **ret, struct json_object *work, const char *name,
                      enum json_type type, struct fault *fault)
{
    struct json_object *value = json_object_object_get(work, name);

    if (value && !json_object_is_type(value, type))
        return fault_set(fault, FAULT_REJECTED, "%s: must be %s", name, json_type_to_name(type));
    *ret = value;
    return true;
}

bool work_text(const char **ret, struct json_object *work, const char *name, struct fault *fault)
{
    struct json_object *value = NULL;

    if (!read_type(&value, work, name, json_type_string, fault))
        return false;
    *ret = value ? json_object_get_string(value) : NULL;
    if (*ret && strlen(*ret) != (size_t)json_object_get_string_len(value))
        return fault_set(fault, FAULT_REJECTED, "%s: holds U+0000", name);
    return true;
}

bool work_duration(int64_t *ret_ms, struct json_object *work, const char *name, int64_t otherwise,
                   struct fault *fault)
{
    struct json_object *value = json_object_object_get(work, name);

    *ret_ms = otherwise;
    if (!value)
        return true;
    if (json_object_is_type(value, json_type_int)) {
        *ret_ms = json_object_get_int64(value);
        return *ret_ms >= 0 || fault_set(fault, FAULT_REJECTED, "%s: must not be negative", name);
    }
    if (!json_object_is_type(value, json_type_string))
        return fault_set(fault, FAULT_REJECTED, "%s: must be a duration", name);
    return duration_read(ret_ms, json_object_get_string(value), fault) ||
           fault_while(fault, "%s", name);
}

bool work_texts(struct json_object **ret, struct json_object *work, const char *name,
                struct fault *fault)
{
    if (!read_type(ret, work, name, json_type_object, fault))
        return false;
    if (!*ret)
        return true;
    json_object_object_foreach(*ret, key, value)
    {
        if (!json_object_is_type(value, json_type_string))
            return fault_set(fault, FAULT_REJECTED, "%s: %.64s must be a text", name, key);
    }
    return true;
}

bool work_list(struct json_object **ret, struct json_object *work, const char *name,
               struct fault *fault)
{
    return read_type(ret, work, name, json_type_array, fault);
}

const char *work_body(struct json_object *work, const char *name, size_t *size)
{
    struct json_object *value;

    if (!json_object_object_get_ex(work, name, &value) || !value)
        return NULL;
    if (json_object_is_type(value, json_type_string)) {
        *size = (size_t)json_object_get_string_len(value);
        return json_object_get_string(value);
    }
    return json_text(value, size);
}
