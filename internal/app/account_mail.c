/* account_mail.c - mailed secrets: a new password, an address; declared in accounts.h.
 *
 * What is answered is decided before anything is looked up; what is looked up happens after the
 * answer, on the errands' thread.
 */
#include "app/sessions.h"

#include "base/log.h"
#include "wire/secret.h"

#include <stdio.h>

enum { MAIL_ARENA_BYTES = 64 * 1024 };

static enum error_code read_email(struct account_call *call, struct bytes email)
{
    const struct text_forms *forms = call->accounts->forms;
    struct text_facts facts;
    call->email = email;
    ERROR_TRY(account_fold(call, "email", email, &call->email_key));
    ERROR_TRY(account_fail_rc(call, forms->facts(email, &facts)));
    ERROR_TRY(account_fail_rc(call, email_check(email, &facts, call->fault)));
    /* and what folds into another address */
    ERROR_TRY(account_fail_rc(call, forms->facts(call->email_key, &facts)));
    return account_fail_rc(call, email_check(call->email_key, &facts, call->fault));
}

/* ---- sending ---- */

static void send_mail(const struct accounts *accounts, struct bytes to, const char *subject,
                      struct bytes text)
{
    struct arena arena;
    arena_init(&arena, MAIL_ARENA_BYTES);
    const struct mail mail = { .to = to,
                               .subject = arena_format(&arena, "%s - %.*s", subject,
                                                       BYTES_ARG(accounts->server_name)),
                               .text = text };
    enum rc rc = mail.subject.ptr && accounts->mailer
                     ? accounts->mailer->send(accounts->mailer->self, &mail)
                     : RC_UNAVAILABLE;
    if (rc != RC_OK)
        log_warn("mail.not_sent", LOG_RC(rc));
    arena_fini(&arena);
}

static enum rc put_secret(const struct accounts *accounts, struct mailed_secret *secret,
                          int64_t life_s, char out_text[SECRET_CHARS + 1])
{
    uint8_t bytes[SECRET_BYTES];
    secret_make(bytes, sizeof bytes);
    (void)b64url_write(bytes_make(bytes, sizeof bytes), out_text);
    secret_hash(bytes_make(bytes, sizeof bytes), secret->hash);
    explicit_bzero(bytes, sizeof bytes);
    secret->expires_at_us = accounts_now_us(accounts) + life_s * 1000000;
    return accounts->store->put_mailed(accounts->store->self, secret);
}

static bool read_secret(struct bytes text, uint8_t out_hash[SECRET_HASH_BYTES])
{
    uint8_t bytes[SECRET_BYTES];
    size_t len;
    if (text.len != SECRET_CHARS || !b64url_read(text, bytes, &len))
        return false;
    secret_hash(bytes_make(bytes, sizeof bytes), out_hash);
    return true;
}

/* ---- a new password ---- */

enum error_code account_reset_begin(struct account_call *call, struct bytes email)
{
    ERROR_TRY(read_email(call, email));
    enum error_code code = account_count(call, ATTEMPT_RESET, call->email_key);
    call->is_counted = false; /* each asking counts; none is ever right */
    return code;
}

static void audit_request(const struct accounts *accounts, const struct id *user, bool is_success,
                          const char *reason, const struct address_range *range)
{
    struct audit_event event = { .kind = AUDIT_PASSWORD_RESET_REQUEST,
                                 .is_success = is_success,
                                 .reason = reason,
                                 .range = *range,
                                 .at_us = accounts_now_us(accounts) };
    if (user)
        event.subject = *user;
    audit_write(accounts->audit, &event);
}

void account_reset_mail(const struct accounts *accounts, struct bytes key,
                        const struct address_range *range)
{
    SCOPED_ARENA(arena, MAIL_ARENA_BYTES);
    struct account account;
    struct mailed_secret secret = { .use = MAILED_RESET };
    char text[SECRET_CHARS + 1];
    enum rc rc =
        accounts->store->find(accounts->store->self, ACCOUNT_BY_EMAIL_KEY, key, &arena, &account);
    if (rc == RC_OK && account.is_banned)
        rc = RC_NOT_FOUND;
    audit_request(accounts, rc == RC_OK ? &account.user : NULL, rc == RC_OK,
                  rc == RC_OK ? NULL : "no_account", range);
    if (rc != RC_OK)
        return;
    secret.user = account.user;
    secret.email = account.email;
    secret.email_key = account.email_key;
    rc = put_secret(accounts, &secret, accounts->limits.reset_s, text);
    if (rc != RC_OK) {
        log_warn("mail.no_secret", LOG_RC(rc));
        return;
    }
    struct bytes body = arena_format(
        &arena,
        "Somebody, hopefully you, asked for a new password of the account %.*s.\n\n"
        "The code is:\n\n    %s\n\n"
        "It is good for %lld minutes and once. If it wasn't you, nothing has changed, and nothing "
        "need be done.\n",
        BYTES_ARG(account.username), text, (long long)(accounts->limits.reset_s / 60));
    send_mail(accounts, account.email, "A new password", body);
}

enum error_code account_reset_confirm_begin(struct account_call *call, struct bytes new_password)
{
    return account_check_password(call, "newPassword", new_password, bytes_of(NULL), bytes_of(NULL),
                                  &call->new_password);
}

void account_new_password_hash(struct account_call *call)
{
    const struct password_hasher *hasher = call->accounts->hasher;
    call->judged = hasher->hash(hasher->self, call->new_password, call->hash);
}

static enum error_code refuse_secret(struct account_call *call)
{
    fault_set(call->fault, "token", "This code is not valid, or not any more.");
    return ERROR_NOT_FOUND;
}

static enum error_code take_secret(struct account_call *call, enum mailed_use use,
                                   struct bytes text, struct mailed_secret *out)
{
    const struct accounts *accounts = call->accounts;
    uint8_t hash[SECRET_HASH_BYTES];
    if (!read_secret(text, hash))
        return refuse_secret(call);
    enum rc rc = accounts->store->take_mailed(accounts->store->self, use, hash,
                                              accounts_now_us(accounts), call->arena, out);
    return rc == RC_NOT_FOUND ? refuse_secret(call) : account_fail_rc(call, rc);
}

/* A reset goes to where the mail went: an address that was given up since opens nothing. */
static enum error_code find_owner(struct account_call *call, const struct mailed_secret *secret)
{
    const struct account_store *store = call->accounts->store;
    enum rc rc = store->find(store->self, ACCOUNT_BY_USER, id_bytes(&secret->user), call->arena,
                             &call->account);
    if (rc == RC_NOT_FOUND)
        return refuse_secret(call);
    ERROR_TRY(account_fail_rc(call, rc));
    bool is_same =
        secret->use != MAILED_RESET || bytes_equal(call->account.email_key, secret->email_key);
    return is_same && !call->account.is_banned ? ERROR_NONE : refuse_secret(call);
}

enum error_code account_reset_confirm_end(struct account_call *call, struct bytes text)
{
    const struct account_store *store = call->accounts->store;
    const struct id *user = &call->account.user;
    struct mailed_secret secret;
    ERROR_TRY(account_fail_rc(call, call->judged));
    ERROR_TRY(take_secret(call, MAILED_RESET, text, &secret));
    ERROR_TRY(find_owner(call, &secret));
    ERROR_TRY(account_fail_rc(call, store->set_password(store->self, user, bytes_of(NULL),
                                                        bytes_of(call->hash),
                                                        accounts_now_us(call->accounts))));
    account_audit(call, AUDIT_PASSWORD_RESET, true, NULL, user, NULL);
    return sessions_end_all(call, user, NULL, REVOKED_PASSWORD);
}

/* ---- an address ---- */

enum error_code account_email_begin(struct account_call *call, const struct id *user,
                                    struct bytes email)
{
    const struct account_store *store = call->accounts->store;
    ERROR_TRY(read_email(call, email));
    if (!user)
        return ERROR_NONE;
    enum rc rc =
        store->find(store->self, ACCOUNT_BY_USER, id_bytes(user), call->arena, &call->account);
    return account_fail_rc(call, rc);
}

/* Whoever has the address already is told by mail, and nobody else is. */
static void tell_owner(const struct accounts *accounts, struct bytes email, struct arena *arena)
{
    struct bytes body = arena_format(
        arena,
        "Somebody wanted to use this address for an account of %.*s. It belongs to your "
        "account already, so nothing has changed. If it was you: log in with that account, "
        "or ask for a new password.\n",
        BYTES_ARG(accounts->server_name));
    send_mail(accounts, email, "Your address", body);
}

void account_email_mail(const struct accounts *accounts, const struct id *user, struct bytes email,
                        struct bytes key)
{
    SCOPED_ARENA(arena, MAIL_ARENA_BYTES);
    struct account other;
    struct mailed_secret secret = {
        .use = MAILED_EMAIL, .user = *user, .email = email, .email_key = key
    };
    char text[SECRET_CHARS + 1];
    enum rc rc =
        accounts->store->find(accounts->store->self, ACCOUNT_BY_EMAIL_KEY, key, &arena, &other);
    if (rc == RC_OK) {
        tell_owner(accounts, email, &arena);
        return;
    }
    rc = put_secret(accounts, &secret, accounts->limits.confirm_s, text);
    if (rc != RC_OK) {
        log_warn("mail.no_secret", LOG_RC(rc));
        return;
    }
    struct bytes body = arena_format(&arena,
                                     "To use this address for your account of %.*s, give this "
                                     "code:\n\n    %s\n\nIf it wasn't you, nothing need be done.\n",
                                     BYTES_ARG(accounts->server_name), text);
    send_mail(accounts, email, "Confirm your address", body);
}

enum error_code account_email_confirm(struct account_call *call, struct bytes text)
{
    const struct account_store *store = call->accounts->store;
    struct mailed_secret secret;
    ERROR_TRY(take_secret(call, MAILED_EMAIL, text, &secret));
    ERROR_TRY(find_owner(call, &secret));
    enum rc rc = store->set_email(store->self, &secret.user, secret.email, secret.email_key);
    if (rc == RC_CONFLICT) /* somebody else was quicker */
        return refuse_secret(call);
    ERROR_TRY(account_fail_rc(call, rc));
    account_audit(call, AUDIT_PROFILE, true, "email", &secret.user, NULL);
    return ERROR_NONE;
}
