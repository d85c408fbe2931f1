/* Conversations: what a body becomes as a command, and what the lists show at once. */
#include "support/check.h"
#include "unit/app/rest_rig.h"
#include "wire/subjects.h"

/* A gateway that does what it is told, as far as these tests need. */
static void obey(struct rig *rig, const struct command *c, struct command_result *result)
{
    struct event e = { .conversation = c->conversation,
                       .actor = c->actor.user,
                       .client_id = c->client_id,
                       .name = c->name,
                       .type = c->type,
                       .history = c->history };
    e.kind = c->kind == COMMAND_CREATE                ? EVENT_CONVERSATION_CREATED
             : c->kind == COMMAND_DELETE_CONVERSATION ? EVENT_CONVERSATION_DELETED
                                                      : EVENT_CONVERSATION_UPDATED;
    result->seq = world_append(rig->w, &e, "");
    if (c->kind != COMMAND_CREATE)
        return;
    const struct id *owner = c->owner.len ? &c->owner : &c->actor.user;
    (void)world_member(rig->w, EVENT_MEMBER_ADDED, c->conversation.text, owner->text, ROLE_OWNER);
    for (size_t i = 0; i < c->member_count; i++)
        (void)world_member(rig->w, EVENT_MEMBER_ADDED, c->conversation.text,
                           c->members[i].user.text, c->members[i].role);
}

TEST(a_group_is_made_with_its_members_and_its_own_id)
{
    struct rig *rig = rig_create();
    char location[128];
    rig->decide = obey;
    rig_ask(rig, "ann", HTTP_POST, "/v1/conversations",
            "{\"type\":\"group\",\"name\":\"caf\xc3\xa9\",\"memberIds\":[\"bob\",\"ann\",\"bob\","
            "\"cid\"]}");
    CHECK_STATUS(201, rig);
    CHECK_INT(36, rig->command.conversation.len);
    CHECK_SIZE(2, rig->command.member_count); /* each once, and the owner isn't among them */
    CHECK_ID("bob", rig->members[0].user);
    CHECK_ID("cid", rig->members[1].user);
    CHECK(rig->command.history == HISTORY_JOINED);
    (void)snprintf(location, sizeof location, "/v1/conversations/%s",
                   rig->command.conversation.text);
    CHECK_STR(location, rig_header(rig, "location"));
    CHECK_HAS(rig, "\"type\":\"group\",\"name\":\"caf\xc3\xa9\",\"history\":\"joined\"");
    CHECK_HAS(rig, "\"role\":\"owner\"");
    CHECK(!rig_body_has(rig, "duplicate"));
    rig_destroy(rig);
}

TEST(a_channel_shows_its_past_unless_told_otherwise)
{
    struct rig *rig = rig_create();
    rig->decide = obey;
    rig_ask(rig, "ann", HTTP_POST, "/v1/conversations", "{\"type\":\"channel\"}");
    CHECK_STATUS(201, rig);
    CHECK_HAS(rig, "\"history\":\"all\"");
    CHECK_HAS(rig, "\"name\":null");
    rig_ask(rig, "ann", HTTP_POST, "/v1/conversations",
            "{\"type\":\"channel\",\"history\":\"joined\"}");
    CHECK_HAS(rig, "\"history\":\"joined\"");
    rig_destroy(rig);
}

TEST(a_direct_conversation_has_one_id_from_either_side)
{
    struct rig *rig = rig_create();
    struct id ann = id_of("ann"), bob = id_of("bob");
    struct id wanted = direct_conversation_id(&ann, &bob);
    rig->decide = obey;
    rig_ask(rig, "ann", HTTP_POST, "/v1/conversations",
            "{\"type\":\"direct\",\"memberIds\":[\"bob\"]}");
    CHECK_STATUS(201, rig);
    CHECK_ID(wanted.text, rig->command.conversation);
    CHECK_HAS(rig, "\"peerId\":\"bob\"");
    rig->decide = NULL; /* the gateway finds it there */
    rig->result = (struct command_result){ .seq = 5, .is_duplicate = true };
    rig_ask(rig, "bob", HTTP_POST, "/v1/conversations",
            "{\"type\":\"direct\",\"memberIds\":[\"ann\"]}");
    CHECK_STATUS(200, rig);
    CHECK_ID(wanted.text, rig->command.conversation);
    CHECK_HAS(rig, "\"peerId\":\"ann\"");
    CHECK_HAS(rig, "\"duplicate\":true");
    rig_destroy(rig);
}

TEST(what_may_not_be_made_is_refused_with_its_field)
{
    static const struct {
        const char *token, *body, *field;
        int status;
    } rows[] = {
        { "ann", "{}", "type", 400 },
        { "ann", "{\"type\":\"club\"}", "type", 400 },
        { "ann", "{\"type\":\"direct\"}", "memberIds", 400 },
        { "ann", "{\"type\":\"direct\",\"memberIds\":[]}", "memberIds", 400 },
        { "ann", "{\"type\":\"direct\",\"memberIds\":[\"ann\"]}", "memberIds", 400 },
        { "ann", "{\"type\":\"direct\",\"memberIds\":[\"b\",\"c\"]}", "memberIds", 400 },
        { "ann", "{\"type\":\"direct\",\"memberIds\":[\"b\"],\"name\":\"x\"}", "name", 400 },
        { "ann", "{\"type\":\"group\",\"memberIds\":[\"a.b\"]}", "memberIds", 400 },
        { "ann", "{\"type\":\"group\",\"memberIds\":\"bob\"}", "memberIds", 400 },
        { "ann", "{\"type\":\"group\",\"memberIds\":[5]}", "memberIds", 400 },
        { "ann", "{\"type\":\"group\",\"history\":\"some\"}", "history", 400 },
        { "ann", "{\"type\":\"group\",\"name\":\"a\\nb\"}", "name", 400 },
        { "ann", "{\"type\":\"group\",\"name\":7}", "name", 400 },
        { "ann", "{\"type\":\"group\",\"id\":\"mine\"}", "id", 403 },
        { "ann", "{\"type\":\"group\",\"ownerId\":\"bob\"}", "ownerId", 403 },
        { "bot+service", "{\"type\":\"group\",\"id\":\"d_mine\"}", "id", 400 },
        { "bot+service", "{\"type\":\"group\",\"id\":\"a b\"}", "id", 400 },
        { "bot+service", "{\"type\":\"direct\",\"id\":\"x\",\"memberIds\":[\"b\"]}", "id", 400 },
        { "bot+service", "{\"type\":\"direct\",\"ownerId\":\"b\",\"memberIds\":[\"b\"]}",
          "memberIds", 400 },
    };
    struct rig *rig = rig_create();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char field[64];
        (void)snprintf(field, sizeof field, "\"field\":\"%s\"", rows[i].field);
        rig_ask(rig, rows[i].token, HTTP_POST, "/v1/conversations", rows[i].body);
        CHECK_STATUS(rows[i].status, rig);
        CHECK_HAS(rig, field);
    }
    CHECK_SIZE(0, rig->commands);
    rig_destroy(rig);
}

TEST(a_service_chooses_id_and_owner)
{
    struct rig *rig = rig_create();
    rig->decide = obey;
    rig_ask(rig, "bot+service", HTTP_POST, "/v1/conversations",
            "{\"type\":\"group\",\"id\":\"team-1\",\"ownerId\":\"ann\",\"memberIds\":[\"bob\","
            "\"ann\"]}");
    CHECK_STATUS(201, rig);
    CHECK_ID("team-1", rig->command.conversation);
    CHECK_ID("ann", rig->command.owner);
    CHECK_SIZE(1, rig->command.member_count);
    CHECK_HAS(rig, "\"id\":\"team-1\"");
    CHECK_HAS(rig, "\"role\":null"); /* the service isn't in it */
    rig_destroy(rig);
}

TEST(a_thousand_members_are_taken_and_one_more_is_not)
{
    static char body[40000];
    struct rig *rig = rig_create();
    for (int count = 1000; count <= 1001; count++) {
        size_t len = (size_t)snprintf(body, sizeof body, "{\"type\":\"group\",\"memberIds\":[");
        for (int i = 0; i < count; i++)
            len +=
                (size_t)snprintf(body + len, sizeof body - len, "%s\"user-%d\"", i ? "," : "", i);
        (void)snprintf(body + len, sizeof body - len, "]}");
        rig_ask(rig, "ann", HTTP_POST, "/v1/conversations", body);
        CHECK_INT(count == 1000 ? 201 : 400, rig->status);
    }
    CHECK_SIZE(1, rig->commands);
    CHECK_SIZE(1000, rig->command.member_count);
    rig_destroy(rig);
}

TEST(a_patch_names_what_changes)
{
    struct rig *rig = rig_create();
    (void)world_conversation(rig->w, "room", CONVERSATION_GROUP, HISTORY_JOINED, "ann");
    rig->decide = obey;
    rig_ask(rig, "ann", HTTP_PATCH, "/v1/conversations/room", "{\"name\":\"new\"}");
    CHECK_STATUS(200, rig);
    CHECK(rig->command.has_name && !rig->command.has_history);
    CHECK_TEXT("new", rig->command.name);
    CHECK_HAS(rig, "\"name\":\"new\"");
    rig_ask(rig, "ann", HTTP_PATCH, "/v1/conversations/room", "{\"name\":null}");
    CHECK(rig->command.has_name);
    CHECK_HAS(rig, "\"name\":null");
    rig_ask(rig, "ann", HTTP_PATCH, "/v1/conversations/room",
            "{\"history\":\"all\",\"operationId\":\"op-1\"}");
    CHECK(!rig->command.has_name && rig->command.has_history);
    CHECK_ID("op-1", rig->command.client_id);
    size_t before = rig->commands;
    rig_ask(rig, "ann", HTTP_PATCH, "/v1/conversations/room", "{\"type\":\"channel\"}");
    CHECK_STATUS(400, rig);
    CHECK_SIZE(before, rig->commands);
    rig_destroy(rig);
}

TEST(a_deletion_has_no_body_and_then_it_is_gone)
{
    struct rig *rig = rig_create();
    (void)world_conversation(rig->w, "room", CONVERSATION_GROUP, HISTORY_JOINED, "ann");
    rig->decide = obey;
    rig_ask(rig, "ann", HTTP_DELETE, "/v1/conversations/room?operationId=op-9", NULL);
    CHECK_STATUS(204, rig);
    CHECK_SIZE(0, rig->body_len);
    CHECK_ID("op-9", rig->command.client_id);
    rig_ask(rig, "ann", HTTP_GET, "/v1/conversations/room", NULL);
    CHECK_STATUS(410, rig);
    rig_ask(rig, "ann", HTTP_GET, "/v1/conversations", NULL);
    CHECK_HAS(rig, "{\"items\":[],\"nextCursor\":null}");
    rig_destroy(rig);
}

/* ---- lists ---- */

TEST(a_list_has_what_was_made_a_moment_ago)
{
    struct rig *rig = rig_create();
    rig->decide = obey;
    rig_ask(rig, "bot+service", HTTP_POST, "/v1/conversations",
            "{\"type\":\"group\",\"id\":\"b\",\"ownerId\":\"ann\"}");
    world_apply(rig->w);
    rig_ask(rig, "bot+service", HTTP_POST, "/v1/conversations",
            "{\"type\":\"group\",\"id\":\"a\",\"ownerId\":\"ann\",\"memberIds\":[\"bob\"]}");
    rig_ask(rig, "bot+service", HTTP_POST, "/v1/conversations",
            "{\"type\":\"direct\",\"ownerId\":\"ann\",\"memberIds\":[\"bob\"]}");
    for (int step = 0; step < 2; step++) {
        rig_ask(rig, "ann", HTTP_GET, "/v1/conversations", NULL);
        CHECK_STATUS(200, rig);
        CHECK_HAS(rig, "{\"items\":[{\"id\":\"a\"");
        CHECK_HAS(rig, "{\"id\":\"b\"");
        CHECK_HAS(rig, "\"peerId\":\"bob\"");
        rig_ask(rig, "bob", HTTP_GET, "/v1/conversations", NULL);
        CHECK_HAS(rig, "{\"items\":[{\"id\":\"a\"");
        CHECK_HAS(rig, "\"peerId\":\"ann\"");
        CHECK(!rig_body_has(rig, "{\"id\":\"b\""));
        rig_ask(rig, "eve", HTTP_GET, "/v1/conversations", NULL);
        CHECK_HAS(rig, "{\"items\":[],\"nextCursor\":null}");
        world_apply(rig->w);
    }
    rig_destroy(rig);
}

/* A user's feed and the conversation may be of different partitions, applied each at its own pace.
 */
TEST(a_list_is_whole_whichever_partition_the_persisters_are_at)
{
    static const char *const ids[] = { "c0", "c1", "c2", "c3", "c4", "c5" };
    static const char *const firsts[] = { "ann", "c0", "c1", "c2" };
    for (size_t first = 0; first < COUNT_OF(firsts); first++) {
        struct rig *rig = rig_create();
        for (size_t i = 0; i < COUNT_OF(ids); i++)
            (void)world_conversation(rig->w, ids[i], CONVERSATION_GROUP, HISTORY_JOINED, "ann");
        world_apply_until(rig->w, firsts[first], UINT64_MAX); /* its partition, and no other */
        rig_ask(rig, "ann", HTTP_GET, "/v1/conversations", NULL);
        CHECK_STATUS(200, rig);
        for (size_t i = 0; i < COUNT_OF(ids); i++) {
            char item[32];
            (void)snprintf(item, sizeof item, "{\"id\":\"%s\"", ids[i]);
            CHECK_HAS(rig, item);
        }
        rig_destroy(rig);
    }
}

TEST(a_list_has_no_conversation_that_one_was_just_removed_from)
{
    struct rig *rig = rig_create();
    (void)world_conversation(rig->w, "room", CONVERSATION_GROUP, HISTORY_JOINED, "ann");
    (void)world_member(rig->w, EVENT_MEMBER_ADDED, "room", "bob", ROLE_MEMBER);
    world_apply(rig->w);
    rig_ask(rig, "bob", HTTP_GET, "/v1/conversations", NULL);
    CHECK_HAS(rig, "{\"items\":[{\"id\":\"room\"");
    (void)world_member(rig->w, EVENT_MEMBER_REMOVED, "room", "bob", ROLE_MEMBER);
    rig_ask(rig, "bob", HTTP_GET, "/v1/conversations", NULL);
    CHECK_HAS(rig, "{\"items\":[],\"nextCursor\":null}");
    rig_destroy(rig);
}

TEST(an_item_has_its_last_message_and_what_is_unread_wherever_store_and_log_meet)
{
    struct rig *rig = rig_create();
    uint64_t seqs[6];
    char last[64];
    (void)world_conversation(rig->w, "room", CONVERSATION_GROUP, HISTORY_JOINED, "ann");
    (void)world_member(rig->w, EVENT_MEMBER_ADDED, "room", "bob", ROLE_MEMBER);
    uint64_t begin = world_send(rig->w, "room", "ann", "m0", "zero");
    for (int i = 0; i < 6; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "n%d", i);
        seqs[i] = world_send(rig->w, "room", i == 1 ? "bob" : "ann", name, "x");
    }
    (void)world_change(rig->w, EVENT_MESSAGE_EDITED, "room", "ann", seqs[4], "edited");
    uint64_t end = world_change(rig->w, EVENT_MESSAGE_DELETED, "room", "ann", seqs[5], NULL);
    (void)snprintf(last, sizeof last, "\"lastSeq\":%llu,", (unsigned long long)end);
    for (uint64_t cut = begin; cut <= end; cut++) {
        world_apply_until(rig->w, "room", cut);
        rig_ask(rig, "bob", HTTP_GET, "/v1/conversations", NULL);
        CHECK_STATUS(200, rig);
        CHECK_HAS(rig, last);
        CHECK_HAS(rig, "\"clientMessageId\":\"n4\",\"kind\":\"text\",\"text\":\"edited\"");
        CHECK_HAS(rig, "\"readSeq\":0,\"unread\":3}");
    }
    rig_destroy(rig);
}

TEST(a_list_is_cut_into_pages_that_join_without_seam)
{
    struct rig *rig = rig_create();
    char all[64] = "", target[200];
    for (int i = 0; i < 9; i++) {
        char id[2] = { (char)('a' + (i * 4) % 9), '\0' }; /* made in no order */
        (void)world_conversation(rig->w, id, CONVERSATION_GROUP, HISTORY_JOINED, "ann");
        if (i == 4)
            world_apply(rig->w); /* the second half is known from the feed alone */
    }
    for (int page = 0; page < 9; page++) {
        const char *cursor = page ? rig_next_cursor(rig) : "";
        (void)snprintf(target, sizeof target, "/v1/conversations?limit=2%s%s",
                       page ? "&cursor=" : "", cursor);
        rig_ask(rig, "ann", HTTP_GET, target, NULL);
        CHECK_STATUS(200, rig);
        for (const char *at = rig->body; (at = strstr(at, "{\"id\":\"")); at += 7)
            (void)snprintf(all + strlen(all), sizeof all - strlen(all), "%.1s", at + 7);
        if (!rig_next_cursor(rig)[0])
            break;
    }
    CHECK_STR("abcdefghi", all);
    rig_destroy(rig);
}

TEST(a_list_is_unavailable_rather_than_short)
{
    struct rig *rig = rig_create();
    (void)world_conversation(rig->w, "room", CONVERSATION_GROUP, HISTORY_JOINED, "ann");
    world_apply(rig->w);
    world_set_store_away(rig->w, true);
    rig_ask(rig, "ann", HTTP_GET, "/v1/conversations", NULL);
    CHECK_STATUS(503, rig);
    CHECK_HAS(rig, "\"code\":\"unavailable\"");
    world_set_store_away(rig->w, false);
    rig->w->is_log_away = true;
    rig_ask(rig, "ann", HTTP_GET, "/v1/conversations", NULL);
    CHECK_STATUS(503, rig);
    rig_destroy(rig);
}

TEST(channels_are_listed_for_everybody)
{
    struct rig *rig = rig_create();
    (void)world_conversation(rig->w, "open", CONVERSATION_CHANNEL, HISTORY_ALL, "ann");
    (void)world_conversation(rig->w, "closed", CONVERSATION_GROUP, HISTORY_JOINED, "ann");
    world_apply(rig->w);
    rig_ask(rig, "eve", HTTP_GET, "/v1/channels", NULL);
    CHECK_STATUS(200, rig);
    CHECK_HAS(rig, "{\"items\":[{\"id\":\"open\"");
    CHECK(!rig_body_has(rig, "closed"));
    rig_ask(rig, "eve", HTTP_GET, "/v1/channels?query=NAME", NULL);
    CHECK_HAS(rig, "\"id\":\"open\"");
    rig_ask(rig, "eve", HTTP_GET, "/v1/channels?query=other", NULL);
    CHECK_HAS(rig, "{\"items\":[],\"nextCursor\":null}");
    rig_destroy(rig);
}

static enum rc (*real_feed)(void *self, const struct id *user, uint64_t after, size_t limit,
                            struct arena *arena, struct user_feed_entry **out, size_t *out_count);
static size_t feed_entries_read;

static enum rc counting_feed(void *self, const struct id *user, uint64_t after, size_t limit,
                             struct arena *arena, struct user_feed_entry **out, size_t *out_count)
{
    enum rc rc = real_feed(self, user, after, limit, arena, out, out_count);
    feed_entries_read += rc == RC_OK ? *out_count : 0;
    return rc;
}

TEST(only_the_first_page_of_a_list_goes_through_the_whole_feed)
{
    struct rig *rig = rig_create();
    char target[400], name[16];
    for (int i = 0; i < 30; i++) {
        (void)snprintf(name, sizeof name, "c%02d", i);
        (void)world_conversation(rig->w, name, CONVERSATION_GROUP, HISTORY_JOINED, "ann");
    }
    world_apply(rig->w);
    real_feed = rig->w->store.user_feed;
    rig->w->store.user_feed = counting_feed;
    rig_ask(rig, "ann", HTTP_GET, "/v1/conversations?limit=10", NULL);
    CHECK_STATUS(200, rig);
    CHECK_SIZE(30, feed_entries_read);
    (void)snprintf(target, sizeof target, "/v1/conversations?limit=10&cursor=%s",
                   rig_next_cursor(rig));
    (void)world_conversation(rig->w, "c19b", CONVERSATION_GROUP, HISTORY_JOINED, "ann");
    feed_entries_read = 0;
    rig_ask(rig, "ann", HTTP_GET, target, NULL);
    CHECK_STATUS(200, rig);
    CHECK_SIZE(0, feed_entries_read);
    CHECK_HAS(rig, "\"id\":\"c10\"");
    CHECK_HAS(rig, "\"id\":\"c19\"");
    (void)snprintf(target, sizeof target, "/v1/conversations?limit=10&cursor=%s",
                   rig_next_cursor(rig));
    rig_ask(rig, "ann", HTTP_GET, target, NULL);
    CHECK_HAS(rig, "\"id\":\"c19b\""); /* made between two pages, beyond the first */
    rig_destroy(rig);
}
