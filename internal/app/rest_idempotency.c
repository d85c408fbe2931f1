/* rest_idempotency.c - Idempotency-Key: the same key, the same answer, for 24 h.
 *
 * Two safeguards stand behind each other. The directory remembers the first answer and the hash of
 * its request. And the ids under which a command is published are made from the key, so that two
 * requests at once, or one whose answer was never remembered, still end as one event: the log knows
 * its id. A send needs only the second: its key is its clientMessageId.
 */
#include <assert.h>

#include "app/rest_call.h"
#include "base/encode.h"
#include "wire/subjects.h"

static bool has_key(const struct rest_call *call)
{
    bool is_read = call->route->method == HTTP_GET;
    return call->key.len > 0 && !is_read && !(call->route->flags & ROUTE_SEND);
}

static enum error_code check_key(struct rest_call *call)
{
    bool is_good = call->key.len <= REST_KEY_CHARS_MAX;
    for (size_t i = 0; is_good && i < call->key.len; i++)
        is_good = call->key.ptr[i] > 0x20 && call->key.ptr[i] < 0x7f;
    if (is_good)
        return ERROR_NONE;
    return rest_fail(call, ERROR_VALIDATION, "Idempotency-Key",
                     "Idempotency-Key must be 1 to %d visible ASCII characters.",
                     REST_KEY_CHARS_MAX);
}

static void hash_parts(uint8_t out[REQUEST_HASH_BYTES], const struct bytes *parts, size_t count)
{
    SCOPED_BUF(text, 2 * REST_BATCH_BYTES);
    static_assert((int)REQUEST_HASH_BYTES == (int)BODY_HASH_BYTES, "one hash for both");
    for (size_t i = 0; i < count; i++) {
        buf_add_u64(&text, parts[i].len);
        buf_add_byte(&text, ':');
        buf_add(&text, parts[i]);
    }
    body_hash_write(out, buf_bytes(&text));
}

static void hash_request(struct rest_call *call)
{
    SCOPED_BUF(query, REST_BATCH_BYTES);
    for (size_t i = 0; i < call->param_count; i++) {
        const struct http_param *param = &call->params[i];
        buf_add_format(&query, "%zu:%zu:", param->name.len, param->value.len);
        buf_add(&query, param->name);
        buf_add(&query, param->value);
    }
    const struct bytes parts[] = { bytes_of(call->route->pattern),
                                   bytes_make(&call->route->method, sizeof call->route->method),
                                   call->path, call->body, buf_bytes(&query) };
    hash_parts(call->request_hash, parts, COUNT_OF(parts));
}

/* The remembered answer, marked as a repeat. */
static void answer_again(struct rest_call *call, int status, struct bytes body)
{
    bool is_object = body.len >= 2 && body.ptr[0] == '{' && body.ptr[body.len - 1] == '}';
    bool is_marked =
        body.len > 18 && memcmp(body.ptr + body.len - 18, ",\"duplicate\":true}", 18) == 0;
    call->status = status == 201 ? 200 : status;
    if (!is_object || is_marked) {
        buf_add(&call->out, body);
        return;
    }
    buf_add(&call->out, bytes_make(body.ptr, body.len - 1));
    buf_add_format(&call->out, "%s\"duplicate\":true}", body.len > 2 ? "," : "");
}

enum error_code rest_key_replay(struct rest_call *call, bool *out_is_answered)
{
    const struct directory_store *directory = call->options->directory;
    uint8_t first[REQUEST_HASH_BYTES];
    int status;
    struct bytes body;
    if (!call->key.len || call->route->method == HTTP_GET)
        return ERROR_NONE;
    ERROR_TRY(check_key(call));
    if (!has_key(call))
        return ERROR_NONE;
    hash_request(call);
    enum rc rc = directory->find_request(directory->self, &call->who.user, call->key,
                                         clock_wall_us(call->options->clock), &call->arena, first,
                                         &status, &body);
    if (rc != RC_OK)
        return ERROR_NONE; /* not known, or the store is away: then the log tells repeats apart */
    if (memcmp(first, call->request_hash, sizeof first) != 0)
        return rest_fail(call, ERROR_CONFLICT, "Idempotency-Key",
                         "This key was used for another request.");
    answer_again(call, status, body);
    *out_is_answered = true;
    return ERROR_NONE;
}

void rest_key_remember(struct rest_call *call)
{
    const struct directory_store *directory = call->options->directory;
    if (!has_key(call) || call->out.has_failed || call->is_bare)
        return;
    /* If it can't be kept, a repeat is told apart by the log all the same. */
    (void)directory->put_request(directory->self, &call->who.user, call->key, call->request_hash,
                                 call->status, buf_bytes(&call->out),
                                 clock_wall_us(call->options->clock));
}

static bool hash_key(const struct rest_call *call, uint8_t out[REQUEST_HASH_BYTES])
{
    const struct bytes parts[] = { id_bytes(&call->who.user), call->key, call->path };
    if (!call->key.len)
        return false;
    hash_parts(out, parts, COUNT_OF(parts));
    return true;
}

struct id rest_key_id(const struct rest_call *call)
{
    uint8_t hash[REQUEST_HASH_BYTES];
    struct id id = { .len = 0 };
    if (hash_key(call, hash))
        id.len = (uint8_t)b64url_write(bytes_make(hash, sizeof hash), id.text);
    return id;
}

/* RFC 9562, section 5.8: version 8, bits of our own choice. A version 7 would need the time of the
 * first request, which a repeat doesn't know. */
struct id rest_key_uuid(const struct rest_call *call, const struct id *operation)
{
    uint8_t h[REQUEST_HASH_BYTES];
    struct id id = { .len = 0 };
    const struct bytes parts[] = { id_bytes(&call->who.user), bytes_of("operation"),
                                   id_bytes(operation), call->path };
    if (!call->key.len && !operation->len)
        return id;
    if (!hash_key(call, h))
        hash_parts(h, parts, COUNT_OF(parts));
    h[6] = (uint8_t)((h[6] & 0x0f) | 0x80);
    h[8] = (uint8_t)((h[8] & 0x3f) | 0x80);
    id.len = (uint8_t)snprintf(
        id.text, sizeof id.text,
        "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", h[0], h[1], h[2],
        h[3], h[4], h[5], h[6], h[7], h[8], h[9], h[10], h[11], h[12], h[13], h[14], h[15]);
    return id;
}
