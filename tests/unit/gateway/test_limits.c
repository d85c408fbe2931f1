/* One budget a user: for all its sockets, over reconnects, and for REST. 3 at once, 1 a second. */
#include "unit/gateway/rig.h"

static struct rig *start(size_t kept)
{
    struct rig *r = rig_create_bare();
    r->limits.send_burst = r->limits.other_burst = 3;
    r->limits.send_per_s = r->limits.other_per_s = 1;
    r->limits.budgets_kept = kept;
    rig_start(r, 0);
    return r;
}

static bool ping(struct rig_link *link)
{
    rig_mark(link);
    rig_say(link, "{\"type\":\"ping\"}");
    rig_settle(link->rig);
    return !rig_heard(link, "\"code\":\"rate_limited\"");
}

static int64_t rest(struct rig *r, const char *user, bool is_send)
{
    struct identity who = { .user = id_of(user), .roles = USER_ROLE_USER };
    return gateway_admit(rig_gateway(r, 0), &who, is_send);
}

TEST(connecting_anew_brings_no_new_budget)
{
    struct rig *r = start(100);
    for (int i = 0; i < 3; i++) {
        struct rig_link *ann = rig_connect(r, 0, "ann", NULL);
        CHECK(ping(ann));
        rig_cut(ann);
    }
    struct rig_link *ann = rig_connect(r, 0, "ann", NULL);
    CHECK(!ping(ann));
    rig_cut(ann);
    rig_advance(r, 1100);
    ann = rig_connect(r, 0, "ann", NULL);
    CHECK(ping(ann));
    CHECK(!ping(ann));
    rig_destroy(r);
}

TEST(rest_and_sockets_share_it_whatever_comes_first)
{
    struct rig *r = start(100);
    CHECK_INT(0, rest(r, "ann", false));
    struct rig_link *ann = rig_connect(r, 0, "ann", NULL);
    CHECK(ping(ann));
    rig_cut(ann);
    CHECK_INT(0, rest(r, "ann", false));
    int64_t wait_ms = rest(r, "ann", false);
    CHECK(wait_ms > 0 && wait_ms <= 1001);
    ann = rig_connect(r, 0, "ann", NULL);
    CHECK(!ping(ann));
    CHECK_INT(0, rest(r, "ann", true)); /* sends have one of their own */
    CHECK_INT(0, rest(r, "bob", false));
    rig_destroy(r);
}

TEST(a_budget_is_kept_until_it_is_full_again_and_no_longer)
{
    struct rig *r = start(100);
    for (int i = 0; i < 3; i++)
        CHECK_INT(0, rest(r, "ann", true));
    rig_advance(r, 2600);
    CHECK_SIZE(1, rig_gateway(r, 0)->budgets.count);
    CHECK_INT(0, rest(r, "ann", true));
    CHECK_INT(0, rest(r, "ann", true));
    CHECK(rest(r, "ann", true) > 0);
    rig_advance(r, 3500);
    CHECK_SIZE(0, rig_gateway(r, 0)->budgets.count);
    rig_destroy(r);
}

TEST(of_too_many_the_one_used_longest_ago_is_forgotten_alone)
{
    struct rig *r = start(2);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(0, rest(r, "ann", true));
        CHECK_INT(0, rest(r, "bob", true));
    }
    CHECK_INT(0, rest(r, "eve", true)); /* in ann's place */
    CHECK(rest(r, "bob", true) > 0);
    CHECK_SIZE(2, rig_gateway(r, 0)->budgets.count);
    CHECK_INT(0, rest(r, "ann", true));
    rig_destroy(r);
}

TEST(services_have_no_limit)
{
    struct rig *r = start(100);
    struct rig_link *bot = rig_connect(r, 0, "bot+service", NULL);
    for (int i = 0; i < 20; i++)
        CHECK(ping(bot));
    CHECK_SIZE(0, rig_gateway(r, 0)->budgets.count);
    rig_destroy(r);
}
