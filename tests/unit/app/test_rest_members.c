/* Members, joining and leaving. */
#include "support/check.h"
#include "unit/app/rest_rig.h"

#define MEMBERS "/v1/conversations/room/members"

static struct rig *set_stage(void)
{
    struct rig *rig = rig_create();
    (void)world_conversation(rig->w, "room", CONVERSATION_GROUP, HISTORY_JOINED, "ann");
    return rig;
}

static void obey(struct rig *rig, const struct command *c, struct command_result *result)
{
    enum event_kind kind = c->kind == COMMAND_MEMBER_REMOVE || c->kind == COMMAND_LEAVE
                               ? EVENT_MEMBER_REMOVED
                               : EVENT_MEMBER_ADDED;
    const char *conversation = c->conversation.text;
    if (c->kind == COMMAND_JOIN || c->kind == COMMAND_LEAVE)
        result->seq = world_member(rig->w, kind, conversation, c->actor.user.text, ROLE_MEMBER);
    for (size_t i = 0; i < c->member_count; i++) {
        uint64_t seq =
            world_member(rig->w, kind, conversation, c->members[i].user.text, c->members[i].role);
        if (i == 0)
            result->seq = seq;
        result->members_changed++;
    }
}

TEST(a_put_makes_a_member_and_then_changes_it)
{
    struct rig *rig = set_stage();
    rig->decide = obey;
    rig_ask(rig, "ann", HTTP_PUT, MEMBERS "/bob", NULL);
    CHECK_STATUS(201, rig);
    CHECK_STR("/v1/conversations/room/members/bob", rig_header(rig, "location"));
    CHECK(!rig->members[0].has_role);
    CHECK_INT(COMMAND_MEMBER_PUT, rig->command.kind);
    CHECK_SIZE(1, rig->command.member_count);
    CHECK(rig->members[0].role == ROLE_MEMBER);
    CHECK_HAS(rig, "{\"conversationId\":\"room\",\"userId\":\"bob\",\"role\":\"member\",");
    rig_ask(rig, "ann", HTTP_PUT, MEMBERS "/bob", "{\"role\":\"admin\",\"operationId\":\"o\"}");
    CHECK_STATUS(200, rig);
    CHECK_ID("o", rig->command.client_id);
    CHECK_HAS(rig, "\"role\":\"admin\"");
    rig_ask(rig, "ann", HTTP_PUT, MEMBERS "/bob", "{\"role\":\"king\"}");
    CHECK_STATUS(400, rig);
    CHECK_HAS(rig, "\"field\":\"role\"");
    rig_destroy(rig);
}

TEST(a_patch_changes_members_and_makes_none)
{
    struct rig *rig = set_stage();
    (void)world_member(rig->w, EVENT_MEMBER_ADDED, "room", "bob", ROLE_MEMBER);
    rig->decide = obey;
    rig_ask(rig, "ann", HTTP_PATCH, MEMBERS "/cid", "{\"role\":\"reader\"}");
    CHECK_STATUS(404, rig);
    CHECK_SIZE(0, rig->commands);
    rig_ask(rig, "ann", HTTP_PATCH, MEMBERS "/bob", "{}");
    CHECK_STATUS(400, rig);
    rig_ask(rig, "ann", HTTP_PATCH, MEMBERS "/bob", "{\"role\":\"reader\"}");
    CHECK_STATUS(200, rig);
    CHECK_HAS(rig, "\"role\":\"reader\"");
    rig_destroy(rig);
}

TEST(a_batch_adds_many_with_their_roles)
{
    struct rig *rig = set_stage();
    rig->decide = obey;
    rig_ask(rig, "ann", HTTP_POST, MEMBERS ":batch",
            "{\"members\":[{\"userId\":\"bob\"},{\"userId\":\"cid\",\"role\":\"reader\"}]}");
    CHECK_STATUS(200, rig);
    CHECK_SIZE(2, rig->command.member_count);
    CHECK(rig->members[1].role == ROLE_READER);
    CHECK_HAS(rig, "{\"conversationId\":\"room\",\"changed\":2,\"seq\":");
    rig_destroy(rig);
}

TEST(a_batch_is_refused_whole_when_one_of_it_is_wrong)
{
    static const char *const bodies[] = {
        "{}",
        "{\"members\":[]}",
        "{\"members\":{}}",
        "{\"members\":[\"bob\"]}",
        "{\"members\":[{\"userId\":\"bob\"},{\"userId\":\"a.b\"}]}",
        "{\"members\":[{\"userId\":\"bob\"},{\"userId\":\"bob\",\"role\":\"admin\"}]}",
        "{\"members\":[{\"userId\":\"bob\",\"role\":\"king\"}]}",
    };
    static char many[60000];
    struct rig *rig = set_stage();
    size_t len = (size_t)snprintf(many, sizeof many, "{\"members\":[");
    for (int i = 0; i < 1001; i++)
        len += (size_t)snprintf(many + len, sizeof many - len, "%s{\"userId\":\"user-%d\"}",
                                i ? "," : "", i);
    (void)snprintf(many + len, sizeof many - len, "]}");
    for (size_t i = 0; i <= COUNT_OF(bodies); i++) {
        rig_ask(rig, "ann", HTTP_POST, MEMBERS ":batch", i < COUNT_OF(bodies) ? bodies[i] : many);
        CHECK_STATUS(400, rig);
        CHECK_HAS(rig, "\"field\":\"members\"");
    }
    CHECK_SIZE(0, rig->commands);
    rig_destroy(rig);
}

TEST(a_removal_has_no_body)
{
    struct rig *rig = set_stage();
    (void)world_member(rig->w, EVENT_MEMBER_ADDED, "room", "bob", ROLE_MEMBER);
    rig->decide = obey;
    rig_ask(rig, "ann", HTTP_DELETE, MEMBERS "/bob", NULL);
    CHECK_STATUS(204, rig);
    CHECK_SIZE(0, rig->body_len);
    CHECK_INT(COMMAND_MEMBER_REMOVE, rig->command.kind);
    CHECK_ID("bob", rig->members[0].user);
    rig_ask(rig, "bob", HTTP_GET, "/v1/conversations/room", NULL);
    CHECK_STATUS(404, rig); /* at once, not when the store has heard of it */
    rig_destroy(rig);
}

TEST(who_joins_reads_at_once_and_who_leaves_no_more)
{
    struct rig *rig = rig_create();
    (void)world_conversation(rig->w, "open", CONVERSATION_CHANNEL, HISTORY_ALL, "ann");
    (void)world_send(rig->w, "open", "ann", "m1", "x");
    rig->decide = obey;
    rig_ask(rig, "bob", HTTP_GET, "/v1/conversations/open/messages", NULL);
    CHECK_STATUS(403, rig);
    CHECK_HAS(rig, "\"code\":\"conversation.not_member\"");
    rig_ask(rig, "bob", HTTP_POST, "/v1/conversations/open/join", NULL);
    CHECK_STATUS(200, rig);
    CHECK_HAS(rig, "\"userId\":\"bob\",\"role\":\"member\"");
    rig_ask(rig, "bob", HTTP_GET, "/v1/conversations/open/messages", NULL);
    CHECK_STATUS(200, rig);
    CHECK_HAS(rig, "\"clientMessageId\":\"m1\"");
    rig_ask(rig, "bob", HTTP_GET, "/v1/conversations", NULL);
    CHECK_HAS(rig, "\"id\":\"open\"");
    rig_ask(rig, "bob", HTTP_POST, "/v1/conversations/open/leave", "{\"operationId\":\"o1\"}");
    CHECK_STATUS(200, rig);
    CHECK_ID("o1", rig->command.client_id);
    CHECK_HAS(rig, "\"removedSeq\":");
    rig_ask(rig, "bob", HTTP_GET, "/v1/conversations/open/messages", NULL);
    CHECK_STATUS(403, rig);
    rig_destroy(rig);
}

TEST(members_come_in_pages)
{
    struct rig *rig = set_stage();
    char target[200];
    (void)world_member(rig->w, EVENT_MEMBER_ADDED, "room", "bob", ROLE_READER);
    world_apply(rig->w);
    (void)world_member(rig->w, EVENT_MEMBER_ADDED, "room", "cid", ROLE_MEMBER);
    rig_ask(rig, "ann", HTTP_GET, MEMBERS "?limit=2", NULL);
    CHECK_STATUS(200, rig);
    CHECK_HAS(rig, "\"userId\":\"ann\",\"role\":\"owner\"");
    CHECK_HAS(rig, "\"userId\":\"bob\",\"role\":\"reader\"");
    CHECK(!rig_body_has(rig, "cid"));
    (void)snprintf(target, sizeof target, MEMBERS "?limit=2&cursor=%s", rig_next_cursor(rig));
    rig_ask(rig, "ann", HTTP_GET, target, NULL);
    CHECK_HAS(rig, "{\"items\":[{\"conversationId\":\"room\",\"userId\":\"cid\"");
    CHECK_STR("", rig_next_cursor(rig));
    rig_destroy(rig);
}
