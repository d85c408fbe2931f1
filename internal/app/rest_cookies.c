#include "app/rest_cookies.h"

#include <stdlib.h>
#include <sys/random.h>

#include "base/encode.h"

enum { CSRF_BYTES = 32 };

static const char hidden[] = "; Path=/; Secure; HttpOnly; SameSite=Strict";
static const char readable[] = "; Path=/; Secure; SameSite=Strict";

static bool is_cookie_value(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_letter && c != '-' && c != '_' && c != '.' && c != '~')
            return false;
    }
    return text.len > 0;
}

static enum rc add_cookie(struct rest_call *call, const char *name, struct bytes value,
                          int64_t max_age_s, const char *attributes)
{
    struct bytes line = arena_format(&call->arena, "%s=%.*s; Max-Age=%lld%s", name,
                                     BYTES_ARG(value), (long long)max_age_s, attributes);
    if (!line.ptr)
        return RC_NOMEM;
    rest_add_header(call, "set-cookie", line);
    return RC_OK;
}

static enum rc make_csrf(struct rest_call *call, struct bytes *out)
{
    uint8_t raw[CSRF_BYTES];
    char text[B64URL_CHARS(CSRF_BYTES) + 1];
    if (getrandom(raw, sizeof raw, 0) != (ssize_t)sizeof raw)
        abort(); /* the kernel's pool is always ready once the machine is up */
    *out =
        arena_copy(&call->arena, bytes_make(text, b64url_write(bytes_make(raw, sizeof raw), text)));
    return out->ptr ? RC_OK : RC_NOMEM;
}

enum rc rest_cookies_set(struct rest_call *call, const struct rest_cookies *cookies,
                         struct bytes *out_csrf)
{
    struct bytes csrf;
    if (!is_cookie_value(cookies->access) || !is_cookie_value(cookies->refresh))
        return RC_INVALID;
    TRY(make_csrf(call, &csrf));
    TRY(add_cookie(call, "__Host-parley-access", cookies->access, cookies->access_s, hidden));
    TRY(add_cookie(call, "__Host-parley-refresh", cookies->refresh, cookies->refresh_s, hidden));
    TRY(add_cookie(call, "__Host-parley-csrf", csrf, cookies->refresh_s, readable));
    *out_csrf = csrf;
    return RC_OK;
}

void rest_cookies_clear(struct rest_call *call)
{
    static const char *const lines[] = {
        "__Host-parley-access=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Strict",
        "__Host-parley-refresh=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Strict",
        "__Host-parley-csrf=; Max-Age=0; Path=/; Secure; SameSite=Strict",
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        rest_add_header(call, "set-cookie", bytes_of(lines[i]));
}

enum error_code rest_cookies_refresh(struct rest_call *call, struct bytes *out_token)
{
    struct bytes token;
    if (!http_cookie(call->cookie, "__Host-parley-refresh", &token) || token.len == 0)
        return rest_fail(call, ERROR_UNAUTHENTICATED, "refreshToken",
                         "Give a refreshToken, or the cookie __Host-parley-refresh.");
    if (!call->is_origin_ours)
        return rest_fail(call, ERROR_FORBIDDEN, "Origin", "This page may not use the cookie.");
    if (!call->has_csrf_proof)
        return rest_fail(call, ERROR_FORBIDDEN, "X-CSRF-Token",
                         "X-CSRF-Token must repeat the cookie __Host-parley-csrf.");
    *out_token = token;
    return ERROR_NONE;
}
