/* Cookies: what an answer sets, and when a refresh token in one counts. */
#include "app/rest_cookies.h"
#include "support/check.h"
#include "unit/app/rest_rig.h"

static void begin(struct rest_call *call)
{
    *call = (struct rest_call){ .is_origin_ours = true, .has_csrf_proof = true };
    arena_init(&call->arena, 1 << 16);
}

static const char *cookie_line(const struct rest_call *call, size_t i)
{
    static char line[1024];
    CHECK(i < call->header_count);
    CHECK_STR("set-cookie", call->headers[i].name);
    (void)snprintf(line, sizeof line, "%.*s", BYTES_ARG(call->headers[i].value));
    return line;
}

TEST(cookies_are_for_this_host_over_tls_and_hidden_from_scripts)
{
    struct rest_call call;
    struct bytes csrf, again;
    char wanted[256];
    const struct rest_cookies cookies = { bytes_of("a.b-c_d"), bytes_of("r1"), 900, 86400 };
    begin(&call);
    CHECK_RC(RC_OK, rest_cookies_set(&call, &cookies, &csrf));
    CHECK_SIZE(3, call.header_count);
    CHECK_STR(
        "__Host-parley-access=a.b-c_d; Max-Age=900; Path=/; Secure; HttpOnly; SameSite=Strict",
        cookie_line(&call, 0));
    CHECK_STR("__Host-parley-refresh=r1; Max-Age=86400; Path=/; Secure; HttpOnly; SameSite=Strict",
              cookie_line(&call, 1));
    CHECK_SIZE(43, csrf.len); /* 256 bits */
    (void)snprintf(wanted, sizeof wanted,
                   "__Host-parley-csrf=%.*s; Max-Age=86400; Path=/; Secure; SameSite=Strict",
                   BYTES_ARG(csrf));
    CHECK_STR(wanted, cookie_line(&call, 2));
    call.header_count = 0;
    CHECK_RC(RC_OK, rest_cookies_set(&call, &cookies, &again));
    CHECK(!bytes_equal(csrf, again));
    arena_fini(&call.arena);
}

TEST(no_token_can_add_to_its_cookie)
{
    static const char *const bad[] = {
        "", "a;b", "a b", "a\r\nset-cookie: x=y", "a=b", "\xc3\xa9"
    };
    struct rest_call call;
    struct bytes csrf;
    begin(&call);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        const struct rest_cookies cookies = { bytes_of("a"), bytes_of(bad[i]), 1, 1 };
        const struct rest_cookies other = { bytes_of(bad[i]), bytes_of("a"), 1, 1 };
        CHECK_RC(RC_INVALID, rest_cookies_set(&call, &cookies, &csrf));
        CHECK_RC(RC_INVALID, rest_cookies_set(&call, &other, &csrf));
    }
    CHECK_SIZE(0, call.header_count);
    arena_fini(&call.arena);
}

TEST(all_three_are_taken_away)
{
    struct rest_call call;
    begin(&call);
    rest_cookies_clear(&call);
    CHECK_SIZE(3, call.header_count);
    for (size_t i = 0; i < 3; i++)
        CHECK(strstr(cookie_line(&call, i), "=; Max-Age=0; Path=/; Secure"));
    arena_fini(&call.arena);
}

TEST(a_refresh_cookie_counts_with_proof_and_from_our_own_pages_only)
{
    struct rest_call call;
    struct bytes token = bytes_of("");
    begin(&call);
    CHECK_INT(ERROR_UNAUTHENTICATED, rest_cookies_refresh(&call, &token));
    call.cookie = bytes_of("x=y; __Host-parley-refresh=r1; z=1");
    call.has_csrf_proof = false;
    CHECK_INT(ERROR_FORBIDDEN, rest_cookies_refresh(&call, &token));
    call.has_csrf_proof = true;
    call.is_origin_ours = false;
    CHECK_INT(ERROR_FORBIDDEN, rest_cookies_refresh(&call, &token));
    call.is_origin_ours = true;
    CHECK_SIZE(0, token.len);
    CHECK_INT(ERROR_NONE, rest_cookies_refresh(&call, &token));
    CHECK_TEXT("r1", token);
    arena_fini(&call.arena);
}

/* Origin x CSRF proof x method, on a route that needs a token. */
TEST(a_cookie_changes_nothing_without_proof_or_for_a_foreign_page)
{
    static const char csrf[] = "0123456789abcdef";
    static const struct {
        const char *origin, *sent;
        enum http_method method;
        int status;
    } rows[] = {
        { NULL, csrf, HTTP_POST, 0 },
        { "https://chat.example", csrf, HTTP_POST, 0 },
        { "http://chat.example", csrf, HTTP_POST, 0 },
        { "https://evil.example", csrf, HTTP_POST, 403 },
        { "https://chat.example.evil", csrf, HTTP_POST, 403 },
        { "https://evil-chat.example", csrf, HTTP_POST, 403 },
        { "https://chat.example:444", csrf, HTTP_POST, 403 },
        { "null", csrf, HTTP_POST, 403 },
        { "https://chat.example", NULL, HTTP_POST, 403 },
        { "https://chat.example", "", HTTP_POST, 403 },
        { "https://chat.example", "0123456789abcdeF", HTTP_POST, 403 },
        { "https://chat.example", "0123456789abcde", HTTP_POST, 403 },
        { "https://chat.example", "0123456789abcdef0", HTTP_POST, 403 },
        { "https://evil.example", NULL, HTTP_GET, 0 }, /* it can't read the answer: no CORS */
    };
    struct rig *rig = rig_create();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_request request = {
            .method = rows[i].method,
            .cookie = bytes_of("__Host-parley-access=ann; __Host-parley-csrf=0123456789abcdef"),
            .csrf_token = bytes_of(rows[i].sent),
            .origin = bytes_of(rows[i].origin),
            .host = bytes_of("chat.example"),
        };
        rig_ask_request(rig, &request,
                        rows[i].method == HTTP_GET ? "/v1/users/me" : "/v1/conversations");
        CHECK_INT(rows[i].status == 403, rig->status == 403);
    }
    rig_destroy(rig);
}
