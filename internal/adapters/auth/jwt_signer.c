#include "adapters/auth/jwt_signer.h"

#include <openssl/evp.h>

#include "adapters/auth/jwt_claims.h"
#include "adapters/auth/jwt_keys.h"
#include "base/encode.h"

enum { JSON_BYTES_MAX = 3 * JWS_BYTES_MAX / 4 };

struct jwt_signer {
    EVP_PKEY *key;
    enum jws_algorithm algorithm;
    char *issuer;
    char *audience;
    char *header; /* base64url */
};

static enum rc add_base64(struct bytes raw, struct buf *out)
{
    char text[B64URL_CHARS(JSON_BYTES_MAX) + 1];

    if (raw.len > JSON_BYTES_MAX)
        return RC_INVALID;
    (void)b64url_write(raw, text);
    buf_add_text(out, text);
    return RC_OK;
}

static enum rc make_header(struct jwt_signer *signer, const char *kid)
{
    SCOPED_BUF(json, 256);
    SCOPED_BUF(text, 512);

    buf_add_format(&json, "{\"alg\":\"%s\",\"kid\":\"%s\",\"typ\":\"JWT\"}",
                   jws_algorithm_name(signer->algorithm), kid);
    TRY(add_base64(buf_bytes(&json), &text));
    buf_add_byte(&text, 0);
    signer->header = text.has_failed ? NULL : strdup((const char *)text.ptr);
    return signer->header ? RC_OK : RC_NOMEM;
}

enum rc jwt_signer_create(const char *keys_dir, enum jws_algorithm algorithm, const char *issuer,
                          const char *audience, struct jwt_signer **out_signer)
{
    struct jwt_signer *signer = calloc(1, sizeof *signer);
    char kid[65];
    enum rc rc;

    if (!signer)
        return RC_NOMEM;
    signer->algorithm = algorithm;
    signer->issuer = strdup(issuer);
    signer->audience = strdup(audience);
    rc = signer->issuer && signer->audience
             ? jwt_keys_newest_private(keys_dir, algorithm, &signer->key, kid)
             : RC_NOMEM;
    if (rc == RC_OK)
        rc = make_header(signer, kid);
    if (rc != RC_OK) {
        jwt_signer_destroy(signer);
        return rc;
    }
    *out_signer = signer;
    return RC_OK;
}

void jwt_signer_destroy(struct jwt_signer *signer)
{
    if (!signer)
        return;
    EVP_PKEY_free(signer->key);
    free(signer->issuer);
    free(signer->audience);
    free(signer->header);
    free(signer);
}

static void add_text_claim(struct buf *out, const char *claim, struct bytes value)
{
    buf_add_format(out, ",\"%s\":", claim);
    buf_add_json_string(out, value);
}

static void add_claims(const struct jwt_signer *signer, const struct jwt_grant *grant,
                       struct buf *out)
{
    buf_add_text(out, "{\"iss\":");
    buf_add_json_string(out, bytes_of(signer->issuer));
    add_text_claim(out, "aud", bytes_of(signer->audience));
    add_text_claim(out, "sub", grant->user_id);
    if (grant->session_id.len)
        add_text_claim(out, "sid", grant->session_id);
    if (grant->name.len)
        add_text_claim(out, "name", grant->name);
    if (grant->roles) {
        buf_add_text(out, ",\"roles\":");
        user_roles_write(out, grant->roles, true);
    }
    buf_add_format(out, ",\"iat\":%lld,\"nbf\":%lld,\"exp\":%lld}", (long long)grant->issued_s,
                   (long long)grant->issued_s, (long long)(grant->issued_s + grant->ttl_s));
}

/* Signs nothing that the verifier would refuse. */
static enum rc check_claims(const struct jwt_signer *signer, struct bytes json)
{
    const struct jwt_expected expected = { .algorithm = jws_algorithm_name(signer->algorithm),
                                           .issuer = signer->issuer,
                                           .audience = signer->audience };
    struct jwt_claims claims;

    return jwt_claims_read(json, &expected, &claims) ? RC_INVALID : RC_OK;
}

enum rc jwt_signer_sign(const struct jwt_signer *signer, const struct jwt_grant *grant,
                        struct buf *out)
{
    SCOPED_BUF(json, JSON_BYTES_MAX);
    SCOPED_BUF(token, JWS_BYTES_MAX);
    uint8_t signature[JWS_SIGNATURE_BYTES_MAX];
    size_t signature_len = 0;

    if (!bytes_is_utf8(grant->name) || !bytes_is_utf8(grant->user_id) ||
        !bytes_is_utf8(grant->session_id))
        return RC_INVALID;
    add_claims(signer, grant, &json);
    if (json.has_failed)
        return RC_INVALID;
    TRY(check_claims(signer, buf_bytes(&json)));
    buf_add_text(&token, signer->header);
    buf_add_byte(&token, '.');
    TRY(add_base64(buf_bytes(&json), &token));
    TRY(jws_sign(signer->key, signer->algorithm, buf_bytes(&token), signature, &signature_len));
    buf_add_byte(&token, '.');
    TRY(add_base64(bytes_make(signature, signature_len), &token));
    if (token.has_failed)
        return RC_INVALID;
    buf_add(out, buf_bytes(&token));
    return out->has_failed ? RC_NOMEM : RC_OK;
}
