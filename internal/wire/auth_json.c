#include "wire/auth_json.h"

#include "base/clock.h"
#include "wire/json_read.h"
#include "wire/json_write.h"

#include <stddef.h>

static const struct {
    enum auth_field field;
    const char *key;
    size_t bytes_max, offset;
} texts[] = {
    { AUTH_USERNAME, "username", 512, offsetof(struct auth_body, username) },
    { AUTH_PASSWORD, "password", 1024, offsetof(struct auth_body, password) },
    { AUTH_NEW_PASSWORD, "newPassword", 1024, offsetof(struct auth_body, new_password) },
    { AUTH_EMAIL, "email", 512, offsetof(struct auth_body, email) },
    { AUTH_NAME, "name", 128, offsetof(struct auth_body, name) },
    { AUTH_TOKEN, "token", 256, offsetof(struct auth_body, token) },
    { AUTH_REFRESH_TOKEN, "refreshToken", 256, offsetof(struct auth_body, refresh_token) },
    { AUTH_DEVICE, "device", 128, offsetof(struct auth_body, device) },
    { AUTH_DEVICE_ID, "deviceId", 128, offsetof(struct auth_body, device_id) },
};

/* What will be shown to people, or goes into a line of a mail. */
static enum rc check_text(const char *key, struct bytes text, struct fault *fault)
{
    if (!bytes_has_control(text))
        return RC_OK;
    fault_set(fault, key, "%s may not have control characters.", key);
    return RC_INVALID;
}

enum rc auth_body_parse(struct bytes body, unsigned needed, unsigned allowed, struct arena *arena,
                        struct auth_body *out, struct fault *fault)
{
    SCOPED_JSON json_t *object = NULL;
    struct auth_body read = { .given = 0 };
    TRY(json_read_object(body.len ? body : bytes_of("{}"), &object, fault));
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct bytes *text = (struct bytes *)(void *)((char *)&read + texts[i].offset);
        if (!((needed | allowed) & texts[i].field))
            continue;
        TRY(json_read_text(object, texts[i].key, (needed & texts[i].field) != 0, texts[i].bytes_max,
                           arena, text, fault));
        if (texts[i].field != AUTH_PASSWORD && texts[i].field != AUTH_NEW_PASSWORD)
            TRY(check_text(texts[i].key, *text, fault));
        if (text->ptr)
            read.given |= texts[i].field;
    }
    if (allowed & AUTH_COOKIES)
        TRY(json_read_bool(object, "cookies", &read.wants_cookies, fault));
    *out = read;
    return RC_OK;
}

void auth_grant_write(struct buf *out, const struct auth_grant *grant)
{
    buf_add_format(out, "{\"userId\":\"%s\",\"sessionId\":\"%s\",\"tokenType\":\"Bearer\"",
                   grant->user.text, grant->session.text);
    if (grant->access.len)
        json_add_text(out, "accessToken", grant->access);
    json_add_time(out, "expiresAt", grant->access_expires_s * 1000000);
    if (grant->refresh.len)
        json_add_text(out, "refreshToken", grant->refresh);
    json_add_time(out, "refreshExpiresAt", grant->refresh_expires_s * 1000000);
    if (grant->csrf.len)
        json_add_text(out, "csrfToken", grant->csrf);
    buf_add_byte(out, '}');
}

void auth_session_write(struct buf *out, const struct auth_session *session)
{
    buf_add_format(out, "{\"id\":\"%s\"", session->id.text);
    json_add_text(out, "device", session->device);
    json_add_text(out, "addressRange", session->range);
    json_add_time(out, "createdAt", session->created_at_us);
    json_add_time(out, "lastSeenAt", session->seen_at_us);
    json_add_time(out, "expiresAt", session->expires_at_us);
    buf_add_format(out, ",\"current\":%s}", session->is_current ? "true" : "false");
}
