/* jwt_signer.h - access tokens as the server's own keys sign them.
 *
 * Thread: jwt_signer_sign may be called by several threads at once.
 */
#ifndef AUTH_JWT_SIGNER_H
#define AUTH_JWT_SIGNER_H

#include "adapters/auth/jws.h"
#include "base/buf.h"
#include "ports/token_verifier.h"

struct jwt_signer; /* opaque */

/* Loads the newest private key of keys_dir. The texts are copied.
 *   errors  RC_NOT_FOUND there is none that fits (jwt_keys_ensure makes one), RC_DENIED, RC_NOMEM
 */
MUST_CHECK enum rc jwt_signer_create(const char *keys_dir, enum jws_algorithm algorithm,
                                     const char *issuer, const char *audience,
                                     struct jwt_signer **out_signer);

void jwt_signer_destroy(struct jwt_signer *signer);

/* What a token says. */
struct jwt_grant {
    struct bytes user_id;    /* [A-Za-z0-9_-], 1 to 64 */
    struct bytes name;       /* UTF-8 without control characters; empty: no claim */
    struct bytes session_id; /* empty: no claim */
    unsigned roles;          /* enum user_role, or-ed; 0: no claim */
    int64_t issued_s;
    int64_t ttl_s;
};

/* Appends one token.
 *   errors  RC_INVALID user_id, name or session_id isn't what a verifier takes; RC_NOMEM
 */
MUST_CHECK enum rc jwt_signer_sign(const struct jwt_signer *signer, const struct jwt_grant *grant,
                                   struct buf *out);

#endif
