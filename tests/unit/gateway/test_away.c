/* A connection that comes while the store is away: it is told that nothing flows, and once the
 * store is back it misses nothing. */
#include "unit/gateway/rig.h"

static struct rig *world_of(uint64_t *out_first)
{
    struct rig *r = rig_create();
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    *out_first = rig_send(r, "c", "bob", "first");
    rig_apply(r);
    rig_heads(r);
    return r;
}

static void set_away(struct rig *r, bool is_away)
{
    mem_store_set_away(r->mem, is_away);
}

TEST(a_sync_while_the_store_is_away_is_refused_and_a_later_one_brings_all)
{
    uint64_t first;
    struct rig *r = world_of(&first);
    char cursor[CURSOR_TEXT_MAX + 1];
    rig_leave_with_cursor(r, "ann", cursor);
    uint64_t missed = rig_send(r, "c", "bob", "missed");
    set_away(r, true);
    struct rig_link *ann = rig_connect(r, 0, "ann", NULL);
    rig_sync(ann, cursor);
    rig_advance(r, 1000);
    CHECK(!rig_heard(ann, "\"type\":\"error\"")); /* a hiccup isn't worth a word */
    rig_advance(r, 9000);
    CHECK(rig_heard(ann, "\"type\":\"error\",\"id\":\"sync\""));
    CHECK(rig_heard(ann, "\"code\":\"unavailable\""));
    CHECK(rig_heard(ann, "\"retryable\":true,\"retryAfterMs\":2000"));
    CHECK_SIZE(1, rig_count(ann, "\"type\":\"error\""));
    set_away(r, false);
    rig_advance(r, 5000);
    CHECK_NO_EVENTS(ann, "c"); /* refused: nothing until a good one */
    rig_sync(ann, cursor);
    rig_settle(r);
    CHECK_EVENTS(ann, "c", missed);
    CHECK(rig_heard(ann, "\"recovered\":true,\"events\":1"));
    rig_destroy(r);
}

TEST(with_a_cursor_in_the_url_it_is_told_once_and_goes_on_when_the_store_is_back)
{
    uint64_t first;
    struct rig *r = world_of(&first);
    char cursor[CURSOR_TEXT_MAX + 1];
    rig_leave_with_cursor(r, "ann", cursor);
    set_away(r, true);
    struct rig_link *ann = rig_connect(r, 0, "ann", cursor);
    rig_advance(r, 10000);
    CHECK(rig_heard(ann, "\"type\":\"error\",\"id\":null"));
    set_away(r, false);
    uint64_t missed = rig_send(r, "c", "bob", "missed");
    rig_advance(r, 5000);
    CHECK_EVENTS(ann, "c", missed);
    CHECK(rig_heard(ann, "\"type\":\"ok\",\"id\":null,\"recovered\":true"));
    CHECK_SIZE(1, rig_count(ann, "\"type\":\"error\""));
    rig_destroy(r);
}

TEST(without_a_sync_it_is_told_once_and_events_begin_when_the_store_is_back)
{
    uint64_t first;
    struct rig *r = world_of(&first);
    set_away(r, true);
    struct rig_link *ann = rig_connect(r, 0, "ann", NULL);
    rig_advance(r, 2000);
    uint64_t missed = rig_send(r, "c", "bob", "meanwhile");
    rig_advance(r, 30000);
    CHECK(rig_heard(ann, "\"type\":\"error\",\"id\":null"));
    CHECK_SIZE(1, rig_count(ann, "\"type\":\"error\""));
    set_away(r, false);
    rig_advance(r, 5000);
    CHECK_EVENTS(ann, "c", missed); /* from the cursor of hello on: none is missing */
    rig_destroy(r);
}

/* Who was here before the outage, on another device too, isn't bothered. */
TEST(who_is_connected_already_goes_on)
{
    uint64_t first;
    struct rig *r = world_of(&first);
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    set_away(r, true);
    struct rig_link *again = rig_connect_flowing(r, 0, "ann");
    rig_advance(r, 15000);
    uint64_t seq = rig_send(r, "c", "bob", "hello");
    rig_settle(r);
    CHECK_EVENTS(ann, "c", seq);
    CHECK_EVENTS(again, "c", seq);
    CHECK(!rig_heard(ann, "\"type\":\"error\"") && !rig_heard(again, "\"type\":\"error\""));
    rig_destroy(r);
}
