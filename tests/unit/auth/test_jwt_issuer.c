/* Tokens of accounts, and the keys they are signed with: what is issued is verified by the
 * gateway's own verifier, over a rotation, and after old keys were taken away. File times are set,
 * so that nothing waits. */
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/auth/jwt_issuer.h"
#include "adapters/auth/jwt_verifier.h"
#include "support/check.h"
#include "support/scratch.h"

#define NOW INT64_C(1800000000)

struct world {
    struct scratch dir;
    struct jwt_issuer *issuer;
    struct token_issuer port;
    struct jwt_verifier *verifier;
    enum jws_algorithm algorithm;
};

static void open_world(struct world *w, enum jws_algorithm algorithm)
{
    struct jwt_keys_error error = { "" };
    *w = (struct world){ .algorithm = algorithm };
    scratch_init(&w->dir);
    CHECK_RC(RC_OK, jwt_keys_ensure(w->dir.path, algorithm, NULL));
    CHECK_RC(RC_OK, jwt_issuer_create(w->dir.path, algorithm, "us", "them", &w->issuer));
    w->port = jwt_issuer_port(w->issuer);
    const struct jwt_verifier_options options = { .keys_dir = w->dir.path,
                                                  .jwks_file = "",
                                                  .issuer = "us",
                                                  .audience = "them",
                                                  .algorithm = algorithm,
                                                  .leeway_s = 30 };
    CHECK_RC(RC_OK, jwt_verifier_create(&options, &w->verifier, &error));
}

static void close_world(struct world *w)
{
    jwt_issuer_destroy(w->issuer);
    jwt_verifier_destroy(w->verifier);
    scratch_fini(&w->dir);
}

static struct access_claims claims_of(const char *user)
{
    struct access_claims claims = { .issued_s = NOW, .expires_s = NOW + 900 };
    CHECK(id_read(bytes_of(user), &claims.user));
    CHECK(id_read(bytes_of("session_1"), &claims.session));
    return claims;
}

static void issue(struct world *w, struct buf *out)
{
    struct access_claims claims = claims_of("ada");
    CHECK_RC(RC_OK, w->port.issue(w->port.self, &claims, out));
}

static enum token_error verify(struct world *w, const struct buf *token, struct identity *out)
{
    return token_verify(jwt_verifier_port(w->verifier), buf_bytes(token), NOW, out);
}

/* The kid of a key file, and its age. */
static void set_age(struct world *w, const char *kid, int64_t made_s)
{
    char path[SCRATCH_PATH_CHARS + 80];
    char name[80];
    struct timespec times[2] = { { .tv_sec = made_s }, { .tv_sec = made_s } };
    (void)snprintf(name, sizeof name, "jwt-%s.pem", kid);
    scratch_file(&w->dir, name, path, sizeof path);
    CHECK_INT(0, utimensat(AT_FDCWD, path, times, 0));
}

static void what_is_issued_is_verified(enum jws_algorithm algorithm)
{
    struct world w;
    struct identity identity;
    SCOPED_BUF(token, ACCESS_TOKEN_BYTES_MAX);
    open_world(&w, algorithm);
    struct access_claims claims = claims_of("ada");
    claims.name = bytes_of("Ada \"\xc3\x89\"");
    claims.roles = USER_ROLE_USER | USER_ROLE_ADMIN;
    CHECK_RC(RC_OK, w.port.issue(w.port.self, &claims, &token));
    CHECK_INT(TOKEN_OK, verify(&w, &token, &identity));
    CHECK_ID("ada", identity.user);
    CHECK_ID("session_1", identity.session);
    CHECK_STR("Ada \"\xc3\x89\"", identity.name);
    CHECK_INT(USER_ROLE_USER | USER_ROLE_ADMIN, identity.roles);
    CHECK_INT(NOW, identity.issued_s);
    CHECK_INT(NOW + 930, identity.expires_s);
    close_world(&w);
}

TEST(what_is_issued_is_verified_with_rs256)
{
    what_is_issued_is_verified(JWS_RS256);
}

TEST(what_is_issued_is_verified_with_es256)
{
    what_is_issued_is_verified(JWS_ES256);
}

TEST(claims_that_no_verifier_takes_are_not_signed)
{
    struct world w;
    SCOPED_BUF(token, ACCESS_TOKEN_BYTES_MAX);
    open_world(&w, JWS_ES256);
    struct access_claims claims = claims_of("ada");
    claims.expires_s = claims.issued_s;
    CHECK_RC(RC_INVALID, w.port.issue(w.port.self, &claims, &token));
    claims = claims_of("ada");
    claims.name = bytes_of("a\nb");
    CHECK_RC(RC_INVALID, w.port.issue(w.port.self, &claims, &token));
    CHECK_SIZE(0, token.len);
    close_world(&w);
}

TEST(without_a_key_nothing_is_issued_until_one_comes)
{
    struct scratch dir;
    struct jwt_issuer *issuer = NULL;
    SCOPED_BUF(token, ACCESS_TOKEN_BYTES_MAX);
    scratch_init(&dir);
    CHECK_RC(RC_OK, jwt_issuer_create(dir.path, JWS_ES256, "us", "them", &issuer));
    struct token_issuer port = jwt_issuer_port(issuer);
    struct access_claims claims = claims_of("ada");
    CHECK_RC(RC_UNAVAILABLE, port.issue(port.self, &claims, &token));
    CHECK_RC(RC_NOT_FOUND, jwt_issuer_rescan(issuer));
    CHECK_RC(RC_OK, jwt_keys_ensure(dir.path, JWS_ES256, NULL));
    CHECK_RC(RC_OK, jwt_issuer_rescan(issuer));
    CHECK_RC(RC_OK, port.issue(port.self, &claims, &token));
    jwt_issuer_destroy(issuer);
    scratch_fini(&dir);
}

static void count_one(void *closure, const char *kid)
{
    size_t *count = closure;
    CHECK(strlen(kid) > 0);
    (*count)++;
}

TEST(after_a_rotation_the_new_key_signs_and_the_old_one_verifies_until_it_is_retired)
{
    struct world w;
    struct identity identity;
    char first[65], second[65];
    size_t removed = 0;
    SCOPED_BUF(old_token, ACCESS_TOKEN_BYTES_MAX);
    SCOPED_BUF(new_token, ACCESS_TOKEN_BYTES_MAX);
    EVP_PKEY *key = NULL;
    open_world(&w, JWS_ES256);
    CHECK_RC(RC_OK, jwt_keys_newest_private(w.dir.path, JWS_ES256, &key, first));
    EVP_PKEY_free(key);
    set_age(&w, first, NOW - 1000);
    issue(&w, &old_token);
    CHECK_RC(RC_OK, jwt_keys_add(w.dir.path, JWS_ES256, second));
    set_age(&w, second, NOW - 500);
    CHECK_RC(RC_OK, jwt_issuer_rescan(w.issuer));
    issue(&w, &new_token);
    CHECK(!bytes_equal(bytes_make(old_token.ptr, 60), bytes_make(new_token.ptr, 60)));
    CHECK_INT(TOKEN_OK, verify(&w, &old_token, &identity));
    CHECK_INT(TOKEN_OK, verify(&w, &new_token, &identity));

    /* The first one signed until NOW - 500. */
    CHECK_RC(RC_OK, jwt_keys_retire(w.dir.path, JWS_ES256, NOW - 500, count_one, &removed));
    CHECK_SIZE(0, removed);
    CHECK_RC(RC_OK, jwt_keys_retire(w.dir.path, JWS_ES256, NOW - 499, count_one, &removed));
    CHECK_SIZE(1, removed);
    CHECK_RC(RC_OK, jwt_verifier_rescan(w.verifier, NULL, &(struct jwt_keys_error){ "" }));
    CHECK_INT(TOKEN_INVALID, verify(&w, &old_token, &identity));
    CHECK_INT(TOKEN_OK, verify(&w, &new_token, &identity));

    /* The newest always stays. */
    CHECK_RC(RC_OK, jwt_keys_retire(w.dir.path, JWS_ES256, INT64_MAX, count_one, &removed));
    CHECK_SIZE(1, removed);
    close_world(&w);
}
