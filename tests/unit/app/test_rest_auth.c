/* /v1/auth where there are no accounts: every route is not_found, and nothing is asked of a store.
 */
#include "support/check.h"
#include "unit/app/rest_rig.h"

TEST(without_accounts_there_is_nothing_under_auth)
{
    static const struct {
        enum http_method method;
        const char *path, *token;
    } calls[] = {
        { HTTP_POST, "/v1/auth/register", NULL },
        { HTTP_POST, "/v1/auth/login", NULL },
        { HTTP_POST, "/v1/auth/refresh", NULL },
        { HTTP_POST, "/v1/auth/password/reset", NULL },
        { HTTP_POST, "/v1/auth/password/reset/confirm", NULL },
        { HTTP_POST, "/v1/auth/email/confirm", NULL },
        { HTTP_POST, "/v1/auth/logout", "ann" },
        { HTTP_POST, "/v1/auth/password", "ann" },
        { HTTP_POST, "/v1/auth/email", "ann" },
        { HTTP_GET, "/v1/auth/sessions", "ann" },
        { HTTP_DELETE, "/v1/auth/sessions", "ann" },
        { HTTP_DELETE, "/v1/auth/sessions/x", "ann" },
        { HTTP_DELETE, "/v1/users/me", "ann" },
    };
    struct rig *rig = rig_create();
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        rig_ask(rig, calls[i].token, calls[i].method, calls[i].path,
                calls[i].method == HTTP_POST ? "{}" : NULL);
        CHECK_STATUS(404, rig);
        CHECK_HAS(rig, "\"code\":\"not_found\"");
        if (!calls[i].token)
            continue;
        rig_ask(rig, NULL, calls[i].method, calls[i].path,
                calls[i].method == HTTP_POST ? "{}" : NULL);
        CHECK_STATUS(401, rig);
    }
    rig_destroy(rig);
}
