#include "adapters/auth/jwks.h"

#include <jansson.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "adapters/auth/jwt_claims.h"
#include "base/encode.h"

enum { P256_BYTES = 32, RSA_NUMBER_BYTES_MAX = 1024 };

static bool text_is(const json_t *object, const char *key, const char *text)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value && strcmp(value, text) == 0;
}

static bool text_is_or_absent(const json_t *object, const char *key, const char *text)
{
    return !json_object_get(object, key) || text_is(object, key, text);
}

/* A Base64urlUInt. Returns the number of bytes, 0 if it isn't one of at most room. */
static size_t read_number(const json_t *jwk, const char *key, uint8_t *out, size_t room)
{
    const char *text = json_string_value(json_object_get(jwk, key));
    size_t len = 0;

    if (!text || strlen(text) > B64URL_CHARS(room) || !b64url_read(bytes_of(text), out, &len))
        return 0;
    return len;
}

static EVP_PKEY *key_from(const char *type, OSSL_PARAM_BLD *build)
{
    OSSL_PARAM *params = build ? OSSL_PARAM_BLD_to_param(build) : NULL;
    EVP_PKEY_CTX *context = params ? EVP_PKEY_CTX_new_from_name(NULL, type, NULL) : NULL;
    EVP_PKEY *key = NULL;

    if (context && EVP_PKEY_fromdata_init(context) == 1)
        (void)EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params); /* NULL tells */
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    return key;
}

static EVP_PKEY *read_rsa(const json_t *jwk)
{
    uint8_t n_bytes[RSA_NUMBER_BYTES_MAX];
    uint8_t e_bytes[8];
    size_t n_len = read_number(jwk, "n", n_bytes, sizeof n_bytes);
    size_t e_len = read_number(jwk, "e", e_bytes, sizeof e_bytes);
    OSSL_PARAM_BLD *build = n_len && e_len ? OSSL_PARAM_BLD_new() : NULL;
    BIGNUM *n = build ? BN_bin2bn(n_bytes, (int)n_len, NULL) : NULL;
    BIGNUM *e = build ? BN_bin2bn(e_bytes, (int)e_len, NULL) : NULL;
    EVP_PKEY *key = NULL;

    if (n && e && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e))
        key = key_from("RSA", build);
    BN_free(n);
    BN_free(e);
    OSSL_PARAM_BLD_free(build);
    return key;
}

static EVP_PKEY *read_ec(const json_t *jwk)
{
    uint8_t point[1 + 2 * P256_BYTES] = { 4 }; /* uncompressed (SEC 1, section 2.3.3) */
    uint8_t number[P256_BYTES];
    OSSL_PARAM_BLD *build = NULL;
    EVP_PKEY *key = NULL;

    if (!text_is(jwk, "crv", "P-256") || read_number(jwk, "x", number, P256_BYTES) != P256_BYTES)
        return NULL;
    memcpy(point + 1, number, P256_BYTES);
    if (read_number(jwk, "y", number, P256_BYTES) != P256_BYTES)
        return NULL;
    memcpy(point + 1 + P256_BYTES, number, P256_BYTES);
    build = OSSL_PARAM_BLD_new();
    if (build &&
        OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) &&
        OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point))
        key = key_from("EC", build);
    OSSL_PARAM_BLD_free(build);
    return key;
}

/* NULL for a key that isn't for us. */
static EVP_PKEY *read_key(const json_t *jwk, enum jws_algorithm algorithm)
{
    const char *type = algorithm == JWS_RS256 ? "RSA" : "EC";
    EVP_PKEY *key;

    if (!text_is(jwk, "kty", type) || !text_is_or_absent(jwk, "use", "sig") ||
        !text_is_or_absent(jwk, "alg", jws_algorithm_name(algorithm)))
        return NULL;
    key = algorithm == JWS_RS256 ? read_rsa(jwk) : read_ec(jwk);
    if (key && jws_key_fits(key, algorithm))
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

static enum rc read_keys(const json_t *root, enum jws_algorithm algorithm, jwks_fn each,
                         void *closure)
{
    const json_t *keys = json_object_get(root, "keys");

    if (!json_is_array(keys))
        return RC_INVALID;
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const json_t *jwk = json_array_get(keys, i);
        const char *kid = json_string_value(json_object_get(jwk, "kid"));
        EVP_PKEY *key = kid && jwt_kid_is_right(bytes_of(kid)) ? read_key(jwk, algorithm) : NULL;
        if (key)
            TRY(each(closure, kid, key));
    }
    return RC_OK;
}

enum rc jwks_read(struct bytes json, enum jws_algorithm algorithm, jwks_fn each, void *closure)
{
    json_t *root = json_loadb((const char *)json.ptr, json.len, JSON_REJECT_DUPLICATES, NULL);
    enum rc rc = read_keys(root, algorithm, each, closure);

    json_decref(root);
    return rc;
}

static void add_number(struct buf *out, EVP_PKEY *key, const char *param, const char *name,
                       int bytes_min)
{
    uint8_t bytes[RSA_NUMBER_BYTES_MAX];
    char text[B64URL_CHARS(RSA_NUMBER_BYTES_MAX) + 1];
    BIGNUM *number = NULL;
    int len;

    if (!EVP_PKEY_get_bn_param(key, param, &number))
        return;
    len = BN_num_bytes(number) > bytes_min ? BN_num_bytes(number) : bytes_min;
    if (BN_bn2binpad(number, bytes, len) == len) {
        (void)b64url_write(bytes_make(bytes, (size_t)len), text);
        buf_add_format(out, ",\"%s\":\"%s\"", name, text);
    }
    BN_free(number);
}

void jwks_write_key(EVP_PKEY *key, const char *kid, enum jws_algorithm algorithm, struct buf *out)
{
    buf_add_format(out, "{\"kid\":\"%s\",\"use\":\"sig\",\"alg\":\"%s\"", kid,
                   jws_algorithm_name(algorithm));
    if (algorithm == JWS_RS256) {
        buf_add_text(out, ",\"kty\":\"RSA\"");
        add_number(out, key, OSSL_PKEY_PARAM_RSA_N, "n", 1);
        add_number(out, key, OSSL_PKEY_PARAM_RSA_E, "e", 1);
    } else {
        buf_add_text(out, ",\"kty\":\"EC\",\"crv\":\"P-256\"");
        add_number(out, key, OSSL_PKEY_PARAM_EC_PUB_X, "x", P256_BYTES);
        add_number(out, key, OSSL_PKEY_PARAM_EC_PUB_Y, "y", P256_BYTES);
    }
    buf_add_byte(out, '}');
}
