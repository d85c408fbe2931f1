#include "app/sessions.h"

#include "wire/secret.h"

#include <stdio.h>

enum { SESSIONS_READ_MAX = 1000, DEVICE_ID_BYTES_MAX = 64 };

/* ---- tokens ---- */

/* The name that is shown: the directory's, since it may have been changed; else the username. A
 * name that no token may carry, from before such names were refused, locks nobody out. */
static struct bytes name_of(const struct account_call *call)
{
    const struct directory_store *directory = call->accounts->directory;
    struct user user = { .name = { NULL, 0 } };
    enum rc rc = directory->user(directory->self, &call->account.user, call->arena, &user);
    bool is_good = rc == RC_OK && user.name.len && !bytes_has_control(user.name);
    return is_good ? user.name : call->account.username;
}

static enum error_code sign(struct account_call *call, const struct session *session,
                            struct session_tokens *out)
{
    const struct accounts *accounts = call->accounts;
    SCOPED_BUF(text, ACCESS_TOKEN_BYTES_MAX);
    const int64_t now_s = accounts_now_us(accounts) / 1000000;
    const struct access_claims claims = { .user = session->user,
                                          .session = session->id,
                                          .name = name_of(call),
                                          .roles = call->account.roles,
                                          .issued_s = now_s,
                                          .expires_s = now_s + accounts->limits.access_s };
    ERROR_TRY(
        account_fail_rc(call, accounts->issuer->issue(accounts->issuer->self, &claims, &text)));
    out->access = arena_copy(call->arena, buf_bytes(&text));
    out->access_expires_s = claims.expires_s;
    return out->access.ptr ? ERROR_NONE : ERROR_OVERLOADED;
}

static enum error_code give(struct account_call *call, const struct session *session,
                            const struct refresh_token *token, struct session_tokens *out)
{
    char text[REFRESH_TOKEN_CHARS + 1];
    size_t len = refresh_token_write(token, text);
    out->user = session->user;
    out->session = session->id;
    out->refresh = arena_copy(call->arena, bytes_make(text, len));
    out->refresh_expires_s = session->expires_at_us / 1000000;
    explicit_bzero(text, sizeof text);
    if (!out->refresh.ptr)
        return ERROR_OVERLOADED;
    return sign(call, session, out);
}

/* ---- devices ---- */

/* What tells one device from another when an answer was lost: what the client says of itself, else
 * the program it says it is. */
static struct bytes device_id_of(const struct account_call *call, char out[DEVICE_ID_BYTES_MAX])
{
    uint8_t hash[SECRET_HASH_BYTES];
    bool is_given = call->asker.device_id.len > 0;
    secret_hash(is_given ? call->asker.device_id : call->asker.user_agent, hash);
    int len = snprintf(out, DEVICE_ID_BYTES_MAX, "%s", is_given ? "id:" : "ua:");
    return bytes_make(out, (size_t)len + b64url_write(bytes_make(hash, sizeof hash), out + len));
}

/* A text for the owner's eyes, cut between characters. */
static struct bytes device_of(const struct account_call *call)
{
    struct bytes text = call->asker.device.len ? call->asker.device : call->asker.user_agent;
    if (text.len > SESSION_DEVICE_BYTES_MAX)
        text.len = SESSION_DEVICE_BYTES_MAX;
    while (text.len && !bytes_is_utf8(text))
        text.len--;
    return bytes_has_control(text) ? bytes_of(NULL) : text;
}

/* ---- opening ---- */

static int64_t expiry(const struct accounts *accounts, int64_t now_us, int64_t ends_at_us)
{
    int64_t at_us = now_us + accounts->limits.refresh_s * 1000000;
    return at_us < ends_at_us ? at_us : ends_at_us;
}

/* Beyond the most that a user may have, those seen longest ago end. Best effort: the next login
 * does what this one can't. */
static void make_room(struct account_call *call, const struct id *user)
{
    const struct account_store *store = call->accounts->store;
    struct session *list;
    size_t count = 0;
    if (store->sessions_of(store->self, user, accounts_now_us(call->accounts), SESSIONS_READ_MAX,
                           call->arena, &list, &count) != RC_OK)
        return;
    for (size_t i = call->accounts->limits.sessions_max; i < count; i++)
        if (session_end(call, user, &list[i].id, REVOKED_BY_OWNER) != ERROR_NONE)
            return;
}

enum error_code session_open(struct account_call *call, struct session_tokens *out)
{
    const struct accounts *accounts = call->accounts;
    char device_id[DEVICE_ID_BYTES_MAX];
    struct refresh_token token;
    int64_t now_us = accounts_now_us(accounts);
    struct session session = { .id = id_make(accounts->clock),
                               .user = call->account.user,
                               .device = device_of(call),
                               .device_id = device_id_of(call, device_id),
                               .range = bytes_of(call->asker.range.text),
                               .created_at_us = now_us,
                               .seen_at_us = now_us,
                               .ends_at_us = now_us + accounts->limits.session_s * 1000000 };
    session.expires_at_us = expiry(accounts, now_us, session.ends_at_us);
    token.session = session.id;
    secret_make(token.family, sizeof token.family);
    secret_make(token.turn, sizeof token.turn);
    secret_hash(bytes_make(token.family, sizeof token.family), session.family);
    secret_hash(bytes_make(token.turn, sizeof token.turn), session.refresh);
    ERROR_TRY(give(call, &session, &token, out)); /* signing may fail: before anything is kept */
    enum rc rc = accounts->store->add_session(accounts->store->self, &session);
    explicit_bzero(&token, sizeof token);
    if (rc != RC_OK)
        return account_fail_rc(call, rc);
    make_room(call, &session.user);
    return ERROR_NONE;
}

/* ---- refreshing ---- */

static bool is_hash(const uint8_t a[SECRET_HASH_BYTES], const uint8_t b[SECRET_HASH_BYTES])
{
    return bytes_equal_secret(bytes_make(a, SECRET_HASH_BYTES), bytes_make(b, SECRET_HASH_BYTES));
}

static enum error_code refuse(struct account_call *call)
{
    fault_set(call->fault, "", "The refresh token is not valid; log in again.");
    return ERROR_UNAUTHENTICATED;
}

/* The good token is shown: it turns, if nobody turns it at the same time. */
static enum rc turn(struct account_call *call, struct session *session, struct refresh_token *token)
{
    const struct accounts *accounts = call->accounts;
    uint8_t next[SECRET_BYTES];
    struct session turned = *session;
    int64_t now_us = accounts_now_us(accounts);
    secret_make(turned.salt, sizeof turned.salt);
    secret_next_turn(token->turn, turned.salt, sizeof turned.salt, next);
    secret_hash(bytes_make(next, sizeof next), turned.refresh);
    memcpy(turned.previous, session->refresh, sizeof turned.previous);
    turned.turned_at_us = turned.seen_at_us = now_us;
    turned.expires_at_us = expiry(accounts, now_us, session->ends_at_us);
    if (call->asker.range.text[0])
        turned.range = bytes_of(call->asker.range.text);
    TRY(accounts->store->turn_session(accounts->store->self, session->refresh, &turned));
    *session = turned;
    memcpy(token->turn, next, sizeof next);
    return RC_OK;
}

/* The one before is shown: whoever lost the answer gets it again. */
static bool is_lost_answer(const struct account_call *call, const struct session *session,
                           const uint8_t shown[SECRET_HASH_BYTES])
{
    char device_id[DEVICE_ID_BYTES_MAX];
    int64_t age_us = accounts_now_us(call->accounts) - session->turned_at_us;
    return session->turned_at_us && is_hash(shown, session->previous) &&
           age_us <= call->accounts->limits.grace_s * 1000000 &&
           bytes_equal(device_id_of(call, device_id), session->device_id);
}

static enum error_code end_for_reuse(struct account_call *call, const struct session *session)
{
    account_audit(call, AUDIT_REFRESH, false, "reuse", &session->user, &session->id);
    ERROR_TRY(session_end(call, &session->user, &session->id, REVOKED_REUSE));
    return refuse(call);
}

/* Of which account it is, and whether that one may still come in. */
static enum error_code find_owner(struct account_call *call, const struct session *session)
{
    const struct account_store *store = call->accounts->store;
    enum rc rc = store->find(store->self, ACCOUNT_BY_USER, id_bytes(&session->user), call->arena,
                             &call->account);
    if (rc == RC_NOT_FOUND || (rc == RC_OK && call->account.is_banned))
        return refuse(call);
    return account_fail_rc(call, rc);
}

static enum error_code judge_token(struct account_call *call, struct session *session,
                                   struct refresh_token *token)
{
    const struct account_store *store = call->accounts->store;
    uint8_t shown[SECRET_HASH_BYTES];
    secret_hash(bytes_make(token->turn, sizeof token->turn), shown);
    if (is_hash(shown, session->refresh)) {
        enum rc rc = turn(call, session, token);
        if (rc != RC_CONFLICT)
            return account_fail_rc(call, rc);
        /* somebody turned it, or ended it, between our look and our turn */
        rc = store->session(store->self, &token->session, call->arena, session);
        if (rc != RC_OK)
            return rc == RC_NOT_FOUND ? refuse(call) : account_fail_rc(call, rc);
    }
    if (!is_lost_answer(call, session, shown))
        return end_for_reuse(call, session);
    secret_next_turn(token->turn, session->salt, sizeof session->salt, token->turn);
    return ERROR_NONE;
}

enum error_code session_refresh(struct account_call *call, struct bytes text,
                                struct session_tokens *out)
{
    const struct account_store *store = call->accounts->store;
    struct refresh_token token;
    struct session session;
    uint8_t family[SECRET_HASH_BYTES];
    if (!refresh_token_read(text, &token))
        return refuse(call);
    enum rc rc = store->session(store->self, &token.session, call->arena, &session);
    if (rc != RC_OK)
        return rc == RC_NOT_FOUND ? refuse(call) : account_fail_rc(call, rc);
    secret_hash(bytes_make(token.family, sizeof token.family), family);
    if (!is_hash(family, session.family) ||
        session.expires_at_us <= accounts_now_us(call->accounts))
        return refuse(call);
    ERROR_TRY(find_owner(call, &session));
    ERROR_TRY(judge_token(call, &session, &token));
    enum error_code code = give(call, &session, &token, out);
    explicit_bzero(&token, sizeof token);
    return code;
}

/* When the last token that a revocation could mean has expired on every gateway: one signed a
 * moment from now, or one made elsewhere that is good for longer. */
static int64_t until(const struct account_call *call, int64_t token_expires_s)
{
    enum { LEEWAY_S = 660 }; /* the most that auth.leeway_s may be, and a minute */
    int64_t at_s = accounts_now_us(call->accounts) / 1000000 + call->accounts->limits.access_s;
    return (at_s > token_expires_s ? at_s : token_expires_s) + LEEWAY_S;
}

/* ---- ending ----
 *
 * The gateways first, then the store: should the second fail, the asker is told so and asks again,
 * and until then the session makes tokens that no gateway takes. The other way round a repeat would
 * find no session, and sockets would stay.
 */

static enum error_code tell(struct account_call *call, const struct revocation *revocation)
{
    const struct revocations *revocations = call->accounts->revocations;
    if (!revocations)
        return ERROR_NONE;
    enum rc rc = revocations->publish(revocations->self, revocation);
    return account_fail_rc(call, rc == RC_TIMEOUT ? RC_UNAVAILABLE : rc);
}

enum error_code session_end(struct account_call *call, const struct id *user,
                            const struct id *session, enum revocation_reason reason)
{
    const struct account_store *store = call->accounts->store;
    const struct revocation revocation = { .kind = REVOKED_SESSION,
                                           .reason = reason,
                                           .user = *user,
                                           .session = *session,
                                           .until_s = until(call, call->token_expires_s) };
    ERROR_TRY(tell(call, &revocation));
    enum rc rc = store->end_session(store->self, user, session);
    return rc == RC_NOT_FOUND ? ERROR_NONE : account_fail_rc(call, rc);
}

enum error_code session_end_owned(struct account_call *call, const struct id *user,
                                  const struct id *id, enum revocation_reason reason)
{
    const struct account_store *store = call->accounts->store;
    struct session session;
    enum rc rc = store->session(store->self, id, call->arena, &session);
    if (rc == RC_OK && !id_equal(&session.user, user))
        rc = RC_NOT_FOUND;
    if (rc != RC_OK)
        return account_fail_rc(call, rc);
    return session_end(call, user, id, reason);
}

enum error_code sessions_end_all(struct account_call *call, const struct id *user,
                                 const struct id *spared, enum revocation_reason reason)
{
    const struct account_store *store = call->accounts->store;
    struct revocation revocation = { .kind = REVOKED_USER,
                                     .reason = reason,
                                     .user = *user,
                                     .before_ms = accounts_now_us(call->accounts) / 1000,
                                     .until_s = until(call, call->token_expires_s) };
    if (spared)
        revocation.spared = *spared;
    ERROR_TRY(tell(call, &revocation));
    return account_fail_rc(call, store->end_sessions(store->self, user, spared));
}
