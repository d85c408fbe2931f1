/* Sends made again: what a gateway may say for sure, and what names a double that was withdrawn.
 *
 * The log's answers are given by hand; what the socket is told is read from its frames. */
#include "unit/gateway/rig.h"

static void say_again(struct rig_link *link, const char *more)
{
    rig_mark(link);
    rig_say(link,
            "{\"type\":\"message.send\",\"id\":\"q\",\"conversationId\":\"c\",\"clientMessageId\":"
            "\"m1\",\"text\":\"x\"%s}",
            more);
}

TEST(a_gateway_that_may_not_publish_refuses_a_first_send_and_leaves_a_retry_open)
{
    struct rig *r = rig_create();
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    gateway_set_log_state(rig_gateway(r, 0), false, "a test says so");
    say_again(ann, "");
    rig_settle(r);
    CHECK(rig_heard(ann, "\"code\":\"unavailable\""));
    /* Its first copy may lie in the log: "never" would be a lie. */
    say_again(ann, ",\"retry\":true,\"firstTriedMs\":100");
    rig_settle(r);
    CHECK(rig_heard(ann, "\"code\":\"timeout\""));
    gateway_set_log_state(rig_gateway(r, 0), true, NULL);
    say_again(ann, ",\"retry\":true,\"firstTriedMs\":200");
    rig_settle(r);
    CHECK(rig_heard(ann, "\"type\":\"ok\""));
    rig_destroy(r);
}

/* Two records of one message, and the withdrawal of the second, as the persister writes it. */
static uint64_t append_double(struct rig *r, uint64_t *out_first)
{
    struct event event = { .kind = EVENT_MESSAGE_NEW,
                           .conversation = id_of("c"),
                           .actor = id_of("ann"),
                           .client_id = id_of("late") };
    const char *content = "\"kind\":\"text\",\"text\":\"late\"";
    *out_first = rig_append(r, &event, content);
    uint64_t again = rig_append(r, &event, content);
    const struct event withdrawal = { .kind = EVENT_MESSAGE_WITHDRAWN,
                                      .conversation = id_of("c"),
                                      .target_seq = again,
                                      .of_seq = *out_first };
    (void)rig_append(r, &withdrawal, "");
    return again;
}

static void check_change(struct rig *r, struct rig_link *ann, const char *type, uint64_t named,
                         uint64_t meant)
{
    char wanted[64];
    rig_mark(ann);
    rig_say(ann,
            "{\"type\":\"%s\",\"id\":\"q\",\"conversationId\":\"c\",\"seq\":%llu,\"text\":\"y\"}",
            type, (unsigned long long)named);
    rig_settle(r);
    (void)snprintf(wanted, sizeof wanted, "\"targetSeq\":%llu", (unsigned long long)meant);
    CHECK(rig_heard(ann, "\"type\":\"ok\""));
    CHECK(rig_heard(ann, wanted));
}

TEST(what_names_a_withdrawn_double_is_about_the_first)
{
    struct rig *r = rig_create();
    uint64_t first;
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    uint64_t again = append_double(r, &first);
    rig_settle(r);
    check_change(r, ann, "message.edit", again, first); /* both still in the log's tail */
    rig_apply(r);
    check_change(r, ann, "message.edit", again, first); /* and from the store */
    check_change(r, ann, "message.delete", again, first);
    rig_destroy(r);
}

/* The process is stopped for a minute and more. What was sent to it meanwhile lies in the kernel,
 * and is read before any timer runs, or in the turns after. */
TEST(what_came_while_the_process_stood_still_is_not_published_a_minute_later)
{
    struct rig *r = rig_create();
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    rig_advance(r, 1000);
    r->publishes = 0;
    fake_clock_advance(&r->clock, 61000);
    say_again(ann, "");
    rig_settle(r); /* the tick notices */
    CHECK(rig_heard(ann, "\"code\":\"timeout\""));
    say_again(ann, "");
    rig_settle(r);
    CHECK(rig_heard(ann, "\"code\":\"timeout\""));
    CHECK_U64(0, r->publishes);
    rig_advance(r, 6000);
    say_again(ann, ",\"retry\":true,\"firstTriedMs\":6000");
    rig_settle(r);
    CHECK(rig_heard(ann, "\"type\":\"ok\""));
    rig_destroy(r);
}

TEST(a_short_stop_drops_nothing)
{
    struct rig *r = rig_create();
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    rig_advance(r, 1000);
    fake_clock_advance(&r->clock, 30000);
    say_again(ann, "");
    rig_settle(r);
    CHECK(rig_heard(ann, "\"type\":\"ok\""));
    rig_destroy(r);
}
