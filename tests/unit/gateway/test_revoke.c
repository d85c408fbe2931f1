/* Revocations and open sockets: who is told and closed, and who isn't. In the rig a session is
 * named after its user, and all of a user's sockets have it. */
#include "unit/gateway/rig.h"

static struct revocation of_user(const char *user)
{
    return (struct revocation){
        .kind = REVOKED_USER, .reason = REVOKED_BAN, .user = id_of(user), .before_ms = INT64_MAX
    };
}

TEST(a_revoked_user_s_sockets_are_told_and_closed_with_4002_and_no_others)
{
    struct rig *r = rig_create();
    struct rig_link *one = rig_connect_flowing(r, 0, "ann");
    struct rig_link *two = rig_connect_flowing(r, 0, "ann");
    struct rig_link *other = rig_connect_flowing(r, 0, "bob");
    struct revocation all = of_user("ann");
    gateway_revoke(rig_gateway(r, 0), &all);
    rig_settle(r);
    CHECK_INT(CLOSE_REVOKED, one->close_code);
    CHECK_INT(CLOSE_REVOKED, two->close_code);
    CHECK_STR("session_revoked", one->close_reason);
    CHECK(strstr(one->said[one->said_count - 1].text, "\"type\":\"session.revoked\""));
    CHECK(strstr(one->said[one->said_count - 1].text, "\"reason\":\"ban\""));
    CHECK_INT(0, other->close_code);
    struct gateway_stats stats;
    gateway_stats(rig_gateway(r, 0), &stats);
    CHECK_U64(2, stats.closed_revoked);
    gateway_revoke(rig_gateway(r, 0), &all); /* it may come again */
    rig_settle(r);
    gateway_stats(rig_gateway(r, 0), &stats);
    CHECK_U64(2, stats.closed_revoked);
    rig_destroy(r);
}

TEST(one_session_is_closed_and_the_user_s_others_stay)
{
    struct rig *r = rig_create();
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    struct conn *conn = ann->user;
    struct revocation one = { .kind = REVOKED_SESSION, .user = id_of("ann") };
    one.session = id_of("another");
    gateway_revoke(rig_gateway(r, 0), &one);
    rig_settle(r);
    CHECK_INT(0, ann->close_code);
    one.session = conn->session;
    gateway_revoke(rig_gateway(r, 0), &one);
    rig_settle(r);
    CHECK_INT(CLOSE_REVOKED, ann->close_code);
    rig_destroy(r);
}

TEST(a_spared_session_and_later_ones_stay)
{
    struct rig *r = rig_create();
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    struct conn *conn = ann->user;
    struct revocation all = of_user("ann");
    all.spared = conn->session;
    gateway_revoke(rig_gateway(r, 0), &all);
    rig_settle(r);
    CHECK_INT(0, ann->close_code);
    all.spared.len = 0;
    all.before_ms = -1; /* the rig's tokens are of the time 0 */
    gateway_revoke(rig_gateway(r, 0), &all);
    rig_settle(r);
    CHECK_INT(0, ann->close_code);
    rig_destroy(r);
}

TEST(a_socket_falls_with_the_session_of_the_token_that_keeps_it_alive)
{
    struct rig *r = rig_create();
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    struct conn *conn = ann->user;
    struct revocation one = { .kind = REVOKED_SESSION, .user = id_of("ann") };
    conn->token_session = one.session = id_of("fresh"); /* as auth.refresh leaves it */
    gateway_revoke(rig_gateway(r, 0), &one);
    rig_settle(r);
    CHECK_INT(CLOSE_REVOKED, ann->close_code);
    rig_destroy(r);
}
