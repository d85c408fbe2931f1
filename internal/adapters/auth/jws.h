/* jws.h - signatures of compact JSON Web Signatures (RFC 7515), by one of two algorithms.
 *
 * Thread: any; a key may be used by several at once.
 */
#ifndef AUTH_JWS_H
#define AUTH_JWS_H

#include "base/bytes.h"
#include "base/rc.h"

enum jws_algorithm {
    JWS_RS256, /* RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, section 3.3) */
    JWS_ES256, /* ECDSA on P-256 with SHA-256 (section 3.4) */
};

enum {
    JWS_BYTES_MAX = 4096,           /* of a whole token */
    JWS_SIGNATURE_BYTES_MAX = 1024, /* RSA of 8192 bits */
};

struct evp_pkey_st; /* OpenSSL's EVP_PKEY, kept out of headers */

/* The value of the header "alg". */
const char *jws_algorithm_name(enum jws_algorithm algorithm);

/* The three parts of a compact serialization, still base64url; all borrowed from token. */
struct jws_parts {
    struct bytes header;
    struct bytes payload;
    struct bytes signature;
    struct bytes signed_part; /* header "." payload */
};

/* Splits a token. Returns false if it hasn't exactly three non-empty parts or is too long. */
bool jws_split(struct bytes token, struct jws_parts *out_parts);

/* Whether a key may be used with the algorithm: RSA of 2048 to 8192 bits with a usual exponent,
 * or a point on P-256. */
bool jws_key_fits(struct evp_pkey_st *key, enum jws_algorithm algorithm);

/* Whether the signature (raw bytes) is the key's over the text. The key must fit. */
bool jws_verify(struct evp_pkey_st *key, enum jws_algorithm algorithm, struct bytes text,
                struct bytes signature);

/* Signs text.
 *   out     room for JWS_SIGNATURE_BYTES_MAX
 *   errors  RC_INVALID the key has no private part; RC_NOMEM
 */
MUST_CHECK enum rc jws_sign(struct evp_pkey_st *key, enum jws_algorithm algorithm,
                            struct bytes text, uint8_t *out, size_t *out_len);

/* SHA-256. out holds 32 bytes. errors: RC_NOMEM */
MUST_CHECK enum rc jws_hash(struct bytes text, uint8_t out[32]);

#endif
