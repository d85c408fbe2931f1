#include "wire/revocation_json.h"

#include "wire/json_read.h"

void revocation_write(struct buf *out, const struct revocation *r)
{
    bool is_session = r->kind == REVOKED_SESSION;
    buf_add_format(out, "{\"kind\":\"%s\",\"user\":\"%s\"", is_session ? "session" : "user",
                   r->user.text);
    if (is_session)
        buf_add_format(out, ",\"session\":\"%s\"", r->session.text);
    else
        buf_add_format(out, ",\"before\":%lld", (long long)r->before_ms);
    if (r->spared.len)
        buf_add_format(out, ",\"spared\":\"%s\"", r->spared.text);
    buf_add_format(out, ",\"reason\":\"%s\",\"until\":%lld}", revocation_reason_name(r->reason),
                   (long long)r->until_s);
}

static struct bytes text_of(const json_t *object, const char *key)
{
    return bytes_of(json_string_value(json_object_get(object, key)));
}

static enum rc read_time(const json_t *object, const char *key, int64_t *out)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) <= 0)
        return RC_INVALID;
    *out = json_integer_value(value);
    return RC_OK;
}

enum rc revocation_parse(struct bytes json, struct revocation *out)
{
    SCOPED_JSON json_t *object = NULL;
    struct revocation r = { .kind = REVOKED_SESSION };
    TRY(json_read_object(json, &object, NULL));
    TRY(json_read_id(object, "user", true, &r.user, NULL));
    TRY(read_time(object, "until", &r.until_s));
    if (!revocation_reason_read(text_of(object, "reason"), &r.reason))
        r.reason = REVOKED_BY_ADMIN; /* a newer one's word: what counts is that it was revoked */
    if (bytes_is(text_of(object, "kind"), "session")) {
        TRY(json_read_id(object, "session", true, &r.session, NULL));
    } else if (bytes_is(text_of(object, "kind"), "user")) {
        r.kind = REVOKED_USER;
        TRY(read_time(object, "before", &r.before_ms));
        TRY(json_read_id(object, "spared", false, &r.spared, NULL));
    } else {
        return RC_INVALID;
    }
    *out = r;
    return RC_OK;
}

void session_revoked_write(struct buf *out, const struct id *session, enum revocation_reason reason)
{
    buf_add_format(out, "{\"type\":\"session.revoked\",\"sessionId\":\"%s\",\"reason\":\"%s\"}",
                   session->text, revocation_reason_name(reason));
}
