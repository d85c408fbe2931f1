/* jwt_verifier.h - the port token_verifier on JSON Web Tokens.
 *
 * A token is good if ALL of this holds, in this order: at most 4 KiB; three parts of strict
 * base64url; a header with alg, kid and at most typ, alg being the one configured; a kid that names
 * a key; a signature by it; claims as docs/PROTOCOL.md says. The token chooses neither algorithm
 * nor key nor where a key comes from (RFC 8725, sections 2 and 3).
 *
 * Keys are looked at again when a kid is unknown, at most once a second, and whenever
 * jwt_verifier_rescan is called (a timer, SIGHUP). Files change, keys change; no restart.
 *
 * Thread: loop thread only. A token seen for the first time costs one signature check (40 us for
 * RS256, 80 us for ES256), later ones a hash. A rescan looks at names and times of at most 64 small
 * local files, and reads them when they have changed.
 */
#ifndef AUTH_JWT_VERIFIER_H
#define AUTH_JWT_VERIFIER_H

#include "adapters/auth/jwt_keys.h"
#include "ports/token_verifier.h"

struct jwt_verifier; /* opaque */

struct jwt_verifier_options {
    const char *keys_dir;  /* "" for none */
    const char *jwks_file; /* "" for none */
    const char *issuer;
    const char *audience;
    enum jws_algorithm algorithm;
    int64_t leeway_s;
    size_t cache_entries_max; /* 0: 65536 */
};

/* Reads the keys. The texts are copied.
 *   errors  RC_INVALID, RC_NOT_FOUND, RC_DENIED, RC_FULL, RC_NOMEM: error says what to put right.
 *           No key at all is no error: they may come later
 */
MUST_CHECK enum rc jwt_verifier_create(const struct jwt_verifier_options *options,
                                       struct jwt_verifier **out_verifier,
                                       struct jwt_keys_error *error);

void jwt_verifier_destroy(struct jwt_verifier *verifier);

/* The port; lives as long as the verifier. */
struct token_verifier *jwt_verifier_port(struct jwt_verifier *verifier);

/* Looks for changed keys now. On an error the keys stay as they were. A call each few seconds makes
 * a removed key stop working within that time.
 *   out_has_changed  may be NULL
 */
MUST_CHECK enum rc jwt_verifier_rescan(struct jwt_verifier *verifier, bool *out_has_changed,
                                       struct jwt_keys_error *error);

/* The keys in use, borrowed until the next call of verify or rescan. */
const struct jwt_keys *jwt_verifier_keys(const struct jwt_verifier *verifier);

/* Why the last token was refused: a constant for debug lines and tests, never for a client. */
const char *jwt_verifier_reason(const struct jwt_verifier *verifier);

/* Counts since the start, for metrics. */
struct jwt_verifier_stats {
    uint64_t cache_hits;
    uint64_t accepted; /* by signature */
    uint64_t refused;
    uint64_t key_loads;
};
struct jwt_verifier_stats jwt_verifier_stats(const struct jwt_verifier *verifier);

#endif
