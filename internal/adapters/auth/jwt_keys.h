/* jwt_keys.h - the keys that tokens are checked with, by kid.
 *
 * They come from KEYS_DIR/jwt-<kid>.pem (private PKCS #8 or public) and from a JSON Web Key Set
 * (RFC 7517). A set is immutable: a change makes a new one, so that a half-written file never takes
 * keys away that worked.
 *
 * Thread: one at a time.
 */
#ifndef AUTH_JWT_KEYS_H
#define AUTH_JWT_KEYS_H

#include "adapters/auth/jws.h"
#include "base/buf.h"

enum { JWT_KEYS_MAX = 64, JWT_KEY_FILE_BYTES_MAX = 64 * 1024 };

struct jwt_keys; /* opaque */

/* Why no set could be made, for the start-up line. */
struct jwt_keys_error {
    char text[512];
};

/* What the files looked like: two equal stamps mean that nothing changed. */
struct jwt_keys_stamp {
    uint8_t hash[32];
};

/* Looks at names, sizes and times of the files, reads none. Missing ones are part of the answer.
 *   errors  RC_NOMEM
 */
MUST_CHECK enum rc jwt_keys_stamp(const char *keys_dir, const char *jwks_file,
                                  struct jwt_keys_stamp *out_stamp);

/* Reads all keys that fit the algorithm; files that don't are skipped and counted.
 *   keys_dir   "" for none; a folder that doesn't exist counts as empty
 *   jwks_file  "" for none; must be a key set if given
 *   errors     RC_INVALID a file isn't what it should be, one kid twice in the key set;
 *              RC_FULL more than JWT_KEYS_MAX; RC_NOT_FOUND no key set there; RC_NOMEM
 */
MUST_CHECK enum rc jwt_keys_load(const char *keys_dir, const char *jwks_file,
                                 enum jws_algorithm algorithm, struct jwt_keys **out_keys,
                                 struct jwt_keys_error *error);

void jwt_keys_destroy(struct jwt_keys *keys);

/* The key of that kid, borrowed; NULL if there is none. */
struct evp_pkey_st *jwt_keys_get(const struct jwt_keys *keys, const char *kid);

size_t jwt_keys_count(const struct jwt_keys *keys);

/* Files of keys_dir that hold no key for this algorithm. */
size_t jwt_keys_skipped(const struct jwt_keys *keys);

/* Appends the public halves as a JSON Web Key Set: what /.well-known/jwks.json answers. */
void jwt_keys_write_jwks(const struct jwt_keys *keys, struct buf *out);

/* Appends a line a key: its kid and the algorithm. */
void jwt_keys_write_list(const struct jwt_keys *keys, struct buf *out);

/* The private key of keys_dir that was made last, for signing.
 *   out_key    given to the caller (EVP_PKEY_free)
 *   errors     RC_NOT_FOUND there is none that fits; RC_NOMEM
 */
MUST_CHECK enum rc jwt_keys_newest_private(const char *keys_dir, enum jws_algorithm algorithm,
                                           struct evp_pkey_st **out_key, char out_kid[65]);

/* Makes a key file if keys_dir has no private key that fits: RSA 2048 or P-256, mode 0600, written
 * beside and renamed, under a lock, so that several processes starting at once end with one key.
 * Makes the folder (0700) if need be.
 *   out_is_new  may be NULL
 *   errors      RC_DENIED, RC_UNAVAILABLE the folder can't be written to; RC_NOMEM
 */
MUST_CHECK enum rc jwt_keys_ensure(const char *keys_dir, enum jws_algorithm algorithm,
                                   bool *out_is_new);

/* Makes one more key file, for rotation. out_kid may be NULL. errors: as above */
MUST_CHECK enum rc jwt_keys_add(const char *keys_dir, enum jws_algorithm algorithm,
                                char out_kid[65]);

/* Removes private keys that no token of which is good any more: those whose successor was made
 * before `before_s` (wall clock). The newest stays, and so do public keys.
 *   each  called with each kid that was removed; may be NULL
 *   errors  as above
 */
MUST_CHECK enum rc jwt_keys_retire(const char *keys_dir, enum jws_algorithm algorithm,
                                   int64_t before_s, void (*each)(void *closure, const char *kid),
                                   void *closure);

#endif
