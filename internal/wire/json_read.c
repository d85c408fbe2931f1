#include "wire/json_read.h"

static bool is_too_deep(struct bytes text)
{
    int depth = 0;
    bool is_in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (is_in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                is_in_string = false;
        } else if (c == '"') {
            is_in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX)
                return true;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return false;
}

/* What jansson says of a text that it doesn't take. */
static void refuse_text(const json_error_t *error, struct fault *fault)
{
    switch (json_error_code(error)) {
    case json_error_null_character: /* valid JSON, which is why it must be said */
    case json_error_null_byte_in_key:
        fault_set(fault, "", "A text may not have the character U+0000 (at byte %d).",
                  error->position);
        break;
    case json_error_duplicate_key:
        fault_set(fault, "", "A key occurs twice in one object (at byte %d).", error->position);
        break;
    default:
        fault_set(fault, "", "This is not valid JSON (at byte %d).", error->position);
    }
}

enum rc json_read_object(struct bytes text, json_t **out_object, struct fault *fault)
{
    json_error_t error = { .line = 0 };
    if (is_too_deep(text)) {
        fault_set(fault, "", "The JSON is nested deeper than %d levels.", JSON_DEPTH_MAX);
        return RC_INVALID;
    }
    json_t *value = json_loadb((const char *)text.ptr, text.len, JSON_REJECT_DUPLICATES, &error);
    if (!value && (json_error_code(&error) == json_error_out_of_memory ||
                   json_error_code(&error) == json_error_unknown))
        return RC_NOMEM; /* says nothing of the text: whoever dead-letters garbage must know */
    if (!value) {
        refuse_text(&error, fault);
        return RC_INVALID;
    }
    if (!json_is_object(value)) {
        json_decref(value);
        fault_set(fault, "", "A JSON object is expected.");
        return RC_INVALID;
    }
    *out_object = value;
    return RC_OK;
}

/* The member, NULL when it is missing or null; *out_rc says whether that is allowed. */
static const json_t *member(const json_t *object, const char *key, bool is_required,
                            enum rc *out_rc, struct fault *fault)
{
    const json_t *value = json_object_get(object, key);
    *out_rc = RC_OK;
    if (value && !json_is_null(value))
        return value;
    if (is_required) {
        fault_set(fault, key, "%s is missing.", key);
        *out_rc = RC_INVALID;
    }
    return NULL;
}

enum rc json_read_id(const json_t *object, const char *key, bool is_required, struct id *out,
                     struct fault *fault)
{
    enum rc rc;
    const json_t *value = member(object, key, is_required, &rc, fault);
    if (!value)
        return rc;
    if (!json_is_string(value) ||
        !id_read(bytes_make(json_string_value(value), json_string_length(value)), out)) {
        fault_set(fault, key, "%s must be 1 to 64 characters of A-Z a-z 0-9 _ -.", key);
        return RC_INVALID;
    }
    return RC_OK;
}

enum rc json_read_seq(const json_t *object, const char *key, bool is_required, uint64_t *out,
                      struct fault *fault)
{
    enum rc rc;
    const json_t *value = member(object, key, is_required, &rc, fault);
    if (!value)
        return rc;
    json_int_t number = json_integer_value(value); /* 0 for what is no integer */
    if (number < 1 || number >= ((json_int_t)1 << 53)) {
        fault_set(fault, key, "%s must be a positive integer below 2^53.", key);
        return RC_INVALID;
    }
    *out = (uint64_t)number;
    return RC_OK;
}

enum rc json_read_text(const json_t *object, const char *key, bool is_required, size_t bytes_max,
                       struct arena *arena, struct bytes *out, struct fault *fault)
{
    enum rc rc;
    const json_t *value = member(object, key, is_required, &rc, fault);
    if (!value)
        return rc;
    if (!json_is_string(value)) {
        fault_set(fault, key, "%s must be a string.", key);
        return RC_INVALID;
    }
    if (json_string_length(value) > bytes_max) {
        fault_set(fault, key, "%s may have at most %zu bytes.", key, bytes_max);
        return RC_INVALID;
    }
    struct bytes copy =
        arena_copy(arena, bytes_make(json_string_value(value), json_string_length(value)));
    if (!copy.ptr)
        return RC_NOMEM;
    *out = copy;
    return RC_OK;
}

enum rc json_read_bool(const json_t *object, const char *key, bool *out, struct fault *fault)
{
    enum rc rc;
    const json_t *value = member(object, key, false, &rc, fault);
    if (!value)
        return rc;
    if (!json_is_boolean(value)) {
        fault_set(fault, key, "%s must be true or false.", key);
        return RC_INVALID;
    }
    *out = json_is_true(value);
    return RC_OK;
}

static int append_chunk(const char *chunk, size_t size, void *closure)
{
    struct buf *out = closure;
    buf_add(out, bytes_make(chunk, size));
    return out->has_failed ? -1 : 0;
}

enum rc json_append(struct buf *out, const json_t *value)
{
    int failed = json_dump_callback(value, append_chunk, out, JSON_COMPACT | JSON_ENCODE_ANY);
    return failed ? RC_NOMEM : RC_OK;
}
