/* Whom a revocation means: each kind against sessions of before, after, and of others. */
#include "domain/revocation.h"
#include "support/check.h"

#define BEGAN INT64_C(1767323045678)

static struct id id_of(const char *text)
{
    struct id id = { 0 };
    CHECK(id_read(bytes_of(text), &id));
    return id;
}

static const char old_session[] = "019b7ca9-8f2e-7000-8000-000000000001";  /* of the time BEGAN */
static const char next_session[] = "019b7ca9-8f2f-7000-8000-000000000001"; /* 1 ms later */

static bool means(const struct revocation *revocation, const char *user, const char *session,
                  int64_t issued_s)
{
    struct id user_id = id_of(user), session_id = id_of(session);
    return revocation_means(revocation, &user_id, &session_id, issued_s);
}

TEST(a_session_is_revoked_with_its_user_only_and_whatever_the_age_of_its_tokens)
{
    struct revocation one = { .kind = REVOKED_SESSION,
                              .user = id_of("ada"),
                              .session = id_of("s") };
    CHECK(means(&one, "ada", "s", 0));
    CHECK(means(&one, "ada", "s", INT32_MAX));
    CHECK(!means(&one, "ada", "s2", 0));
    CHECK(!means(&one, "bob", "s", 0));
}

TEST(a_user_s_sessions_end_up_to_the_millisecond_in_their_id)
{
    struct revocation all = { .kind = REVOKED_USER, .user = id_of("ada"), .before_ms = BEGAN };
    CHECK(means(&all, "ada", old_session, INT32_MAX)); /* refreshed since: still the old session */
    CHECK(!means(&all, "ada", next_session, 0));
    CHECK(!means(&all, "bob", old_session, 0));
}

TEST(other_sessions_go_by_the_age_of_the_token)
{
    struct revocation all = { .kind = REVOKED_USER, .user = id_of("ada"), .before_ms = BEGAN };
    CHECK(means(&all, "ada", "phone", BEGAN / 1000));
    CHECK(!means(&all, "ada", "phone", BEGAN / 1000 + 1));
    CHECK(means(&all, "ada", "phone", 0)); /* a token that doesn't say counts as old */
}

TEST(one_session_may_be_spared)
{
    struct revocation all = {
        .kind = REVOKED_USER, .user = id_of("ada"), .spared = id_of(old_session), .before_ms = BEGAN
    };
    CHECK(!means(&all, "ada", old_session, 0));
    CHECK(means(&all, "ada", "phone", 0));
}

TEST(reasons_have_names_that_read_back)
{
    enum revocation_reason read = REVOKED_LOGOUT;
    for (enum revocation_reason reason = REVOKED_LOGOUT; reason <= REVOKED_ROLES; reason++) {
        CHECK(revocation_reason_read(bytes_of(revocation_reason_name(reason)), &read));
        CHECK_INT(reason, read);
    }
    CHECK(!revocation_reason_read(bytes_of("mood"), &read));
    CHECK(!revocation_reason_read(bytes_of(""), &read));
}
