/* Typing ends with a message, however it was sent, and nothing is said of who isn't a member. */
#include "unit/gateway/rig.h"

static struct rig *start(void)
{
    struct rig *r = rig_create();
    rig_start(r, 1);
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    return r;
}

static void type(struct rig_link *link)
{
    rig_say(link, "{\"type\":\"typing.start\",\"conversationId\":\"c\"}");
    rig_settle(link->rig);
}

static void sent(void *closure, const struct command_result *result)
{
    *(bool *)closure = result->error.code == ERROR_NONE;
}

/* As REST does it. */
static void send_by_rest(struct rig *r, const char *user)
{
    bool is_sent = false;
    const struct command command = { .kind = COMMAND_SEND,
                                     .actor = { id_of(user), USER_ROLE_USER },
                                     .conversation = id_of("c"),
                                     .client_id = id_of("by-rest"),
                                     .content = bytes_of("\"kind\":\"text\",\"text\":\"x\"") };
    command_submit(rig_gateway(r, 0), &command, sent, &is_sent);
    rig_settle(r);
    CHECK(is_sent);
}

TEST(a_send_by_rest_stops_it)
{
    struct rig *r = start();
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    struct rig_link *bob = rig_connect_flowing(r, 1, "bob");
    type(ann);
    CHECK(rig_heard(bob, "typing.start"));
    send_by_rest(r, "ann");
    CHECK(rig_heard(bob, "typing.stop"));
    rig_cut(ann);
    rig_settle(r);
    CHECK_SIZE(1, rig_count(bob, "typing.stop"));
    rig_destroy(r);
}

TEST(a_send_by_socket_stops_it_once_it_was_accepted)
{
    struct rig *r = start();
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    struct rig_link *bob = rig_connect_flowing(r, 1, "bob");
    type(ann);
    rig_plan(r, PUB_FULL);
    for (int i = 0; i < 2; i++) {
        CHECK(!rig_heard(bob, "typing.stop"));
        rig_say(ann, "{\"type\":\"message.send\",\"id\":\"m\",\"conversationId\":\"c\","
                     "\"clientMessageId\":\"one\",\"text\":\"x\"}");
        rig_settle(r);
    }
    CHECK_SIZE(1, rig_count(bob, "typing.stop"));
    rig_destroy(r);
}

TEST(who_was_removed_while_typing_says_nothing_more)
{
    struct rig *r = start();
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    struct rig_link *bob = rig_connect_flowing(r, 1, "bob");
    type(ann);
    (void)rig_member(r, EVENT_MEMBER_REMOVED, "c", "ann");
    rig_settle(r);
    rig_cut(ann);
    rig_settle(r);
    CHECK(rig_heard(bob, "typing.start"));
    CHECK(!rig_heard(bob, "typing.stop"));
    rig_destroy(r);
}

TEST(who_goes_while_typing_stops)
{
    struct rig *r = start();
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    struct rig_link *bob = rig_connect_flowing(r, 1, "bob");
    type(ann);
    rig_cut(ann);
    rig_settle(r);
    CHECK(rig_heard(bob, "typing.stop"));
    rig_destroy(r);
}

TEST(a_watch_of_what_is_not_there_holds_nothing)
{
    struct rig *r = start();
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    size_t rooms = rig_gateway(r, 0)->rooms.count, subs = r->nodes[0].sub_count;
    for (int i = 0; i < 40; i++)
        rig_say(ann, "{\"type\":\"conversation.watch\",\"id\":\"w\",\"conversationId\":\"none%d\"}",
                i);
    rig_settle(r);
    CHECK_SIZE(40, rig_count(ann, "\"code\":\"not_found\""));
    rig_advance(r, 300);
    CHECK_SIZE(rooms, rig_gateway(r, 0)->rooms.count);
    CHECK_SIZE(subs, r->nodes[0].sub_count);
    rig_destroy(r);
}
