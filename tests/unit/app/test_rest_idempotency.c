/* The same key, the same answer; the same key for another request, a conflict; and behind it ids
 * that follow from the key, for when the first answer was never kept. */
#include "support/check.h"
#include "unit/app/rest_rig.h"

static void obey(struct rig *rig, const struct command *c, struct command_result *result)
{
    struct event e = { .kind = EVENT_CONVERSATION_CREATED,
                       .conversation = c->conversation,
                       .actor = c->actor.user,
                       .type = c->type,
                       .history = c->history };
    result->seq = world_append(rig->w, &e, "");
    (void)world_member(rig->w, EVENT_MEMBER_ADDED, c->conversation.text, c->actor.user.text,
                       ROLE_OWNER);
}

TEST(a_repeat_is_answered_from_memory)
{
    struct rig *rig = rig_create();
    char first[2000];
    rig->decide = obey;
    rig_ask_key(rig, "ann", HTTP_POST, "/v1/conversations", "{\"type\":\"group\"}", "k1");
    CHECK_STATUS(201, rig);
    (void)snprintf(first, sizeof first, "%.*s", (int)rig->body_len - 1, rig->body);
    rig_ask_key(rig, "ann", HTTP_POST, "/v1/conversations", "{\"type\":\"group\"}", "k1");
    CHECK_STATUS(200, rig);
    CHECK_SIZE(1, rig->commands);
    CHECK_HAS(rig, first);
    CHECK_HAS(rig, ",\"duplicate\":true}");
    rig_ask_key(rig, "ann", HTTP_POST, "/v1/conversations", "{\"type\":\"group\"}", "k2");
    CHECK_STATUS(201, rig);
    CHECK_SIZE(2, rig->commands);
    rig_ask_key(rig, "bob", HTTP_POST, "/v1/conversations", "{\"type\":\"group\"}", "k1");
    CHECK_STATUS(201, rig); /* keys are each user's own */
    CHECK_SIZE(3, rig->commands);
    rig_destroy(rig);
}

TEST(the_same_key_for_another_request_is_a_conflict)
{
    struct rig *rig = rig_create();
    rig->decide = obey;
    rig_ask_key(rig, "ann", HTTP_POST, "/v1/conversations", "{\"type\":\"group\"}", "k1");
    rig_ask_key(rig, "ann", HTTP_POST, "/v1/conversations", "{\"type\":\"channel\"}", "k1");
    CHECK_STATUS(409, rig);
    CHECK_HAS(rig, "\"field\":\"Idempotency-Key\"");
    rig_ask_key(rig, "ann", HTTP_PATCH, "/v1/users/me", "{\"name\":\"x\"}", "k1");
    CHECK_STATUS(409, rig);
    CHECK_SIZE(1, rig->commands);
    rig_destroy(rig);
}

TEST(an_error_is_not_remembered)
{
    struct rig *rig = rig_create();
    rig->result.error.code = ERROR_TIMEOUT;
    rig_ask_key(rig, "ann", HTTP_POST, "/v1/conversations/c/join", NULL, "k1");
    CHECK_STATUS(504, rig);
    rig->result = (struct command_result){ .seq = 9 };
    rig_ask_key(rig, "ann", HTTP_POST, "/v1/conversations/c/join", NULL, "k1");
    CHECK_STATUS(200, rig);
    CHECK_SIZE(2, rig->commands);
    rig_destroy(rig);
}

TEST(a_removal_repeated_is_a_removal)
{
    struct rig *rig = rig_create();
    for (int i = 0; i < 2; i++) {
        rig_ask_key(rig, "ann", HTTP_DELETE, "/v1/conversations/c/members/bob", NULL, "k1");
        CHECK_STATUS(204, rig);
        CHECK_SIZE(0, rig->body_len);
    }
    CHECK_SIZE(1, rig->commands);
    rig_destroy(rig);
}

TEST(keys_are_forgotten_after_a_day)
{
    struct rig *rig = rig_create();
    rig->decide = obey;
    rig_ask_key(rig, "ann", HTTP_PATCH, "/v1/users/me", "{\"name\":\"x\"}", "k1");
    fake_clock_advance(&rig->w->clock, 23 * 3600 * 1000);
    rig_ask_key(rig, "ann", HTTP_PATCH, "/v1/users/me", "{\"name\":\"x\"}", "k1");
    CHECK_HAS(rig, "\"duplicate\":true");
    fake_clock_advance(&rig->w->clock, 2 * 3600 * 1000);
    rig_ask_key(rig, "ann", HTTP_PATCH, "/v1/users/me", "{\"name\":\"x\"}", "k1");
    CHECK_STATUS(200, rig);
    CHECK(!rig_body_has(rig, "duplicate"));
    rig_destroy(rig);
}

/* Two at once, or one whose memory failed: the log must be able to tell that they are the same. */
TEST(ids_follow_from_the_key)
{
    struct rig *rig = rig_create();
    struct id conversation, operation;
    world_set_store_away(rig->w, true);
    rig->result.seq = 5;
    rig_ask_key(rig, "ann", HTTP_POST, "/v1/conversations", "{\"type\":\"group\"}", "k1");
    conversation = rig->command.conversation;
    operation = rig->command.client_id;
    CHECK_INT(36, conversation.len);
    CHECK_INT('8', conversation.text[14]); /* the version of a UUID of one's own making */
    CHECK_INT(22, operation.len);
    rig_ask_key(rig, "ann", HTTP_POST, "/v1/conversations", "{\"type\":\"group\"}", "k1");
    CHECK_ID(conversation.text, rig->command.conversation);
    CHECK_ID(operation.text, rig->command.client_id);
    rig_ask_key(rig, "bob", HTTP_POST, "/v1/conversations", "{\"type\":\"group\"}", "k1");
    CHECK(!id_equal(&conversation, &rig->command.conversation));
    rig_ask_key(rig, "ann", HTTP_POST, "/v1/conversations/c/join", NULL, "k1");
    CHECK(!id_equal(&operation, &rig->command.client_id));
    rig_destroy(rig);
}

TEST(keys_are_checked)
{
    char long_key[300];
    struct rig *rig = rig_create();
    memset(long_key, 'k', sizeof long_key);
    long_key[256] = '\0';
    rig_ask_key(rig, "ann", HTTP_POST, "/v1/conversations/c/join", NULL, long_key);
    CHECK_STATUS(400, rig);
    CHECK_HAS(rig, "\"field\":\"Idempotency-Key\"");
    rig_ask_key(rig, "ann", HTTP_POST, "/v1/conversations/c/join", NULL, "a b");
    CHECK_STATUS(400, rig);
    rig_ask_key(rig, "ann", HTTP_POST, "/v1/conversations/c/join", NULL, "caf\xc3\xa9");
    CHECK_STATUS(400, rig);
    long_key[255] = '\0';
    rig_ask_key(rig, "ann", HTTP_POST, "/v1/conversations/c/join", NULL, long_key);
    CHECK_STATUS(200, rig);
    rig_ask_key(rig, "ann", HTTP_GET, "/v1/users/me", NULL, "a b"); /* a read needs none */
    CHECK_STATUS(200, rig);
    rig_destroy(rig);
}

static void obey_and_lose_the_log(struct rig *rig, const struct command *c,
                                  struct command_result *result)
{
    obey(rig, c, result);
    rig->w->is_log_away = true; /* so what was made can't be shown */
}

static void repeat_of_log(struct rig *rig, const struct command *c, struct command_result *result)
{
    (void)rig, (void)c;
    result->seq = ((uint64_t)WORLD_GENERATION << 40) + 1;
    result->is_duplicate = true;
}

/* Else every repeat would lack what the first one couldn't read. */
TEST(an_answer_without_the_thing_is_not_remembered)
{
    struct rig *rig = rig_create();
    rig->decide = obey_and_lose_the_log;
    rig_ask_key(rig, "ann", HTTP_POST, "/v1/conversations", "{\"type\":\"group\"}", "k1");
    CHECK_STATUS(201, rig);
    CHECK_HAS(rig, "{\"conversationId\":\"");
    CHECK(strncmp(rig_header(rig, "location"), "/v1/conversations/", 18) == 0);
    rig->w->is_log_away = false;
    rig->decide = repeat_of_log;
    rig_ask_key(rig, "ann", HTTP_POST, "/v1/conversations", "{\"type\":\"group\"}", "k1");
    CHECK_STATUS(200, rig);
    CHECK_SIZE(2, rig->commands);
    CHECK_HAS(rig, "{\"id\":\"");
    CHECK_HAS(rig, "\"duplicate\":true");
    rig_destroy(rig);
}

static void obey_and_fill(struct rig *rig, const struct command *c, struct command_result *result)
{
    result->seq = 7;
    (void)c;
    rig->is_executor_full = true;
}

TEST(what_was_made_is_201_even_when_no_worker_is_free_to_show_it)
{
    struct rig *rig = rig_create();
    rig->decide = obey_and_fill;
    rig_ask(rig, "ann", HTTP_POST, "/v1/conversations/c/messages",
            "{\"text\":\"x\",\"clientMessageId\":\"m\"}");
    CHECK_STATUS(201, rig);
    CHECK_STR("/v1/conversations/c/messages/7", rig_header(rig, "location"));
    rig->is_executor_full = false;
    rig_ask(rig, "ann", HTTP_POST, "/v1/conversations", "{\"type\":\"group\"}");
    CHECK_STATUS(201, rig);
    CHECK(strncmp(rig_header(rig, "location"), "/v1/conversations/", 18) == 0);
    rig_destroy(rig);
}

TEST(the_query_is_part_of_the_request)
{
    struct rig *rig = rig_create();
    rig_ask_key(rig, "ann", HTTP_DELETE, "/v1/conversations/c/members/bob?operationId=a", NULL,
                "k1");
    CHECK_STATUS(204, rig);
    rig_ask_key(rig, "ann", HTTP_DELETE, "/v1/conversations/c/members/bob?operationId=b", NULL,
                "k1");
    CHECK_STATUS(409, rig);
    rig_destroy(rig);
}

TEST(a_conversation_made_under_an_operation_id_has_one_id)
{
    struct rig *rig = rig_create();
    const char *body = "{\"type\":\"group\",\"operationId\":\"o1\"}";
    rig_ask(rig, "ann", HTTP_POST, "/v1/conversations", body);
    struct id made = rig->command.conversation;
    rig_ask(rig, "ann", HTTP_POST, "/v1/conversations", body);
    CHECK_ID(made.text, rig->command.conversation);
    CHECK_ID("o1", rig->command.client_id);
    rig_ask(rig, "bob", HTTP_POST, "/v1/conversations", body);
    CHECK(!id_equal(&made, &rig->command.conversation));
    rig_destroy(rig);
}
