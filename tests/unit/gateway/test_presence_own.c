/* One session, several sockets: its key in the bucket stays as long as one of them does, here or at
 * another gateway, and a status that was chosen is that of all of them.
 *
 * Two gateways share a bucket; carl, at either, is the one who looks. */
#include "unit/gateway/rig.h"

struct pair {
    struct rig *r;
    struct rig_link *here, *there, *looker;
};

static struct rig_link *open_session(struct rig *r, int node)
{
    struct rig_link *link = rig_connect(r, node, "bob:s1", NULL);
    CHECK(link && link->is_open);
    rig_sync(link, NULL);
    rig_settle(r);
    return link;
}

/* bob's one session with a socket at both gateways; carl looks at bob from node 1. */
static struct pair pair_of(void)
{
    struct pair p = { .r = rig_create() };
    p.r->keeps_puts = true;
    rig_start(p.r, 1);
    rig_heads(p.r);
    p.looker = rig_connect_flowing(p.r, 1, "carl");
    p.here = open_session(p.r, 0);
    p.there = open_session(p.r, 1);
    rig_advance(p.r, 3000);
    rig_say(p.looker, "{\"type\":\"presence.subscribe\",\"id\":\"p\",\"userIds\":[\"bob\"]}");
    rig_settle(p.r);
    CHECK(rig_heard(p.looker, "\"status\":\"online\""));
    rig_mark(p.looker);
    return p;
}

static void set_status(struct rig_link *link, const char *status)
{
    rig_say(link, "{\"type\":\"presence.set\",\"id\":\"1\",\"status\":\"%s\",\"text\":\"t\"}",
            status);
    rig_settle(link->rig);
}

TEST(a_session_that_ends_at_one_gateway_stays_present_by_the_other)
{
    struct pair p = pair_of();
    rig_cut(p.here);
    rig_advance(p.r, 120000);
    CHECK(!rig_heard(p.looker, "presence.updated")); /* nobody saw it go, not even for a moment */
    rig_cut(p.there);
    rig_advance(p.r, 1000);
    CHECK(rig_heard(p.looker, "\"status\":\"offline\""));
    CHECK_SIZE(1, rig_count(p.looker, "presence.updated"));
    rig_destroy(p.r);
}

/* What gateways say to each other is lost: the key goes, and is there again after a refresh. */
TEST(a_lost_word_is_made_good_by_the_next_refresh)
{
    struct pair p = pair_of();
    p.r->loses_signals = true;
    rig_cut(p.here);
    rig_advance(p.r, 35000);
    CHECK(rig_heard(p.looker, "\"status\":\"offline\""));
    CHECK(rig_heard(p.looker, "\"status\":\"online\""));
    rig_destroy(p.r);
}

TEST(a_draining_gateway_purges_at_once_and_the_other_puts_again)
{
    struct pair p = pair_of();
    gateway_drain(rig_gateway(p.r, 0));
    rig_settle(p.r);
    unsigned ends = p.r->nodes[0].presence_ends, puts = p.r->nodes[1].presence_puts;
    rig_cut(p.here);
    rig_settle(p.r);
    CHECK_U64(ends + 1, p.r->nodes[0].presence_ends);
    CHECK_U64(puts + 1, p.r->nodes[1].presence_puts);
    CHECK(!p.r->sessions[p.r->session_count - 1].is_gone);
    rig_destroy(p.r);
}

TEST(a_page_that_is_loaded_anew_is_not_seen_to_go)
{
    struct pair p = pair_of();
    rig_cut(p.there);
    rig_advance(p.r, 1000); /* now the one at node 0 is the only one */
    rig_mark(p.looker);
    rig_cut(p.here);
    rig_advance(p.r, 250);
    struct rig_link *again = open_session(p.r, 0);
    rig_advance(p.r, 5000);
    CHECK(!rig_heard(p.looker, "presence.updated"));
    rig_cut(again);
    rig_advance(p.r, 1000);
    CHECK(rig_heard(p.looker, "\"status\":\"offline\""));
    rig_destroy(p.r);
}

TEST(a_client_that_moves_to_another_gateway_is_not_seen_to_go)
{
    struct pair p = pair_of();
    rig_cut(p.there);
    rig_advance(p.r, 1000);
    rig_mark(p.looker);
    rig_cut(p.here);
    rig_advance(p.r, 250);
    struct rig_link *again = open_session(p.r, 1);
    rig_advance(p.r, 65000);
    CHECK(!rig_heard(p.looker, "\"status\":\"offline\""));
    CHECK(again->is_open);
    CHECK(!p.r->sessions[p.r->session_count - 1].is_gone);
    rig_destroy(p.r);
}

/* Its new socket closes before it was told: the key of the old one must not stay for a minute. */
TEST(a_socket_that_took_a_key_over_answers_for_it)
{
    struct pair p = pair_of();
    rig_cut(p.there);
    rig_advance(p.r, 1000);
    rig_cut(p.here);
    struct rig_link *again = rig_connect(p.r, 0, "bob:s1", NULL);
    rig_settle(p.r);
    rig_advance(p.r, 750);
    rig_cut(again);
    rig_advance(p.r, 1000);
    CHECK(rig_heard(p.looker, "\"status\":\"offline\""));
    rig_destroy(p.r);
}

TEST(a_status_that_was_chosen_is_put_by_all_gateways)
{
    struct pair p = pair_of();
    set_status(p.here, "away");
    CHECK(rig_heard(p.looker, "\"status\":\"away\",\"text\":\"t\""));
    rig_mark(p.looker);
    rig_advance(p.r, 120000); /* both have refreshed several times */
    CHECK(!rig_heard(p.looker, "presence.updated"));
    set_status(p.there, "dnd");
    rig_advance(p.r, 120000);
    CHECK_SIZE(1, rig_count(p.looker, "presence.updated"));
    CHECK(rig_heard(p.looker, "\"status\":\"dnd\""));
    rig_destroy(p.r);
}

TEST(a_later_socket_takes_the_status_that_its_session_has)
{
    struct pair p = pair_of();
    rig_cut(p.there);
    set_status(p.here, "dnd");
    struct rig_link *same = open_session(p.r, 0), *other = open_session(p.r, 1);
    rig_advance(p.r, 3000);
    rig_mark(p.looker);
    rig_cut(p.here);
    rig_advance(p.r, 90000);
    CHECK(!rig_heard(p.looker, "presence.updated"));
    rig_cut(same);
    rig_advance(p.r, 90000);
    CHECK(!rig_heard(p.looker, "presence.updated"));
    CHECK(other->is_open);
    rig_destroy(p.r);
}

TEST(who_is_invisible_is_so_at_every_gateway)
{
    struct pair p = pair_of();
    set_status(p.here, "invisible");
    CHECK(rig_heard(p.looker, "\"status\":\"offline\""));
    rig_mark(p.looker);
    rig_advance(p.r, 120000);
    rig_cut(p.here);
    rig_advance(p.r, 120000);
    CHECK(!rig_heard(p.looker, "presence.updated"));
    rig_destroy(p.r);
}
