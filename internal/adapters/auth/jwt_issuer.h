/* jwt_issuer.h - the port token_issuer on the newest private key of a folder.
 *
 * Keys rotate while it runs: a rescan takes the newest one for what is issued from then on.
 */
#ifndef AUTH_JWT_ISSUER_H
#define AUTH_JWT_ISSUER_H

#include "adapters/auth/jws.h"
#include "ports/token_issuer.h"

struct jwt_issuer; /* opaque */

/* Reads the newest key. The texts are copied. No private key is no error: until one comes nothing
 * is issued (RC_UNAVAILABLE).
 *   errors  RC_NOMEM
 */
MUST_CHECK enum rc jwt_issuer_create(const char *keys_dir, enum jws_algorithm algorithm,
                                     const char *issuer, const char *audience,
                                     struct jwt_issuer **out_issuer);

/* After the last issue has returned. NULL is fine. */
void jwt_issuer_destroy(struct jwt_issuer *issuer);

/* Lives as long as the issuer. */
struct token_issuer jwt_issuer_port(struct jwt_issuer *issuer);

/* Looks at the files, and takes the newest key if they have changed. Any thread, one at a time.
 *   errors  RC_NOT_FOUND, RC_DENIED, RC_NOMEM: the key stays what it was
 */
MUST_CHECK enum rc jwt_issuer_rescan(struct jwt_issuer *issuer);

#endif
