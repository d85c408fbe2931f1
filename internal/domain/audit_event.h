/* audit_event.h - one thing that was done to an account, a session or the keys.
 *
 * Its texts are constants of ours: a type for a client's text isn't in it, on purpose.
 */
#ifndef DOMAIN_AUDIT_EVENT_H
#define DOMAIN_AUDIT_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "domain/address_range.h"
#include "domain/id.h"

enum audit_kind {
    AUDIT_REGISTER,
    AUDIT_LOGIN,
    AUDIT_LOGOUT,
    AUDIT_REFRESH, /* only what is worth a look: a reuse, a refusal */
    AUDIT_PASSWORD_CHANGE,
    AUDIT_PASSWORD_RESET_REQUEST,
    AUDIT_PASSWORD_RESET,
    AUDIT_SESSION_REVOKE,
    AUDIT_USER_REVOKE, /* all sessions */
    AUDIT_ROLES,
    AUDIT_BAN,
    AUDIT_UNBAN,
    AUDIT_PROFILE, /* name, e-mail address */
    AUDIT_DELETE,
    AUDIT_KEYS, /* made, retired */
    AUDIT_KIND_COUNT,
};

/* A plain value. Its texts are constants of ours: nothing in here may come from a client. */
struct audit_event {
    enum audit_kind kind;
    bool is_success;
    const char *reason; /* "wrong_password", "locked", "reuse"; NULL for none; static */
    const char *actor;  /* "user", "operator", "server"; NULL: user; static */
    struct id by;       /* the user who did it; len 0 for an operator, the server, unknown */
    struct id subject;  /* the user it was done to; len 0 when it is not known (a login of
                           no account) */
    struct id session;  /* len 0 for none */
    struct address_range range; /* where it came from; empty for none */
    unsigned roles;             /* AUDIT_ROLES: enum user_role, or-ed, as they are now */
    int64_t at_us;              /* wall clock */
};

/* "login": the last token of its subject, audit.<kind>; static storage. */
const char *audit_kind_name(enum audit_kind kind);

#endif
