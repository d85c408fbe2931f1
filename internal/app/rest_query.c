/* rest_query.c - query parameters, list cursors and the frame of a list. */
#include "app/rest_call.h"
#include "base/encode.h"
#include "wire/subjects.h"

enum { CURSOR_CHECK_BYTES = 4, CURSOR_BYTES_MAX = 1 + CURSOR_CHECK_BYTES + ID_CHARS_MAX + 21 };

bool rest_param(const struct rest_call *call, const char *name, struct bytes *out)
{
    return http_param(call->params, call->param_count, name, out);
}

enum error_code rest_limit(struct rest_call *call, size_t *out)
{
    struct bytes text;
    uint64_t limit;
    *out = REST_LIMIT_DEFAULT;
    if (!rest_param(call, "limit", &text))
        return ERROR_NONE;
    if (!bytes_to_u64(text, REST_LIMIT_MAX, &limit) || limit == 0)
        return rest_fail(call, ERROR_VALIDATION, "limit", "limit must be a number from 1 to %d.",
                         REST_LIMIT_MAX);
    *out = (size_t)limit;
    return ERROR_NONE;
}

enum error_code rest_param_seq(struct rest_call *call, const char *name, uint64_t *out,
                               bool *out_is_given)
{
    struct bytes text;
    bool may_be_zero = strcmp(name, "after") == 0; /* after 0: from the beginning */
    if (!rest_param(call, name, &text))
        return ERROR_NONE;
    if (!bytes_to_u64(text, REST_SEQ_MAX, out) || (*out == 0 && !may_be_zero))
        return rest_fail(call, ERROR_VALIDATION, name, "%s must be a %s integer below 2^53.", name,
                         may_be_zero ? "non-negative" : "positive");
    *out_is_given = true;
    return ERROR_NONE;
}

enum error_code rest_param_time(struct rest_call *call, const char *name, int64_t *out_at_us,
                                bool *out_is_given)
{
    struct bytes text;
    if (!rest_param(call, name, &text))
        return ERROR_NONE;
    if (!rfc3339_read(text, out_at_us))
        return rest_fail(call, ERROR_VALIDATION, name,
                         "%s must be a time as 2026-01-02T03:04:05.678Z.", name);
    *out_is_given = true;
    return ERROR_NONE;
}

enum error_code rest_param_operation(struct rest_call *call, struct id *out)
{
    struct bytes text;
    if (!rest_param(call, "operationId", &text) || id_read(text, out))
        return ERROR_NONE;
    return rest_fail(call, ERROR_VALIDATION, "operationId",
                     "operationId must be 1 to 64 characters of A-Z a-z 0-9 _ -.");
}

/* Not a secret: it catches what was cut, edited, or taken from another list. */
static void write_check(const struct rest_call *call, char kind, struct bytes place,
                        uint8_t out[CURSOR_CHECK_BYTES])
{
    uint8_t hash[BODY_HASH_BYTES] = { 0 };
    SCOPED_BUF(text, 16384);
    buf_add(&text, call->path);
    buf_add_byte(&text, 0);
    buf_add_byte(&text, (uint8_t)kind);
    buf_add(&text, place);
    body_hash_write(hash, buf_bytes(&text));
    memcpy(out, hash, CURSOR_CHECK_BYTES);
}

static bool decode_cursor(const struct rest_call *call, struct bytes text, const char *kinds,
                          uint8_t raw[CURSOR_BYTES_MAX], size_t *out_len)
{
    uint8_t check[CURSOR_CHECK_BYTES];
    if (text.len > B64URL_CHARS(CURSOR_BYTES_MAX) || !b64url_read(text, raw, out_len))
        return false;
    if (*out_len < 2 + CURSOR_CHECK_BYTES || !raw[0] || !strchr(kinds, raw[0]))
        return false;
    size_t at = 1 + CURSOR_CHECK_BYTES;
    write_check(call, (char)raw[0], bytes_make(raw + at, *out_len - at), check);
    return memcmp(check, raw + 1, CURSOR_CHECK_BYTES) == 0;
}

enum error_code rest_cursor_read(struct rest_call *call, const char *kinds, char *out_kind,
                                 struct bytes *out)
{
    struct bytes text;
    uint8_t raw[CURSOR_BYTES_MAX + 3];
    size_t len;
    *out = (struct bytes){ NULL, 0 };
    if (!rest_param(call, "cursor", &text))
        return ERROR_NONE;
    if (!decode_cursor(call, text, kinds, raw, &len))
        return rest_fail(call, ERROR_VALIDATION, "cursor",
                         "cursor must be a nextCursor of this very list.");
    size_t at = 1 + CURSOR_CHECK_BYTES;
    *out_kind = (char)raw[0];
    *out = arena_copy(&call->arena, bytes_make(raw + at, len - at));
    return out->ptr ? ERROR_NONE : rest_fail_rc(call, RC_NOMEM);
}

enum error_code rest_cursor_id(struct rest_call *call, char kind, struct id *out)
{
    const char kinds[] = { kind, '\0' };
    struct bytes place;
    char got;
    *out = (struct id){ .len = 0 };
    ERROR_TRY(rest_cursor_read(call, kinds, &got, &place));
    if (place.len && !id_read(place, out))
        return rest_fail(call, ERROR_VALIDATION, "cursor",
                         "cursor must be a nextCursor of this very list.");
    return ERROR_NONE;
}

void rest_list_begin(struct rest_call *call)
{
    call->status = 200;
    buf_add_text(&call->out, "{\"items\":[");
}

void rest_list_next(struct rest_call *call, size_t at)
{
    if (at > 0)
        buf_add_byte(&call->out, ',');
}

void rest_list_end(struct rest_call *call, char kind, struct bytes place)
{
    uint8_t raw[CURSOR_BYTES_MAX];
    char text[B64URL_CHARS(CURSOR_BYTES_MAX) + 1];
    buf_add_text(&call->out, "],\"nextCursor\":");
    if (!place.len) {
        buf_add_text(&call->out, "null}");
        return;
    }
    raw[0] = (uint8_t)kind;
    write_check(call, kind, place, raw + 1);
    memcpy(raw + 1 + CURSOR_CHECK_BYTES, place.ptr, place.len);
    (void)b64url_write(bytes_make(raw, 1 + CURSOR_CHECK_BYTES + place.len), text);
    buf_add_format(&call->out, "\"%s\"}", text);
}
