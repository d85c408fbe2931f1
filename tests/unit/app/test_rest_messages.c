/* Messages and the raw log: bodies as commands, messages as resources, pages that join. */
#include "support/check.h"
#include "unit/app/rest_rig.h"

#define ROOM "/v1/conversations/room/messages"

static struct rig *set_stage(uint64_t seqs[8])
{
    struct rig *rig = rig_create();
    (void)world_conversation(rig->w, "room", CONVERSATION_GROUP, HISTORY_JOINED, "ann");
    (void)world_member(rig->w, EVENT_MEMBER_ADDED, "room", "bob", ROLE_MEMBER);
    for (int i = 1; i < 8; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "m%d", i);
        seqs[i] = world_send(rig->w, "room", i % 2 ? "ann" : "bob", name, "hello");
    }
    return rig;
}

/* "m7 m6": the client ids of a page. */
static const char *ids_of(const struct rig *rig)
{
    static char out[512];
    const char *key = "\"clientMessageId\":\"";
    size_t len = 0;
    out[0] = '\0';
    for (const char *at = rig->body; (at = strstr(at, key));) {
        at += strlen(key);
        len += (size_t)snprintf(out + len, sizeof out - len, "%s%.*s", len ? " " : "",
                                (int)strcspn(at, "\""), at);
    }
    return out;
}

static void ask_page(struct rig *rig, const char *query, unsigned long long seq)
{
    char target[256];
    (void)snprintf(target, sizeof target, ROOM "?%s%llu", query, seq);
    rig_ask(rig, "ann", HTTP_GET, target, NULL);
    CHECK_STATUS(200, rig);
}

TEST(a_send_becomes_a_command_and_a_message)
{
    struct rig *rig = rig_create();
    rig->result = (struct command_result){ .seq = 77, .at_us = 1767323045678000 };
    rig_ask(rig, "ann", HTTP_POST, ROOM,
            "{\"clientMessageId\":\"c-1\",\"text\":\"hi \\ud83d\\ude00\",\"replyTo\":5,"
            "\"metadata\":{\"b\":1,\"a\":[true,null]},\"mentions\":[\"bob\"],\"seq\":1,"
            "\"senderId\":\"eve\",\"at\":\"2001-01-01T00:00:00.000Z\"}");
    CHECK_STATUS(201, rig);
    CHECK_INT(COMMAND_SEND, rig->command.kind);
    CHECK_ID("room", rig->command.conversation);
    CHECK_ID("c-1", rig->command.client_id);
    CHECK_U64(5, rig->command.reply_to);
    CHECK(!rig->command.is_retry);
    CHECK(strstr(rig->content, "\"kind\":\"text\",\"text\":\"hi \xf0\x9f\x98\x80\"") != NULL);
    CHECK(strstr(rig->content, "eve") == NULL); /* sender, seq and time are not the client's */
    CHECK_STR("/v1/conversations/room/messages/77", rig_header(rig, "location"));
    CHECK_HAS(rig, "{\"conversationId\":\"room\",\"seq\":77,\"at\":\"2026-01-02T03:04:05.678Z\","
                   "\"senderId\":\"ann\",\"clientMessageId\":\"c-1\",\"kind\":\"text\"");
    CHECK_HAS(rig, "\"replyTo\":5,\"threadOf\":null,\"attachments\":null,\"mentions\":[\"bob\"]");
    CHECK_HAS(rig, "\"editedAt\":null,\"deletedAt\":null,\"reactions\":[],\"pinned\":false}");
    CHECK_SIZE(1, rig->sends_admitted);
    rig_destroy(rig);
}

TEST(the_id_of_a_send_is_that_of_path_body_or_key)
{
    struct rig *rig = rig_create();
    struct id hashed;
    rig_ask(rig, "ann", HTTP_POST, ROOM, "{\"text\":\"x\"}");
    CHECK_INT(0, rig->command.client_id.len); /* the command makes one */
    rig_ask_key(rig, "ann", HTTP_POST, ROOM, "{\"text\":\"x\"}", "key-1");
    CHECK_ID("key-1", rig->command.client_id);
    rig_ask_key(rig, "ann", HTTP_POST, ROOM, "{\"text\":\"x\",\"clientMessageId\":\"c\"}", "key-1");
    CHECK_ID("c", rig->command.client_id);
    rig_ask_key(rig, "ann", HTTP_POST, ROOM, "{\"text\":\"x\"}", "\"quoted key\"");
    CHECK_STATUS(400, rig); /* a blank */
    rig_ask_key(rig, "ann", HTTP_POST, ROOM, "{\"text\":\"x\"}", "\"quoted\"");
    hashed = rig->command.client_id;
    CHECK_INT(22, hashed.len);
    rig_ask_key(rig, "bob", HTTP_POST, ROOM, "{\"text\":\"x\"}", "\"quoted\"");
    CHECK(!id_equal(&hashed, &rig->command.client_id));
    rig_ask_key(rig, "ann", HTTP_POST, ROOM, "{\"text\":\"x\"}", "\"quoted\"");
    CHECK_ID(hashed.text, rig->command.client_id);
    rig_ask(rig, "ann", HTTP_PUT, ROOM "/by-client-id/c-9", "{\"text\":\"x\"}");
    CHECK_ID("c-9", rig->command.client_id);
    rig_ask(rig, "ann", HTTP_PUT, ROOM "/by-client-id/c-9",
            "{\"text\":\"x\",\"clientMessageId\":\"other\"}");
    CHECK_STATUS(400, rig);
    CHECK_HAS(rig, "\"field\":\"clientMessageId\"");
    rig_destroy(rig);
}

TEST(a_repeat_is_answered_with_the_message_as_it_is_now)
{
    uint64_t seqs[8];
    struct rig *rig = set_stage(seqs);
    (void)world_change(rig->w, EVENT_MESSAGE_EDITED, "room", "ann", seqs[1], "edited since");
    rig->result = (struct command_result){ .seq = seqs[1], .is_duplicate = true };
    rig_ask(rig, "ann", HTTP_PUT, ROOM "/by-client-id/m1", "{\"text\":\"hello\"}");
    CHECK_STATUS(200, rig);
    CHECK_HAS(rig, "\"text\":\"edited since\"");
    CHECK_HAS(rig, "\"duplicate\":true}");
    CHECK(!rig->command.is_retry); /* the log itself knows it still */
    world_apply(rig->w);
    rig_ask(rig, "ann", HTTP_PUT, ROOM "/by-client-id/m1", "{\"text\":\"hello\"}");
    CHECK(rig->command.is_retry); /* the store knows it: then it is looked up, however late */
    world_set_store_away(rig->w, true);
    rig_ask(rig, "ann", HTTP_PUT, ROOM "/by-client-id/m1", "{\"text\":\"hello\"}");
    CHECK(!rig->command.is_retry); /* sends go on while the store is away */
    world_set_store_away(rig->w, false);
    rig_destroy(rig);
}

TEST(retries_say_so_and_since_when)
{
    struct rig *rig = rig_create();
    rig_ask(rig, "ann", HTTP_POST, ROOM,
            "{\"text\":\"x\",\"clientMessageId\":\"c\",\"retry\":true,\"firstTriedMs\":2500.5}");
    CHECK(rig->command.is_retry && rig->command.has_first_tried);
    CHECK_INT(2500, rig->command.first_tried_ms);
    rig_ask(rig, "ann", HTTP_POST, ROOM, "{\"text\":\"x\",\"retry\":\"yes\"}");
    CHECK_STATUS(400, rig);
    CHECK_HAS(rig, "\"field\":\"retry\"");
    rig_ask(rig, "ann", HTTP_POST, ROOM, "{\"text\":\"x\",\"firstTriedMs\":-1}");
    CHECK_HAS(rig, "\"field\":\"firstTriedMs\"");
    rig_destroy(rig);
}

TEST(a_message_is_at_most_as_large_as_the_setting_says)
{
    static char body[20000];
    struct rig *rig = rig_create();
    for (int size = 16384; size <= 16385; size++) {
        size_t len = (size_t)snprintf(body, sizeof body, "{\"text\":\"");
        memset(body + len, 'x', (size_t)size);
        (void)snprintf(body + len + size, sizeof body - len - (size_t)size, "\"}");
        rig_ask(rig, "ann", HTTP_POST, ROOM, body);
        CHECK_STATUS(size == 16384 ? 201 : 413, rig);
    }
    CHECK_HAS(rig, "\"field\":\"text\"");
    CHECK_SIZE(1, rig->commands);
    rig_destroy(rig);
}

TEST(pages_go_both_ways_and_join)
{
    uint64_t seqs[8];
    struct rig *rig = set_stage(seqs);
    for (int step = 0; step < 2; step++) {
        char target[300];
        rig_ask(rig, "ann", HTTP_GET, ROOM "?limit=3", NULL);
        CHECK_STR("m7 m6 m5", ids_of(rig));
        (void)snprintf(target, sizeof target, ROOM "?limit=3&cursor=%s", rig_next_cursor(rig));
        rig_ask(rig, "ann", HTTP_GET, target, NULL);
        CHECK_STR("m4 m3 m2", ids_of(rig));
        (void)snprintf(target, sizeof target, ROOM "?limit=3&cursor=%s", rig_next_cursor(rig));
        rig_ask(rig, "ann", HTTP_GET, target, NULL);
        CHECK_STR("m1", ids_of(rig));
        CHECK_STR("", rig_next_cursor(rig));
        ask_page(rig, "before=", seqs[3]);
        CHECK_STR("m2 m1", ids_of(rig));
        ask_page(rig, "limit=2&after=", seqs[3]);
        CHECK_STR("m4 m5", ids_of(rig));
        (void)snprintf(target, sizeof target, ROOM "?limit=2&cursor=%s", rig_next_cursor(rig));
        rig_ask(rig, "ann", HTTP_GET, target, NULL);
        CHECK_STR("m6 m7", ids_of(rig));
        CHECK_STR("", rig_next_cursor(rig));
        ask_page(rig, "limit=3&around=", seqs[3]);
        CHECK_STR("m2 m3 m4", ids_of(rig));
        (void)snprintf(target, sizeof target, ROOM "?limit=3&cursor=%s", rig_next_cursor(rig));
        rig_ask(rig, "ann", HTTP_GET, target, NULL);
        CHECK_STR("m5 m6 m7", ids_of(rig));
        ask_page(rig, "limit=1&around=", seqs[3]);
        CHECK_STR("m3", ids_of(rig));
        ask_page(rig, "after=", seqs[7]);
        CHECK_HAS(rig, "{\"items\":[],\"nextCursor\":null}");
        world_apply(rig->w);
    }
    rig_destroy(rig);
}

TEST(pages_by_time_are_strictly_before_and_after_it)
{
    uint64_t seqs[8];
    struct rig *rig = set_stage(seqs);
    char target[200], at[32];
    (void)snprintf(target, sizeof target, ROOM "/%llu", (unsigned long long)seqs[3]);
    rig_ask(rig, "ann", HTTP_GET, target, NULL);
    (void)snprintf(at, sizeof at, "%.24s", strstr(rig->body, "\"at\":\"") + 6);
    (void)snprintf(target, sizeof target, ROOM "?beforeTime=%s", at);
    rig_ask(rig, "ann", HTTP_GET, target, NULL);
    CHECK_STR("m2 m1", ids_of(rig));
    (void)snprintf(target, sizeof target, ROOM "?limit=2&afterTime=%s", at);
    rig_ask(rig, "ann", HTTP_GET, target, NULL);
    CHECK_STR("m4 m5", ids_of(rig));
    rig_destroy(rig);
}

TEST(a_place_in_a_list_is_given_once_and_well_formed)
{
    static const struct {
        const char *query, *field;
    } rows[] = {
        { "before=0", "before" },
        { "before=x", "before" },
        { "before=", "before" },
        { "after=-1", "after" },
        { "after=9007199254740992", "after" },
        { "around=1e3", "around" },
        { "beforeTime=yesterday", "beforeTime" },
        { "afterTime=2026-01-02", "afterTime" },
        { "before=5&after=3", "before" },
        { "around=5&beforeTime=2026-01-02T03:04:05Z", "before" },
        { "limit=200", "limit" },
    };
    uint64_t seqs[8];
    struct rig *rig = set_stage(seqs);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char target[200], field[40];
        (void)snprintf(target, sizeof target, ROOM "?%s", rows[i].query);
        (void)snprintf(field, sizeof field, "\"field\":\"%s\"", rows[i].field);
        rig_ask(rig, "ann", HTTP_GET, target, NULL);
        CHECK_STATUS(400, rig);
        CHECK_HAS(rig, field);
    }
    rig_destroy(rig);
}

/* A cursor is bound to its list: cut, edited or taken elsewhere it is refused. */
TEST(a_cursor_of_another_list_or_with_another_letter_is_refused)
{
    uint64_t seqs[8];
    char target[300], cursor[128];
    struct rig *rig = set_stage(seqs);
    (void)world_conversation(rig->w, "other", CONVERSATION_GROUP, HISTORY_JOINED, "ann");
    rig_ask(rig, "ann", HTTP_GET, ROOM "?limit=3", NULL);
    (void)snprintf(cursor, sizeof cursor, "%s", rig_next_cursor(rig));
    CHECK(cursor[0] != '\0');
    (void)snprintf(target, sizeof target, "/v1/conversations/other/messages?cursor=%s", cursor);
    rig_ask(rig, "ann", HTTP_GET, target, NULL);
    CHECK_STATUS(400, rig);
    (void)snprintf(target, sizeof target, "/v1/conversations/room/events?cursor=%s", cursor);
    rig_ask(rig, "ann", HTTP_GET, target, NULL);
    CHECK_STATUS(400, rig);
    for (size_t i = 0; cursor[i]; i++) {
        char was = cursor[i];
        cursor[i] = was == 'A' ? 'B' : 'A';
        (void)snprintf(target, sizeof target, ROOM "?cursor=%s", cursor);
        rig_ask(rig, "ann", HTTP_GET, target, NULL);
        CHECK_STATUS(400, rig);
        cursor[i] = was;
    }
    rig_destroy(rig);
}

TEST(an_edit_and_a_deletion_answer_with_the_message)
{
    uint64_t seqs[8];
    char target[200];
    struct rig *rig = set_stage(seqs);
    (void)snprintf(target, sizeof target, ROOM "/%llu", (unsigned long long)seqs[3]);
    (void)world_change(rig->w, EVENT_MESSAGE_EDITED, "room", "ann", seqs[3], "better");
    rig->result = (struct command_result){ .seq = 4711 };
    rig_ask(rig, "ann", HTTP_PATCH, target, "{\"text\":\"better\",\"operationId\":\"o1\"}");
    CHECK_STATUS(200, rig);
    CHECK_INT(COMMAND_EDIT, rig->command.kind);
    CHECK_U64(seqs[3], rig->command.target_seq);
    CHECK_ID("o1", rig->command.client_id);
    CHECK_STR("\"text\":\"better\"", rig->content);
    CHECK_HAS(rig, "\"text\":\"better\"");
    CHECK(!rig_body_has(rig, "\"editedAt\":null"));
    (void)world_change(rig->w, EVENT_MESSAGE_DELETED, "room", "ann", seqs[3], NULL);
    rig_ask(rig, "ann", HTTP_DELETE, target, NULL);
    CHECK_STATUS(200, rig);
    CHECK_INT(COMMAND_DELETE, rig->command.kind);
    CHECK_HAS(rig, "\"kind\":\"text\",\"text\":null");
    CHECK(!rig_body_has(rig, "\"deletedAt\":null"));
    CHECK(!rig_body_has(rig, "better"));
    rig_ask(rig, "bob", HTTP_GET, ROOM, NULL); /* nor in a list */
    CHECK(!rig_body_has(rig, "better"));
    rig_ask(rig, "ann", HTTP_PATCH, target, "{}");
    CHECK_STATUS(400, rig);
    rig_destroy(rig);
}

TEST(a_message_is_found_by_its_sender_and_client_id)
{
    uint64_t seqs[8];
    struct rig *rig = set_stage(seqs);
    for (int step = 0; step < 2; step++) {
        rig_ask(rig, "ann", HTTP_GET, ROOM "/by-client-id/m3", NULL);
        CHECK_STATUS(200, rig);
        CHECK_STR("m3", ids_of(rig));
        rig_ask(rig, "bob", HTTP_GET, ROOM "/by-client-id/m3", NULL);
        CHECK_STATUS(404, rig);
        rig_ask(rig, "bob", HTTP_GET, ROOM "/by-client-id/m3?senderId=ann", NULL);
        CHECK_STATUS(200, rig);
        rig_ask(rig, "bob", HTTP_GET, ROOM "/by-client-id/m3?senderId=a.b", NULL);
        CHECK_STATUS(400, rig);
        world_apply(rig->w);
    }
    rig_destroy(rig);
}

TEST(events_are_the_raw_log_in_pages)
{
    uint64_t seqs[8];
    char target[300];
    int count = 0;
    unsigned long long before = 0;
    struct rig *rig = set_stage(seqs);
    (void)world_garbage(rig->w, "room", "{}");
    (void)world_send(rig->w, "room", "ann", "m8", "x");
    world_apply_until(rig->w, "room", seqs[4]);
    (void)snprintf(target, sizeof target, "/v1/conversations/room/events?limit=3");
    for (int page = 0; page < 9; page++) {
        rig_ask(rig, "ann", HTTP_GET, target, NULL);
        CHECK_STATUS(200, rig);
        for (const char *at = rig->body; (at = strstr(at, "{\"seq\":")); at++, count++) {
            unsigned long long seq = strtoull(at + 7, NULL, 10);
            unsigned long long prev = strtoull(strstr(at, "\"prev\":") + 7, NULL, 10);
            CHECK(count == 0 || prev == before); /* no hole, across pages too */
            before = seq;
        }
        if (!rig_next_cursor(rig)[0])
            break;
        (void)snprintf(target, sizeof target, "/v1/conversations/room/events?limit=3&cursor=%s",
                       rig_next_cursor(rig));
    }
    CHECK_INT(11, count); /* ann's joining, bob's, eight messages and the void */
    (void)snprintf(target, sizeof target, "/v1/conversations/room/events?after=%llu",
                   (unsigned long long)seqs[7]);
    rig_ask(rig, "ann", HTTP_GET, target, NULL);
    CHECK_HAS(rig, "\"type\":\"event.void\",\"conversationId\":\"room\",\"reason\":"
                   "\"unparseable\"}");
    rig_destroy(rig);
}

TEST(the_recent_past_is_read_while_the_store_is_away)
{
    uint64_t seqs[8];
    struct rig *rig = set_stage(seqs);
    world_apply(rig->w);
    world_set_store_away(rig->w, true);
    rig_ask(rig, "ann", HTTP_GET, ROOM "?limit=2", NULL);
    CHECK_STATUS(200, rig);
    CHECK_STR("m7 m6", ids_of(rig));
    rig_ask(rig, "eve", HTTP_GET, ROOM "?limit=2", NULL);
    CHECK_STATUS(503, rig);                /* as for a conversation that never was */
    world_forget(rig->w, "room", seqs[5]); /* the joins with it */
    rig_ask(rig, "ann", HTTP_GET, ROOM "?limit=2", NULL);
    CHECK_STATUS(503, rig);
    CHECK_HAS(rig, "\"retryable\":true");
    rig_destroy(rig);
}
