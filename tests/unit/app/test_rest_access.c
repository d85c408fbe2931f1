/* Who may ask what: every reading call by everybody, in a table. Mutations hand the actor to the
 * command, whose own tests have the rules; here they must pass on what it says, code for code. */
#include "support/check.h"
#include "unit/app/rest_rig.h"

/* A group, a channel and a deleted group; ann owns all, ex was in all, eve in none. In the group,
 * late joined after the first message. */
static struct rig *set_stage(uint64_t *out_first, uint64_t *out_second)
{
    static const char *const names[] = { "group", "channel", "dead" };
    struct rig *rig = rig_create();
    struct world *w = rig->w;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        bool is_channel = i == 1;
        (void)world_conversation(w, names[i],
                                 is_channel ? CONVERSATION_CHANNEL : CONVERSATION_GROUP,
                                 is_channel ? HISTORY_ALL : HISTORY_JOINED, "ann");
        (void)world_member(w, EVENT_MEMBER_ADDED, names[i], "ex", ROLE_MEMBER);
        (void)world_member(w, EVENT_MEMBER_REMOVED, names[i], "ex", ROLE_MEMBER);
    }
    *out_first = world_send(w, "group", "ann", "one", "x");
    (void)world_member(w, EVENT_MEMBER_ADDED, "group", "late", ROLE_MEMBER);
    *out_second = world_send(w, "group", "ann", "two", "x");
    struct event deleted = { .kind = EVENT_CONVERSATION_DELETED,
                             .conversation = id_of("dead"),
                             .actor = id_of("ann") };
    (void)world_append(w, &deleted, "");
    return rig;
}

struct row {
    const char *path;
    /* wanted status of: a member, an ex-member, a stranger, a service that is no member */
    int member, ex, stranger, service;
};

static const struct row rows[] = {
    { "/v1/conversations/group", 200, 404, 404, 200 },
    { "/v1/conversations/group/members", 200, 404, 404, 200 },
    { "/v1/conversations/group/messages", 200, 404, 404, 404 },
    { "/v1/conversations/group/messages/by-client-id/one", 200, 404, 404, 404 },
    { "/v1/conversations/group/events", 200, 404, 404, 404 },
    { "/v1/conversations/channel", 200, 200, 200, 200 },
    { "/v1/conversations/channel/members", 200, 403, 403, 200 },
    { "/v1/conversations/channel/messages", 200, 403, 403, 403 },
    { "/v1/conversations/channel/messages/5", 404, 403, 403, 403 },
    { "/v1/conversations/channel/events", 200, 403, 403, 403 },
    { "/v1/conversations/dead", 410, 404, 404, 410 },
    { "/v1/conversations/dead/members", 410, 404, 404, 410 },
    { "/v1/conversations/dead/messages", 410, 404, 404, 404 },
    { "/v1/conversations/dead/events", 410, 404, 404, 404 },
    { "/v1/conversations/unknown", 404, 404, 404, 404 },
    { "/v1/conversations/unknown/members", 404, 404, 404, 404 },
    { "/v1/conversations/unknown/messages", 404, 404, 404, 404 },
    { "/v1/conversations/unknown/messages/5", 404, 404, 404, 404 },
    { "/v1/conversations/unknown/messages/by-client-id/one", 404, 404, 404, 404 },
    { "/v1/conversations/unknown/events", 404, 404, 404, 404 },
    { "/v1/conversations/a.b", 400, 400, 400, 400 },
    { "/v1/conversations/a*/members", 400, 400, 400, 400 },
    { "/v1/conversations/>/messages", 400, 400, 400, 400 },
    { "/v1/conversations/group/messages/0", 400, 400, 400, 400 },
    { "/v1/conversations/group/messages/1.5", 400, 400, 400, 400 },
    { "/v1/conversations/group/messages/-1", 400, 400, 400, 400 },
    { "/v1/conversations/group/messages/9007199254740992", 400, 400, 400, 400 },
    { "/v1/conversations/group/messages/by-client-id/a b", 400, 400, 400, 400 },
    { "/v1/conversations/a\nb/events", 400, 400, 400, 400 },
};

static void ask_all(struct rig *rig)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct {
            const char *token;
            int wanted;
        } askers[] = {
            { "ann", rows[i].member },
            { "ex", rows[i].ex },
            { "eve", rows[i].stranger },
            { "bot+service", rows[i].service },
        };
        for (size_t j = 0; j < COUNT_OF(askers); j++) {
            rig_ask(rig, askers[j].token, HTTP_GET, rows[i].path, NULL);
            if (rig->status != askers[j].wanted)
                print_message("%s asks %s\n", askers[j].token, rows[i].path);
            CHECK_STATUS(askers[j].wanted, rig);
            if (rig->status >= 400)
                CHECK(!rig_body_has(rig, "\"items\"") && !rig_body_has(rig, "\"text\""));
            rig_ask(rig, askers[j].token, HTTP_HEAD, rows[i].path, NULL);
            CHECK_STATUS(askers[j].wanted, rig);
        }
    }
}

TEST(reads_are_for_members_wherever_store_and_log_meet)
{
    uint64_t first, second;
    struct rig *rig = set_stage(&first, &second);
    ask_all(rig);
    world_apply_until(rig->w, "group", first);
    ask_all(rig);
    world_apply(rig->w);
    ask_all(rig);
    CHECK_SIZE(0, rig->commands);
    rig_destroy(rig);
}

/* To a stranger a private conversation and one that never was must look the same, byte for byte. */
static void check_strangers_answers(struct rig *rig, int wanted)
{
    static const char *const tails[] = { "",          "/members",
                                         "/messages", "/messages/7",
                                         "/events",   "/messages/by-client-id/one" };
    for (size_t i = 0; i < COUNT_OF(tails); i++) {
        char path[128], body[2048];
        (void)snprintf(path, sizeof path, "/v1/conversations/group%s", tails[i]);
        rig_ask(rig, "eve", HTTP_GET, path, NULL);
        CHECK_STATUS(wanted, rig);
        (void)snprintf(body, sizeof body, "%.2047s", rig->body);
        (void)snprintf(path, sizeof path, "/v1/conversations/unknown%s", tails[i]);
        rig_ask(rig, "eve", HTTP_GET, path, NULL);
        /* but for the request's own id, which stands in two places */
        char *id = strstr(body, "urn:uuid:"), *other = strstr(rig->body, "urn:uuid:");
        CHECK(id && other);
        memset(id, '-', 9 + 36);
        memset(other, '-', 9 + 36);
        id = strstr(body, "\"requestId\":");
        other = strstr(rig->body, "\"requestId\":");
        *id = *other = '\0';
        CHECK_STR(body, rig->body);
    }
}

TEST(a_stranger_cannot_tell_private_from_unknown)
{
    uint64_t first, second;
    struct rig *rig = set_stage(&first, &second);
    check_strangers_answers(rig, 404);
    world_set_store_away(rig->w, true); /* the creation is in the log, and says nothing to them */
    check_strangers_answers(rig, 503);
    world_set_store_away(rig->w, false);
    world_apply(rig->w);
    check_strangers_answers(rig, 404);
    rig_destroy(rig);
}

TEST(a_member_reads_nothing_from_before_the_join)
{
    uint64_t first, second;
    char path[128];
    struct rig *rig = set_stage(&first, &second);
    for (int step = 0; step < 2; step++) {
        (void)snprintf(path, sizeof path, "/v1/conversations/group/messages/%llu",
                       (unsigned long long)first);
        rig_ask(rig, "late", HTTP_GET, path, NULL);
        CHECK_STATUS(404, rig);
        rig_ask(rig, "late", HTTP_GET,
                "/v1/conversations/group/messages/by-client-id/one?senderId=ann", NULL);
        CHECK_STATUS(404, rig);
        rig_ask(rig, "late", HTTP_GET,
                "/v1/conversations/group/messages/by-client-id/two?senderId=ann", NULL);
        CHECK_STATUS(200, rig);
        rig_ask(rig, "late", HTTP_GET, "/v1/conversations/group/messages", NULL);
        CHECK_HAS(rig, "\"clientMessageId\":\"two\"");
        CHECK(!rig_body_has(rig, "\"clientMessageId\":\"one\""));
        rig_ask(rig, "late", HTTP_GET, "/v1/conversations/group/events", NULL);
        CHECK(!rig_body_has(rig, "\"clientMessageId\":\"one\""));
        CHECK(!rig_body_has(rig, "conversation.created"));
        CHECK_HAS(rig, "\"type\":\"member.added\"");
        world_apply(rig->w);
    }
    rig_destroy(rig);
}

struct mutation {
    enum http_method method;
    const char *path, *body;
    enum command_kind kind;
};

static const struct mutation mutations[] = {
    { HTTP_PATCH, "/v1/conversations/group", "{\"name\":\"n\"}", COMMAND_UPDATE },
    { HTTP_DELETE, "/v1/conversations/group", NULL, COMMAND_DELETE_CONVERSATION },
    { HTTP_POST, "/v1/conversations/group/members:batch", "{\"members\":[{\"userId\":\"u\"}]}",
      COMMAND_MEMBER_PUT },
    { HTTP_PUT, "/v1/conversations/group/members/u", NULL, COMMAND_MEMBER_PUT },
    { HTTP_PATCH, "/v1/conversations/group/members/ann", "{\"role\":\"admin\"}",
      COMMAND_MEMBER_PUT },
    { HTTP_DELETE, "/v1/conversations/group/members/u", NULL, COMMAND_MEMBER_REMOVE },
    { HTTP_POST, "/v1/conversations/group/join", NULL, COMMAND_JOIN },
    { HTTP_POST, "/v1/conversations/group/leave", "{}", COMMAND_LEAVE },
    { HTTP_POST, "/v1/conversations/group/messages", "{\"text\":\"x\"}", COMMAND_SEND },
    { HTTP_PUT, "/v1/conversations/group/messages/by-client-id/c1", "{\"text\":\"x\"}",
      COMMAND_SEND },
    { HTTP_PATCH, "/v1/conversations/group/messages/7", "{\"text\":\"x\"}", COMMAND_EDIT },
    { HTTP_DELETE, "/v1/conversations/group/messages/7", NULL, COMMAND_DELETE },
    { HTTP_POST, "/v1/conversations", "{\"type\":\"group\"}", COMMAND_CREATE },
};

/* For every error of the protocol. */
TEST(what_a_command_refuses_is_answered_as_it_says)
{
    uint64_t first, second;
    struct rig *rig = set_stage(&first, &second);
    for (size_t i = 0; i < COUNT_OF(mutations); i++) {
        for (int code = ERROR_VALIDATION; code < ERROR_CODE_COUNT; code++) {
            char text[64];
            const struct error_info *info = error_info((enum error_code)code);
            (void)snprintf(text, sizeof text, "\"code\":\"%s\"", info->code);
            rig->result = (struct command_result){ .error = { .code = (enum error_code)code } };
            rig_ask(rig, "ann", mutations[i].method, mutations[i].path, mutations[i].body);
            CHECK_STATUS(info->status, rig);
            CHECK_HAS(rig, text);
            CHECK_INT(mutations[i].kind, rig->command.kind);
            CHECK_ID("ann", rig->command.actor.user);
            CHECK_INT(USER_ROLE_USER, rig->command.actor.roles);
            CHECK(info->is_retryable == (rig_header(rig, "retry-after")[0] != '\0'));
        }
        rig->result = (struct command_result){ .error = { .code = ERROR_CONFLICT } };
        rig_ask(rig, "ann+service", mutations[i].method, mutations[i].path, mutations[i].body);
        CHECK_INT(USER_ROLE_USER | USER_ROLE_SERVICE, rig->command.actor.roles);
    }
    rig_destroy(rig);
}

/* The event is in the log: to say anything else would make the client do it again. */
TEST(what_was_done_is_never_answered_with_an_error)
{
    for (size_t i = 0; i < COUNT_OF(mutations); i++) {
        uint64_t first, second;
        struct rig *rig = set_stage(&first, &second);
        struct http_request request = {
            .method = mutations[i].method,
            .authorization = bytes_of("Bearer ann"),
            .content_type = bytes_of(mutations[i].body ? "application/json" : ""),
            .body = bytes_of(mutations[i].body),
            .path = bytes_of(mutations[i].path),
        };
        rig->result.seq = 4711;
        rest_handle(rig->rest, &request);
        CHECK_SIZE(1, rig->job_count);
        struct job *job = rig->jobs[0];
        rig->job_count = 0;
        job->run(job);
        job->done(job);
        CHECK_INT(mutations[i].kind, rig->command.kind);
        world_set_store_away(rig->w, true); /* between the command and the look at what it did */
        rig->w->is_log_away = true;
        rig->is_executor_full = i % 2;
        rig_run(rig);
        CHECK(rig->status == 200 || rig->status == 201 || rig->status == 204);
        if (rig->status == 200)
            CHECK_HAS(rig, "4711");
        rig_destroy(rig);
    }
}

TEST(malformed_ids_reach_no_command)
{
    static const char *const paths[] = {
        "/v1/conversations/a.b/messages",
        "/v1/conversations/>/join",
        "/v1/conversations/a%b/leave",
        "/v1/conversations/caf\xc3\xa9/members:batch",
    };
    char long_path[10300];
    struct rig *rig = rig_create();
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        rig_ask(rig, "ann", HTTP_POST, paths[i], "{\"text\":\"x\"}");
        CHECK_STATUS(400, rig);
        CHECK_HAS(rig, "\"field\":\"conversationId\"");
    }
    size_t len = (size_t)snprintf(long_path, sizeof long_path, "/v1/conversations/");
    memset(long_path + len, 'a', 10000);
    (void)snprintf(long_path + len + 10000, sizeof long_path - len - 10000, "/messages");
    rig_ask(rig, "ann", HTTP_POST, long_path, "{\"text\":\"x\"}");
    CHECK_STATUS(400, rig);
    rig_ask(rig, "ann", HTTP_PUT, "/v1/conversations/c/members/a.b", NULL);
    CHECK_STATUS(400, rig);
    CHECK_HAS(rig, "\"field\":\"userId\"");
    rig_ask(rig, "ann", HTTP_DELETE, "/v1/conversations/c/members/u?operationId=a.b", NULL);
    CHECK_STATUS(400, rig);
    CHECK_HAS(rig, "\"field\":\"operationId\"");
    rig_ask(rig, "ann", HTTP_PUT, "/v1/conversations/c/messages/by-client-id/a.b", "{}");
    CHECK_STATUS(400, rig);
    CHECK_HAS(rig, "\"field\":\"clientMessageId\"");
    CHECK_SIZE(0, rig->commands);
    rig_destroy(rig);
}
