/* presence.updated: on change, over several sessions, and never in the way of what counts. */
#include "unit/gateway/rig.h"

static void watch(struct rig_link *link, const char *user)
{
    rig_mark(link);
    rig_say(link, "{\"type\":\"presence.subscribe\",\"id\":\"p\",\"userIds\":[\"%s\"]}", user);
    rig_settle(link->rig);
}

static bool is_told(struct rig_link *link, const char *status)
{
    char part[64];
    (void)snprintf(part, sizeof part, "\"status\":\"%s\"", status);
    rig_settle(link->rig);
    bool is_so = rig_heard(link, "presence.updated") && rig_heard(link, part) &&
                 rig_count(link, "presence.updated") == 1;
    rig_mark(link);
    return is_so;
}

TEST(a_change_is_told_and_what_is_no_change_is_not)
{
    struct rig *r = rig_create();
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    watch(ann, "bob");
    CHECK(rig_heard(ann, "\"userId\":\"bob\",\"status\":\"offline\""));
    rig_mark(ann);
    rig_presence(r, "bob", "s1", "online");
    CHECK(is_told(ann, "online"));
    rig_presence(r, "bob", "s1", "online"); /* a refresh */
    rig_settle(r);
    CHECK(!rig_heard(ann, "presence.updated"));
    rig_presence(r, "bob", "s1", NULL);
    CHECK(is_told(ann, "offline"));
    rig_destroy(r);
}

TEST(of_several_sessions_the_most_present_one_counts)
{
    struct rig *r = rig_create();
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    rig_presence(r, "bob", "s1", "away");
    watch(ann, "bob");
    CHECK(rig_heard(ann, "\"status\":\"away\""));
    rig_mark(ann);
    rig_presence(r, "bob", "s2", "online");
    CHECK(is_told(ann, "online"));
    rig_presence(r, "bob", "s2", NULL);
    CHECK(is_told(ann, "away"));
    rig_presence(r, "bob", "s1", NULL);
    CHECK(is_told(ann, "offline"));
    rig_destroy(r);
}

TEST(who_is_invisible_has_no_key)
{
    struct rig *r = rig_create();
    struct rig_link *bob = rig_connect_flowing(r, 0, "bob");
    rig_advance(r, 2000);
    CHECK_U64(1, r->nodes[0].presence_puts);
    rig_say(bob, "{\"type\":\"presence.set\",\"id\":\"1\",\"status\":\"invisible\"}");
    rig_settle(r);
    CHECK_U64(1, r->nodes[0].presence_ends);
    rig_advance(r, 65000);
    CHECK_U64(1, r->nodes[0].presence_puts); /* no refresh */
    rig_destroy(r);
}

TEST(a_bucket_that_is_away_means_unknown_never_offline)
{
    struct rig *r = rig_create();
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    rig_presence(r, "bob", "s1", "online");
    watch(ann, "bob");
    rig_mark(ann);
    r->is_bucket_away = true;
    rig_boundary(r, 0);
    CHECK(is_told(ann, "unknown"));
    rig_advance(r, 10000);
    CHECK(!rig_heard(ann, "presence.updated"));
    r->is_bucket_away = false;
    rig_advance(r, 6000);
    CHECK(is_told(ann, "online"));
    rig_destroy(r);
}

/* It is a signal: the first to be dropped, not a reason to close. */
TEST(a_client_that_takes_nothing_is_not_closed_for_the_presence_of_others)
{
    struct rig *r = rig_create_bare();
    struct gateway_stats stats;
    r->limits.outbox_bytes = 2000;
    rig_start(r, 0);
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    watch(ann, "bob");
    rig_stall(ann, 0);
    for (int i = 0; i < 2000; i++) {
        rig_presence(r, "bob", "s1", i % 2 ? "away" : "online");
        rig_settle(r);
    }
    CHECK(!ann->is_closing);
    gateway_stats(rig_gateway(r, 0), &stats);
    CHECK(stats.signals_dropped > 1900);
    rig_drain(ann);
    rig_settle(r);
    rig_mark(ann);
    rig_presence(r, "bob", "s1", "dnd");
    CHECK(is_told(ann, "dnd"));
    rig_destroy(r);
}
