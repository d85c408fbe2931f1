/* A sync that was refused, whatever the reason, holds the flow until a good one. */
#include "unit/gateway/rig.h"

/* Nothing flows, also after the time that a connection without a sync waits; then a good one. */
static void check_is_held(struct rig *r, struct rig_link *ann, const char *code)
{
    rig_settle(r);
    CHECK(rig_heard(ann, code));
    uint64_t a = rig_send(r, "c", "bob", "while it is held");
    rig_advance(r, 11000);
    CHECK_NO_EVENTS(ann, "c");
    rig_sync(ann, NULL);
    rig_settle(r);
    CHECK(rig_heard(ann, "\"recovered\":true"));
    CHECK_EVENTS(ann, "c", a);
}

static struct rig_link *start(struct rig *r)
{
    rig_start(r, 0);
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    rig_heads(r);
    struct rig_link *ann = rig_connect(r, 0, "ann", NULL);
    rig_settle(r);
    rig_mark(ann);
    return ann;
}

TEST(after_a_sync_that_was_one_request_too_many_nothing_flows)
{
    struct rig *r = rig_create_bare();
    r->limits.other_burst = 1;
    r->limits.other_per_s = 0.1;
    struct rig_link *ann = start(r);
    rig_say(ann, "{\"type\":\"ping\"}");
    rig_sync(ann, NULL);
    check_is_held(r, ann, "\"code\":\"rate_limited\"");
    rig_destroy(r);
}

TEST(after_a_malformed_sync_nothing_flows)
{
    const char *bad[] = {
        "{\"type\":\"sync\",\"id\":7}",
        "{\"id\":{},\"type\":\"sync\"}",
        "{\"type\":\"sync\",\"cursor\":7}",
        "{\"type\":\"sync\",\"cursor\":\"not one of ours\"}",
        "{\"type\":\"sync\",\"unknown\":true,\"cursor\":[]}",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct rig *r = rig_create_bare();
        struct rig_link *ann = start(r);
        rig_say(ann, "%s", bad[i]);
        check_is_held(r, ann, "\"code\":\"validation\"");
        rig_destroy(r);
    }
}

TEST(a_bad_request_that_is_no_sync_holds_nothing)
{
    struct rig *r = rig_create_bare();
    struct rig_link *ann = start(r);
    rig_say(ann, "{\"type\":\"ping\",\"id\":7}");
    rig_say(ann, "{\"type\":\"syn\"}");
    rig_advance(r, 2000);
    uint64_t a = rig_send(r, "c", "bob", "flows");
    rig_settle(r);
    CHECK_EVENTS(ann, "c", a);
    rig_destroy(r);
}
