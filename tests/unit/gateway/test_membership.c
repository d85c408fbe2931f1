/* What a socket may see follows the membership, whatever else is said about the member, and however
 * much of it waits in the outbox. */
#include "unit/gateway/rig.h"

TEST(a_second_removal_shows_nothing_that_came_after_the_first)
{
    struct rig *r = rig_create();
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    rig_heads(r);
    struct rig_link *bob = rig_connect_flowing(r, 0, "bob");
    rig_mark(bob);
    rig_stall(bob, 0);
    uint64_t a = rig_send(r, "c", "ann", "he may see it");
    uint64_t removal = rig_member(r, EVENT_MEMBER_REMOVED, "c", "bob");
    (void)rig_send(r, "c", "ann", "about him");
    (void)rig_member(r, EVENT_MEMBER_REMOVED, "c", "bob"); /* two admins at the same time */
    (void)rig_send(r, "c", "ann", "more about him");
    (void)rig_member(r, EVENT_MEMBER_UPDATED, "c", "bob"); /* and a third one */
    rig_settle(r);
    rig_drain(bob);
    rig_advance(r, 1000);
    CHECK_EVENTS(bob, "c", a, removal);
    rig_destroy(r);
}

TEST(a_rejoin_after_two_removals_shows_the_new_interval_only)
{
    struct rig *r = rig_create();
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    rig_heads(r);
    struct rig_link *bob = rig_connect_flowing(r, 0, "bob");
    rig_mark(bob);
    uint64_t removal = rig_member(r, EVENT_MEMBER_REMOVED, "c", "bob");
    (void)rig_send(r, "c", "ann", "about him");
    (void)rig_member(r, EVENT_MEMBER_REMOVED, "c", "bob");
    uint64_t join = rig_member(r, EVENT_MEMBER_ADDED, "c", "bob");
    uint64_t b = rig_send(r, "c", "ann", "welcome back");
    rig_settle(r);
    CHECK_EVENTS(bob, "c", removal, join, b);
    rig_destroy(r);
}

/* The log alone serves a reader while the store is so far behind that it is no help. */
TEST(the_chain_holds_while_only_the_log_can_be_read)
{
    enum { BEHIND = 5000 };
    struct rig *r = rig_create();
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    rig_conversation(r, "d", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    rig_heads(r);
    struct rig_link *bob = rig_connect_flowing(r, 0, "bob");
    rig_stall(bob, 0);
    for (int i = 0; i < BEHIND; i++) {
        (void)rig_send(r, "c", "ann", "one of many");
        (void)rig_send(r, "d", "ann", "between them");
    }
    rig_settle(r);
    rig_drain(bob);
    rig_advance(r, 5000);
    CHECK_SIZE(2 * BEHIND, rig_event_count(bob, "c") + rig_event_count(bob, "d"));
    for (size_t i = 0; i < bob->said_count; i++)
        CHECK(!bob->said[i].is_event || bob->said[i].prev);
    rig_destroy(r);
}

/* A user with many conversations costs steps in proportion to them, not to their cube. */
TEST(a_user_of_thousands_of_conversations_connects)
{
    enum { MANY = 3000 };
    struct rig *r = rig_create();
    char id[16];
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(id, sizeof id, "c%d", i);
        rig_conversation(r, id, CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    }
    rig_apply(r);
    rig_heads(r);
    struct rig_link *bob = rig_connect_flowing(r, 0, "bob");
    rig_mark(bob);
    for (int i = 0; i < MANY; i += 100) {
        (void)snprintf(id, sizeof id, "c%d", i);
        uint64_t seq = rig_send(r, id, "ann", "hello");
        rig_settle(r);
        CHECK_EVENTS(bob, id, seq);
    }
    rig_destroy(r);
}

TEST(what_a_room_is_is_asked_again_once_the_store_is_back)
{
    struct rig *r = rig_create();
    rig_conversation(r, "c", CONVERSATION_CHANNEL, HISTORY_ALL, "ann", "bob", NULL);
    rig_apply(r);
    uint64_t a = rig_send(r, "c", "ann", "still in the log");
    rig_age_out(r, "c", a);
    rig_heads(r);
    mem_store_set_away(r->mem, true);
    rig_advance(r, 1000);
    struct rig_link *eve = rig_connect(r, 0, "eve", NULL);
    rig_say(eve, "{\"type\":\"conversation.watch\",\"id\":\"1\",\"conversationId\":\"c\"}");
    rig_advance(r, 2000);
    mem_store_set_away(r->mem, false);
    rig_advance(r, 5000);
    rig_mark(eve);
    rig_say(eve, "{\"type\":\"conversation.watch\",\"id\":\"2\",\"conversationId\":\"c\"}");
    rig_advance(r, 1000);
    CHECK(rig_heard(eve, "\"type\":\"ok\",\"id\":\"2\""));
    rig_destroy(r);
}
