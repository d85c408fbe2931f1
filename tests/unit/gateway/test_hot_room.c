/* One room of thousands: its events don't keep the others waiting, and each member gets each of
 * them once, also those who come, go or lag while a walk over the room is under way.
 *
 * Turns of the loop are counted instead of time: a walk is cut into slices, and between two slices
 * of the large room the small one has its turn. */
#include "unit/gateway/rig.h"

enum { CROWD = 2000, SLICE_AT_MOST = 1024 }; /* fanout.c: subs of a turn */

static struct rig_link **crowd_of(struct rig *r, const char *conversation)
{
    struct rig_link **links = calloc(CROWD, sizeof(struct rig_link *));
    char user[16];
    CHECK(links);
    for (int i = 0; i < CROWD; i++) {
        (void)snprintf(user, sizeof user, "u%d", i);
        (void)rig_member(r, EVENT_MEMBER_ADDED, conversation, user);
    }
    rig_apply(r);
    for (int i = 0; i < CROWD; i++) {
        (void)snprintf(user, sizeof user, "u%d", i);
        links[i] = rig_connect(r, 0, user, NULL);
        rig_sync(links[i], NULL);
    }
    rig_settle(r);
    for (int i = 0; i < CROWD; i++)
        rig_mark(links[i]);
    return links;
}

static size_t heard_by(struct rig_link **links, const char *conversation)
{
    size_t count = 0;
    for (int i = 0; i < CROWD; i++)
        count += rig_event_count(links[i], conversation) > 0;
    return count;
}

TEST(a_small_room_does_not_wait_for_a_large_one)
{
    struct rig *r = rig_create();
    rig_conversation(r, "hot", CONVERSATION_CHANNEL, HISTORY_ALL, "owner", NULL);
    rig_conversation(r, "small", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    struct rig_link **crowd = crowd_of(r, "hot");
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    rig_mark(ann);

    uint64_t loud = rig_send(r, "hot", "owner", "to all");
    uint64_t quiet = rig_send(r, "small", "bob", "to ann");
    size_t most = 0, before = 0;
    while (rig_event_count(ann, "small") == 0) {
        CHECK(rig_turn(r));
        size_t now = heard_by(crowd, "hot");
        if (now - before > most)
            most = now - before;
        before = now;
    }
    CHECK_EVENTS(ann, "small", quiet);
    CHECK(before > 0 && before < CROWD); /* the walk over the large one is under way */
    CHECK(most <= SLICE_AT_MOST);

    rig_settle(r);
    for (int i = 0; i < CROWD; i++)
        CHECK_EVENTS(crowd[i], "hot", loud);
    free(crowd);
    rig_destroy(r);
}

TEST(who_leaves_or_stalls_while_a_large_room_is_walked_takes_nothing_from_the_others)
{
    struct rig *r = rig_create();
    rig_conversation(r, "hot", CONVERSATION_CHANNEL, HISTORY_ALL, "owner", NULL);
    struct rig_link **crowd = crowd_of(r, "hot");
    rig_stall(crowd[CROWD - 1], 0);
    uint64_t a = rig_send(r, "hot", "owner", "one");
    while (heard_by(crowd, "hot") == 0)
        CHECK(rig_turn(r));
    size_t half = heard_by(crowd, "hot");
    CHECK(half < CROWD);
    /* Those who were served make way: the last ones move to where the walk has been. */
    for (size_t i = 0; i < half; i++)
        rig_cut(crowd[i]);
    uint64_t b = rig_send(r, "hot", "owner", "two");
    rig_settle(r);
    for (int i = (int)half; i < CROWD - 1; i++)
        CHECK_EVENTS(crowd[i], "hot", a, b);
    rig_drain(crowd[CROWD - 1]);
    rig_settle(r);
    CHECK_EVENTS(crowd[CROWD - 1], "hot", a, b);
    free(crowd);
    rig_destroy(r);
}

/* Each joined at another place, and all come back at once after the ring has let go of everything.
 */
TEST(members_who_come_back_from_different_places_share_the_reads)
{
    struct rig *r = rig_create_bare();
    struct gateway_stats stats;
    r->limits.ring_bytes_total = 200 * 1000; /* of rings, and of blocks */
    rig_start(r, 0);
    rig_conversation(r, "hot", CONVERSATION_CHANNEL, HISTORY_ALL, "owner", NULL);
    struct rig_link **crowd = crowd_of(r, "hot");
    uint64_t last = rig_send(r, "hot", "owner", "the last one");
    rig_settle(r);
    for (int i = 0; i < CROWD; i++)
        CHECK_EVENTS(crowd[i], "hot", last);
    gateway_stats(rig_gateway(r, 0), &stats);
    CHECK(stats.catch_ups > 0 && stats.catch_ups < 4 * (CROWD / 1000 + 1));
    CHECK(rig_gateway(r, 0)->block_bytes <= 200 * 1000 + 1001 * 500);
    rig_advance(r, 20000);
    CHECK_SIZE(0, rig_gateway(r, 0)->block_bytes);
    free(crowd);
    rig_destroy(r);
}

/* A thousand of them are more than one read may hold. */
TEST(events_as_large_as_they_may_be_are_caught_up_with)
{
    enum { COUNT = 1050, TEXT_BYTES = 65000 };
    struct rig *r = rig_create_bare();
    char *text = calloc(1, TEXT_BYTES + 1);
    CHECK(text);
    memset(text, 'x', TEXT_BYTES);
    r->limits.outbox_bytes = 64 << 20;
    rig_start(r, 0);
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    rig_heads(r);
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    rig_stall(ann, 0);
    for (int i = 0; i < COUNT; i++)
        (void)rig_send(r, "c", "bob", text);
    rig_settle(r);
    rig_mark(ann);
    rig_drain(ann);
    rig_advance(r, 10000);
    CHECK_SIZE(COUNT, rig_event_count(ann, "c"));
    free(text);
    rig_destroy(r);
}
