/* The verifier's keys and its memory: rotation without restart, retired keys, the cache. Keys and
 * tokens are made by the signer; the clock is an argument, so nothing waits. */
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/auth/jwt_signer.h"
#include "adapters/auth/jwt_verifier.h"
#include "adapters/auth/token_cache.h"
#include "support/check.h"
#include "support/scratch.h"

enum { NOW = 1800000000, TOKEN_ROOM = 4096 };

static struct jwt_verifier *open_verifier(const char *keys_dir, const char *jwks_file,
                                          size_t cache_entries)
{
    const struct jwt_verifier_options options = { .keys_dir = keys_dir,
                                                  .jwks_file = jwks_file,
                                                  .issuer = "parley",
                                                  .audience = "parley",
                                                  .leeway_s = 30,
                                                  .cache_entries_max = cache_entries };
    struct jwt_verifier *verifier = NULL;
    struct jwt_keys_error error = { "" };

    CHECK_RC(RC_OK, jwt_verifier_create(&options, &verifier, &error));
    return verifier;
}

static void sign_grant(const char *keys_dir, const struct jwt_grant *grant, struct buf *out)
{
    struct jwt_signer *signer = NULL;

    CHECK_RC(RC_OK, jwt_signer_create(keys_dir, JWS_RS256, "parley", "parley", &signer));
    CHECK_RC(RC_OK, jwt_signer_sign(signer, grant, out));
    jwt_signer_destroy(signer);
}

static void sign_for(const char *keys_dir, const char *user, struct buf *out)
{
    const struct jwt_grant grant = { .user_id = bytes_of(user), .issued_s = NOW, .ttl_s = 3600 };

    sign_grant(keys_dir, &grant, out);
}

static enum token_error ask(struct jwt_verifier *verifier, const struct buf *token, int64_t now_s)
{
    struct identity identity;

    return token_verify(jwt_verifier_port(verifier), buf_bytes(token), now_s, &identity);
}

static void remove_key(const struct scratch *dir, const char *kid)
{
    char name[80];
    char path[SCRATCH_PATH_CHARS + 80];

    (void)snprintf(name, sizeof name, "jwt-%s.pem", kid);
    scratch_file(dir, name, path, sizeof path);
    CHECK_INT(0, unlink(path));
}

TEST(an_identity_carries_all_that_the_token_says)
{
    struct scratch dir;
    struct identity identity;
    const struct jwt_grant grant = { .user_id = bytes_of("ada"),
                                     .name = bytes_of("Ada \"\xc3\x89\""),
                                     .session_id = bytes_of("s_1"),
                                     .roles = USER_ROLE_MODERATOR | USER_ROLE_SERVICE,
                                     .issued_s = NOW,
                                     .ttl_s = 60 };
    SCOPED_BUF(token, TOKEN_ROOM);
    struct jwt_verifier *verifier;

    scratch_init(&dir);
    CHECK_RC(RC_OK, jwt_keys_ensure(dir.path, JWS_RS256, NULL));
    sign_grant(dir.path, &grant, &token);
    verifier = open_verifier(dir.path, "", 0);
    for (int round = 0; round < 2; round++) { /* by signature, then from the cache */
        memset(&identity, 0xEE, sizeof identity);
        CHECK(token_verify(jwt_verifier_port(verifier), buf_bytes(&token), NOW, &identity) ==
              TOKEN_OK);
        CHECK_ID("ada", identity.user);
        CHECK_ID("s_1", identity.session);
        CHECK_STR("Ada \"\xc3\x89\"", identity.name);
        CHECK_INT(USER_ROLE_MODERATOR | USER_ROLE_SERVICE, identity.roles);
        CHECK_INT(NOW + 60 + 30, identity.expires_s);
    }
    CHECK_U64(1, jwt_verifier_stats(verifier).accepted);
    CHECK_U64(1, jwt_verifier_stats(verifier).cache_hits);
    jwt_verifier_destroy(verifier);
    scratch_fini(&dir);
}

TEST(a_token_without_sid_and_name_gets_a_steady_session_of_its_own)
{
    struct scratch dir;
    struct identity first;
    struct identity again;
    struct identity other;
    SCOPED_BUF(token, TOKEN_ROOM);
    SCOPED_BUF(second, TOKEN_ROOM);
    struct jwt_verifier *verifier;
    struct jwt_verifier *elsewhere;

    scratch_init(&dir);
    CHECK_RC(RC_OK, jwt_keys_ensure(dir.path, JWS_RS256, NULL));
    sign_for(dir.path, "ada", &token);
    sign_for(dir.path, "bob", &second);
    verifier = open_verifier(dir.path, "", 0);
    elsewhere = open_verifier(dir.path, "", 0);
    CHECK(token_verify(jwt_verifier_port(verifier), buf_bytes(&token), NOW, &first) == TOKEN_OK);
    CHECK(token_verify(jwt_verifier_port(elsewhere), buf_bytes(&token), NOW, &again) == TOKEN_OK);
    CHECK(token_verify(jwt_verifier_port(verifier), buf_bytes(&second), NOW, &other) == TOKEN_OK);
    CHECK_SIZE(24, first.session.len);
    CHECK(id_equal(&first.session, &again.session));
    CHECK(!id_equal(&first.session, &other.session));
    CHECK_STR("ada", first.name);
    CHECK_INT(USER_ROLE_USER, first.roles);
    jwt_verifier_destroy(verifier);
    jwt_verifier_destroy(elsewhere);
    scratch_fini(&dir);
}

TEST(a_new_key_works_at_once_and_a_removed_one_stops)
{
    struct scratch dir;
    char old_kid[65];
    char new_kid[65];
    bool has_changed = false;
    struct jwt_keys_error error;
    SCOPED_BUF(old_token, TOKEN_ROOM);
    SCOPED_BUF(new_token, TOKEN_ROOM);
    struct jwt_verifier *verifier;

    scratch_init(&dir);
    CHECK_RC(RC_OK, jwt_keys_add(dir.path, JWS_RS256, old_kid));
    sign_for(dir.path, "ada", &old_token);
    verifier = open_verifier(dir.path, "", 0);
    CHECK(ask(verifier, &old_token, NOW) == TOKEN_OK);

    CHECK_RC(RC_OK, jwt_keys_add(dir.path, JWS_RS256, new_kid));
    sign_for(dir.path, "ada", &new_token); /* the newest key signs */
    CHECK(ask(verifier, &new_token, NOW) == TOKEN_OK);
    CHECK(ask(verifier, &old_token, NOW) == TOKEN_OK);
    CHECK_SIZE(2, jwt_keys_count(jwt_verifier_keys(verifier)));

    remove_key(&dir, old_kid);
    CHECK_RC(RC_OK, jwt_verifier_rescan(verifier, &has_changed, &error));
    CHECK(has_changed);
    CHECK(ask(verifier, &old_token, NOW) == TOKEN_INVALID); /* its verdict was remembered */
    CHECK_STR("kid_unknown", jwt_verifier_reason(verifier));
    CHECK(ask(verifier, &new_token, NOW) == TOKEN_OK);
    CHECK_RC(RC_OK, jwt_verifier_rescan(verifier, &has_changed, &error));
    CHECK(!has_changed);
    jwt_verifier_destroy(verifier);
    scratch_fini(&dir);
}

TEST(an_unknown_kid_makes_it_look_at_most_once_a_second)
{
    struct scratch here;
    struct scratch there;
    char kid[65];
    char from[SCRATCH_PATH_CHARS + 80];
    char to[SCRATCH_PATH_CHARS + 80];
    char name[80];
    SCOPED_BUF(token, TOKEN_ROOM);
    struct jwt_verifier *verifier;

    scratch_init(&here);
    scratch_init(&there);
    CHECK_RC(RC_OK, jwt_keys_ensure(here.path, JWS_RS256, NULL));
    CHECK_RC(RC_OK, jwt_keys_add(there.path, JWS_RS256, kid));
    sign_for(there.path, "ada", &token);
    verifier = open_verifier(here.path, "", 0);
    CHECK(ask(verifier, &token, NOW) == TOKEN_INVALID);
    (void)snprintf(name, sizeof name, "jwt-%s.pem", kid);
    scratch_file(&there, name, from, sizeof from);
    scratch_file(&here, name, to, sizeof to);
    CHECK_INT(0, rename(from, to));
    CHECK(ask(verifier, &token, NOW) == TOKEN_INVALID); /* it has just looked */
    CHECK_U64(1, jwt_verifier_stats(verifier).key_loads);
    CHECK(ask(verifier, &token, NOW + 1) == TOKEN_OK);
    CHECK_U64(2, jwt_verifier_stats(verifier).key_loads);
    jwt_verifier_destroy(verifier);
    scratch_fini(&here);
    scratch_fini(&there);
}

TEST(a_clock_set_back_does_not_stop_it_looking)
{
    struct scratch here;
    SCOPED_BUF(token, TOKEN_ROOM);
    struct scratch there;
    struct jwt_verifier *verifier;

    scratch_init(&here);
    scratch_init(&there);
    CHECK_RC(RC_OK, jwt_keys_ensure(there.path, JWS_RS256, NULL));
    sign_for(there.path, "ada", &token);
    verifier = open_verifier(here.path, "", 0);
    CHECK(ask(verifier, &token, NOW + 100000) == TOKEN_INVALID);
    CHECK_RC(RC_OK, jwt_keys_add(here.path, JWS_RS256, NULL));
    CHECK(ask(verifier, &token, NOW) == TOKEN_INVALID);
    CHECK_SIZE(1, jwt_keys_count(jwt_verifier_keys(verifier)));
    jwt_verifier_destroy(verifier);
    scratch_fini(&here);
    scratch_fini(&there);
}

static void write_text(const char *path, struct bytes text)
{
    FILE *file = fopen(path, "we");

    CHECK(file && fwrite(text.ptr, 1, text.len, file) == text.len && fclose(file) == 0);
}

TEST(a_key_set_file_works_and_a_broken_one_changes_nothing)
{
    struct scratch dir;
    struct jwt_keys *keys = NULL;
    struct jwt_keys_error error = { "" };
    char path[SCRATCH_PATH_CHARS + 80];
    SCOPED_BUF(jwks, 64 * 1024);
    SCOPED_BUF(token, TOKEN_ROOM);
    struct jwt_verifier *verifier;

    scratch_init(&dir);
    CHECK_RC(RC_OK, jwt_keys_ensure(dir.path, JWS_RS256, NULL));
    CHECK_RC(RC_OK, jwt_keys_ensure(dir.path, JWS_ES256, NULL));
    CHECK_RC(RC_OK, jwt_keys_load(dir.path, "", JWS_RS256, &keys, &error));
    CHECK_SIZE(1, jwt_keys_count(keys));
    CHECK_SIZE(1, jwt_keys_skipped(keys)); /* the P-256 one */
    jwt_keys_write_jwks(keys, &jwks);
    jwt_keys_destroy(keys);
    scratch_file(&dir, "set.json", path, sizeof path);
    write_text(path, buf_bytes(&jwks));
    sign_for(dir.path, "ada", &token);

    verifier = open_verifier("", path, 0);
    CHECK(ask(verifier, &token, NOW) == TOKEN_OK);
    write_text(path, bytes_of("{\"keys\":[{\"kty\":"));
    CHECK_RC(RC_INVALID, jwt_verifier_rescan(verifier, NULL, &error));
    CHECK(strstr(error.text, path) != NULL);
    CHECK(ask(verifier, &token, NOW) == TOKEN_OK);
    write_text(path, bytes_of("{\"keys\":[]}"));
    CHECK_RC(RC_OK, jwt_verifier_rescan(verifier, NULL, &error));
    CHECK(ask(verifier, &token, NOW) == TOKEN_INVALID);
    jwt_verifier_destroy(verifier);
    scratch_fini(&dir);
}

TEST(a_remembered_token_expires_all_the_same)
{
    struct scratch dir;
    SCOPED_BUF(token, TOKEN_ROOM);
    struct jwt_verifier *verifier;

    scratch_init(&dir);
    CHECK_RC(RC_OK, jwt_keys_ensure(dir.path, JWS_RS256, NULL));
    sign_for(dir.path, "ada", &token);
    verifier = open_verifier(dir.path, "", 0);
    CHECK(ask(verifier, &token, NOW) == TOKEN_OK);
    CHECK(ask(verifier, &token, NOW + 3600 + 29) == TOKEN_OK);
    CHECK(ask(verifier, &token, NOW + 3600 + 30) == TOKEN_EXPIRED);
    CHECK_U64(1, jwt_verifier_stats(verifier).cache_hits);
    jwt_verifier_destroy(verifier);
    scratch_fini(&dir);
}

TEST(a_key_file_is_private_to_its_owner_and_made_once)
{
    struct scratch dir;
    char kid[65];
    char folder[SCRATCH_PATH_CHARS + 80];
    char name[80];
    char path[2 * SCRATCH_PATH_CHARS];
    struct stat stat_;
    EVP_PKEY *key = NULL;
    bool is_new = false;

    scratch_init(&dir);
    scratch_file(&dir, "deep/keys", folder, sizeof folder);
    CHECK_RC(RC_OK, jwt_keys_ensure(folder, JWS_RS256, &is_new));
    CHECK(is_new);
    CHECK_RC(RC_OK, jwt_keys_ensure(folder, JWS_RS256, &is_new));
    CHECK(!is_new);
    CHECK_RC(RC_OK, jwt_keys_newest_private(folder, JWS_RS256, &key, kid));
    (void)snprintf(name, sizeof name, "jwt-%s.pem", kid);
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK_INT(0, stat(path, &stat_));
    CHECK_INT(0600, stat_.st_mode & 07777);
    CHECK_INT(0, stat(folder, &stat_));
    CHECK_INT(0700, stat_.st_mode & 07777);
    EVP_PKEY_free(key);
    {
        char text[64] = "";
        FILE *file = fopen(path, "re");
        CHECK(file && fgets(text, sizeof text, file));
        CHECK_STR("-----BEGIN PRIVATE KEY-----\n", text); /* PKCS #8 */
        (void)fclose(file);
    }
    scratch_fini(&dir);
}

/* The caller's stack held something else: whatever the cache forgets to give would be that. */
TEST(a_known_token_gives_all_that_it_gave_at_first)
{
    struct token_cache *cache = token_cache_create(1);
    uint8_t hash[32] = { 1 };
    struct identity put, got;
    memset(&put, 0, sizeof put);
    memset(&got, 0xa5, sizeof got);
    (void)id_read(bytes_of("ada"), &put.user);
    (void)id_read(bytes_of("phone"), &put.session);
    (void)snprintf(put.name, sizeof put.name, "Ada");
    put.roles = USER_ROLE_MODERATOR;
    put.expires_s = 2000;
    put.issued_s = 1000;
    token_cache_put(cache, hash, &put);
    CHECK(token_cache_get(cache, hash, &got));
    CHECK(id_equal(&put.user, &got.user) && id_equal(&put.session, &got.session));
    CHECK_STR(put.name, got.name);
    CHECK_INT((int)put.roles, (int)got.roles);
    CHECK_INT(2000, (int)got.expires_s);
    CHECK_INT(1000, (int)got.issued_s);
    token_cache_destroy(cache);
}

TEST(the_cache_is_bounded_and_the_oldest_makes_room)
{
    struct token_cache *cache = token_cache_create(3);
    struct identity identity = { .expires_s = 1 };
    uint8_t hash[5][32] = { { 1 }, { 2 }, { 3 }, { 4 }, { 5 } };

    CHECK(cache != NULL);
    for (int i = 0; i < 5; i++) {
        (void)snprintf(identity.name, sizeof identity.name, "n%d", i);
        token_cache_put(cache, hash[i], &identity);
    }
    token_cache_put(cache, hash[4], &identity); /* known already: takes no second place */
    CHECK_SIZE(3, token_cache_count(cache));
    for (int i = 0; i < 5; i++)
        CHECK(token_cache_get(cache, hash[i], &identity) == (i >= 2));
    CHECK_STR("n4", identity.name);
    token_cache_clear(cache);
    CHECK_SIZE(0, token_cache_count(cache));
    CHECK(!token_cache_get(cache, hash[4], &identity));
    token_cache_put(cache, hash[0], &identity);
    CHECK(token_cache_get(cache, hash[0], &identity));
    token_cache_destroy(cache);
}

TEST(the_signer_signs_nothing_that_would_be_refused)
{
    static const char *const users[] = { "", "a.b", "*", "ada b", "\xff" };
    struct scratch dir;
    struct jwt_signer *signer = NULL;
    SCOPED_BUF(out, TOKEN_ROOM);
    struct jwt_grant grant = { .issued_s = NOW, .ttl_s = 1 };

    scratch_init(&dir);
    CHECK_RC(RC_NOT_FOUND, jwt_signer_create(dir.path, JWS_RS256, "parley", "parley", &signer));
    CHECK_RC(RC_OK, jwt_keys_ensure(dir.path, JWS_RS256, NULL));
    CHECK_RC(RC_OK, jwt_signer_create(dir.path, JWS_RS256, "parley", "parley", &signer));
    for (size_t i = 0; i < COUNT_OF(users); i++) {
        grant.user_id = bytes_of(users[i]);
        CHECK_RC(RC_INVALID, jwt_signer_sign(signer, &grant, &out));
    }
    grant.user_id = bytes_of("ada");
    grant.name = bytes_of("a\nb");
    CHECK_RC(RC_INVALID, jwt_signer_sign(signer, &grant, &out));
    grant.name = bytes_of("");
    grant.session_id = bytes_of("a b");
    CHECK_RC(RC_INVALID, jwt_signer_sign(signer, &grant, &out));
    CHECK_SIZE(0, out.len);
    jwt_signer_destroy(signer);
    scratch_fini(&dir);
}
