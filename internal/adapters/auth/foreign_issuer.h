/* foreign_issuer.h - tokens of an identity provider beside others.
 *
 * Its issuer, audience and algorithm are pinned by the settings, and its keys are its own set: our
 * keys never prove its tokens, nor the reverse. A token that the verifier before it doesn't take is
 * shown to this one, so several providers are a chain that begins with our own verifier; each looks
 * at the key that the token names before anything costs time.
 *
 * Unless the settings say that its roles are trusted, its users have the role `user`. With a prefix
 * its users are never those of another.
 *
 * Thread: loop thread, but for foreign_issuer_check.
 */
#ifndef AUTH_FOREIGN_ISSUER_H
#define AUTH_FOREIGN_ISSUER_H

#include "adapters/auth/jwt_verifier.h"

struct foreign_issuer; /* opaque */

struct foreign_issuer_options {
    struct token_verifier *before; /* asked first; must outlive it */
    const char *issuer;
    const char *audience;
    enum jws_algorithm algorithm;
    const char *jwks_file;   /* a key set; one that isn't there yet is no error */
    const char *user_prefix; /* of ids' alphabet; an id that gets too long is no good token */
    int64_t leeway_s;
    bool trusts_roles;
};

/* The texts are copied.
 *   errors  as jwt_verifier_create */
MUST_CHECK enum rc foreign_issuer_create(const struct foreign_issuer_options *options,
                                         struct foreign_issuer **out_issuer,
                                         struct jwt_keys_error *error);
void foreign_issuer_destroy(struct foreign_issuer *issuer); /* NULL is fine */

/* Both, the one before and this, as one; lives as long as the issuer. */
struct token_verifier *foreign_issuer_port(struct foreign_issuer *issuer);

/* Looks at the file now. On an error the keys stay as they were. */
MUST_CHECK enum rc foreign_issuer_rescan(struct foreign_issuer *issuer,
                                         struct jwt_keys_error *error);

/* Whether a text is a key set with at least one key that fits. Any thread. */
bool foreign_issuer_check(struct bytes json, enum jws_algorithm algorithm);

/* Puts a text in the file's place, whole or not at all. Any thread, one at a time.
 *   errors  RC_DENIED, RC_UNAVAILABLE */
MUST_CHECK enum rc foreign_issuer_keep(const char *jwks_file, struct bytes json);

#endif
