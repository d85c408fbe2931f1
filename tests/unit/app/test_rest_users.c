/* Users, and who may make them. */
#include "support/check.h"
#include "unit/app/rest_rig.h"

TEST(oneself_is_known_before_the_directory_knows)
{
    struct rig *rig = rig_create();
    rig_ask(rig, "ann", HTTP_GET, "/v1/users/me", NULL);
    CHECK_STATUS(200, rig);
    CHECK_HAS(rig, "\"id\":\"ann\",\"name\":\"Name of ann\"");
    CHECK_HAS(rig, "\"roles\":[\"user\"]");
    CHECK_SIZE(1, rig->seen);
    rig_destroy(rig);
}

TEST(a_name_is_changed_for_everyone)
{
    struct rig *rig = rig_create();
    rig_ask(rig, "ann", HTTP_PATCH, "/v1/users/me", "{\"name\":\"Ann \xc3\x84\"}");
    CHECK_STATUS(200, rig);
    CHECK_HAS(rig, "\"name\":\"Ann \xc3\x84\"");
    rig_ask(rig, "bob", HTTP_GET, "/v1/users/ann", NULL);
    CHECK_STATUS(200, rig);
    CHECK_HAS(rig, "\"name\":\"Ann \xc3\x84\"");
    CHECK(!rig_body_has(rig, "roles"));
    rig_destroy(rig);
}

TEST(names_are_checked)
{
    static const char *const bodies[] = {
        "{}",           "{\"name\":\"\"}",      "{\"name\":null}",
        "{\"name\":7}", "{\"name\":\"a\\nb\"}", "{\"name\":\"\\u007f\"}",
    };
    struct rig *rig = rig_create();
    char long_name[200];
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        rig_ask(rig, "ann", HTTP_PATCH, "/v1/users/me", bodies[i]);
        CHECK_STATUS(400, rig);
        CHECK_HAS(rig, "\"field\":\"name\"");
    }
    for (int len = 128; len <= 129; len++) {
        (void)snprintf(long_name, sizeof long_name, "{\"name\":\"%0*d\"}", len, 7);
        rig_ask(rig, "ann", HTTP_PATCH, "/v1/users/me", long_name);
        CHECK_STATUS(len == 128 ? 200 : 400, rig);
    }
    rig_destroy(rig);
}

TEST(only_services_make_users)
{
    struct rig *rig = rig_create();
    rig_ask(rig, "ann", HTTP_PUT, "/v1/users/bob", "{\"name\":\"Bob\"}");
    CHECK_STATUS(403, rig);
    CHECK_HAS(rig, "\"message\":\"The token's roles must have service for this.\"");
    rig_ask(rig, "ann", HTTP_POST, "/v1/users:batch", "{\"users\":[{\"id\":\"bob\"}]}");
    CHECK_STATUS(403, rig);
    rig_ask(rig, "eve", HTTP_GET, "/v1/users/bob", NULL);
    CHECK_STATUS(404, rig);
    rig_ask(rig, "bot+service", HTTP_PUT, "/v1/users/bob", "{\"name\":\"Bob\"}");
    CHECK_STATUS(201, rig);
    CHECK_STR("/v1/users/bob", rig_header(rig, "location"));
    rig_ask(rig, "bot+service", HTTP_PUT, "/v1/users/bob", "{\"name\":\"Robert\"}");
    CHECK_STATUS(200, rig);
    rig_ask(rig, "eve", HTTP_GET, "/v1/users/bob", NULL);
    CHECK_HAS(rig, "\"name\":\"Robert\"");
    rig_destroy(rig);
}

TEST(a_batch_makes_and_updates_or_does_nothing)
{
    static const char *const wrong[] = {
        "{}",
        "{\"users\":[]}",
        "{\"users\":[{}]}",
        "{\"users\":[{\"id\":\"a.b\"}]}",
        "{\"users\":[{\"id\":\"x\"},{\"id\":\"x\"}]}",
        "{\"users\":[{\"id\":\"fresh\"},{\"id\":\"y\",\"name\":\"\"}]}",
    };
    static char many[60000];
    struct rig *rig = rig_create();
    rig_ask(rig, "bot+service", HTTP_PUT, "/v1/users/bob", "{\"name\":\"Bob\"}");
    rig_ask(rig, "bot+service", HTTP_POST, "/v1/users:batch",
            "{\"users\":[{\"id\":\"bob\",\"name\":\"B\"},{\"id\":\"cid\"}]}");
    CHECK_STATUS(200, rig);
    CHECK_HAS(rig, "{\"created\":1,\"updated\":1}");
    rig_ask(rig, "eve", HTTP_GET, "/v1/users/cid", NULL);
    CHECK_HAS(rig, "\"name\":\"cid\"");
    size_t len = (size_t)snprintf(many, sizeof many, "{\"users\":[");
    for (int i = 0; i < 1001; i++)
        len += (size_t)snprintf(many + len, sizeof many - len, "%s{\"id\":\"user-%d\"}",
                                i ? "," : "", i);
    (void)snprintf(many + len, sizeof many - len, "]}");
    for (size_t i = 0; i <= COUNT_OF(wrong); i++) {
        rig_ask(rig, "bot+service", HTTP_POST, "/v1/users:batch",
                i < COUNT_OF(wrong) ? wrong[i] : many);
        CHECK_STATUS(400, rig);
        CHECK_HAS(rig, "\"field\":\"users\"");
    }
    rig_ask(rig, "eve", HTTP_GET, "/v1/users/fresh", NULL);
    CHECK_STATUS(404, rig);
    rig_destroy(rig);
}

TEST(users_are_searched_in_pages)
{
    struct rig *rig = rig_create();
    char target[200];
    rig_ask(rig, "bot+service", HTTP_POST, "/v1/users:batch",
            "{\"users\":[{\"id\":\"a1\",\"name\":\"Anna\"},{\"id\":\"a2\",\"name\":\"HANNAH\"},"
            "{\"id\":\"b1\",\"name\":\"Bert\"},{\"id\":\"z9\",\"name\":\"Joanna\"}]}");
    rig_ask(rig, "eve", HTTP_GET, "/v1/users?query=anna&limit=2", NULL);
    CHECK_STATUS(200, rig);
    CHECK_HAS(rig, "\"id\":\"a1\"");
    CHECK_HAS(rig, "\"id\":\"a2\"");
    (void)snprintf(target, sizeof target, "/v1/users?query=anna&limit=2&cursor=%s",
                   rig_next_cursor(rig));
    rig_ask(rig, "eve", HTTP_GET, target, NULL);
    CHECK_HAS(rig, "{\"items\":[{\"id\":\"z9\"");
    CHECK_STR("", rig_next_cursor(rig));
    CHECK(!rig_body_has(rig, "b1"));
    rig_destroy(rig);
}

TEST(without_the_store_the_directory_is_unavailable)
{
    struct rig *rig = rig_create();
    world_set_store_away(rig->w, true);
    rig_ask(rig, "ann", HTTP_GET, "/v1/users/bob", NULL);
    CHECK_STATUS(503, rig);
    rig_ask(rig, "ann", HTTP_PATCH, "/v1/users/me", "{\"name\":\"x\"}");
    CHECK_STATUS(503, rig);
    rig_destroy(rig);
}

TEST(a_user_exists_once_their_first_request_was_answered)
{
    struct rig *rig = rig_create();
    rig->is_seen_first = true;
    rig_ask(rig, "ada", HTTP_GET, "/v1/channels", NULL);
    CHECK_STATUS(200, rig);
    rig->is_seen_first = false;
    rig_ask(rig, "bob", HTTP_GET, "/v1/users/ada", NULL);
    CHECK_STATUS(200, rig);
    CHECK_HAS(rig, "\"name\":\"Name of ada\"");
    rig_destroy(rig);
}
