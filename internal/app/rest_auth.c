/* rest_auth.c - registering, logging in, refreshing, passwords, mailed secrets. */
#include "app/rest_auth.h"

#include "app/rest_cookies.h"
#include "app/sessions.h"

#include <stdlib.h>

enum {
    DEVICE_FIELDS = AUTH_DEVICE | AUTH_DEVICE_ID,
};

/* Every call of this file begins here: accounts may be off. */
static enum error_code begin(struct rest_call *call, unsigned needed, unsigned allowed)
{
    struct rest_auth *auth = arena_alloc(&call->arena, sizeof *auth);
    if (!call->options->accounts)
        return rest_fail(call, ERROR_NOT_FOUND, NULL, "This server has no accounts of its own.");
    if (!auth)
        return rest_fail_rc(call, RC_NOMEM);
    call->auth = auth;
    auth->account =
        (struct account_call){ .accounts = call->options->accounts,
                               .arena = &call->arena,
                               .fault = &call->error.fault,
                               .asker = { .range = call->range, .user_agent = call->user_agent } };
    REST_TRY_RC(call, auth_body_parse(call->body, needed, allowed, &call->arena, &auth->body,
                                      &call->error.fault));
    auth->account.asker.device = auth->body.device;
    auth->account.asker.device_id = auth->body.device_id;
    return ERROR_NONE;
}

static struct account_call *account_of(struct rest_call *call)
{
    return &call->auth->account;
}

/* Goes on in the pool, and then on a worker. */
static enum error_code go_to_pool(struct rest_call *call, void (*judge)(struct account_call *),
                                  rest_handler_fn *end)
{
    call->auth->judge = judge;
    call->auth->end = end;
    return ERROR_NONE;
}

/* ---- what a login gives ---- */

static enum error_code set_cookies(struct rest_call *call, const struct session_tokens *tokens,
                                   struct auth_grant *grant)
{
    int64_t now_s = accounts_now_us(call->options->accounts) / 1000000;
    const struct rest_cookies cookies = { .access = tokens->access,
                                          .refresh = tokens->refresh,
                                          .access_s = tokens->access_expires_s - now_s,
                                          .refresh_s = tokens->refresh_expires_s - now_s };
    if (!call->is_origin_ours)
        return rest_fail(call, ERROR_FORBIDDEN, "Origin", "This page may not have cookies here.");
    REST_TRY_RC(call, rest_cookies_set(call, &cookies, &grant->csrf));
    grant->access = grant->refresh = bytes_of(NULL); /* no script shall see them */
    return ERROR_NONE;
}

static enum error_code answer_tokens(struct rest_call *call, int status,
                                     const struct session_tokens *tokens, bool as_cookies)
{
    struct auth_grant grant = { .user = tokens->user,
                                .session = tokens->session,
                                .access = tokens->access,
                                .refresh = tokens->refresh,
                                .access_expires_s = tokens->access_expires_s,
                                .refresh_expires_s = tokens->refresh_expires_s };
    if (as_cookies)
        ERROR_TRY(set_cookies(call, tokens, &grant));
    call->status = status;
    auth_grant_write(&call->out, &grant);
    return ERROR_NONE;
}

/* ---- mails ---- */

static enum error_code add_errand(struct rest_call *call, bool is_reset, struct bytes email,
                                  struct bytes key)
{
    struct rest_errand *errand = calloc(1, sizeof *errand);
    if (!errand || email.len >= sizeof errand->email || key.len >= sizeof errand->key) {
        free(errand);
        return rest_fail_rc(call, RC_NOMEM);
    }
    errand->accounts = call->options->accounts;
    errand->is_reset = is_reset;
    errand->user = account_of(call)->account.user;
    errand->range = call->range;
    memcpy(errand->email, email.ptr, email.len);
    memcpy(errand->key, key.ptr, key.len);
    free(call->auth->errand);
    call->auth->errand = errand;
    return ERROR_NONE;
}

/* ---- registering ---- */

static enum error_code end_register(struct rest_call *call)
{
    struct account_call *account = account_of(call);
    const struct auth_body *body = &call->auth->body;
    struct session_tokens tokens;
    ERROR_TRY(account_register_end(account));
    if (body->email.len)
        ERROR_TRY(add_errand(call, false, account->email, account->email_key));
    ERROR_TRY(session_open(account, &tokens));
    call->location = arena_format(&call->arena, "/v1/users/%s", account->account.user.text);
    return answer_tokens(call, 201, &tokens, body->wants_cookies);
}

enum error_code rest_register(struct rest_call *call)
{
    ERROR_TRY(begin(call, AUTH_USERNAME | AUTH_PASSWORD,
                    AUTH_EMAIL | AUTH_NAME | AUTH_COOKIES | DEVICE_FIELDS));
    const struct auth_body *body = &call->auth->body;
    const struct registration registration = { body->username, body->password, body->name };
    if (!call->options->accounts->limits.is_open)
        return rest_fail(call, ERROR_FORBIDDEN, NULL, "Registration is closed here.");
    if (body->email.len)
        ERROR_TRY(account_email_begin(account_of(call), NULL, body->email));
    ERROR_TRY(account_register_begin(account_of(call), &registration));
    return go_to_pool(call, account_register_hash, end_register);
}

/* ---- logging in and out ---- */

static enum error_code end_login(struct rest_call *call)
{
    struct session_tokens tokens;
    ERROR_TRY(account_login_end(account_of(call), &tokens));
    return answer_tokens(call, 200, &tokens, call->auth->body.wants_cookies);
}

enum error_code rest_login(struct rest_call *call)
{
    ERROR_TRY(begin(call, AUTH_USERNAME | AUTH_PASSWORD, AUTH_COOKIES | DEVICE_FIELDS));
    ERROR_TRY(account_login_begin(account_of(call), call->auth->body.username,
                                  call->auth->body.password));
    return go_to_pool(call, account_login_judge, end_login);
}

/* The token of the body; without one, that of the cookies, and then the answer is cookies again. */
enum error_code rest_refresh(struct rest_call *call)
{
    struct session_tokens tokens;
    ERROR_TRY(begin(call, 0, AUTH_REFRESH_TOKEN | DEVICE_FIELDS));
    struct bytes token = call->auth->body.refresh_token;
    bool has_cookies = token.len == 0;
    if (has_cookies)
        ERROR_TRY(rest_cookies_refresh(call, &token));
    enum error_code code = session_refresh(account_of(call), token, &tokens);
    return code != ERROR_NONE ? code : answer_tokens(call, 200, &tokens, has_cookies);
}

enum error_code rest_logout(struct rest_call *call)
{
    ERROR_TRY(begin(call, 0, 0));
    ERROR_TRY(session_end(account_of(call), &call->who.user, &call->who.session, REVOKED_LOGOUT));
    account_audit(account_of(call), AUDIT_LOGOUT, true, NULL, &call->who.user, &call->who.session);
    rest_cookies_clear(call);
    call->status = 204;
    return ERROR_NONE;
}

/* ---- passwords ---- */

static enum error_code end_password(struct rest_call *call)
{
    ERROR_TRY(account_password_end(account_of(call), &call->who.session));
    call->status = 204;
    return ERROR_NONE;
}

enum error_code rest_change_password(struct rest_call *call)
{
    ERROR_TRY(begin(call, AUTH_PASSWORD | AUTH_NEW_PASSWORD, 0));
    const struct auth_body *body = &call->auth->body;
    if (!body->new_password.len)
        return rest_fail(call, ERROR_VALIDATION, "newPassword", "newPassword may not be empty.");
    ERROR_TRY(account_password_begin(account_of(call), &call->who.user, body->password,
                                     body->new_password));
    return go_to_pool(call, account_password_judge, end_password);
}

enum error_code rest_reset_password(struct rest_call *call)
{
    ERROR_TRY(begin(call, AUTH_EMAIL, 0));
    ERROR_TRY(account_reset_begin(account_of(call), call->auth->body.email));
    ERROR_TRY(add_errand(call, true, account_of(call)->email, account_of(call)->email_key));
    call->status = 202;
    buf_add_text(&call->out, "{}");
    return ERROR_NONE;
}

static enum error_code end_reset(struct rest_call *call)
{
    ERROR_TRY(account_reset_confirm_end(account_of(call), call->auth->body.token));
    call->status = 204;
    return ERROR_NONE;
}

enum error_code rest_confirm_reset(struct rest_call *call)
{
    ERROR_TRY(begin(call, AUTH_TOKEN | AUTH_NEW_PASSWORD, 0));
    ERROR_TRY(account_reset_confirm_begin(account_of(call), call->auth->body.new_password));
    return go_to_pool(call, account_new_password_hash, end_reset);
}

/* ---- the e-mail address ---- */

enum error_code rest_set_email(struct rest_call *call)
{
    ERROR_TRY(begin(call, AUTH_EMAIL, 0));
    ERROR_TRY(account_email_begin(account_of(call), &call->who.user, call->auth->body.email));
    ERROR_TRY(add_errand(call, false, account_of(call)->email, account_of(call)->email_key));
    call->status = 202;
    buf_add_text(&call->out, "{}");
    return ERROR_NONE;
}

enum error_code rest_confirm_email(struct rest_call *call)
{
    ERROR_TRY(begin(call, AUTH_TOKEN, 0));
    ERROR_TRY(account_email_confirm(account_of(call), call->auth->body.token));
    call->status = 204;
    return ERROR_NONE;
}

/* ---- sessions ---- */

static void write_session(struct rest_call *call, const struct session *s)
{
    auth_session_write(
        &call->out, &(struct auth_session){ .id = s->id,
                                            .device = s->device,
                                            .range = s->range,
                                            .created_at_us = s->created_at_us,
                                            .seen_at_us = s->seen_at_us,
                                            .expires_at_us = s->expires_at_us,
                                            .is_current = id_equal(&s->id, &call->who.session) });
}

enum error_code rest_list_sessions(struct rest_call *call)
{
    struct session *list;
    size_t count;
    ERROR_TRY(begin(call, 0, 0));
    const struct accounts *accounts = call->options->accounts;
    REST_TRY_RC(call, accounts->store->sessions_of(
                          accounts->store->self, &call->who.user, accounts_now_us(accounts),
                          accounts->limits.sessions_max, &call->arena, &list, &count));
    call->status = 200;
    rest_list_begin(call);
    for (size_t i = 0; i < count; i++) {
        rest_list_next(call, i);
        write_session(call, &list[i]);
    }
    rest_list_end(call, 's', bytes_of(NULL)); /* there are few: one page */
    return ERROR_NONE;
}

enum error_code rest_end_session(struct rest_call *call)
{
    ERROR_TRY(begin(call, 0, 0));
    ERROR_TRY(
        session_end_owned(account_of(call), &call->who.user, &call->session, REVOKED_BY_OWNER));
    account_audit(account_of(call), AUDIT_SESSION_REVOKE, true, NULL, &call->who.user,
                  &call->session);
    call->status = 204;
    return ERROR_NONE;
}

/* All but this one; with ?current=true this one, too. */
enum error_code rest_end_sessions(struct rest_call *call)
{
    struct bytes current = { NULL, 0 };
    ERROR_TRY(begin(call, 0, 0));
    bool with_current = rest_param(call, "current", &current) && bytes_is(current, "true");
    if (current.len && !with_current && !bytes_is(current, "false"))
        return rest_fail(call, ERROR_VALIDATION, "current", "current must be true or false.");
    ERROR_TRY(sessions_end_all(account_of(call), &call->who.user,
                               with_current ? NULL : &call->who.session, REVOKED_BY_OWNER));
    account_audit(account_of(call), AUDIT_USER_REVOKE, true, NULL, &call->who.user,
                  &call->who.session);
    call->status = 204;
    return ERROR_NONE;
}

/* ---- the end ---- */

/* A DELETE has no body, so no password: who has just logged in knows it. */
enum error_code rest_delete_me(struct rest_call *call)
{
    enum { FRESH_MS = 10 * 60 * 1000 };
    int64_t began_ms;
    ERROR_TRY(begin(call, 0, 0));
    int64_t now_ms = accounts_now_us(call->options->accounts) / 1000;
    if (!id_made_ms(&call->who.session, &began_ms) || now_ms - began_ms > FRESH_MS)
        return rest_fail(call, ERROR_FORBIDDEN, NULL,
                         "Log in again, and delete the account within 10 minutes.");
    ERROR_TRY(account_erase(account_of(call), &call->who.user));
    rest_cookies_clear(call);
    call->status = 204;
    return ERROR_NONE;
}

/* clang-format off */
enum { SECRET = ROUTE_HAS_BODY | ROUTE_NO_KEY };

static const struct rest_route routes[] = {
    { HTTP_POST,   "/v1/auth/register", SECRET | ROUTE_OPEN, rest_register, NULL },
    { HTTP_POST,   "/v1/auth/login", SECRET | ROUTE_OPEN, rest_login, NULL },
    { HTTP_POST,   "/v1/auth/refresh", SECRET | ROUTE_OPEN, rest_refresh, NULL },
    { HTTP_POST,   "/v1/auth/logout", SECRET, rest_logout, NULL },
    { HTTP_POST,   "/v1/auth/password", SECRET, rest_change_password, NULL },
    { HTTP_POST,   "/v1/auth/password/reset", SECRET | ROUTE_OPEN, rest_reset_password, NULL },
    { HTTP_POST,   "/v1/auth/password/reset/confirm", SECRET | ROUTE_OPEN, rest_confirm_reset, NULL },
    { HTTP_POST,   "/v1/auth/email", SECRET, rest_set_email, NULL },
    { HTTP_POST,   "/v1/auth/email/confirm", SECRET | ROUTE_OPEN, rest_confirm_email, NULL },
    { HTTP_GET,    "/v1/auth/sessions", 0, rest_list_sessions, NULL },
    { HTTP_DELETE, "/v1/auth/sessions", ROUTE_NO_KEY, rest_end_sessions, NULL },
    { HTTP_DELETE, "/v1/auth/sessions/{i}", ROUTE_NO_KEY, rest_end_session, NULL },
    { HTTP_DELETE, "/v1/users/me", ROUTE_NO_KEY, rest_delete_me, NULL },
};
/* clang-format on */

const struct rest_routes rest_auth_routes = { routes, COUNT_OF(routes) };
