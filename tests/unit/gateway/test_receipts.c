/* Delivered watermarks: coalesced, bounded, never back, and never in the way of sends. */
#include "unit/gateway/rig.h"

static void ack(struct rig_link *link, const char *conversation, uint64_t seq)
{
    rig_say(link, "{\"type\":\"message.ack\",\"conversationId\":\"%s\",\"seq\":%llu}", conversation,
            (unsigned long long)seq);
}

/* The newest stored watermark of a device; 0: none. */
static uint64_t stored(const struct rig *r, const char *user)
{
    char part[64];
    (void)snprintf(part, sizeof part, ".%s.", user);
    for (size_t i = r->noted_count; i-- > 0;)
        if (strstr(r->noted[i].subject, part))
            return r->noted[i].seq;
    return 0;
}

static struct rig *start(struct rig *r)
{
    rig_start(r, 0);
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    return r;
}

TEST(the_newest_watermark_waits_behind_the_one_under_way)
{
    struct rig *r = start(rig_create_bare());
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    uint64_t seqs[100];
    for (size_t i = 0; i < COUNT_OF(seqs); i++)
        seqs[i] = rig_send(r, "c", "bob", "x");
    rig_settle(r);
    r->are_acks_held = true;
    for (size_t i = 0; i < COUNT_OF(seqs); i++) {
        ack(ann, "c", seqs[i]);
        rig_advance(r, 10);
    }
    CHECK_U64(1, r->receipts);
    CHECK_U64(seqs[0], stored(r, "ann"));
    r->are_acks_held = false;
    rig_settle(r);
    CHECK_U64(2, r->receipts);
    CHECK_U64(seqs[99], stored(r, "ann"));
    rig_destroy(r);
}

TEST(a_storm_of_acks_leaves_room_for_sends_and_each_gets_out)
{
    enum { CROWD = 200 };
    struct rig *r = start(rig_create_bare());
    struct rig_link *crowd[CROWD];
    char user[16];
    for (int i = 0; i < CROWD; i++) {
        (void)snprintf(user, sizeof user, "u%d", i);
        (void)rig_member(r, EVENT_MEMBER_ADDED, "c", user);
        crowd[i] = rig_connect_flowing(r, 0, user);
    }
    uint64_t last = rig_send(r, "c", "ann", "to all");
    rig_settle(r);
    r->are_acks_held = true;
    for (int i = 0; i < CROWD; i++)
        ack(crowd[i], "c", last);
    rig_advance(r, 500);
    CHECK_U64(64, r->receipts_open);
    r->are_acks_held = false;
    rig_settle(r);
    CHECK_U64(64, r->receipts_open_max);
    CHECK_U64(CROWD, r->receipts);
    for (int i = 0; i < CROWD; i++) {
        (void)snprintf(user, sizeof user, "u%d", i);
        CHECK_U64(last, stored(r, user));
    }
    rig_destroy(r);
}

/* Whoever acks more often than the rest must not lose its place for it. */
TEST(who_acks_again_while_waiting_keeps_the_place)
{
    enum { CROWD = 65 };
    struct rig *r = start(rig_create_bare());
    struct rig_link *crowd[CROWD];
    char user[16];
    for (int i = 0; i < CROWD; i++) {
        (void)snprintf(user, sizeof user, "u%d", i);
        (void)rig_member(r, EVENT_MEMBER_ADDED, "c", user);
        crowd[i] = rig_connect_flowing(r, 0, user);
    }
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    uint64_t one = rig_send(r, "c", "ann", "one"), two = rig_send(r, "c", "ann", "two");
    rig_settle(r);
    r->are_acks_held = true;
    for (int i = 0; i < 64; i++)
        ack(crowd[i], "c", one);
    ack(ann, "c", one); /* waits */
    ack(crowd[64], "c", one);
    ack(ann, "c", two);
    r->are_acks_held = false;
    CHECK(rig_turn(r));
    CHECK_U64(two, stored(r, "ann"));
    CHECK(strstr(r->noted[64].subject, ".ann.") != NULL);
    rig_settle(r);
    rig_destroy(r);
}

TEST(what_fails_goes_out_later_as_the_newest_by_then)
{
    const enum rig_publish plans[] = { PUB_UNAVAILABLE, PUB_REFUSED };
    for (size_t i = 0; i < COUNT_OF(plans); i++) {
        struct rig *r = start(rig_create_bare());
        struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
        uint64_t one = rig_send(r, "c", "bob", "one"), two = rig_send(r, "c", "bob", "two");
        rig_settle(r);
        r->receipt_plan = plans[i];
        ack(ann, "c", one);
        rig_advance(r, 2000);
        CHECK(r->receipts <= 9); /* at most one a tick */
        ack(ann, "c", two);
        rig_cut(ann); /* also when the device has gone */
        r->receipt_plan = PUB_GOOD;
        rig_advance(r, 300);
        CHECK_SIZE(1, r->noted_count);
        CHECK_U64(two, stored(r, "ann"));
        rig_destroy(r);
    }
}

TEST(a_device_that_comes_back_does_not_set_its_watermark_back)
{
    struct rig *r = start(rig_create_bare());
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    char cursor[CURSOR_TEXT_MAX + 1];
    CHECK(rig_cursor(ann, cursor));
    uint64_t one = rig_send(r, "c", "bob", "one"), two = rig_send(r, "c", "bob", "two");
    rig_settle(r);
    ack(ann, "c", two);
    rig_settle(r);
    rig_cut(ann);
    ann = rig_connect(r, 0, "ann", NULL);
    rig_sync(ann, cursor);
    rig_settle(r);
    ack(ann, "c", one);
    ack(ann, "c", two);
    rig_settle(r);
    CHECK_U64(1, r->receipts);
    uint64_t three = rig_send(r, "c", "bob", "three");
    rig_settle(r);
    ack(ann, "c", three + 1000); /* not beyond what was sent */
    rig_settle(r);
    CHECK_U64(2, r->receipts);
    CHECK_U64(three, stored(r, "ann"));
    /* Another session of the same user is another device. */
    struct rig_link *other = rig_connect_flowing(r, 0, "ann:s2");
    ack(other, "c", one);
    rig_settle(r);
    CHECK_U64(3, r->receipts);
    rig_destroy(r);
}

TEST(no_more_are_remembered_than_the_limit_and_the_oldest_idle_one_makes_room)
{
    struct rig *r = rig_create_bare();
    r->limits.receipts_kept = 2;
    (void)start(r);
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    struct rig_link *bob = rig_connect_flowing(r, 0, "bob");
    struct rig_link *ann2 = rig_connect_flowing(r, 0, "ann:s2");
    uint64_t one = rig_send(r, "c", "bob", "one");
    rig_settle(r);
    r->are_acks_held = true;
    ack(ann, "c", one);
    ack(bob, "c", one);
    ack(ann2, "c", one); /* both are under way: no room, and it is said */
    rig_settle(r);
    CHECK(rig_heard(ann2, "\"code\":\"overloaded\""));
    r->are_acks_held = false;
    rig_settle(r);
    rig_mark(ann2);
    ack(ann2, "c", one);
    rig_settle(r);
    CHECK(!rig_heard(ann2, "error"));
    CHECK_U64(3, r->receipts);
    CHECK_SIZE(2, rig_gateway(r, 0)->receipts.count);
    rig_destroy(r);
}

TEST(who_is_not_a_member_acks_nothing)
{
    struct rig *r = start(rig_create_bare());
    rig_conversation(r, "theirs", CONVERSATION_GROUP, HISTORY_JOINED, "bob", NULL);
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    ack(ann, "theirs", rig_last_seq(r, "theirs"));
    ack(ann, "nowhere", 1);
    rig_settle(r);
    CHECK_SIZE(2, rig_count(ann, "\"code\":\"not_found\""));
    CHECK_U64(0, r->receipts);
    rig_destroy(r);
}
