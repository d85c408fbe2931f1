#include "adapters/auth/jwt_verifier.h"

#include <openssl/err.h>

#include "adapters/auth/jwt_claims.h"
#include "adapters/auth/token_cache.h"
#include "base/encode.h"
#include "base/log.h"

enum { CACHE_ENTRIES = 65536, RESCAN_S = 1 };

struct jwt_verifier {
    struct token_verifier port; /* first: the port's self is this struct */
    char *keys_dir;
    char *jwks_file;
    char *issuer;
    char *audience;
    enum jws_algorithm algorithm;
    struct jwt_expected expected;
    struct jwt_keys *keys;
    struct jwt_keys_stamp stamp;
    int64_t looked_s; /* when an unknown kid last made us look; wall clock */
    struct token_cache *cache;
    struct jwt_verifier_stats stats;
    const char *reason;
};

enum rc jwt_verifier_rescan(struct jwt_verifier *verifier, bool *out_has_changed,
                            struct jwt_keys_error *error)
{
    struct jwt_keys_stamp stamp;
    struct jwt_keys *keys = NULL;
    bool has_changed;

    /* Stamped before reading: what changes in between is seen at the next look. */
    TRY(jwt_keys_stamp(verifier->keys_dir, verifier->jwks_file, &stamp));
    has_changed = !verifier->keys || memcmp(&stamp, &verifier->stamp, sizeof stamp) != 0;
    if (has_changed) {
        TRY(jwt_keys_load(verifier->keys_dir, verifier->jwks_file, verifier->algorithm, &keys,
                          error));
        jwt_keys_destroy(verifier->keys);
        verifier->keys = keys;
        verifier->stamp = stamp;
        verifier->stats.key_loads++;
        token_cache_clear(verifier->cache); /* it may hold tokens of a key that is gone */
    }
    if (out_has_changed)
        *out_has_changed = has_changed;
    return RC_OK;
}

static EVP_PKEY *find_key(struct jwt_verifier *verifier, const char *kid, int64_t now_s)
{
    EVP_PKEY *key = jwt_keys_get(verifier->keys, kid);
    struct jwt_keys_error error = { "" };
    int64_t since_s = now_s - verifier->looked_s;

    if (key || (since_s >= 0 && since_s < RESCAN_S))
        return key;
    verifier->looked_s = now_s;
    if (jwt_verifier_rescan(verifier, NULL, &error) != RC_OK)
        log_warn_every(60000, "auth.keys_unreadable", LOG_STR("error", error.text));
    return jwt_keys_get(verifier->keys, kid);
}

/* The raw bytes of one part. Returns an empty run if it isn't strict base64url. */
static struct bytes decode(struct bytes part, uint8_t *out)
{
    size_t len = 0;

    return b64url_read(part, out, &len) ? bytes_make(out, len) : (struct bytes){ NULL, 0 };
}

/* Everything but the clock. Returns NULL, or why not. */
static const char *check_token(struct jwt_verifier *verifier, struct bytes token, int64_t now_s,
                               struct jwt_claims *claims)
{
    uint8_t room[JWS_BYTES_MAX];
    struct jws_parts parts;
    struct jwt_header header;
    struct bytes raw;
    EVP_PKEY *key;
    const char *reason;

    if (!jws_split(token, &parts))
        return "form";
    raw = decode(parts.header, room);
    if (raw.len == 0)
        return "header_base64";
    reason = jwt_header_read(raw, &verifier->expected, &header);
    if (reason)
        return reason;
    key = find_key(verifier, header.kid, now_s);
    if (!key)
        return "kid_unknown";
    raw = decode(parts.signature, room);
    if (raw.len == 0)
        return "signature_base64";
    if (!jws_verify(key, verifier->algorithm, parts.signed_part, raw)) {
        ERR_clear_error();
        return "signature";
    }
    raw = decode(parts.payload, room);
    if (raw.len == 0)
        return "claims_base64";
    return jwt_claims_read(raw, &verifier->expected, claims);
}

/* "t_" and 128 bits of the token's hash: the same on every gateway. */
static void name_session(const uint8_t hash[32], struct id *out_session)
{
    char text[32] = "t_";

    (void)b64url_write(bytes_make(hash, 16), text + 2);
    (void)id_read(bytes_of(text), out_session); /* base64url is of the alphabet */
}

static enum token_error refuse(struct jwt_verifier *verifier, enum token_error error,
                               const char *reason)
{
    verifier->reason = reason;
    verifier->stats.refused++;
    return error;
}

static enum token_error verify(struct token_verifier *self, struct bytes token, int64_t now_s,
                               struct identity *out_identity)
{
    struct jwt_verifier *verifier = (struct jwt_verifier *)self;
    struct jwt_claims claims;
    uint8_t hash[32];
    const char *reason;

    if (token.len == 0)
        return refuse(verifier, TOKEN_MISSING, "missing");
    if (token.len > JWS_BYTES_MAX || jws_hash(token, hash) != RC_OK)
        return refuse(verifier, TOKEN_INVALID, "form");
    if (token_cache_get(verifier->cache, hash, &claims.identity)) {
        if (now_s >= claims.identity.expires_s)
            return refuse(verifier, TOKEN_EXPIRED, "expired");
        verifier->stats.cache_hits++;
        *out_identity = claims.identity;
        return TOKEN_OK;
    }
    reason = check_token(verifier, token, now_s, &claims);
    if (reason)
        return refuse(verifier, TOKEN_INVALID, reason);
    if (claims.not_before_s > now_s + verifier->expected.leeway_s)
        return refuse(verifier, TOKEN_INVALID, "too_early");
    if (now_s >= claims.identity.expires_s)
        return refuse(verifier, TOKEN_EXPIRED, "expired");
    if (claims.identity.session.len == 0)
        name_session(hash, &claims.identity.session);
    token_cache_put(verifier->cache, hash, &claims.identity);
    verifier->stats.accepted++;
    *out_identity = claims.identity;
    return TOKEN_OK;
}

enum rc jwt_verifier_create(const struct jwt_verifier_options *options,
                            struct jwt_verifier **out_verifier, struct jwt_keys_error *error)
{
    struct jwt_verifier *verifier = calloc(1, sizeof *verifier);
    enum rc rc = RC_NOMEM;

    if (!verifier)
        return RC_NOMEM;
    verifier->port.verify = verify;
    verifier->keys_dir = strdup(options->keys_dir);
    verifier->jwks_file = strdup(options->jwks_file);
    verifier->issuer = strdup(options->issuer);
    verifier->audience = strdup(options->audience);
    verifier->algorithm = options->algorithm;
    verifier->cache =
        token_cache_create(options->cache_entries_max ? options->cache_entries_max : CACHE_ENTRIES);
    verifier->expected = (struct jwt_expected){
        .algorithm = jws_algorithm_name(options->algorithm),
        .issuer = verifier->issuer,
        .audience = verifier->audience,
        .leeway_s = options->leeway_s,
    };
    verifier->looked_s = INT64_MIN / 2;
    verifier->reason = "";
    if (verifier->keys_dir && verifier->jwks_file && verifier->issuer && verifier->audience &&
        verifier->cache)
        rc = jwt_verifier_rescan(verifier, NULL, error);
    if (rc != RC_OK) {
        jwt_verifier_destroy(verifier);
        return rc;
    }
    *out_verifier = verifier;
    return RC_OK;
}

void jwt_verifier_destroy(struct jwt_verifier *verifier)
{
    if (!verifier)
        return;
    jwt_keys_destroy(verifier->keys);
    token_cache_destroy(verifier->cache);
    free(verifier->keys_dir);
    free(verifier->jwks_file);
    free(verifier->issuer);
    free(verifier->audience);
    free(verifier);
}

struct token_verifier *jwt_verifier_port(struct jwt_verifier *verifier)
{
    return &verifier->port;
}

const struct jwt_keys *jwt_verifier_keys(const struct jwt_verifier *verifier)
{
    return verifier->keys;
}

const char *jwt_verifier_reason(const struct jwt_verifier *verifier)
{
    return verifier->reason;
}

struct jwt_verifier_stats jwt_verifier_stats(const struct jwt_verifier *verifier)
{
    return verifier->stats;
}
