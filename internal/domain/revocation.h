/* revocation.h - a session, or a user, whose tokens are good no more; whom it means. */
#ifndef DOMAIN_REVOCATION_H
#define DOMAIN_REVOCATION_H

#include <stdbool.h>
#include <stdint.h>

#include "domain/id.h"

enum revocation_kind {
    REVOKED_SESSION, /* one session, whatever its tokens' age */
    REVOKED_USER,    /* all sessions of a user that began up to before_ms */
};

enum revocation_reason {
    REVOKED_LOGOUT,
    REVOKED_BY_OWNER, /* one session ended another */
    REVOKED_BY_ADMIN,
    REVOKED_REUSE, /* a refresh token came twice */
    REVOKED_PASSWORD,
    REVOKED_BAN,
    REVOKED_DELETION,
    REVOKED_ROLES, /* roles have changed: log in, or refresh, anew */
};

/* A plain value: copy it freely. */
struct revocation {
    enum revocation_kind kind;
    enum revocation_reason reason;
    struct id user;    /* always */
    struct id session; /* REVOKED_SESSION: which */
    struct id spared;  /* REVOKED_USER: a session that lives on; len 0 for none */
    int64_t before_ms; /* REVOKED_USER: sessions begun at or before this wall time end. A session's
                          begin is in its id (UUIDv7); of other ids the token's iat counts */
    int64_t until_s;   /* wall clock: remembered until then, when every token that it means has
                          expired. 0: the adapter's own, a day for a session, 30 days for a user */
};

/* The reason's name as events and audit lines have it ("logout"); static storage. */
const char *revocation_reason_name(enum revocation_reason reason);
/* The reverse; false if it is none. */
bool revocation_reason_read(struct bytes name, enum revocation_reason *out_reason);

/* Whether this revocation means a session.
 *   issued_s  claim iat of its token, 0 if it has none (then it counts as old) */
bool revocation_means(const struct revocation *revocation, const struct id *user,
                      const struct id *session, int64_t issued_s);

#endif
