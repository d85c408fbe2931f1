/* jwt_claims.h - the header and the claims of an access token as values (RFC 7519).
 *
 * Reading is strict: what a lenient reader would guess (a number as text, one key twice, a header
 * that asks for a key of its own) is refused, each for a named reason that tests look at and that
 * never reaches a client.
 *
 * Thread: any.
 */
#ifndef AUTH_JWT_CLAIMS_H
#define AUTH_JWT_CLAIMS_H

#include "ports/token_verifier.h"

struct jwt_header {
    char kid[ID_CHARS_MAX + 1];
};

/* What the issuer and the audience must be. */
struct jwt_expected {
    const char *algorithm; /* "RS256" */
    const char *issuer;
    const char *audience;
    int64_t leeway_s;
};

struct jwt_claims {
    struct identity
        identity;         /* session.len is 0 without the claim sid; expires_s is exp + leeway */
    int64_t not_before_s; /* the later of nbf and iat; 0 if there is neither */
};

/* Both read the decoded JSON. They return NULL and fill in the value, or the reason of the refusal
 * (a constant), the value untouched. */
const char *jwt_header_read(struct bytes json, const struct jwt_expected *expected,
                            struct jwt_header *out_header);
const char *jwt_claims_read(struct bytes json, const struct jwt_expected *expected,
                            struct jwt_claims *out_claims);

/* Whether a kid may be one: 1 to 64 characters of [A-Za-z0-9_-]. */
bool jwt_kid_is_right(struct bytes kid);

#endif
