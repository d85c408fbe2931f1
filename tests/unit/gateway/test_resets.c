/* sync.reset: each of its reasons, where it is due, with a lastSeq from which the conversation goes
 * on; and receipts of what a client paged in after one. */
#include "unit/gateway/rig.h"

static struct rig *world_of(void)
{
    struct rig *r = rig_create();
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    rig_heads(r);
    return r;
}

static void check_reset(const struct rig_link *link, const char *reason, uint64_t last_seq)
{
    char wanted[160];
    (void)snprintf(
        wanted, sizeof wanted,
        "\"type\":\"sync.reset\",\"conversationId\":\"c\",\"reason\":\"%s\",\"lastSeq\":%llu",
        reason, (unsigned long long)last_seq);
    CHECK(rig_heard(link, wanted));
    CHECK_SIZE(1, rig_count(link, "sync.reset"));
}

static void check_goes_on(struct rig *r, struct rig_link *link)
{
    rig_mark(link);
    uint64_t seq = rig_send(r, "c", "bob", "and on");
    rig_settle(r);
    CHECK_EVENTS(link, "c", seq);
}

/* Ann is away for a thousand messages and one. */
static struct rig_link *reset_by_too_many(struct rig *r, uint64_t *out_last)
{
    char cursor[CURSOR_TEXT_MAX + 1];
    rig_leave_with_cursor(r, "ann", cursor);
    for (int i = 0; i < 1001; i++)
        *out_last = rig_send(r, "c", "bob", "x");
    rig_apply(r);
    struct rig_link *ann = rig_connect(r, 0, "ann", NULL);
    rig_sync(ann, cursor);
    rig_advance(r, 2000);
    check_reset(ann, "too_many", *out_last);
    return ann;
}

TEST(too_many_events_of_a_conversation_are_a_reset)
{
    struct rig *r = world_of();
    uint64_t last;
    struct rig_link *ann = reset_by_too_many(r, &last);
    CHECK(rig_heard(ann, "\"resets\":1"));
    CHECK_NO_EVENTS(ann, "c");
    check_goes_on(r, ann);
    rig_destroy(r);
}

/* It has left the log, and never got into the store. */
TEST(what_a_cursor_asks_for_and_nobody_has_any_more_is_expired)
{
    struct rig *r = rig_create_bare();
    char cursor[CURSOR_TEXT_MAX + 1];
    r->limits.ring_bytes_room = 100; /* nothing of it is remembered here either */
    rig_start(r, 0);
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    rig_heads(r);
    rig_leave_with_cursor(r, "ann", cursor);
    rig_apply(r);
    (void)rig_send(r, "c", "bob", "lost");
    uint64_t last = rig_send(r, "c", "bob", "kept");
    rig_age_out(r, "c", last);
    struct rig_link *ann = rig_connect(r, 0, "ann", NULL);
    rig_sync(ann, cursor);
    rig_advance(r, 5000);
    check_reset(ann, "expired", last);
    CHECK(rig_heard(ann, "\"resets\":1"));
    check_goes_on(r, ann);
    rig_destroy(r);
}

/* The same for one that is here and only fell behind. */
TEST(what_a_slow_reader_missed_and_nobody_has_any_more_is_a_gap)
{
    struct rig *r = rig_create_bare();
    r->limits.outbox_bytes = 2000;
    r->limits.ring_bytes_room = 1000;
    rig_start(r, 0);
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    rig_heads(r);
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    rig_apply(r);
    rig_stall(ann, 0);
    uint64_t last = 0;
    for (int i = 0; i < 60; i++) {
        last = rig_send(r, "c", "bob", "x");
        rig_settle(r);
    }
    rig_age_out(r, "c", last);
    rig_advance(r, 6000); /* blocks that were read have gone */
    rig_drain(ann);
    rig_advance(r, 5000);
    check_reset(ann, "gap", last);
    check_goes_on(r, ann);
    rig_destroy(r);
}

TEST(a_cursor_of_another_generation_is_a_reset_of_all)
{
    struct rig *r = world_of();
    struct cursor cursor = { .generation = RIG_GENERATION + 1, .partitions = RIG_PARTITIONS };
    char text[CURSOR_TEXT_MAX + 1];
    size_t len = cursor_write(&cursor, text);
    text[len] = 0;
    struct rig_link *ann = rig_connect(r, 0, "ann", NULL);
    rig_sync(ann, text);
    rig_settle(r);
    CHECK(rig_heard(ann,
                    "\"type\":\"sync.reset\",\"conversationId\":null,\"reason\":\"generation\""));
    CHECK(rig_heard(ann, "\"recovered\":false"));
    CHECK(rig_heard(ann, "\"resets\":1"));
    check_goes_on(r, ann);
    rig_destroy(r);
}

TEST(who_was_removed_while_away_is_told)
{
    struct rig *r = world_of();
    char cursor[CURSOR_TEXT_MAX + 1];
    rig_leave_with_cursor(r, "ann", cursor);
    uint64_t removed = rig_member(r, EVENT_MEMBER_REMOVED, "c", "ann");
    rig_apply(r);
    rig_advance(r, 120000); /* and the room has been let go here */
    struct rig_link *ann = rig_connect(r, 0, "ann", NULL);
    rig_sync(ann, cursor);
    rig_advance(r, 2000);
    check_reset(ann, "removed", removed);
    CHECK_NO_EVENTS(ann, "c");
    rig_destroy(r);
}

/* A client that was reset pages in by REST and acknowledges what it got so. */
TEST(a_receipt_of_what_was_paged_in_after_a_reset_counts)
{
    struct rig *r = world_of();
    uint64_t last;
    struct rig_link *ann = reset_by_too_many(r, &last);
    rig_say(ann, "{\"type\":\"message.ack\",\"id\":\"a\",\"conversationId\":\"c\",\"seq\":%llu}",
            (unsigned long long)last);
    rig_settle(r);
    CHECK(!rig_heard(ann, "\"type\":\"error\""));
    CHECK_SIZE(1, r->noted_count);
    CHECK_U64(last, r->noted[0].seq);
    rig_destroy(r);
}
