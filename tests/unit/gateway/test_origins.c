/* Which pages may open a socket, and with whose token. */
#include "unit/gateway/rig.h"

static struct rig *start(const char *const *origins)
{
    struct rig *r = rig_create_bare();
    r->limits.allowed_origins = origins;
    rig_start(r, 0);
    return r;
}

static int status(struct rig *r, const char *origin, const char *token, const char *cookie)
{
    r->origin = origin;
    r->cookie = cookie;
    struct rig_link *link = rig_upgrade(r, 0, token, NULL);
    return link->http_status ? link->http_status : link->close_code;
}

TEST(a_named_origin_and_this_host_are_let_in_and_no_other)
{
    const char *const origins[] = { "https://app.example", NULL };
    struct rig *r = start(origins);
    CHECK_INT(0, status(r, NULL, "ann", NULL));
    CHECK_INT(0, status(r, "https://app.example", "ann", NULL));
    CHECK_INT(0, status(r, "http://localhost", "ann", NULL));
    CHECK_INT(403, status(r, "https://evil.example", "ann", NULL));
    CHECK_INT(403, status(r, "https://app.example.evil", "ann", NULL));
    CHECK_INT(0, status(r, "https://app.example", NULL, "__Host-parley-access=ann"));
    rig_destroy(r);
}

TEST(a_foreign_page_is_told_why_as_any_other_problem_is)
{
    const char *const origins[] = { "https://app.example", NULL };
    static const char *const members[] = {
        "{\"type\":\"urn:parley:problem:forbidden\"",
        "\"title\":\"This is not allowed.\"",
        "\"status\":403",
        "\"detail\":\"Pages of this origin may not open a socket here.\"",
        "\"instance\":\"urn:uuid:",
        "\"code\":\"forbidden\"",
        "\"message\":\"Pages of this origin may not open a socket here.\"",
        "\"retryable\":false",
        "\"retryAfterMs\":null",
        "\"field\":\"Origin\"",
        "\"requestId\":\"",
    };
    struct rig *r = start(origins);
    r->origin = "https://evil.example";
    const struct rig_link *link = rig_upgrade(r, 0, "ann", NULL);
    for (size_t i = 0; i < COUNT_OF(members); i++)
        CHECK(strstr(link->refusal, members[i]) != NULL);
    CHECK(strchr(link->refusal, '}') == link->refusal + strlen(link->refusal) - 1);
    rig_destroy(r);
}

TEST(a_star_lets_any_page_in_that_has_a_token_of_its_own)
{
    const char *const origins[] = { "https://app.example", "*", NULL };
    struct rig *r = start(origins);
    CHECK_INT(0, status(r, "https://any.example", "ann", NULL));
    CHECK_INT(0, status(r, "https://app.example", NULL, "__Host-parley-access=ann"));
    /* What the browser adds by itself isn't the page's. */
    CHECK_INT(CLOSE_POLICY, status(r, "https://any.example", NULL, "__Host-parley-access=ann"));
    rig_destroy(r);
}
