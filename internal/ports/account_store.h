/* account_store.h - port: accounts of people who log in here, their sessions, and mailed secrets.
 *
 * Blocking; worker threads, any number at once. Errors as in message_store.h. Text in results is in
 * the caller's arena. Of secrets there are only hashes here: who reads the store can't log in.
 *
 * A session is one line of refresh tokens (docs/PROTOCOL.md, "Sessions"): it holds the hash of the
 * token that is good now, of the one before it, and a salt by which the good one follows from the
 * one before. Turning it is a compare-and-set on the good one's hash, so that of many who use one
 * token at once exactly one turns it.
 */
#ifndef PORTS_ACCOUNT_STORE_H
#define PORTS_ACCOUNT_STORE_H

#include "base/arena.h"
#include "domain/account.h"
#include "domain/id.h"

enum { SECRET_HASH_BYTES = 32, SECRET_SALT_BYTES = 16, SESSION_DEVICE_BYTES_MAX = 128 };

struct account {
    struct id user;
    struct bytes username;     /* as its owner spells it */
    struct bytes username_key; /* folded: no two accounts have one */
    struct bytes email;        /* confirmed; empty: none */
    struct bytes email_key;    /* folded: no two accounts have one */
    struct bytes password;     /* as the hasher wrote it; empty: none, so no login by password */
    unsigned roles;            /* enum user_role, or-ed */
    bool is_banned;
    int64_t created_at_us, password_at_us;
};

struct session {
    struct id id, user;
    struct bytes device;    /* what the client calls itself; may be empty */
    struct bytes device_id; /* tells devices apart for the grace of a lost answer; may be empty */
    struct bytes range;     /* network it was last seen from: "192.0.2.0/24"; may be empty */
    int64_t created_at_us, seen_at_us;
    int64_t expires_at_us;               /* of its refresh token; turning moves it */
    int64_t ends_at_us;                  /* it is never moved beyond this */
    uint8_t family[SECRET_HASH_BYTES];   /* of the part that all its tokens share */
    uint8_t refresh[SECRET_HASH_BYTES];  /* of the token that is good */
    uint8_t previous[SECRET_HASH_BYTES]; /* of the one before; zeroes: none */
    uint8_t salt[SECRET_SALT_BYTES];     /* of the last turn */
    int64_t turned_at_us;                /* 0: never */
};

/* What a mailed secret is for. */
enum mailed_use { MAILED_RESET, MAILED_EMAIL };

struct mailed_secret {
    enum mailed_use use;
    struct id user;
    struct bytes email, email_key; /* the address it went to */
    uint8_t hash[SECRET_HASH_BYTES];
    int64_t expires_at_us;
};

enum account_taken { ACCOUNT_TAKEN_NOTHING, ACCOUNT_TAKEN_USERNAME, ACCOUNT_TAKEN_EMAIL };

/* How an account is named. */
enum account_by { ACCOUNT_BY_USER, ACCOUNT_BY_USERNAME_KEY, ACCOUNT_BY_EMAIL_KEY };

struct account_store {
    void *self;

    /* ---- accounts ---- */

    /* RC_CONFLICT: the user has an account, or *out_taken says what another one has; then nothing
     * was kept. */
    enum rc (*add)(void *self, const struct account *account, enum account_taken *out_taken);
    enum rc (*find)(void *self, enum account_by by, struct bytes name, struct arena *arena,
                    struct account *out); /* RC_NOT_FOUND */
    /* By username_key after `after` (may be empty), at most limit. */
    enum rc (*list)(void *self, struct bytes after, size_t limit, struct arena *arena,
                    struct account **out, size_t *out_count);
    /* Each RC_NOT_FOUND without such an account. expected: the hash that was there (a better one of
     * the same password may only take its place); empty: whatever it was. RC_CONFLICT: another. */
    enum rc (*set_password)(void *self, const struct id *user, struct bytes expected,
                            struct bytes password, int64_t now_us);
    enum rc (*set_email)(void *self, const struct id *user, struct bytes email,
                         struct bytes email_key); /* RC_CONFLICT: another account has it */
    enum rc (*set_roles)(void *self, const struct id *user, unsigned roles);
    enum rc (*set_banned)(void *self, const struct id *user, bool is_banned);
    /* Removes account, sessions and secrets; username and e-mail are free again. Again is fine. */
    enum rc (*erase)(void *self, const struct id *user);

    /* ---- sessions ---- */

    enum rc (*add_session)(void *self, const struct session *session);
    enum rc (*session)(void *self, const struct id *id, struct arena *arena,
                       struct session *out); /* RC_NOT_FOUND; an expired one is found */
    /* Those of a user that haven't expired, the one seen last first. */
    enum rc (*sessions_of)(void *self, const struct id *user, int64_t now_us, size_t limit,
                           struct arena *arena, struct session **out, size_t *out_count);
    /* Writes refresh, previous, salt, turned_at_us, seen_at_us, expires_at_us and range of
     * `turned`, if the good token is still the one of this hash. RC_CONFLICT: it isn't, or the
     * session is no more. */
    enum rc (*turn_session)(void *self, const uint8_t expected[SECRET_HASH_BYTES],
                            const struct session *turned);
    /* RC_NOT_FOUND: the user has no such session. */
    enum rc (*end_session)(void *self, const struct id *user, const struct id *id);
    /* Ends all of a user, but for one (may be NULL). */
    enum rc (*end_sessions)(void *self, const struct id *user, const struct id *spared);

    /* ---- mailed secrets ---- */

    /* One of each use a user: a newer one takes the place of the older. */
    enum rc (*put_mailed)(void *self, const struct mailed_secret *secret);
    /* Takes it: whoever comes second gets RC_NOT_FOUND, as for one that has expired. */
    enum rc (*take_mailed)(void *self, enum mailed_use use, const uint8_t hash[SECRET_HASH_BYTES],
                           int64_t now_us, struct arena *arena, struct mailed_secret *out);

    enum rc (*sweep)(void *self, int64_t now_us); /* removes what has expired, a bounded number */
};

#endif
