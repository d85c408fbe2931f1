/* jwks.h - one key of a JSON Web Key Set (RFC 7517, RFC 7518 section 6); private to this adapter.
 */
#ifndef AUTH_JWKS_H
#define AUTH_JWKS_H

#include "adapters/auth/jwt_keys.h"

/* Called with each key that fits; takes key. */
typedef enum rc (*jwks_fn)(void *closure, const char *kid, struct evp_pkey_st *key);

/* Reads a key set. Keys of other kinds and uses are passed over, as RFC 7517 section 5 wants.
 *   errors  RC_INVALID not a key set; what `each` returns
 */
MUST_CHECK enum rc jwks_read(struct bytes json, enum jws_algorithm algorithm, jwks_fn each,
                             void *closure);

/* Appends a public key as one object. */
void jwks_write_key(struct evp_pkey_st *key, const char *kid, enum jws_algorithm algorithm,
                    struct buf *out);

#endif
