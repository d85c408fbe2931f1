/* accounts.h - people who log in here: names, passwords, mailed secrets.
 *
 * Everything blocks: worker threads, but for what says "pool". What costs a hash comes in three
 * parts, so that a store's thread never waits for one:
 *
 *     worker  account_login_begin    the ladder counts the guess; the account is looked up
 *     pool    account_login_judge    the password is compared, and hashed anew if that is due
 *     worker  account_login_end      the ladder learns; a session is opened, a token signed
 *
 * What is told to an asker never says whether there is such an account or address; that a username
 * is taken is told to who wants it.
 *
 * Errors are those of docs/PROTOCOL.md ("Errors"), with field and text in the fault.
 */
#ifndef APP_ACCOUNTS_H
#define APP_ACCOUNTS_H

#include "domain/address_range.h"
#include "domain/error.h"
#include "ports/account_store.h"
#include "ports/attempts.h"
#include "ports/audit_log.h"
#include "ports/directory_store.h"
#include "ports/executor.h"
#include "ports/mailer.h"
#include "ports/password_hasher.h"
#include "ports/revocations.h"
#include "ports/text_forms.h"
#include "ports/token_issuer.h"

struct accounts_limits {
    struct password_rules password;
    bool is_open; /* anybody may register */
    int64_t access_s, refresh_s, session_s, grace_s;
    int64_t reset_s, confirm_s;
    size_t sessions_max; /* of one user; the one seen longest ago gives way */
};

/* Borrowed for the life of whoever uses them; attempts, revocations, audit and mailer may be NULL
 * (then nothing is counted, told, written or mailed). */
struct accounts {
    const struct account_store *store;
    const struct directory_store *directory;
    const struct text_forms *forms;
    const struct password_hasher *hasher;
    const struct token_issuer *issuer;
    const struct revocations *revocations;
    const struct attempts *attempts;
    const struct audit_log *audit;
    const struct mailer *mailer;
    const struct clock_source *clock;
    struct executor *pool;    /* where the parts that hash run; NULL: it has ended */
    struct executor *errands; /* where mails are sent: one thread; NULL: the same */
    struct bytes server_name; /* as mails call it */
    struct accounts_limits limits;
};

/* Who asks, as far as it is known. Borrowed. */
struct asker {
    const char *actor; /* "operator"; NULL: the user; static */
    struct address_range range;
    struct bytes user_agent;
    struct bytes device, device_id; /* as the client says; may be empty */
};

/* What a client gets of a session. */
struct session_tokens {
    struct id user, session;
    struct bytes access, refresh; /* in the arena */
    int64_t access_expires_s, refresh_expires_s;
};

/* A call on its way through its parts. Zeroed at the start; wiped by account_call_wipe. */
struct account_call {
    const struct accounts *accounts;
    struct arena *arena;
    struct fault *fault;
    struct asker asker;
    int64_t token_expires_s; /* of the token that asks; 0: none does */
    int64_t retry_after_ms;  /* with ERROR_RATE_LIMITED */

    struct attempt attempt; /* that is counted and not yet judged */
    bool is_counted;
    bool has_account;
    struct account account;
    struct bytes name;             /* of a new user, to be shown */
    struct bytes email, email_key; /* of a mailed secret */
    struct bytes password;         /* NFC */
    struct bytes new_password;     /* the same */
    bool is_right, is_old;
    char hash[PASSWORD_HASH_CHARS + 1]; /* of the new password, or anew; empty: none */
    enum rc judged;
};

/* Takes the passwords out of memory. */
void account_call_wipe(struct account_call *call);

/* The hashing queue was full, or the store went away before the end: the guess counts no more. */
void account_give_up(struct account_call *call);

/* ---- registering; account.c ---- */

struct registration {
    struct bytes username, password, name; /* name: to be shown; empty: the username */
};
/* Checks all of it. ERROR_CONFLICT: the username is taken. */
MUST_CHECK enum error_code account_register_begin(struct account_call *call,
                                                  const struct registration *registration);
void account_register_hash(struct account_call *call); /* pool */
/* Makes the account and its user. call->account holds it. */
MUST_CHECK enum error_code account_register_end(struct account_call *call);

/* ---- logging in ---- */

/* name: a username or an address. ERROR_RATE_LIMITED: too many guesses. */
MUST_CHECK enum error_code account_login_begin(struct account_call *call, struct bytes name,
                                               struct bytes password);
void account_login_judge(struct account_call *call); /* pool */
/* ERROR_UNAUTHENTICATED: one of the two is wrong. ERROR_FORBIDDEN: banned. */
MUST_CHECK enum error_code account_login_end(struct account_call *call, struct session_tokens *out);

/* ---- one's own password, and the end of an account ---- */

/* ERROR_NOT_FOUND: not one of our accounts. */
MUST_CHECK enum error_code account_password_begin(struct account_call *call, const struct id *user,
                                                  struct bytes password, struct bytes new_password);
void account_password_judge(struct account_call *call); /* pool */
/* Changes it. All sessions but this one end. */
MUST_CHECK enum error_code account_password_end(struct account_call *call,
                                                const struct id *session);
/* Erases account, sessions and the user's name; of a user without an account the name. */
MUST_CHECK enum error_code account_erase(struct account_call *call, const struct id *user);

/* ---- mailed secrets; account_mail.c ---- */

/* The same answer for every address. ERROR_RATE_LIMITED as above. The mail is account_reset_mail's,
 * on the errands' thread. */
MUST_CHECK enum error_code account_reset_begin(struct account_call *call, struct bytes email);
/* key: the folded address. Does nothing where there is no such account. */
void account_reset_mail(const struct accounts *accounts, struct bytes key,
                        const struct address_range *range);
MUST_CHECK enum error_code account_reset_confirm_begin(struct account_call *call,
                                                       struct bytes new_password);
void account_new_password_hash(struct account_call *call); /* pool */
/* ERROR_NOT_FOUND: the secret is wrong, used, or too old. All sessions end. */
MUST_CHECK enum error_code account_reset_confirm_end(struct account_call *call,
                                                     struct bytes secret);

/* An address is the account's once somebody who reads there has said so. user: NULL while it
 * registers, else whose it is to be (ERROR_NOT_FOUND without an account). */
MUST_CHECK enum error_code account_email_begin(struct account_call *call, const struct id *user,
                                               struct bytes email);
void account_email_mail(const struct accounts *accounts, const struct id *user, struct bytes email,
                        struct bytes key);
MUST_CHECK enum error_code account_email_confirm(struct account_call *call, struct bytes secret);

/* ---- parts shared by the files ---- */

int64_t accounts_now_us(const struct accounts *accounts);
/* ERROR_VALIDATION with the field's name for what isn't UTF-8. */
MUST_CHECK enum error_code account_fold(struct account_call *call, const char *field,
                                        struct bytes text, struct bytes *out);
MUST_CHECK enum error_code account_fail_rc(struct account_call *call, enum rc rc);
MUST_CHECK enum error_code account_check_password(struct account_call *call, const char *field,
                                                  struct bytes password, struct bytes username_key,
                                                  struct bytes email_key, struct bytes *out_nfc);
/* Counts a guess. */
MUST_CHECK enum error_code account_count(struct account_call *call, enum attempt_use use,
                                         struct bytes whose);
void account_audit(const struct account_call *call, enum audit_kind kind, bool is_success,
                   const char *reason, const struct id *user, const struct id *session);

#endif
