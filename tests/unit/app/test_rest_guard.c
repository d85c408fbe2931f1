/* Everything that is refused before a worker sees it: routes, methods, tokens, bodies, limits. */
#include "support/check.h"
#include "unit/app/rest_rig.h"

TEST(an_unknown_path_is_not_found_with_or_without_a_token)
{
    static const char *const paths[] = {
        "/",
        "/v1",
        "/v1/",
        "/v2/conversations",
        "/v1/conversations/",
        "/v1/nothing",
        "/v1/conversations/c/messages/1/history",
        "/v1/conversations/c/messages/1/reactions/x",
        "/v1/conversations/c/pins/1",
        "/v1/conversations/c/read",
        "/v1/unread",
        "/v1/sync",
        "/v1/search/messages",
        "/v1/conversations/c/messages/",
        "/v1/conversations//messages",
        "/v1/users:batch/",
        "/.well-known/jwks.json",
        "/v1/auth/nothing",
    };
    struct rig *rig = rig_create();
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        rig_ask(rig, i % 2 ? "ann" : NULL, HTTP_GET, paths[i], NULL);
        CHECK_STATUS(404, rig);
        CHECK_STR("application/problem+json", rig->content_type);
        CHECK_HAS(rig, "\"code\":\"not_found\"");
    }
    CHECK_SIZE(0, rig->seen);
    rig_destroy(rig);
}

TEST(a_wrong_method_names_the_right_ones)
{
    struct rig *rig = rig_create();
    rig_ask(rig, NULL, HTTP_DELETE, "/v1/conversations", NULL);
    CHECK_STATUS(405, rig);
    CHECK_STR("GET, HEAD, POST, OPTIONS", rig_header(rig, "allow"));
    CHECK_INT(36, (int)strlen(rig_header(rig, "x-request-id")));
    rig_ask(rig, NULL, HTTP_PUT, "/v1/users/me", "{\"name\":\"x\"}");
    CHECK_STATUS(405, rig); /* me is no user's id */
    CHECK_STR("GET, HEAD, PATCH, DELETE, OPTIONS", rig_header(rig, "allow"));
    rig_ask(rig, NULL, HTTP_OPTIONS, "/v1/conversations/c/messages/5", NULL);
    CHECK_STATUS(204, rig);
    CHECK_STR("GET, HEAD, PATCH, DELETE, OPTIONS", rig_header(rig, "allow"));
    rig_ask(rig, NULL, HTTP_OPTIONS, "/v1/nothing", NULL);
    CHECK_STATUS(404, rig);
    rig_destroy(rig);
}

static void ask_as(struct rig *rig, const char *authorization, const char *cookie, const char *csrf,
                   enum http_method method)
{
    struct http_request request = { .method = method,
                                    .authorization = bytes_of(authorization),
                                    .cookie = bytes_of(cookie),
                                    .csrf_token = bytes_of(csrf) };
    rig_ask_request(rig, &request, method == HTTP_GET ? "/v1/users/me" : "/v1/conversations");
}

TEST(who_has_no_good_token_is_told_so_and_no_more)
{
    static const struct {
        const char *header, *code, *challenge;
    } rows[] = {
        { NULL, "unauthenticated", "Bearer" },
        { "Bearer ", "unauthenticated", "Bearer" },
        { "Bearer", "unauthenticated", "Bearer" },
        { "Basic YTpi", "unauthenticated", "Bearer" },
        { "Bearer a b", "unauthenticated", "Bearer" },
        { "Bearer revoked", "unauthenticated", "Bearer" },
        { "Bearer expired", "token.expired",
          "Bearer error=\"invalid_token\", "
          "error_description=\"expired\"" },
    };
    struct rig *rig = rig_create();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char code[64];
        (void)snprintf(code, sizeof code, "\"code\":\"%s\"", rows[i].code);
        ask_as(rig, rows[i].header, NULL, NULL, HTTP_GET);
        CHECK_STATUS(401, rig);
        CHECK_HAS(rig, code);
        CHECK_STR(rows[i].challenge, rig_header(rig, "www-authenticate"));
    }
    CHECK_SIZE(0, rig->seen);
    ask_as(rig, "bearer ann", NULL, NULL, HTTP_GET); /* RFC 9110, 11.1: a scheme has no case */
    CHECK_STATUS(200, rig);
    CHECK_SIZE(1, rig->seen);
    rig_destroy(rig);
}

TEST(a_cookie_reads_but_changes_nothing_without_its_proof)
{
    const char *both = "__Host-parley-access=ann; __Host-parley-csrf=0123456789abcdef";
    struct rig *rig = rig_create();
    ask_as(rig, NULL, "__Host-parley-access=ann", NULL, HTTP_GET);
    CHECK_STATUS(200, rig);
    ask_as(rig, NULL, "__Host-parley-access=ann", NULL, HTTP_POST);
    CHECK_STATUS(403, rig);
    ask_as(rig, NULL, both, NULL, HTTP_POST);
    CHECK_STATUS(403, rig);
    ask_as(rig, NULL, both, "0123456789abcdeX", HTTP_POST);
    CHECK_STATUS(403, rig);
    ask_as(rig, NULL, "__Host-parley-access=ann; __Host-parley-csrf=", "", HTTP_POST);
    CHECK_STATUS(403, rig); /* an empty proof proves nothing */
    ask_as(rig, NULL, both, "0123456789abcdef", HTTP_POST);
    CHECK_STATUS(400, rig); /* it got as far as its body, which is missing */
    rig_destroy(rig);
}

TEST(a_body_must_be_json_of_a_bounded_size)
{
    static char large[128 * 1024 + 2];
    struct rig *rig = rig_create();
    struct http_request request = { .method = HTTP_POST,
                                    .authorization = bytes_of("Bearer ann"),
                                    .body = bytes_of("{\"text\":\"x\"}") };
    const char *target = "/v1/conversations/c/messages";
    rig_ask_request(rig, &request, target);
    CHECK_STATUS(415, rig);
    request.content_type = bytes_of("text/plain");
    rig_ask_request(rig, &request, target);
    CHECK_STATUS(415, rig);
    request.content_type = bytes_of("application/jsonp");
    rig_ask_request(rig, &request, target);
    CHECK_STATUS(415, rig);
    request.content_type = bytes_of("Application/JSON; charset=utf-8");
    rig_ask_request(rig, &request, target);
    CHECK_STATUS(201, rig);
    memset(large, ' ', sizeof large - 1);
    request.body = bytes_of(large);
    rig_ask_request(rig, &request, target);
    CHECK_STATUS(413, rig);
    CHECK_HAS(rig, "\"code\":\"payload_too_large\"");
    rig_destroy(rig);
}

TEST(json_that_is_not_right_is_refused_whole)
{
    static char deep[200], wide[70000];
    const char *bodies[] = {
        "",
        "{",
        "null",
        "[]",
        "\"x\"",
        "{\"text\":\"a\",\"text\":\"b\"}",
        "{\"text\":\"\\ud800\"}",
        "{\"text\":\"\xff\"}",
        "{\"text\":\"\\u0000\"}",
        "{\"text\":\"a\"} x",
        "{\"metadata\":{\"a\":1e999},\"text\":\"x\"}",
        "{\"metadata\":{\"a\":99999999999999999999999},\"text\":\"x\"}",
        "{\"text\":\"x\",\"replyTo\":9007199254740992}",
        "{\"text\":\"x\",\"replyTo\":-1}",
        "{\"text\":\"x\",\"replyTo\":1.5}",
        "{\"text\":\"x\",\"replyTo\":\"1\"}",
        "{\"text\":5}",
        "{\"text\":\"x\",\"kind\":\"bomb\"}",
        "{\"text\":\"x\",\"metadata\":[]}",
        "{\"text\":\"x\",\"clientMessageId\":\"a b\"}",
        "{\"text\":\"x\",\"clientMessageId\":\"\"}",
        "{\"text\":\"x\",\"mentions\":[\"a.b\"]}",
        "{\"text\":\"x\",\"attachments\":[1]}",
        deep,
        wide,
    };
    struct rig *rig = rig_create();
    size_t len = (size_t)snprintf(deep, sizeof deep, "{\"text\":\"x\",\"metadata\":{\"a\":");
    for (int i = 0; i < 40; i++)
        deep[len++] = '[';
    for (int i = 0; i < 40; i++)
        deep[len++] = ']';
    (void)snprintf(deep + len, sizeof deep - len, "}}");
    len = (size_t)snprintf(wide, sizeof wide, "{\"text\":\"x\",\"metadata\":{");
    for (int i = 0; i < 4000; i++)
        len += (size_t)snprintf(wide + len, sizeof wide - len, "%s\"k%d\":1", i ? "," : "", i);
    (void)snprintf(wide + len, sizeof wide - len, "}}");
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        rig_ask(rig, "ann", HTTP_POST, "/v1/conversations/c/messages", bodies[i]);
        CHECK_STATUS(400, rig);
        CHECK_HAS(rig, "\"code\":\"validation\"");
    }
    CHECK_SIZE(0, rig->commands);
    rig_destroy(rig);
}

TEST(limits_say_how_long_to_wait)
{
    struct rig *rig = rig_create();
    rig->wait_ms = 1500;
    rig_ask(rig, "ann", HTTP_POST, "/v1/conversations/c/messages", "{\"text\":\"x\"}");
    CHECK_STATUS(429, rig);
    CHECK_STR("2", rig_header(rig, "retry-after"));
    CHECK_HAS(rig, "\"retryAfterMs\":1500");
    CHECK_HAS(rig, "\"retryable\":true");
    CHECK_SIZE(1, rig->sends_admitted);
    rig_ask(rig, "ann", HTTP_GET, "/v1/conversations/c/messages", NULL);
    CHECK_STATUS(429, rig);
    CHECK_SIZE(1, rig->others_admitted);
    rig_destroy(rig);
}

TEST(a_full_executor_is_overload_and_not_an_error_of_the_client)
{
    struct rig *rig = rig_create();
    rig->is_executor_full = true;
    rig_ask(rig, "ann", HTTP_GET, "/v1/conversations", NULL);
    CHECK_STATUS(503, rig);
    CHECK_HAS(rig, "\"code\":\"overloaded\"");
    CHECK_STR("1", rig_header(rig, "retry-after"));
    rig_destroy(rig);
}

TEST(a_problem_has_the_members_of_the_rfc_and_of_the_protocol)
{
    struct rig *rig = rig_create();
    char instance[128];
    rig_ask(rig, "ann", HTTP_GET, "/v1/conversations?limit=0", NULL);
    CHECK_STATUS(400, rig);
    CHECK_STR("application/problem+json", rig->content_type);
    CHECK_HAS(rig, "\"type\":\"urn:parley:problem:validation\"");
    CHECK_HAS(rig, "\"title\":\"The request is not valid.\"");
    CHECK_HAS(rig, "\"status\":400");
    CHECK_HAS(rig, "\"detail\":\"limit must be a number from 1 to 100.\"");
    CHECK_HAS(rig, "\"field\":\"limit\"");
    CHECK_HAS(rig, "\"retryable\":false,\"retryAfterMs\":null");
    CHECK_INT(36, (int)strlen(rig_header(rig, "x-request-id")));
    (void)snprintf(instance, sizeof instance, "\"instance\":\"urn:uuid:%s\"",
                   rig_header(rig, "x-request-id"));
    CHECK_HAS(rig, instance);
    rig_destroy(rig);
}

TEST(limits_and_cursors_are_checked)
{
    static const char *const lists[] = { "/v1/conversations",
                                         "/v1/channels",
                                         "/v1/users",
                                         "/v1/conversations/room/members",
                                         "/v1/conversations/room/messages",
                                         "/v1/conversations/room/events" };
    static const char *const wrong[] = { "limit=0",    "limit=101",   "limit=x",
                                         "limit=",     "limit=-1",    "cursor=",
                                         "cursor=abc", "cursor=!!!!", "cursor=YQAAAABhbm4" };
    struct rig *rig = rig_create();
    (void)world_conversation(rig->w, "room", CONVERSATION_GROUP, HISTORY_JOINED, "ann");
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        for (size_t j = 0; j < COUNT_OF(wrong); j++) {
            char target[128];
            (void)snprintf(target, sizeof target, "%s?%s", lists[i], wrong[j]);
            rig_ask(rig, "ann", HTTP_GET, target, NULL);
            CHECK_STATUS(400, rig);
        }
    }
    rig_destroy(rig);
}

TEST(a_rest_that_closes_refuses_the_new_and_ends_the_old)
{
    struct rig *rig = rig_create();
    struct http_request request = { .method = HTTP_GET,
                                    .path = bytes_of("/v1/users/me"),
                                    .authorization = bytes_of("Bearer ann") };
    struct rest_stats stats;
    rest_handle(rig->rest, &request);
    rest_stats(rig->rest, &stats);
    CHECK_SIZE(1, stats.pending);
    rest_close(rig->rest);
    rest_handle(rig->rest, &request);
    CHECK_STATUS(503, rig);
    rig_run(
        rig); /* the last answer frees it; a leak or a use after it is the sanitizer's to find */
    CHECK_STATUS(200, rig);
    world_destroy(rig->w);
    free(rig);
}

/* As when a gateway ends while a call waits for the log: nobody is there any more to be answered.
 */
TEST(a_rest_whose_listener_is_gone_ends_what_is_under_way_unheard)
{
    struct rig *rig = rig_create();
    struct http_request request = { .method = HTTP_GET,
                                    .path = bytes_of("/v1/users/me"),
                                    .authorization = bytes_of("Bearer ann") };
    rest_handle(rig->rest, &request);
    size_t answers = rig->answers;
    rest_abandon(rig->rest);
    rig_run(rig);
    CHECK_SIZE(answers, rig->answers);
    world_destroy(rig->w);
    free(rig);
}
