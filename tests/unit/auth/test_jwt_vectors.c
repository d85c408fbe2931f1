/* Forged and malformed access tokens, each refused for the reason that the test names; beside them
 * good tokens that differ from the forgeries in the one point only, so that no vector passes
 * because everything is refused. the scenario "tokens" does the same with tokens of two independent
 * libraries, from outside.
 *
 * A vector is a header and claims that are signed properly by a key the verifier knows, unless it
 * is about the signature. In texts, @K is the known kid, @P that of a P-256 key.
 */
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "adapters/auth/jwt_keys.h"
#include "adapters/auth/jwt_signer.h"
#include "adapters/auth/jwt_verifier.h"
#include "base/buf.h"
#include "base/encode.h"
#include "support/check.h"
#include "support/scratch.h"

enum { NOW = 1800000000, TEXT_BYTES = 16 * 1024 };

static struct {
    bool is_made;
    struct scratch rs_dir;
    struct scratch es_dir;
    struct jwt_verifier *rs;
    struct jwt_verifier *es;
    EVP_PKEY *rs_key;
    EVP_PKEY *es_key;
    EVP_PKEY *strange_key; /* RSA, known to nobody */
    char rs_kid[65];
    char es_kid[65];
    unsigned refused; /* distinct vectors */
} world;

static struct jwt_verifier *make_verifier(const char *keys_dir, enum jws_algorithm algorithm)
{
    const struct jwt_verifier_options options = { .keys_dir = keys_dir,
                                                  .jwks_file = "",
                                                  .issuer = "parley",
                                                  .audience = "parley",
                                                  .algorithm = algorithm,
                                                  .leeway_s = 30 };
    struct jwt_verifier *verifier = NULL;
    struct jwt_keys_error error;

    CHECK_RC(RC_OK, jwt_verifier_create(&options, &verifier, &error));
    return verifier;
}

static void make_world(void)
{
    if (world.is_made)
        return;
    scratch_init(&world.rs_dir);
    scratch_init(&world.es_dir);
    CHECK_RC(RC_OK, jwt_keys_ensure(world.rs_dir.path, JWS_RS256, NULL));
    CHECK_RC(RC_OK, jwt_keys_ensure(world.es_dir.path, JWS_ES256, NULL));
    CHECK_RC(RC_OK,
             jwt_keys_newest_private(world.rs_dir.path, JWS_RS256, &world.rs_key, world.rs_kid));
    CHECK_RC(RC_OK,
             jwt_keys_newest_private(world.es_dir.path, JWS_ES256, &world.es_key, world.es_kid));
    world.strange_key = EVP_RSA_gen(2048);
    world.rs = make_verifier(world.rs_dir.path, JWS_RS256);
    world.es = make_verifier(world.es_dir.path, JWS_ES256);
    world.is_made = true;
}

/* Puts the kids into a text. */
static void fill_in(const char *text, struct buf *out)
{
    for (; *text; text++) {
        if (*text != '@' || (text[1] != 'K' && text[1] != 'P')) {
            buf_add_byte(out, (uint8_t)*text);
            continue;
        }
        buf_add_text(out, text[1] == 'K' ? world.rs_kid : world.es_kid);
        text++;
    }
}

static void add_base64(struct bytes raw, struct buf *out)
{
    char *text = malloc(B64URL_CHARS(raw.len) + 1);

    (void)b64url_write(raw, text);
    buf_add_text(out, text);
    free(text);
}

/* header "." claims, both given as bytes. */
static void add_signed_part(struct bytes header, struct bytes claims, struct buf *out)
{
    add_base64(header, out);
    buf_add_byte(out, '.');
    add_base64(claims, out);
}

static void add_signature(EVP_PKEY *key, enum jws_algorithm algorithm, struct buf *out)
{
    uint8_t signature[JWS_SIGNATURE_BYTES_MAX];
    size_t len = 0;

    CHECK_RC(RC_OK, jws_sign(key, algorithm, buf_bytes(out), signature, &len));
    buf_add_byte(out, '.');
    add_base64(bytes_make(signature, len), out);
}

/* A whole token of two texts, signed by the known RSA key. */
static void make_token(const char *header, const char *claims, struct buf *out)
{
    SCOPED_BUF(full_header, TEXT_BYTES);
    SCOPED_BUF(full_claims, TEXT_BYTES);

    fill_in(header, &full_header);
    fill_in(claims, &full_claims);
    add_signed_part(buf_bytes(&full_header), buf_bytes(&full_claims), out);
    add_signature(world.rs_key, JWS_RS256, out);
}

static const char good_header[] = "{\"alg\":\"RS256\",\"kid\":\"@K\",\"typ\":\"JWT\"}";
static const char good_claims[] = "{\"iss\":\"parley\",\"aud\":\"parley\",\"sub\":\"ada\","
                                  "\"iat\":1799999990,\"nbf\":1799999990,\"exp\":1800003600}";

static void expect(struct jwt_verifier *verifier, const char *name, struct bytes token,
                   enum token_error wanted, const char *reason)
{
    struct identity identity;
    enum token_error got = token_verify(jwt_verifier_port(verifier), token, NOW, &identity);
    const char *why = got == TOKEN_OK ? "accepted" : jwt_verifier_reason(verifier);

    if (got != wanted || (reason && strcmp(why, reason) != 0))
        print_error("vector \"%s\": wanted %s (%s), got %s (%s)\n", name, token_error_name(wanted),
                    reason ? reason : "", token_error_name(got), why);
    CHECK(got == wanted);
    CHECK(!reason || strcmp(why, reason) == 0);
    world.refused += wanted != TOKEN_OK;
}

static void expect_refused(const char *name, const struct buf *token, const char *reason)
{
    expect(world.rs, name, buf_bytes(token), TOKEN_INVALID, reason);
}

struct vector {
    const char *name;
    const char *text; /* the header or the claims; NULL reason means a good token */
    const char *reason;
};

/* clang-format off */
static const struct vector headers[] = {
    { "as it should be", "{\"alg\":\"RS256\",\"kid\":\"@K\",\"typ\":\"JWT\"}", NULL },
    { "without typ", "{\"alg\":\"RS256\",\"kid\":\"@K\"}", NULL },
    { "typ of RFC 9068", "{\"alg\":\"RS256\",\"kid\":\"@K\",\"typ\":\"at+jwt\"}", NULL },
    { "members in another order", "{\"typ\":\"jwt\",\"kid\":\"@K\",\"alg\":\"RS256\"}", NULL },

    { "alg none", "{\"alg\":\"none\",\"kid\":\"@K\"}", "header_alg" },
    { "alg None", "{\"alg\":\"None\",\"kid\":\"@K\"}", "header_alg" },
    { "alg NONE", "{\"alg\":\"NONE\",\"kid\":\"@K\"}", "header_alg" },
    { "alg nOnE", "{\"alg\":\"nOnE\",\"kid\":\"@K\"}", "header_alg" },
    { "alg empty", "{\"alg\":\"\",\"kid\":\"@K\"}", "header_alg" },
    { "alg missing", "{\"kid\":\"@K\"}", "header_alg" },
    { "alg null", "{\"alg\":null,\"kid\":\"@K\"}", "header_alg" },
    { "alg number", "{\"alg\":256,\"kid\":\"@K\"}", "header_alg" },
    { "alg array", "{\"alg\":[\"RS256\"],\"kid\":\"@K\"}", "header_alg" },
    { "alg object", "{\"alg\":{\"RS256\":1},\"kid\":\"@K\"}", "header_alg" },
    { "alg true", "{\"alg\":true,\"kid\":\"@K\"}", "header_alg" },
    { "alg lower case", "{\"alg\":\"rs256\",\"kid\":\"@K\"}", "header_alg" },
    { "alg with a blank", "{\"alg\":\"RS256 \",\"kid\":\"@K\"}", "header_alg" },
    { "alg with NUL", "{\"alg\":\"RS256\\u0000\",\"kid\":\"@K\"}", "header_json" },
    { "alg RS384", "{\"alg\":\"RS384\",\"kid\":\"@K\"}", "header_alg" },
    { "alg RS512", "{\"alg\":\"RS512\",\"kid\":\"@K\"}", "header_alg" },
    { "alg PS256", "{\"alg\":\"PS256\",\"kid\":\"@K\"}", "header_alg" },
    { "alg ES256 where RS256 is set", "{\"alg\":\"ES256\",\"kid\":\"@K\"}", "header_alg" },
    { "alg EdDSA", "{\"alg\":\"EdDSA\",\"kid\":\"@K\"}", "header_alg" },
    { "alg HS256", "{\"alg\":\"HS256\",\"kid\":\"@K\"}", "header_alg" },
    { "alg hs256", "{\"alg\":\"hs256\",\"kid\":\"@K\"}", "header_alg" },
    { "alg twice, the same", "{\"alg\":\"RS256\",\"alg\":\"RS256\",\"kid\":\"@K\"}", "header_json" },
    { "alg twice, none last", "{\"alg\":\"RS256\",\"kid\":\"@K\",\"alg\":\"none\"}", "header_json" },
    { "alg twice, none first", "{\"alg\":\"none\",\"kid\":\"@K\",\"alg\":\"RS256\"}", "header_json" },
    { "alg twice, once escaped", "{\"alg\":\"none\",\"\\u0061lg\":\"RS256\",\"kid\":\"@K\"}", "header_json" },
    { "Alg beside alg", "{\"Alg\":\"none\",\"alg\":\"RS256\",\"kid\":\"@K\"}", "header_unknown_member" },

    { "kid missing", "{\"alg\":\"RS256\"}", "header_kid" },
    { "kid null", "{\"alg\":\"RS256\",\"kid\":null}", "header_kid" },
    { "kid empty", "{\"alg\":\"RS256\",\"kid\":\"\"}", "header_kid" },
    { "kid number", "{\"alg\":\"RS256\",\"kid\":1}", "header_kid" },
    { "kid array", "{\"alg\":\"RS256\",\"kid\":[\"@K\"]}", "header_kid" },
    { "kid unknown", "{\"alg\":\"RS256\",\"kid\":\"nobody\"}", "kid_unknown" },
    { "kid a path up", "{\"alg\":\"RS256\",\"kid\":\"../../dev/null\"}", "header_kid" },
    { "kid an absolute path", "{\"alg\":\"RS256\",\"kid\":\"/dev/null\"}", "header_kid" },
    { "kid with the file's end", "{\"alg\":\"RS256\",\"kid\":\"@K.pem\"}", "header_kid" },
    { "kid SQL", "{\"alg\":\"RS256\",\"kid\":\"x' UNION SELECT 'a\"}", "header_kid" },
    { "kid with NUL", "{\"alg\":\"RS256\",\"kid\":\"@K\\u0000.pem\"}", "header_json" },
    { "kid with a line end", "{\"alg\":\"RS256\",\"kid\":\"@K\\n\"}", "header_kid" },
    { "kid in other letters", "{\"alg\":\"RS256\",\"kid\":\"\xd0\x9a\"}", "header_kid" },
    { "kid a prefix of the right one", "{\"alg\":\"RS256\",\"kid\":\"A\"}", "kid_unknown" },
    { "kid and more", "{\"alg\":\"RS256\",\"kid\":\"@K-\"}", "kid_unknown" },
    { "kid of a key of another kind", "{\"alg\":\"RS256\",\"kid\":\"@P\"}", "kid_unknown" },
    { "kid twice", "{\"alg\":\"RS256\",\"kid\":\"nobody\",\"kid\":\"@K\"}", "header_json" },

    { "jku", "{\"alg\":\"RS256\",\"kid\":\"@K\",\"jku\":\"http://127.0.0.1:14349/jwks\"}", "header_unknown_member" },
    { "x5u", "{\"alg\":\"RS256\",\"kid\":\"@K\",\"x5u\":\"http://127.0.0.1:14349/x\"}", "header_unknown_member" },
    { "x5c", "{\"alg\":\"RS256\",\"kid\":\"@K\",\"x5c\":[\"MIIB\"]}", "header_unknown_member" },
    { "x5t", "{\"alg\":\"RS256\",\"kid\":\"@K\",\"x5t\":\"AA\"}", "header_unknown_member" },
    { "jwk", "{\"alg\":\"RS256\",\"kid\":\"@K\",\"jwk\":{\"kty\":\"RSA\",\"n\":\"AQ\",\"e\":\"AQAB\"}}", "header_unknown_member" },
    { "crit of something unknown", "{\"alg\":\"RS256\",\"kid\":\"@K\",\"crit\":[\"exp\"],\"exp\":1}", "header_unknown_member" },
    { "crit empty", "{\"alg\":\"RS256\",\"kid\":\"@K\",\"crit\":[]}", "header_unknown_member" },
    { "crit b64", "{\"alg\":\"RS256\",\"kid\":\"@K\",\"crit\":[\"b64\"],\"b64\":false}", "header_unknown_member" },
    { "b64 false", "{\"alg\":\"RS256\",\"kid\":\"@K\",\"b64\":false}", "header_unknown_member" },
    { "zip", "{\"alg\":\"RS256\",\"kid\":\"@K\",\"zip\":\"DEF\"}", "header_unknown_member" },
    { "enc, as in JWE", "{\"alg\":\"RS256\",\"kid\":\"@K\",\"enc\":\"A128GCM\"}", "header_unknown_member" },
    { "cty JWT, a nested token", "{\"alg\":\"RS256\",\"kid\":\"@K\",\"cty\":\"JWT\"}", "header_unknown_member" },
    { "typ of a refresh token", "{\"alg\":\"RS256\",\"kid\":\"@K\",\"typ\":\"refresh\"}", "header_typ" },
    { "typ of a logout token", "{\"alg\":\"RS256\",\"kid\":\"@K\",\"typ\":\"logout+jwt\"}", "header_typ" },
    { "typ JWE", "{\"alg\":\"RS256\",\"kid\":\"@K\",\"typ\":\"JWE\"}", "header_typ" },
    { "typ number", "{\"alg\":\"RS256\",\"kid\":\"@K\",\"typ\":1}", "header_typ" },
    { "typ null", "{\"alg\":\"RS256\",\"kid\":\"@K\",\"typ\":null}", "header_typ" },

    { "header an array", "[\"RS256\"]", "header_json" },
    { "header a text", "\"RS256\"", "header_json" },
    { "header null", "null", "header_json" },
    { "header empty object", "{}", "header_alg" },
    { "header no JSON", "alg=RS256", "header_json" },
    { "header cut off", "{\"alg\":\"RS256\",\"kid\":\"@K\"", "header_json" },
    { "header and more", "{\"alg\":\"RS256\",\"kid\":\"@K\"}{}", "header_json" },
    { "header with a comma too many", "{\"alg\":\"RS256\",\"kid\":\"@K\",}", "header_json" },
    { "header with a comment", "{\"alg\":\"RS256\",/* */\"kid\":\"@K\"}", "header_json" },
    { "header with single quotes", "{'alg':'RS256','kid':'@K'}", "header_json" },
    { "header with a byte order mark", "\xef\xbb\xbf{\"alg\":\"RS256\",\"kid\":\"@K\"}", "header_json" },
    { "header with invalid UTF-8", "{\"alg\":\"RS256\",\"kid\":\"\xff\"}", "header_json" },
};

#define ISS "\"iss\":\"parley\","
#define AUD "\"aud\":\"parley\","
#define SUB "\"sub\":\"ada\","
#define EXP "\"exp\":1800003600"

static const struct vector claims[] = {
    { "the least", "{" ISS AUD SUB EXP "}", NULL },
    { "all of them", "{" ISS AUD SUB "\"iat\":1799999990,\"nbf\":1799999990,\"sid\":\"s-1\","
      "\"name\":\"Ada \xc3\x89\",\"roles\":[\"user\",\"admin\"],\"use\":\"access\"," EXP "}", NULL },
    { "aud among others", "{" ISS "\"aud\":[\"x\",\"parley\"]," SUB EXP "}", NULL },
    { "claims of others are passed over", "{" ISS AUD SUB "\"azp\":{\"x\":[1,2]}," EXP "}", NULL },
    { "nbf within the leeway", "{" ISS AUD SUB "\"nbf\":1800000030," EXP "}", NULL },
    { "exp within the leeway", "{" ISS AUD SUB "\"exp\":1799999971}", NULL },
    { "roles unknown give nothing", "{" ISS AUD SUB "\"roles\":[\"emperor\"]," EXP "}", NULL },

    { "exp missing", "{" ISS AUD "\"sub\":\"ada\"}", "claim_exp" },
    { "exp 0", "{" ISS AUD SUB "\"exp\":0}", "claim_exp" },
    { "exp negative", "{" ISS AUD SUB "\"exp\":-1800003600}", "claim_exp" },
    { "exp text", "{" ISS AUD SUB "\"exp\":\"1800003600\"}", "claim_exp" },
    { "exp fraction", "{" ISS AUD SUB "\"exp\":1800003600.5}", "claim_exp" },
    { "exp with a fraction of zero", "{" ISS AUD SUB "\"exp\":1800003600.0}", "claim_exp" },
    { "exp exponent", "{" ISS AUD SUB "\"exp\":18e8}", "claim_exp" },
    { "exp 1e400", "{" ISS AUD SUB "\"exp\":1e400}", "claims_json" },
    { "exp of twenty digits", "{" ISS AUD SUB "\"exp\":18000036001800003600}", "claims_json" },
    { "exp above 2^53", "{" ISS AUD SUB "\"exp\":9007199254740993}", "claim_exp" },
    { "exp null", "{" ISS AUD SUB "\"exp\":null}", "claim_exp" },
    { "exp true", "{" ISS AUD SUB "\"exp\":true}", "claim_exp" },
    { "exp array", "{" ISS AUD SUB "\"exp\":[1800003600]}", "claim_exp" },
    { "exp twice", "{" ISS AUD SUB "\"exp\":1,\"exp\":1800003600}", "claims_json" },
    { "nbf ahead", "{" ISS AUD SUB "\"nbf\":1800000031," EXP "}", "too_early" },
    { "nbf far ahead", "{" ISS AUD SUB "\"nbf\":4000000000," EXP "}", "too_early" },
    { "nbf text", "{" ISS AUD SUB "\"nbf\":\"1\"," EXP "}", "claim_nbf" },
    { "nbf negative", "{" ISS AUD SUB "\"nbf\":-1," EXP "}", "claim_nbf" },
    { "nbf null", "{" ISS AUD SUB "\"nbf\":null," EXP "}", "claim_nbf" },
    { "iat ahead", "{" ISS AUD SUB "\"iat\":1800000031," EXP "}", "too_early" },
    { "iat far ahead", "{" ISS AUD SUB "\"iat\":9000000000," EXP "}", "too_early" },
    { "iat fraction", "{" ISS AUD SUB "\"iat\":1.5," EXP "}", "claim_iat" },
    { "iat text", "{" ISS AUD SUB "\"iat\":\"1\"," EXP "}", "claim_iat" },

    { "iss missing", "{" AUD SUB EXP "}", "claim_iss" },
    { "iss another", "{\"iss\":\"mallory\"," AUD SUB EXP "}", "claim_iss" },
    { "iss in capitals", "{\"iss\":\"Parley\"," AUD SUB EXP "}", "claim_iss" },
    { "iss and more", "{\"iss\":\"parley.\"," AUD SUB EXP "}", "claim_iss" },
    { "iss less", "{\"iss\":\"parle\"," AUD SUB EXP "}", "claim_iss" },
    { "iss empty", "{\"iss\":\"\"," AUD SUB EXP "}", "claim_iss" },
    { "iss array", "{\"iss\":[\"parley\"]," AUD SUB EXP "}", "claim_iss" },
    { "iss null", "{\"iss\":null," AUD SUB EXP "}", "claim_iss" },
    { "iss with NUL", "{\"iss\":\"parley\\u0000\"," AUD SUB EXP "}", "claims_json" },
    { "iss twice", "{\"iss\":\"mallory\"," ISS AUD SUB EXP "}", "claims_json" },
    { "aud missing", "{" ISS SUB EXP "}", "claim_aud" },
    { "aud another", "{" ISS "\"aud\":\"other\"," SUB EXP "}", "claim_aud" },
    { "aud and more", "{" ISS "\"aud\":\"parley-admin\"," SUB EXP "}", "claim_aud" },
    { "aud within a text", "{" ISS "\"aud\":\"my parley\"," SUB EXP "}", "claim_aud" },
    { "aud in capitals", "{" ISS "\"aud\":\"PARLEY\"," SUB EXP "}", "claim_aud" },
    { "aud array without ours", "{" ISS "\"aud\":[\"a\",\"b\"]," SUB EXP "}", "claim_aud" },
    { "aud array empty", "{" ISS "\"aud\":[]," SUB EXP "}", "claim_aud" },
    { "aud array with a number", "{" ISS "\"aud\":[\"parley\",1]," SUB EXP "}", "claim_aud" },
    { "aud array in an array", "{" ISS "\"aud\":[[\"parley\"]]," SUB EXP "}", "claim_aud" },
    { "aud object", "{" ISS "\"aud\":{\"parley\":1}," SUB EXP "}", "claim_aud" },
    { "aud null", "{" ISS "\"aud\":null," SUB EXP "}", "claim_aud" },
    { "aud twice", "{" ISS "\"aud\":\"other\"," AUD SUB EXP "}", "claims_json" },

    { "a refresh token", "{" ISS AUD SUB "\"use\":\"refresh\"," EXP "}", "claim_use" },
    { "a ticket", "{" ISS AUD SUB "\"use\":\"ticket\"," EXP "}", "claim_use" },
    { "a media token", "{" ISS AUD SUB "\"use\":\"media\"," EXP "}", "claim_use" },
    { "a TURN token", "{" ISS AUD SUB "\"use\":\"turn\"," EXP "}", "claim_use" },
    { "use empty", "{" ISS AUD SUB "\"use\":\"\"," EXP "}", "claim_use" },
    { "use null", "{" ISS AUD SUB "\"use\":null," EXP "}", "claim_use" },
    { "use array", "{" ISS AUD SUB "\"use\":[\"access\"]," EXP "}", "claim_use" },

    { "sub missing", "{" ISS AUD EXP "}", "claim_sub" },
    { "sub empty", "{" ISS AUD "\"sub\":\"\"," EXP "}", "claim_sub" },
    { "sub number", "{" ISS AUD "\"sub\":1," EXP "}", "claim_sub" },
    { "sub null", "{" ISS AUD "\"sub\":null," EXP "}", "claim_sub" },
    { "sub array", "{" ISS AUD "\"sub\":[\"ada\"]," EXP "}", "claim_sub" },
    { "sub with a dot", "{" ISS AUD "\"sub\":\"ada.b\"," EXP "}", "claim_sub" },
    { "sub a star", "{" ISS AUD "\"sub\":\"*\"," EXP "}", "claim_sub" },
    { "sub a subject's end", "{" ISS AUD "\"sub\":\">\"," EXP "}", "claim_sub" },
    { "sub with a blank", "{" ISS AUD "\"sub\":\"ada b\"," EXP "}", "claim_sub" },
    { "sub with CR LF", "{" ISS AUD "\"sub\":\"ada\\r\\nX: y\"," EXP "}", "claim_sub" },
    { "sub with a slash", "{" ISS AUD "\"sub\":\"../ada\"," EXP "}", "claim_sub" },
    { "sub in other letters", "{" ISS AUD "\"sub\":\"\xd0\xb0\x64\x61\"," EXP "}", "claim_sub" },
    { "sub with NUL", "{" ISS AUD "\"sub\":\"ada\\u0000\"," EXP "}", "claims_json" },
    { "sub of 65 characters", "{" ISS AUD "\"sub\":\"12345678901234567890123456789012345678901234567890123456789012345\"," EXP "}", "claim_sub" },
    { "sub twice", "{" ISS AUD "\"sub\":\"bob\"," SUB EXP "}", "claims_json" },
    { "sub twice, once escaped", "{" ISS AUD "\"s\\u0075b\":\"bob\"," SUB EXP "}", "claims_json" },

    { "sid empty", "{" ISS AUD SUB "\"sid\":\"\"," EXP "}", "claim_sid" },
    { "sid number", "{" ISS AUD SUB "\"sid\":7," EXP "}", "claim_sid" },
    { "sid null", "{" ISS AUD SUB "\"sid\":null," EXP "}", "claim_sid" },
    { "sid with a wildcard", "{" ISS AUD SUB "\"sid\":\"a.*\"," EXP "}", "claim_sid" },
    { "name number", "{" ISS AUD SUB "\"name\":7," EXP "}", "claim_name" },
    { "name empty", "{" ISS AUD SUB "\"name\":\"\"," EXP "}", "claim_name" },
    { "name with a line end", "{" ISS AUD SUB "\"name\":\"a\\nb\"," EXP "}", "claim_name" },
    { "name with an escape sequence", "{" ISS AUD SUB "\"name\":\"\\u001b[2J\"," EXP "}", "claim_name" },
    { "name with a C1 control", "{" ISS AUD SUB "\"name\":\"\\u009b2J\"," EXP "}", "claim_name" },
    { "name with a lone surrogate", "{" ISS AUD SUB "\"name\":\"\\ud800\"," EXP "}", "claims_json" },
    { "roles text", "{" ISS AUD SUB "\"roles\":\"admin\"," EXP "}", "claim_roles" },
    { "roles object", "{" ISS AUD SUB "\"roles\":{\"admin\":true}," EXP "}", "claim_roles" },
    { "roles with a number", "{" ISS AUD SUB "\"roles\":[\"user\",1]," EXP "}", "claim_roles" },
    { "roles null", "{" ISS AUD SUB "\"roles\":null," EXP "}", "claim_roles" },
    { "roles, too many", "{" ISS AUD SUB "\"roles\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]," EXP "}", "claim_roles" },

    { "claims an array", "[]", "claims_json" },
    { "claims a text", "\"ada\"", "claims_json" },
    { "claims a number", "1800003600", "claims_json" },
    { "claims empty object", "{}", "claim_iss" },
    { "claims no JSON", "sub=ada", "claims_json" },
    { "claims cut off", "{" ISS AUD SUB EXP, "claims_json" },
    { "claims and more", "{" ISS AUD SUB EXP "} {}", "claims_json" },
    { "claims in a list", "[{" ISS AUD SUB EXP "}]", "claims_json" },
    { "claims with a byte order mark", "\xef\xbb\xbf{" ISS AUD SUB EXP "}", "claims_json" },
    { "claims with invalid UTF-8", "{" ISS AUD SUB "\"x\":\"\xc0\xaf\"," EXP "}", "claims_json" },
    { "claims nested deep", "{" ISS AUD SUB "\"x\":[[[[[[[[[[[[]]]]]]]]]]]]," EXP "}", "claims_json" },
};
/* clang-format on */

TEST(headers_that_ask_for_anything_else_are_refused)
{
    make_world();
    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        SCOPED_BUF(token, TEXT_BYTES);
        make_token(headers[i].text, good_claims, &token);
        expect(world.rs, headers[i].name, buf_bytes(&token),
               headers[i].reason ? TOKEN_INVALID : TOKEN_OK, headers[i].reason);
    }
}

TEST(claims_out_of_order_are_refused)
{
    make_world();
    for (size_t i = 0; i < COUNT_OF(claims); i++) {
        SCOPED_BUF(token, TEXT_BYTES);
        make_token(good_header, claims[i].text, &token);
        expect(world.rs, claims[i].name, buf_bytes(&token),
               claims[i].reason ? TOKEN_INVALID : TOKEN_OK, claims[i].reason);
    }
}

TEST(expired_is_told_apart_from_invalid)
{
    static const char *const times[] = { "1799999970", "1799999969", "1700000000", "1" };

    make_world();
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        SCOPED_BUF(text, TEXT_BYTES);
        SCOPED_BUF(token, TEXT_BYTES);
        buf_add_format(&text, "{" ISS AUD SUB "\"exp\":%s}", times[i]);
        buf_add_byte(&text, 0);
        make_token(good_header, (const char *)text.ptr, &token);
        expect(world.rs, times[i], buf_bytes(&token), TOKEN_EXPIRED, "expired");
    }
    expect(world.rs, "no token", bytes_of(""), TOKEN_MISSING, "missing");
}

/* What the tokens of an attacker who has only the public key look like. */
static void hmac_with(struct bytes secret, const char *digest, struct buf *token)
{
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    CHECK(HMAC(EVP_get_digestbyname(digest), secret.ptr, (int)secret.len, token->ptr, token->len,
               mac, &len) != NULL);
    buf_add_byte(token, '.');
    add_base64(bytes_make(mac, len), token);
}

static void try_hmac(const char *name, struct bytes secret, const char *header_alg,
                     const char *digest, const char *reason)
{
    SCOPED_BUF(token, TEXT_BYTES);
    SCOPED_BUF(header, TEXT_BYTES);

    buf_add_format(&header, "{\"alg\":\"%s\",\"kid\":\"%s\",\"typ\":\"JWT\"}", header_alg,
                   world.rs_kid);
    add_signed_part(buf_bytes(&header), bytes_of(good_claims), &token);
    hmac_with(secret, digest, &token);
    expect_refused(name, &token, reason);
}

TEST(the_public_key_is_no_shared_secret)
{
    char *pem = NULL;
    unsigned char *der = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    SCOPED_BUF(crlf, TEXT_BYTES);
    size_t len;
    int der_len;

    make_world();
    CHECK(PEM_write_bio_PUBKEY(bio, world.rs_key) == 1);
    len = (size_t)BIO_get_mem_data(bio, &pem);
    for (size_t i = 0; i < len; i++) {
        if (pem[i] == '\n')
            buf_add_byte(&crlf, '\r');
        buf_add_byte(&crlf, (uint8_t)pem[i]);
    }
    der_len = i2d_PUBKEY(world.rs_key, &der);
    try_hmac("HS256 over PEM", bytes_make(pem, len), "HS256", "SHA256", "header_alg");
    try_hmac("HS256 over PEM, CR LF", buf_bytes(&crlf), "HS256", "SHA256", "header_alg");
    try_hmac("HS256 over PEM, no last line end", bytes_make(pem, len - 1), "HS256", "SHA256",
             "header_alg");
    try_hmac("HS256 over DER", bytes_make(der, (size_t)der_len), "HS256", "SHA256", "header_alg");
    try_hmac("HS256 over nothing", bytes_of(""), "HS256", "SHA256", "header_alg");
    try_hmac("HS384 over PEM", bytes_make(pem, len), "HS384", "SHA384", "header_alg");
    try_hmac("HS512 over PEM", bytes_make(pem, len), "HS512", "SHA512", "header_alg");
    try_hmac("HMAC over PEM called RS256", bytes_make(pem, len), "RS256", "SHA256", "signature");
    try_hmac("HMAC over DER called RS256", bytes_make(der, (size_t)der_len), "RS256", "SHA256",
             "signature");
    OPENSSL_free(der);
    BIO_free(bio);
}

/* Parts of a good token, for cutting it up. */
struct cut {
    struct buf whole;
    struct jws_parts parts;
    uint8_t signature[256];
};

static void cut_init(struct cut *cut)
{
    size_t len = 0;

    buf_init(&cut->whole, TEXT_BYTES);
    make_token(good_header, good_claims, &cut->whole);
    CHECK(jws_split(buf_bytes(&cut->whole), &cut->parts));
    CHECK(b64url_read(cut->parts.signature, cut->signature, &len));
    CHECK_SIZE(sizeof cut->signature, len);
    expect(world.rs, "positive control", buf_bytes(&cut->whole), TOKEN_OK, NULL);
}

static void try_signature(const char *name, const struct cut *cut, struct bytes signature,
                          const char *reason)
{
    SCOPED_BUF(token, TEXT_BYTES);

    buf_add(&token, cut->parts.signed_part);
    buf_add_byte(&token, '.');
    add_base64(signature, &token);
    expect_refused(name, &token, reason);
}

__attribute__((format(printf, 3, 4))) static void try_text(const char *name, const char *reason,
                                                           const char *format, ...)
{
    SCOPED_BUF(token, TEXT_BYTES);
    char text[TEXT_BYTES];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buf_add_text(&token, text);
    expect_refused(name, &token, reason);
}

TEST(no_other_signature_will_do)
{
    struct cut cut;
    uint8_t other[sizeof cut.signature + 1] = { 0 };
    unsigned before;

    make_world();
    cut_init(&cut);
    try_signature("all zero", &cut, bytes_make(other, 256), "signature");
    memset(other, 0xFF, sizeof other);
    try_signature("all ones, above the modulus", &cut, bytes_make(other, 256), "signature");
    memset(other, 0, sizeof other);
    other[255] = 1;
    try_signature("the number one", &cut, bytes_make(other, 256), "signature");
    memcpy(other, cut.signature, 256);
    try_signature("a byte short", &cut, bytes_make(other, 255), "signature");
    other[256] = 0;
    try_signature("a byte more", &cut, bytes_make(other, 257), "signature");
    memmove(other + 1, other, 256);
    other[0] = 0;
    try_signature("a zero in front", &cut, bytes_make(other, 257), "signature");
    try_signature("one byte", &cut, bytes_make(cut.signature, 1), "signature");
    try_signature("half of it", &cut, bytes_make(cut.signature, 128), "signature");
    before = world.refused;
    for (size_t bit = 0; bit < 64; bit++) {
        memcpy(other, cut.signature, 256);
        other[bit * 4] ^= (uint8_t)(1U << (bit % 8));
        try_signature("a bit flipped", &cut, bytes_make(other, 256), "signature");
    }
    CHECK_INT(64, world.refused - before);
    world.refused = before + 1; /* one kind of vector */
    buf_fini(&cut.whole);
}

/* PKCS #1 v1.5 blocks that lax verifiers have taken (CVE-2006-4339 and its heirs), raised to the
 * private exponent, so that the public one shows exactly this block. */
static void try_block(const char *name, const struct cut *cut, const uint8_t block[256])
{
    uint8_t signature[256];
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(world.rs_key, NULL);
    size_t len = sizeof signature;

    /* Decryption without padding is the private operation. */
    CHECK(EVP_PKEY_decrypt_init(context) == 1 &&
          EVP_PKEY_CTX_set_rsa_padding(context, RSA_NO_PADDING) == 1 &&
          EVP_PKEY_decrypt(context, signature, &len, block, 256) == 1);
    EVP_PKEY_CTX_free(context);
    try_signature(name, cut, bytes_make(signature, len), "signature");
}

static const uint8_t sha256_prefix[] = { 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                         0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20 };

/* 00 01 FF.. 00 DigestInfo hash, as EMSA-PKCS1-v1_5 (RFC 8017, section 9.2) lays it out; the
 * DigestInfo ends at byte `end`. */
static void make_block(const struct cut *cut, size_t end, uint8_t block[256])
{
    uint8_t hash[32];
    size_t start = end - sizeof sha256_prefix - sizeof hash;

    CHECK_RC(RC_OK, jws_hash(cut->parts.signed_part, hash));
    memset(block, 0xFF, 256);
    block[0] = 0;
    block[1] = 1;
    block[start - 1] = 0;
    memcpy(block + start, sha256_prefix, sizeof sha256_prefix);
    memcpy(block + start + sizeof sha256_prefix, hash, sizeof hash);
}

TEST(padding_is_checked_to_the_last_byte)
{
    struct cut cut;
    uint8_t block[256];
    uint8_t made[256];

    make_world();
    cut_init(&cut);
    make_block(&cut, 200, block);
    memset(block + 200, 0, 56);
    try_block("garbage after the hash, zero", &cut, block);
    make_block(&cut, 70, block);
    memset(block + 70, 0xA5, 186);
    try_block("garbage after the hash, short padding", &cut, block);
    make_block(&cut, 256, block);
    block[1] = 2;
    try_block("block type 2", &cut, block);
    make_block(&cut, 256, block);
    block[1] = 0;
    try_block("block type 0", &cut, block);
    make_block(&cut, 256, block);
    block[100] = 0xFE;
    try_block("padding not all FF", &cut, block);
    make_block(&cut, 256, block);
    block[100] = 0;
    try_block("padding ends early", &cut, block);
    make_block(&cut, 256, block);
    block[256 - 32 - 5] = 0x04; /* the last byte of the algorithm's identifier */
    try_block("another hash named", &cut, block);
    make_block(&cut, 256, block);
    memset(block + 2, 0xFF, 256 - 32 - 3);
    block[256 - 33] = 0;
    try_block("the bare hash", &cut, block);
    /* The same way round with the right block gives the good signature: the blocks above were
     * refused for what they are. */
    make_block(&cut, 256, made);
    memcpy(block, cut.signature, 256);
    {
        EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(world.rs_key, NULL);
        uint8_t signature[256];
        size_t len = sizeof signature;
        CHECK(EVP_PKEY_decrypt_init(context) == 1 &&
              EVP_PKEY_CTX_set_rsa_padding(context, RSA_NO_PADDING) == 1 &&
              EVP_PKEY_decrypt(context, signature, &len, made, 256) == 1);
        EVP_PKEY_CTX_free(context);
        CHECK_BYTES(bytes_make(cut.signature, 256), bytes_make(signature, len));
    }
    buf_fini(&cut.whole);
}

TEST(what_was_signed_cannot_be_changed)
{
    struct cut cut;
    SCOPED_BUF(token, TEXT_BYTES);
    SCOPED_BUF(claims_text, TEXT_BYTES);
    SCOPED_BUF(strange, TEXT_BYTES);

    make_world();
    cut_init(&cut);
    buf_add(&token, cut.parts.header);
    buf_add_byte(&token, '.');
    add_base64(bytes_of("{" ISS AUD "\"sub\":\"eve\"," EXP "}"), &token);
    buf_add_byte(&token, '.');
    buf_add(&token, cut.parts.signature);
    expect_refused("another's claims", &token, "signature");

    token.len = 0;
    fill_in("{\"kid\":\"@K\",\"alg\":\"RS256\"}", &claims_text);
    add_base64(buf_bytes(&claims_text), &token);
    buf_add_byte(&token, '.');
    buf_add(&token, cut.parts.payload);
    buf_add_byte(&token, '.');
    buf_add(&token, cut.parts.signature);
    expect_refused("another header", &token, "signature");

    token.len = 0;
    add_signed_part(bytes_of("{\"alg\":\"none\"}"), bytes_of(good_claims), &token);
    buf_add_byte(&token, '.');
    buf_add(&token, cut.parts.signature);
    expect_refused("none with an old signature", &token, "header_alg");

    claims_text.len = 0;
    fill_in(good_header, &claims_text);
    add_signed_part(buf_bytes(&claims_text), bytes_of(good_claims), &strange);
    add_signature(world.strange_key, JWS_RS256, &strange);
    expect_refused("signed by a strange key under our kid", &strange, "signature");
    buf_fini(&cut.whole);
}

TEST(only_the_compact_form_will_do)
{
    struct cut cut;
    char header[512];
    char payload[512];
    char signature[512];
    char *large;

    make_world();
    cut_init(&cut);
    (void)snprintf(header, sizeof header, "%.*s", BYTES_ARG(cut.parts.header));
    (void)snprintf(payload, sizeof payload, "%.*s", BYTES_ARG(cut.parts.payload));
    (void)snprintf(signature, sizeof signature, "%.*s", BYTES_ARG(cut.parts.signature));

    try_text("one part", "form", "%s", header);
    try_text("two parts", "form", "%s.%s", header, payload);
    try_text("four parts", "form", "%s.%s.%s.%s", header, payload, signature, signature);
    try_text("five parts, a JWE", "form", "%s.%s.%s.%s.%s", header, payload, payload, payload,
             signature);
    try_text("a dot at the end", "form", "%s.%s.%s.", header, payload, signature);
    try_text("a dot in front", "form", ".%s.%s.%s", header, payload, signature);
    try_text("no signature", "form", "%s.%s.", header, payload);
    try_text("no claims", "form", "%s..%s", header, signature);
    try_text("no header", "form", ".%s.%s", payload, signature);
    try_text("dots alone", "form", "..");
    try_text("a text", "form", "token");
    try_text("padding on the header", "header_base64", "%s=.%s.%s", header, payload, signature);
    try_text("padding on the signature", "signature_base64", "%s.%s.%s==", header, payload,
             signature);
    try_text("padding on the claims", "signature", "%s.%s=.%s", header, payload, signature);
    try_text("a blank in front", "header_base64", " %s.%s.%s", header, payload, signature);
    try_text("a blank at the end", "signature_base64", "%s.%s.%s ", header, payload, signature);
    try_text("a line end at the end", "signature_base64", "%s.%s.%s\n", header, payload, signature);
    try_text("CR LF inside", "header_base64", "%.10s\r\n%s.%s.%s", header, header + 10, payload,
             signature);
    try_text("a tab inside", "signature_base64", "%s.%s.%.20s\t%s", header, payload, signature,
             signature + 20);
    try_text("plus of the other alphabet", "signature_base64", "%s.%s.+%s", header, payload,
             signature + 1);
    try_text("slash of the other alphabet", "signature_base64", "%s.%s./%s", header, payload,
             signature + 1);
    try_text("a percent sign", "header_base64", "%%%s.%s.%s", header, payload, signature);
    try_text("the scheme's name too", "header_base64", "Bearer %s.%s.%s", header, payload,
             signature);
    try_text("quotes around", "header_base64", "\"%s.%s.%s\"", header, payload, signature);
    try_text("JSON serialization", "form",
             "{\"protected\":\"%s\",\"payload\":\"%s\",\"signature\":\"%s\"}", header, payload,
             signature);
    buf_add_byte(&cut.whole, 0);
    expect_refused("a NUL at the end", &cut.whole, "signature_base64");

    /* The last character of a signature of 256 bytes has four unused bits: only one spelling. */
    signature[strlen(signature) - 1]++;
    try_text("unused bits set", "signature_base64", "%s.%s.%s", header, payload, signature);

    large = malloc(100 * 1024 * 1024);
    CHECK(large != NULL);
    memset(large, 'A', 100 * 1024 * 1024);
    large[10] = large[20] = '.';
    expect(world.rs, "4 KiB and a byte", bytes_make(large, 4097), TOKEN_INVALID, "form");
    expect(world.rs, "8 KiB", bytes_make(large, 8192), TOKEN_INVALID, "form");
    expect(world.rs, "1 MiB", bytes_make(large, 1 << 20), TOKEN_INVALID, "form");
    expect(world.rs, "100 MiB", bytes_make(large, 100 << 20), TOKEN_INVALID, "form");
    free(large);
    buf_fini(&cut.whole);
}

TEST(nesting_of_2049_levels_is_refused_before_it_is_parsed)
{
    SCOPED_BUF(text, TEXT_BYTES);
    SCOPED_BUF(token, TEXT_BYTES);
    SCOPED_BUF(header, TEXT_BYTES);

    make_world();
    fill_in(good_header, &header);
    for (int i = 0; i < 2049; i++)
        buf_add_byte(&text, '[');
    add_signed_part(buf_bytes(&header), buf_bytes(&text), &token);
    add_signature(world.rs_key, JWS_RS256, &token);
    expect_refused("2049 levels of claims", &token, "claims_json");
    token.len = 0;
    add_signed_part(buf_bytes(&text), bytes_of("{}"), &token);
    add_signature(world.rs_key, JWS_RS256, &token);
    expect_refused("2049 levels of header", &token, "header_json");
}

static void make_es_token(const char *header_alg, struct buf *out)
{
    SCOPED_BUF(header, TEXT_BYTES);

    buf_add_format(&header, "{\"alg\":\"%s\",\"kid\":\"%s\"}", header_alg, world.es_kid);
    add_signed_part(buf_bytes(&header), bytes_of(good_claims), out);
}

static void try_es(const char *name, struct bytes signature, const char *reason)
{
    SCOPED_BUF(token, TEXT_BYTES);

    make_es_token("ES256", &token);
    buf_add_byte(&token, '.');
    add_base64(signature, &token);
    expect(world.es, name, buf_bytes(&token), TOKEN_INVALID, reason);
}

TEST(es256_has_its_own_forgeries)
{
    /* The order of P-256 (SEC 2, section 2.4.2). */
    static const uint8_t order[32] = { 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
                                       0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51 };
    uint8_t raw[64] = { 0 };
    uint8_t right[64];
    uint8_t der[80];
    size_t der_len = sizeof der;
    size_t len = 0;
    SCOPED_BUF(token, TEXT_BYTES);
    SCOPED_BUF(text, TEXT_BYTES);
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    make_world();
    make_es_token("ES256", &text);
    CHECK_RC(RC_OK, jws_sign(world.es_key, JWS_ES256, buf_bytes(&text), right, &len));
    CHECK_SIZE(64, len);
    CHECK(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, world.es_key) == 1 &&
          EVP_DigestSign(context, der, &der_len, text.ptr, text.len) == 1);
    EVP_MD_CTX_free(context);

    try_es("r = s = 0, the psychic signature", bytes_make(raw, 64), "signature");
    raw[31] = raw[63] = 1;
    try_es("r = s = 1", bytes_make(raw, 64), "signature");
    memcpy(raw, order, 32);
    memcpy(raw + 32, order, 32);
    try_es("r = s = n", bytes_make(raw, 64), "signature");
    memcpy(raw, right, 64);
    memset(raw, 0, 32);
    try_es("r = 0", bytes_make(raw, 64), "signature");
    memcpy(raw, right, 64);
    memset(raw + 32, 0, 32);
    try_es("s = 0", bytes_make(raw, 64), "signature");
    try_es("DER instead of raw", bytes_make(der, der_len), "signature");
    try_es("63 bytes", bytes_make(right, 63), "signature");
    memcpy(raw, right + 32, 32);
    memcpy(raw + 32, right, 32);
    try_es("r and s swapped", bytes_make(raw, 64), "signature");

    make_es_token("ES256", &token);
    add_signature(world.es_key, JWS_ES256, &token);
    expect(world.es, "positive control", buf_bytes(&token), TOKEN_OK, NULL);
    token.len = 0;
    make_es_token("RS256", &token);
    add_signature(world.es_key, JWS_ES256, &token);
    expect(world.es, "RS256 where ES256 is set", buf_bytes(&token), TOKEN_INVALID, "header_alg");
    token.len = 0;
    make_es_token("none", &token);
    buf_add_text(&token, ".AA");
    expect(world.es, "none where ES256 is set", buf_bytes(&token), TOKEN_INVALID, "header_alg");
    token.len = 0;
    make_token(good_header, good_claims, &token);
    expect(world.es, "a good RS256 token where ES256 is set", buf_bytes(&token), TOKEN_INVALID,
           "header_alg");
}

/* Keys that must not come into the set, however their token is signed. */
static void write_file(const struct scratch *dir, const char *name, const char *text)
{
    char path[SCRATCH_PATH_CHARS + 64];
    FILE *file;

    scratch_file(dir, name, path, sizeof path);
    file = fopen(path, "we");
    CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static size_t count_keys(const char *dir, const char *jwks, enum jws_algorithm algorithm)
{
    struct jwt_keys *keys = NULL;
    struct jwt_keys_error error;
    size_t count;

    CHECK_RC(RC_OK, jwt_keys_load(dir, jwks, algorithm, &keys, &error));
    count = jwt_keys_count(keys);
    jwt_keys_destroy(keys);
    return count;
}

static size_t count_jwks(const struct scratch *dir, const char *text)
{
    char path[SCRATCH_PATH_CHARS + 64];

    write_file(dir, "jwks.json", text);
    scratch_file(dir, "jwks.json", path, sizeof path);
    return count_keys("", path, JWS_RS256);
}

#define N2048                                                                                      \
    "k66f7VW-w8HArOUjd_-d-Ytfg0EWL36uiBl7Re-qXfn0emv_1CzPzRSz5z73SynGYdSS7zCd-"                    \
    "zTXfJ7THrlO4tfUGC0YG"                                                                         \
    "fuXzsJfgJS8VC7wArv2ct52hfLaOoaUOLRqqZNbr0HOQ7XHP2flWRhPHMwRCRKk1WHBfKod6Y10yioFmq6EQVflT96YM" \
    "ETsK5CTZY6dwwmzUE2M93sPoYqenPatp3yZy6GiLociFcLlf53mu6lb-UHOp1H_e0fhBPk5_dtEeVxKE6Z1Vq0qzsbaZ" \
    "RWq1Ai9JOMCYyB45ous2Ag0d-yhH51wgStzljV23Z6c4yw4ewlI6OHEbuvMo3iSEw"

TEST(weak_and_foreign_keys_are_passed_over)
{
    struct scratch dir;

    scratch_init(&dir);
    CHECK_SIZE(1, count_jwks(&dir, "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"a\",\"e\":\"AQAB\",\"n\":"
                                   "\"" N2048 "\"}]}"));
    CHECK_SIZE(0, count_jwks(&dir, "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"a\",\"e\":\"AQ\",\"n\":"
                                   "\"" N2048 "\"}]}"));
    CHECK_SIZE(0, count_jwks(&dir, "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"a\",\"e\":\"Aw\",\"n\":"
                                   "\"" N2048 "\"}]}"));
    CHECK_SIZE(0, count_jwks(&dir, "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"a\",\"e\":\"AQAB\","
                                   "\"use\":\"enc\",\"n\":\"" N2048 "\"}]}"));
    CHECK_SIZE(0, count_jwks(&dir, "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"a\",\"e\":\"AQAB\","
                                   "\"alg\":\"RS512\",\"n\":\"" N2048 "\"}]}"));
    CHECK_SIZE(0, count_jwks(&dir, "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"../a\",\"e\":\"AQAB\","
                                   "\"n\":\"" N2048 "\"}]}"));
    CHECK_SIZE(
        0, count_jwks(&dir, "{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"" N2048 "\"}]}"));
    CHECK_SIZE(0, count_jwks(&dir, "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"a\",\"e\":\"AQAB\","
                                   "\"n\":\"k66f7VW-w8HA\"}]}"));
    CHECK_SIZE(0, count_jwks(&dir, "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"AAAA\"},{},"
                                   "null,1]}"));
    scratch_fini(&dir);
}

TEST(a_broken_key_set_is_an_error_that_names_the_file)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{\"keys\":{}}",
        "{\"keys\":[],\"keys\":[]}",
        "{\"key\":[]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"a\",\"e\":\"AQAB\",\"n\":\"" N2048 "\"},"
        "{\"kty\":\"RSA\",\"kid\":\"a\",\"e\":\"AQAB\",\"n\":\"" N2048 "\"}]}",
    };
    struct scratch dir;
    char path[SCRATCH_PATH_CHARS + 64];
    struct jwt_keys *keys = NULL;
    struct jwt_keys_error error = { "" };

    scratch_init(&dir);
    scratch_file(&dir, "jwks.json", path, sizeof path);
    CHECK_RC(RC_NOT_FOUND, jwt_keys_load("", path, JWS_RS256, &keys, &error));
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        write_file(&dir, "jwks.json", texts[i]);
        CHECK_RC(RC_INVALID, jwt_keys_load("", path, JWS_RS256, &keys, &error));
        CHECK(strstr(error.text, path) != NULL);
    }
    scratch_fini(&dir);
}

/* Last, since it counts and tidies up. */
TEST(at_least_120_kinds_of_bad_tokens_were_tried)
{
    make_world();
    print_message("%u kinds of bad tokens refused\n", world.refused);
    jwt_verifier_destroy(world.rs);
    jwt_verifier_destroy(world.es);
    EVP_PKEY_free(world.rs_key);
    EVP_PKEY_free(world.es_key);
    EVP_PKEY_free(world.strange_key);
    scratch_fini(&world.rs_dir);
    scratch_fini(&world.es_dir);
    CHECK(world.refused >= 120);
}
