/* The table of what is revoked, over a verifier that takes "user/session" for a token. */
#include "app/revoked.h"
#include "support/check.h"

#define NOW INT64_C(1767323045)

struct fake {
    struct token_verifier port;
    int64_t issued_s;
    enum token_error error;
};

static enum token_error verify(struct token_verifier *self, struct bytes token, int64_t now_s,
                               struct identity *out)
{
    const struct fake *fake = (struct fake *)self;
    const uint8_t *slash = memchr(token.ptr, '/', token.len);
    size_t user_len = (size_t)(slash - token.ptr);
    (void)now_s;
    if (fake->error != TOKEN_OK)
        return fake->error;
    *out = (struct identity){ .issued_s = fake->issued_s };
    CHECK(id_read(bytes_make(token.ptr, user_len), &out->user));
    CHECK(id_read(bytes_make(slash + 1, token.len - user_len - 1), &out->session));
    return TOKEN_OK;
}

static struct fake fake;

static struct revoked *make(void)
{
    fake = (struct fake){ .port.verify = verify, .issued_s = NOW - 10 };
    struct revoked *revoked = revoked_create(&fake.port);
    CHECK(revoked != NULL);
    return revoked;
}

static struct revocation of(const char *user, const char *session)
{
    struct revocation r = { .kind = session ? REVOKED_SESSION : REVOKED_USER,
                            .before_ms = NOW * 1000,
                            .until_s = NOW + 100 };
    CHECK(id_read(bytes_of(user), &r.user));
    if (session)
        CHECK(id_read(bytes_of(session), &r.session));
    return r;
}

static enum token_error ask(struct revoked *revoked, const char *token, int64_t now_s)
{
    struct identity who = { .issued_s = -1 };
    enum token_error error = token_verify(revoked_verifier(revoked), bytes_of(token), now_s, &who);
    CHECK((who.issued_s == -1) == (error != TOKEN_OK)); /* written on success only */
    return error;
}

TEST(a_good_token_of_a_revoked_session_is_revoked_and_others_are_not)
{
    struct revoked *revoked = make();
    struct revocation r = of("ada", "s1");
    CHECK_INT(TOKEN_OK, ask(revoked, "ada/s1", NOW));
    CHECK(revoked_take(revoked, &r, NOW));
    CHECK_INT(TOKEN_REVOKED, ask(revoked, "ada/s1", NOW));
    CHECK_INT(TOKEN_OK, ask(revoked, "ada/s2", NOW));
    CHECK_INT(TOKEN_OK, ask(revoked, "ad/s1", NOW));
    fake.error = TOKEN_EXPIRED; /* the inner verifier's no comes first */
    CHECK_INT(TOKEN_EXPIRED, ask(revoked, "ada/s1", NOW));
    revoked_destroy(revoked);
}

TEST(a_revoked_user_comes_back_with_a_newer_token)
{
    struct revoked *revoked = make();
    struct revocation r = of("ada", NULL);
    CHECK(revoked_take(revoked, &r, NOW));
    CHECK_INT(TOKEN_REVOKED, ask(revoked, "ada/s1", NOW));
    CHECK_INT(TOKEN_OK, ask(revoked, "bob/s1", NOW));
    fake.issued_s = NOW + 1;
    CHECK_INT(TOKEN_OK, ask(revoked, "ada/s1", NOW + 1));
    revoked_destroy(revoked);
}

TEST(of_two_about_one_user_the_later_stays_in_whatever_order_they_come)
{
    for (int order = 0; order < 2; order++) {
        struct revoked *revoked = make();
        struct revocation early = of("ada", NULL), late = of("ada", NULL);
        early.before_ms = (NOW - 60) * 1000;
        early.until_s = NOW + 500;
        CHECK(revoked_take(revoked, order ? &late : &early, NOW));
        CHECK(revoked_take(revoked, order ? &early : &late, NOW));
        CHECK_SIZE(1, revoked_count(revoked));
        CHECK_INT(TOKEN_REVOKED, ask(revoked, "ada/s1", NOW));
        CHECK_INT(TOKEN_REVOKED, ask(revoked, "ada/s1", NOW + 499)); /* the longer end */
        revoked_destroy(revoked);
    }
}

TEST(what_has_ended_is_forgotten)
{
    struct revoked *revoked = make();
    char user[16];
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(user, sizeof user, "u%d", i);
        struct revocation r = of(user, i % 2 ? "s" : NULL);
        r.until_s = i < 2500 ? NOW + 10 : NOW + 1000;
        CHECK(revoked_take(revoked, &r, NOW));
    }
    struct revocation over = of("late", NULL);
    over.until_s = NOW;
    CHECK(revoked_take(revoked, &over, NOW));
    CHECK_SIZE(5000, revoked_count(revoked));
    CHECK_INT(TOKEN_OK, ask(revoked, "u1/s", NOW + 10)); /* at its end, before any tick */
    for (int i = 0; i < 20; i++)
        revoked_tick(revoked, NOW + 10);
    CHECK_SIZE(2500, revoked_count(revoked));
    CHECK_INT(TOKEN_REVOKED, ask(revoked, "u2501/s", NOW + 10));
    revoked_destroy(revoked);
}
