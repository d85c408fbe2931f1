/* auth_json.h - bodies of /v1/auth in, answers out (docs/PROTOCOL.md, "Accounts"). */
#ifndef WIRE_AUTH_JSON_H
#define WIRE_AUTH_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/fault.h"
#include "domain/id.h"

/* Members that a body may have. */
enum auth_field {
    AUTH_USERNAME = 1 << 0,
    AUTH_PASSWORD = 1 << 1,
    AUTH_NEW_PASSWORD = 1 << 2,
    AUTH_EMAIL = 1 << 3,
    AUTH_NAME = 1 << 4,
    AUTH_TOKEN = 1 << 5,
    AUTH_REFRESH_TOKEN = 1 << 6,
    AUTH_DEVICE = 1 << 7,
    AUTH_DEVICE_ID = 1 << 8,
    AUTH_COOKIES = 1 << 9,
};

struct auth_body {
    unsigned given; /* enum auth_field, or-ed */
    struct bytes username, password, new_password, email, name, token, refresh_token, device,
        device_id;
    bool wants_cookies;
};

/* Reads the members of `needed` and `allowed`; others are skipped. An empty body is one without
 * members. Text is in the arena.
 * errors: RC_INVALID (fault), RC_NOMEM */
MUST_CHECK enum rc auth_body_parse(struct bytes body, unsigned needed, unsigned allowed,
                                   struct arena *arena, struct auth_body *out, struct fault *fault);

/* What a login gives. Empty tokens are left out. */
struct auth_grant {
    struct id user, session;
    struct bytes access, refresh, csrf;
    int64_t access_expires_s, refresh_expires_s;
};
void auth_grant_write(struct buf *out, const struct auth_grant *grant);

struct auth_session {
    struct id id;
    struct bytes device, range;
    int64_t created_at_us, seen_at_us, expires_at_us;
    bool is_current;
};
void auth_session_write(struct buf *out, const struct auth_session *session);

#endif
