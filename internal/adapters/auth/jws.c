/* jws.c - OpenSSL's EVP calls on keys that were parsed once.
 *
 * libjwt would parse the PEM again for each token, which is nine tenths of its 0.3 ms, and takes
 * the algorithm from the token (docs/decisions). Here the algorithm comes from the configuration
 * alone.
 */
#include "adapters/auth/jws.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

enum { ES256_HALF_BYTES = 32, RSA_BITS_MIN = 2048, RSA_BITS_MAX = 8192 };

const char *jws_algorithm_name(enum jws_algorithm algorithm)
{
    return algorithm == JWS_RS256 ? "RS256" : "ES256";
}

bool jws_split(struct bytes token, struct jws_parts *out_parts)
{
    const uint8_t *first;
    const uint8_t *second;
    const uint8_t *end = token.ptr + token.len;

    if (token.len == 0 || token.len > JWS_BYTES_MAX)
        return false;
    first = memchr(token.ptr, '.', token.len);
    second = first ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;
    if (!second || memchr(second + 1, '.', (size_t)(end - second - 1)))
        return false;
    *out_parts = (struct jws_parts){
        .header = bytes_make(token.ptr, (size_t)(first - token.ptr)),
        .payload = bytes_make(first + 1, (size_t)(second - first - 1)),
        .signature = bytes_make(second + 1, (size_t)(end - second - 1)),
        .signed_part = bytes_make(token.ptr, (size_t)(second - token.ptr)),
    };
    return out_parts->header.len && out_parts->payload.len && out_parts->signature.len;
}

/* A small exponent makes PKCS #1 v1.5 signatures easier to forge; 1 makes anything one. */
static bool has_sound_exponent(EVP_PKEY *key)
{
    BIGNUM *e = NULL;
    bool is_sound;

    if (!EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e))
        return false;
    is_sound = BN_is_odd(e) && BN_get_word(e) >= 65537 && BN_num_bits(e) <= 64;
    BN_free(e);
    return is_sound;
}

static bool is_p256(EVP_PKEY *key)
{
    char group[64];
    size_t len = 0;

    return EVP_PKEY_get_group_name(key, group, sizeof group, &len) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

bool jws_key_fits(EVP_PKEY *key, enum jws_algorithm algorithm)
{
    int bits = EVP_PKEY_get_bits(key);

    switch (algorithm) {
    case JWS_RS256:
        return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && bits >= RSA_BITS_MIN &&
               bits <= RSA_BITS_MAX && has_sound_exponent(key);
    case JWS_ES256:
        return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && is_p256(key);
    }
    return false;
}

/* JOSE has r and s side by side, OpenSSL wants them in DER. Returns the length, 0 on failure. */
static size_t ecdsa_to_der(struct bytes raw, uint8_t *out, size_t room)
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw.ptr, ES256_HALF_BYTES, NULL);
    BIGNUM *s = BN_bin2bn(raw.ptr + ES256_HALF_BYTES, ES256_HALF_BYTES, NULL);
    int len = 0;

    if (sig && r && s && ECDSA_SIG_set0(sig, r, s)) {
        r = s = NULL; /* sig has them now */
        len = i2d_ECDSA_SIG(sig, NULL);
        if (len > 0 && (size_t)len <= room)
            len = i2d_ECDSA_SIG(sig, &out);
        else
            len = 0;
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(sig);
    return len > 0 ? (size_t)len : 0;
}

static bool ecdsa_from_der(const uint8_t *der, size_t len, uint8_t out[2 * ES256_HALF_BYTES])
{
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
    bool is_done =
        sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, ES256_HALF_BYTES) > 0 &&
        BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + ES256_HALF_BYTES, ES256_HALF_BYTES) > 0;

    ECDSA_SIG_free(sig);
    return is_done;
}

bool jws_verify(EVP_PKEY *key, enum jws_algorithm algorithm, struct bytes text,
                struct bytes signature)
{
    uint8_t der[2 * ES256_HALF_BYTES + 16];
    EVP_MD_CTX *context;
    bool is_right;

    if (algorithm == JWS_ES256) {
        if (signature.len != 2 * ES256_HALF_BYTES)
            return false;
        signature = bytes_make(der, ecdsa_to_der(signature, der, sizeof der));
        if (signature.len == 0)
            return false;
    } else if (signature.len != (size_t)EVP_PKEY_get_size(key)) {
        return false;
    }
    context = EVP_MD_CTX_new();
    is_right = context && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
               EVP_DigestVerify(context, signature.ptr, signature.len, text.ptr, text.len) == 1;
    EVP_MD_CTX_free(context);
    return is_right;
}

enum rc jws_sign(EVP_PKEY *key, enum jws_algorithm algorithm, struct bytes text, uint8_t *out,
                 size_t *out_len)
{
    uint8_t signature[JWS_SIGNATURE_BYTES_MAX];
    size_t len = sizeof signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_done = context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                   EVP_DigestSign(context, signature, &len, text.ptr, text.len) == 1;

    EVP_MD_CTX_free(context);
    if (!is_done)
        return RC_INVALID;
    if (algorithm == JWS_ES256) {
        if (!ecdsa_from_der(signature, len, out))
            return RC_NOMEM;
        len = 2 * ES256_HALF_BYTES;
    } else {
        memcpy(out, signature, len);
    }
    *out_len = len;
    return RC_OK;
}

enum rc jws_hash(struct bytes text, uint8_t out[32])
{
    return EVP_Digest(text.ptr, text.len, out, NULL, EVP_sha256(), NULL) == 1 ? RC_OK : RC_NOMEM;
}
