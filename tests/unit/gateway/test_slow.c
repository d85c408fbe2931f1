/* Who is slow, who was frozen, who asks too much at once, who asks late, and the last words. */
#include "unit/gateway/rig.h"

static struct rig *start(struct rig *r)
{
    rig_start(r, 0);
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    rig_heads(r);
    return r;
}

static void send_as(struct rig_link *link, const char *client_id, const char *more)
{
    rig_say(link,
            "{\"type\":\"message.send\",\"id\":\"%s\",\"conversationId\":\"c\","
            "\"clientMessageId\":\"%s\",\"text\":\"x\"%s}",
            client_id, client_id, more);
}

static void signal_typing(struct rig *r)
{
    struct live_signal signal = { .partition = rig_partition("c"),
                                  .kind = 's',
                                  .owner = id_of("c"),
                                  .payload =
                                      bytes_of("{\"type\":\"typing.start\","
                                               "\"conversationId\":\"c\",\"userId\":\"bob\"}") };
    r->nodes[0].events.on_signal(r->nodes[0].events.closure, &signal);
}

TEST(a_full_outbox_drops_signals_first_and_events_are_caught_up_with)
{
    struct rig *r = rig_create_bare();
    struct gateway_stats stats;
    r->limits.outbox_bytes = 4000;
    (void)start(r);
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    signal_typing(r);
    rig_settle(r);
    CHECK_SIZE(1, rig_count(ann, "typing.start"));
    rig_mark(ann);
    rig_stall(ann, 0);
    uint64_t seqs[100];
    for (size_t i = 0; i < COUNT_OF(seqs); i++) {
        seqs[i] = rig_send(r, "c", "bob", "some text that takes its place");
        rig_settle(r);
        signal_typing(r);
    }
    CHECK(!ann->is_closing);
    struct gateway *g = rig_gateway(r, 0);
    gateway_stats(g, &stats);
    CHECK_U64(100, stats.signals_dropped);
    CHECK(stats.outbox_bytes <= 4000); /* the rest waits in the ring, not here */
    rig_drain(ann);
    rig_settle(r);
    CHECK_U64(100, rig_event_count(ann, "c"));
    for (size_t i = ann->mark + 1, n = 0; i < ann->said_count && n < 99; i++)
        if (ann->said[i].is_event && ann->said[i - 1].is_event)
            CHECK_U64(seqs[++n], ann->said[i].seq);
    CHECK(!rig_heard(ann, "typing.start"));
    CHECK(!rig_heard(ann, "sync.reset"));
    rig_destroy(r);
}

TEST(who_takes_nothing_for_thirty_seconds_is_closed)
{
    struct rig *r = start(rig_create_bare());
    struct gateway_stats stats;
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    rig_stall(ann, 0);
    (void)rig_send(r, "c", "bob", "one");
    rig_advance(r, 29000);
    CHECK(!ann->is_closing && !ann->is_gone);
    rig_advance(r, 3000);
    CHECK(ann->is_closing);
    CHECK_INT(CLOSE_TOO_SLOW, ann->close_code);
    CHECK_STR("too_slow", ann->close_reason);
    gateway_stats(rig_gateway(r, 0), &stats);
    CHECK_U64(1, stats.closed_slow);
    rig_destroy(r);
}

TEST(who_takes_little_but_something_is_not_closed)
{
    struct rig *r = start(rig_create_bare());
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    rig_stall(ann, 0);
    for (int i = 0; i < 60; i++) {
        (void)rig_send(r, "c", "bob", "one");
        (void)rig_send(r, "c", "bob", "two");
        rig_advance(r, 1000);
        if (i % 10 == 9)
            rig_stall(ann, 1);
    }
    CHECK(!ann->is_closing && !ann->is_gone);
    rig_destroy(r);
}

/* The whole process stood still: what came meanwhile may be lost, so the heads are asked. */
TEST(after_a_freeze_the_heads_are_asked_and_nothing_is_missed)
{
    struct rig *r = start(rig_create_bare());
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    rig_advance(r, 1000);
    unsigned asked = r->heads_asked;
    fake_clock_advance(&r->clock, 1900); /* not long enough */
    rig_settle(r);
    CHECK_U64(asked, r->heads_asked);
    r->live = LIVE_LOST;
    uint64_t a = rig_send(r, "c", "bob", "while it stood still");
    r->live = LIVE_GOOD;
    fake_clock_advance(&r->clock, 2500);
    rig_settle(r);
    CHECK(r->heads_asked > asked);
    uint64_t b = rig_send(r, "c", "bob", "after");
    rig_settle(r);
    CHECK_EVENTS(ann, "c", a, b);
    rig_destroy(r);
}

TEST(a_request_that_waited_through_a_freeze_is_not_published_any_more)
{
    struct rig *r = start(rig_create_bare());
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    r->auto_jobs = false; /* a late one has to be looked up first */
    send_as(ann, "late", ",\"retry\":true,\"firstTriedMs\":90000");
    rig_settle(r);
    unsigned publishes = r->publishes;
    fake_clock_advance(&r->clock, 61000);
    r->auto_jobs = true;
    rig_settle(r);
    CHECK_U64(publishes, r->publishes);
    CHECK(rig_heard(ann, "\"code\":\"timeout\"")); /* an earlier try may have got there */
    rig_destroy(r);
}

TEST(goodbye_comes_after_a_cursor_that_covers_what_was_sent)
{
    struct rig *r = start(rig_create_bare());
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    uint64_t a = rig_send(r, "c", "bob", "the last one");
    rig_heads(r);
    rig_advance(r, 300);
    CHECK_EVENTS(ann, "c", a);
    rig_mark(ann);
    gateway_drain(rig_gateway(r, 0));
    rig_settle(r);
    CHECK(ann->said_count >= ann->mark + 2);
    CHECK(strstr(ann->said[ann->said_count - 2].text, "\"type\":\"cursor\"") != NULL);
    CHECK(strstr(ann->said[ann->said_count - 1].text, "\"type\":\"goodbye\"") != NULL);
    CHECK(rig_cursor_safe(ann, "c") >= a);
    rig_destroy(r);
}

TEST(reading_stops_at_the_limit_of_unanswered_requests_and_goes_on_at_half)
{
    struct rig *r = rig_create_bare();
    r->limits.inflight = 4;
    (void)start(r);
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    const char *ids[] = { "m1", "m2", "m3", "m4" };
    r->are_acks_held = true;
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        CHECK(!ann->is_paused);
        send_as(ann, ids[i], "");
    }
    CHECK(ann->is_paused);
    rig_settle(r);
    CHECK(ann->is_paused);
    r->are_acks_held = false;
    rig_settle(r);
    CHECK(!ann->is_paused);
    CHECK_SIZE(1, ann->pauses);
    CHECK_SIZE(4, rig_count(ann, "\"type\":\"ok\""));
    rig_destroy(r);
}

/* It has no id to be answered by, so it must not wait for an answer either. */
TEST(a_sync_without_an_id_is_not_held_against_the_limit)
{
    struct rig *r = rig_create_bare();
    r->limits.inflight = 2;
    (void)start(r);
    struct rig_link *ann = rig_connect(r, 0, "ann", NULL);
    rig_say(ann, "{\"type\":\"sync\"}");
    rig_settle(r);
    CHECK(rig_heard(ann, "\"recovered\":true"));
    r->are_acks_held = true;
    send_as(ann, "m1", "");
    CHECK(!ann->is_paused);
    r->are_acks_held = false;
    rig_settle(r);
    rig_destroy(r);
}

/* It may be there: with the store away nobody can say, and a second one must not be made. */
TEST(a_late_retry_with_the_store_away_is_answered_with_timeout)
{
    struct rig *r = start(rig_create_bare());
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    rig_apply(r);
    rig_age_out(r, "c", rig_last_seq(r, "c") + 1); /* else the log alone can tell */
    mem_store_set_away(r->mem, true);
    unsigned publishes = r->publishes;
    send_as(ann, "late", ",\"retry\":true");
    rig_settle(r);
    CHECK(rig_heard(ann, "\"code\":\"timeout\""));
    CHECK_U64(publishes, r->publishes);
    mem_store_set_away(r->mem, false);
    rig_mark(ann);
    send_as(ann, "late", ",\"retry\":true");
    rig_settle(r);
    CHECK(rig_heard(ann, "\"type\":\"ok\""));
    rig_destroy(r);
}
