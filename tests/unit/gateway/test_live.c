/* Live events: the chain by prev, what is lost, doubled or late on the way, and the repair.
 *
 * Each test loses, doubles or delays live copies by name and looks at what the socket got: every
 * event in order, once, chained; never a later one before the hole is filled. */
#include "unit/gateway/rig.h"

TEST(events_flow_in_order_each_once)
{
    struct rig *r = rig_create();
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    uint64_t a = rig_send(r, "c", "bob", "one"), b = rig_send(r, "c", "bob", "two");
    rig_settle(r);
    CHECK_EVENTS(ann, "c", a, b);
    CHECK(rig_heard(ann, "\"text\":\"two\""));
    rig_destroy(r);
}

TEST(a_hole_is_read_from_the_log_before_anything_later_is_shown)
{
    struct rig *r = rig_create();
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    r->live = LIVE_LOST;
    uint64_t a = rig_send(r, "c", "bob", "lost");
    r->live = LIVE_GOOD;
    uint64_t b = rig_send(r, "c", "bob", "seen");
    r->auto_jobs = false;
    rig_settle(r);
    CHECK_NO_EVENTS(ann, "c");
    uint64_t c = rig_send(r, "c", "bob", "while it is read");
    rig_settle(r);
    CHECK_NO_EVENTS(ann, "c");
    r->auto_jobs = true;
    rig_settle(r);
    CHECK_EVENTS(ann, "c", a, b, c);
    struct gateway_stats stats;
    gateway_stats(rig_gateway(r, 0), &stats);
    CHECK_U64(1, stats.gaps);
    rig_destroy(r);
}

TEST(a_lost_last_event_is_found_by_the_announced_heads)
{
    struct rig *r = rig_create();
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    rig_heads(r);
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    r->live = LIVE_LOST;
    uint64_t a = rig_send(r, "c", "bob", "lost");
    rig_settle(r);
    CHECK_NO_EVENTS(ann, "c");
    rig_heads(r);
    rig_advance(r, 300);
    CHECK_EVENTS(ann, "c", a);
    rig_destroy(r);
}

TEST(doubled_and_late_copies_are_dropped)
{
    struct rig *r = rig_create();
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    r->live = LIVE_TWICE;
    uint64_t a = rig_send(r, "c", "bob", "twice");
    r->live = LIVE_HELD;
    uint64_t b = rig_send(r, "c", "bob", "late");
    r->live = LIVE_GOOD;
    uint64_t c = rig_send(r, "c", "bob", "on time");
    rig_settle(r);
    CHECK_EVENTS(ann, "c", a, b, c);
    rig_release_held(r);
    rig_settle(r);
    CHECK_EVENTS(ann, "c", a, b, c);
    rig_destroy(r);
}

TEST(prev_zero_means_that_the_one_before_has_aged_out)
{
    struct rig *r = rig_create();
    uint64_t last = rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", NULL);
    rig_apply(r);
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    rig_age_out(r, "c", rig_last_seq(r, "c") + 1);
    uint64_t a = rig_send(r, "c", "ann", "after a quiet week");
    rig_settle(r);
    CHECK_EVENTS(ann, "c", a);
    CHECK_U64(last, ann->said[ann->said_count - 1].prev);
    rig_destroy(r);
}

TEST(a_lower_prev_than_seen_is_a_wrong_stream_and_resets)
{
    struct rig *r = rig_create();
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    uint64_t a = rig_send(r, "c", "bob", "one");
    (void)rig_send(r, "c", "bob", "two");
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    struct rig_stream *s = &r->streams[rig_partition("c")];
    struct log_record forged = s->records[s->count - 1].record;
    forged.seq += 10;
    forged.prev = a;
    r->nodes[0].events.on_record(r->nodes[0].events.closure, &forged);
    rig_settle(r);
    CHECK(rig_heard(ann, "\"type\":\"sync.reset\",\"conversationId\":\"c\",\"reason\":\"gap\""));
    struct gateway_stats stats;
    gateway_stats(rig_gateway(r, 0), &stats);
    CHECK_U64(1, stats.wrong_streams);
    rig_destroy(r);
}

TEST(a_repair_that_fails_some_times_goes_on_until_it_works)
{
    struct rig *r = rig_create();
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    r->live = LIVE_LOST;
    uint64_t a = rig_send(r, "c", "bob", "lost");
    r->live = LIVE_GOOD;
    uint64_t b = rig_send(r, "c", "bob", "seen");
    r->is_log_away = true;
    rig_advance(r, 2000);
    CHECK_NO_EVENTS(ann, "c");
    r->is_log_away = false;
    rig_advance(r, 2000);
    CHECK_EVENTS(ann, "c", a, b);
    CHECK(!rig_heard(ann, "sync.reset"));
    rig_destroy(r);
}

/* A busy conversation must not use up the tries: a reset throws away what clients have. */
TEST(live_events_do_not_use_up_the_tries_of_a_repair)
{
    struct rig *r = rig_create();
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    r->live = LIVE_LOST;
    (void)rig_send(r, "c", "bob", "lost");
    r->live = LIVE_GOOD;
    r->is_log_away = true;
    for (int i = 0; i < 200; i++) {
        (void)rig_send(r, "c", "bob", "busy");
        rig_advance(r, 10);
    }
    CHECK(!rig_heard(ann, "sync.reset"));
    r->is_log_away = false;
    rig_advance(r, 2000);
    CHECK_U64(201, rig_event_count(ann, "c"));
    rig_destroy(r);
}

TEST(what_has_left_the_log_is_repaired_from_the_store)
{
    struct rig *r = rig_create();
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    r->live = LIVE_LOST;
    uint64_t a = rig_send(r, "c", "bob", "lost"), b = rig_send(r, "c", "bob", "lost too");
    r->live = LIVE_GOOD;
    rig_apply(r);
    uint64_t c = rig_send(r, "c", "bob", "seen");
    rig_age_out(r, "c", b);
    rig_advance(r, 500);
    CHECK_EVENTS(ann, "c", a, b, c);
    rig_destroy(r);
}

TEST(what_neither_log_nor_store_has_is_a_reset_that_is_said)
{
    struct rig *r = rig_create();
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    rig_apply(r);
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    uint64_t next = rig_last_seq(r, "c") + 1;
    struct rig_stream *s = &r->streams[rig_partition("c")];
    struct log_record forged = s->records[s->count - 1].record;
    forged.kind = 'c';
    forged.owner = id_of("c");
    forged.seq = next + 50;
    forged.prev = next + 40;
    r->nodes[0].events.on_record(r->nodes[0].events.closure, &forged);
    rig_advance(r, 1000);
    CHECK(rig_heard(ann, "\"reason\":\"gap\""));
    CHECK_NO_EVENTS(ann, "c");
    rig_destroy(r);
}

TEST(more_than_the_stash_holds_is_read_from_the_log)
{
    struct rig *r = rig_create();
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    r->live = LIVE_LOST;
    (void)rig_send(r, "c", "bob", "lost");
    r->live = LIVE_GOOD;
    r->auto_jobs = false;
    for (int i = 0; i < 5000; i++)
        (void)rig_send(r, "c", "bob", "x");
    rig_settle(r);
    CHECK_NO_EVENTS(ann, "c");
    r->auto_jobs = true;
    rig_advance(r, 500);
    CHECK_U64(5001, rig_event_count(ann, "c"));
    for (size_t i = ann->mark + 1; i < ann->said_count; i++)
        CHECK_U64(ann->said[i - 1].seq, ann->said[i].prev);
    rig_destroy(r);
}

TEST(a_record_that_is_garbage_is_a_void_in_the_chain)
{
    struct rig *r = rig_create();
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    uint64_t a = rig_send(r, "c", "bob", "first");
    rig_settle(r);
    struct rig_stream *s = &r->streams[rig_partition("c")];
    struct log_record poison = s->records[s->count - 1].record;
    poison.seq = a + 1;
    poison.prev = a;
    poison.payload = bytes_of("{\n \"type\":\"message.new\",\"conversationId\":\"c\",\n"
                              "\"senderId\":\"bob\",\"clientMessageId\":\"x\"}");
    r->nodes[0].events.on_record(r->nodes[0].events.closure, &poison);
    poison.prev = a + 1;
    poison.seq = a + 2;
    poison.payload = bytes_of("not JSON");
    r->nodes[0].events.on_record(r->nodes[0].events.closure, &poison);
    rig_settle(r);
    CHECK_EVENTS(ann, "c", a, a + 1, a + 2); /* a raw newline would have cut the frame in two */
    CHECK_U64(2, rig_count(ann, "\"type\":\"event.void\""));
    rig_destroy(r);
}
