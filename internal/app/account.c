/* account.c - registering, logging in, one's own password; declared in accounts.h. */
#include "app/sessions.h"
#include "ports/token_verifier.h"

#include <stdio.h>

static const char wrong_login[] = "The name or the password is wrong.";

int64_t accounts_now_us(const struct accounts *accounts)
{
    return clock_wall_us(accounts->clock);
}

enum error_code account_fail_rc(struct account_call *call, enum rc rc)
{
    if (rc != RC_INVALID)
        *call->fault = (struct fault){ .field = "" };
    return error_from_rc(rc, false);
}

enum error_code account_fold(struct account_call *call, const char *field, struct bytes text,
                             struct bytes *out)
{
    enum rc rc = call->accounts->forms->fold(text, call->arena, out);
    if (rc == RC_INVALID)
        fault_set(call->fault, field, "%s must be UTF-8.", field);
    return account_fail_rc(call, rc);
}

static void wipe(struct bytes text)
{
    if (text.len)
        explicit_bzero((void *)(uintptr_t)text.ptr, text.len); /* the call's own copies */
}

void account_call_wipe(struct account_call *call)
{
    wipe(call->password);
    wipe(call->new_password);
}

void account_audit(const struct account_call *call, enum audit_kind kind, bool is_success,
                   const char *reason, const struct id *user, const struct id *session)
{
    struct audit_event event = { .kind = kind,
                                 .is_success = is_success,
                                 .reason = reason,
                                 .actor = call->asker.actor,
                                 .range = call->asker.range,
                                 .roles = kind == AUDIT_ROLES ? call->account.roles : 0,
                                 .at_us = accounts_now_us(call->accounts) };
    if (user)
        event.subject = *user;
    if (user && !call->asker.actor)
        event.by = *user;
    if (session)
        event.session = *session;
    audit_write(call->accounts->audit, &event);
}

/* ---- guesses ---- */

static int64_t now_ms(const struct account_call *call)
{
    return accounts_now_us(call->accounts) / 1000;
}

enum error_code account_count(struct account_call *call, enum attempt_use use, struct bytes whose)
{
    const struct attempts *attempts = call->accounts->attempts;
    if (!attempts)
        return ERROR_NONE;
    call->attempt = (struct attempt){ .use = use, .account = whose, .range = call->asker.range };
    enum rc rc =
        attempts->begin(attempts->self, &call->attempt, now_ms(call), &call->retry_after_ms);
    if (rc == RC_FULL)
        return ERROR_RATE_LIMITED;
    if (rc != RC_OK)
        return account_fail_rc(call, rc == RC_TIMEOUT ? RC_UNAVAILABLE : rc);
    call->is_counted = true;
    return ERROR_NONE;
}

/* That the ladder doesn't learn of it leaves the asker a step higher, no more. */
static void count_success(struct account_call *call)
{
    const struct attempts *attempts = call->accounts->attempts;
    if (call->is_counted)
        (void)attempts->succeeded(attempts->self, &call->attempt, now_ms(call));
    call->is_counted = false;
}

void account_give_up(struct account_call *call)
{
    const struct attempts *attempts = call->accounts->attempts;
    if (call->is_counted)
        (void)attempts->take_back(attempts->self, &call->attempt, now_ms(call));
    call->is_counted = false;
}

/* ---- passwords ---- */

static enum error_code compose(struct account_call *call, const char *field, struct bytes password,
                               struct bytes *out)
{
    enum rc rc = call->accounts->forms->compose(password, call->arena, out);
    if (rc == RC_INVALID)
        fault_set(call->fault, field, "%s must be UTF-8.", field);
    return account_fail_rc(call, rc);
}

enum error_code account_check_password(struct account_call *call, const char *field,
                                       struct bytes password, struct bytes username_key,
                                       struct bytes email_key, struct bytes *out_nfc)
{
    const struct accounts *accounts = call->accounts;
    struct text_facts facts = { .chars = 0 };
    struct bytes folded;
    ERROR_TRY(compose(call, field, password, out_nfc));
    ERROR_TRY(account_fold(call, field, password, &folded));
    ERROR_TRY(account_fail_rc(call, accounts->forms->facts(*out_nfc, &facts)));
    enum rc rc = password_check(&accounts->limits.password, field, *out_nfc, folded, facts.chars,
                                username_key, email_key, call->fault);
    wipe(folded);
    return account_fail_rc(call, rc);
}

/* The password of a login: whatever it is, it is only compared. */
static enum error_code take_password(struct account_call *call, struct bytes password)
{
    if (password.len > PASSWORD_BYTES_MAX || password.len == 0)
        password = bytes_of("-"); /* nobody's; judged like any other */
    return compose(call, "password", password, &call->password);
}

static enum rc hash_new(struct account_call *call, struct bytes password)
{
    const struct password_hasher *hasher = call->accounts->hasher;
    return hasher->hash(hasher->self, password, call->hash);
}

/* ---- registering ---- */

static enum error_code check_free(struct account_call *call)
{
    const struct account_store *store = call->accounts->store;
    struct account other;
    enum rc rc = store->find(store->self, ACCOUNT_BY_USERNAME_KEY, call->account.username_key,
                             call->arena, &other);
    if (rc == RC_NOT_FOUND)
        return ERROR_NONE;
    if (rc != RC_OK)
        return account_fail_rc(call, rc);
    fault_set(call->fault, "username", "This username is taken.");
    return ERROR_CONFLICT;
}

enum error_code account_register_begin(struct account_call *call,
                                       const struct registration *registration)
{
    const struct accounts *accounts = call->accounts;
    struct account *account = &call->account;
    struct text_facts facts;
    int64_t now_us = accounts_now_us(accounts);
    account->username = registration->username;
    call->name = registration->name;
    ERROR_TRY(account_fold(call, "username", account->username, &account->username_key));
    ERROR_TRY(account_fail_rc(call, accounts->forms->facts(account->username, &facts)));
    ERROR_TRY(account_fail_rc(
        call, username_check(account->username, account->username_key, &facts, call->fault)));
    ERROR_TRY(account_check_password(call, "password", registration->password,
                                     account->username_key, bytes_of(NULL), &call->new_password));
    ERROR_TRY(check_free(call));
    account->user = id_make(accounts->clock);
    account->roles = USER_ROLE_USER;
    account->created_at_us = account->password_at_us = now_us;
    return ERROR_NONE;
}

void account_register_hash(struct account_call *call)
{
    call->judged = hash_new(call, call->new_password);
}

/* The user exists with the account; if the directory is away, the first token makes it. */
static void put_user(const struct account_call *call)
{
    const struct directory_store *directory = call->accounts->directory;
    const struct user user = { .id = call->account.user,
                               .name = call->name.len ? call->name : call->account.username };
    (void)directory->put_users(directory->self, &user, 1, true, accounts_now_us(call->accounts),
                               NULL);
}

enum error_code account_register_end(struct account_call *call)
{
    const struct account_store *store = call->accounts->store;
    enum account_taken taken;
    ERROR_TRY(account_fail_rc(call, call->judged));
    call->account.password = bytes_of(call->hash);
    enum rc rc = store->add(store->self, &call->account, &taken);
    if (rc == RC_CONFLICT)
        fault_set(call->fault, "username", "This username is taken.");
    if (rc != RC_OK)
        return rc == RC_CONFLICT ? ERROR_CONFLICT : account_fail_rc(call, rc);
    put_user(call);
    account_audit(call, AUDIT_REGISTER, true, NULL, &call->account.user, NULL);
    return ERROR_NONE;
}

/* ---- logging in ---- */

static enum error_code find_account(struct account_call *call, enum account_by by,
                                    struct bytes name)
{
    const struct account_store *store = call->accounts->store;
    enum rc rc = store->find(store->self, by, name, call->arena, &call->account);
    call->has_account = rc == RC_OK;
    if (rc == RC_OK || rc == RC_NOT_FOUND)
        return ERROR_NONE;
    account_give_up(call);
    return account_fail_rc(call, rc);
}

enum error_code account_login_begin(struct account_call *call, struct bytes name,
                                    struct bytes password)
{
    struct bytes key;
    ERROR_TRY(account_fold(call, "username", name, &key));
    ERROR_TRY(take_password(call, password));
    if (key.len == 0 || key.len > USERNAME_KEY_BYTES_MAX) {
        fault_set(call->fault, "username", "username must have 1 to 254 bytes.");
        return ERROR_VALIDATION;
    }
    bool is_address = memchr(key.ptr, '@', key.len) != NULL;
    ERROR_TRY(account_count(call, ATTEMPT_LOGIN, key));
    return find_account(call, is_address ? ACCOUNT_BY_EMAIL_KEY : ACCOUNT_BY_USERNAME_KEY, key);
}

static void judge(struct account_call *call)
{
    const struct password_hasher *hasher = call->accounts->hasher;
    struct bytes hash = call->has_account ? call->account.password : bytes_of(NULL);
    call->judged =
        hasher->verify(hasher->self, call->password, hash, &call->is_right, &call->is_old);
}

void account_login_judge(struct account_call *call)
{
    judge(call);
    if (call->judged == RC_OK && call->is_old && hash_new(call, call->password) != RC_OK)
        call->hash[0] = 0; /* the old one is good for another while */
}

/* Nothing is lost if it can't be kept: the next login does it. */
static void keep_better_hash(const struct account_call *call)
{
    const struct account_store *store = call->accounts->store;
    const struct account *account = &call->account;
    if (call->hash[0])
        (void)store->set_password(store->self, &account->user, account->password,
                                  bytes_of(call->hash), account->password_at_us);
}

enum error_code account_login_end(struct account_call *call, struct session_tokens *out)
{
    const struct id *user = call->has_account ? &call->account.user : NULL;
    if (call->judged != RC_OK) {
        account_give_up(call);
        return account_fail_rc(call, call->judged);
    }
    if (!call->is_right) {
        account_audit(call, AUDIT_LOGIN, false, user ? "wrong_password" : "no_account", user, NULL);
        fault_set(call->fault, "", "%s", wrong_login);
        return ERROR_UNAUTHENTICATED;
    }
    count_success(call);
    keep_better_hash(call);
    if (call->account.is_banned) {
        account_audit(call, AUDIT_LOGIN, false, "banned", user, NULL);
        fault_set(call->fault, "", "This account is banned.");
        return ERROR_FORBIDDEN;
    }
    ERROR_TRY(session_open(call, out));
    account_audit(call, AUDIT_LOGIN, true, NULL, user, &out->session);
    return ERROR_NONE;
}

/* ---- one's own password ---- */

enum error_code account_password_begin(struct account_call *call, const struct id *user,
                                       struct bytes password, struct bytes new_password)
{
    ERROR_TRY(find_account(call, ACCOUNT_BY_USER, id_bytes(user)));
    if (!call->has_account)
        return ERROR_NOT_FOUND;
    ERROR_TRY(take_password(call, password));
    ERROR_TRY(account_check_password(call, "newPassword", new_password, call->account.username_key,
                                     call->account.email_key, &call->new_password));
    return account_count(call, ATTEMPT_PASSWORD, id_bytes(&call->account.user));
}

void account_password_judge(struct account_call *call)
{
    judge(call);
    if (call->judged == RC_OK && call->is_right)
        call->judged = hash_new(call, call->new_password);
}

static enum error_code end_of_judging(struct account_call *call, enum audit_kind kind)
{
    if (call->judged != RC_OK) {
        account_give_up(call);
        return account_fail_rc(call, call->judged);
    }
    if (!call->is_right) {
        account_audit(call, kind, false, "wrong_password", &call->account.user, NULL);
        fault_set(call->fault, "password", "The password is wrong.");
        return ERROR_FORBIDDEN;
    }
    count_success(call);
    return ERROR_NONE;
}

enum error_code account_password_end(struct account_call *call, const struct id *session)
{
    const struct account_store *store = call->accounts->store;
    const struct account *account = &call->account;
    ERROR_TRY(end_of_judging(call, AUDIT_PASSWORD_CHANGE));
    enum rc rc = store->set_password(store->self, &account->user, account->password,
                                     bytes_of(call->hash), accounts_now_us(call->accounts));
    if (rc == RC_CONFLICT)
        fault_set(call->fault, "password", "The password was changed meanwhile.");
    if (rc != RC_OK)
        return rc == RC_CONFLICT ? ERROR_CONFLICT : account_fail_rc(call, rc);
    account_audit(call, AUDIT_PASSWORD_CHANGE, true, NULL, &account->user, session);
    return sessions_end_all(call, &account->user, session, REVOKED_PASSWORD);
}

/* The account last: until the rest is done it can be asked for again. */
enum error_code account_erase(struct account_call *call, const struct id *user)
{
    const struct accounts *accounts = call->accounts;
    const struct directory_store *directory = accounts->directory;
    ERROR_TRY(sessions_end_all(call, user, NULL, REVOKED_DELETION));
    ERROR_TRY(account_fail_rc(
        call, directory->erase_user(directory->self, user, accounts_now_us(accounts))));
    ERROR_TRY(account_fail_rc(call, accounts->store->erase(accounts->store->self, user)));
    account_audit(call, AUDIT_DELETE, true, NULL, user, NULL);
    return ERROR_NONE;
}
