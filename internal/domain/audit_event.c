#include "domain/audit_event.h"

#include "base/rc.h"

const char *audit_kind_name(enum audit_kind kind)
{
    static const char *const names[AUDIT_KIND_COUNT] = {
        [AUDIT_REGISTER] = "register",
        [AUDIT_LOGIN] = "login",
        [AUDIT_LOGOUT] = "logout",
        [AUDIT_REFRESH] = "refresh",
        [AUDIT_PASSWORD_CHANGE] = "password_change",
        [AUDIT_PASSWORD_RESET_REQUEST] = "password_reset_request",
        [AUDIT_PASSWORD_RESET] = "password_reset",
        [AUDIT_SESSION_REVOKE] = "session_revoke",
        [AUDIT_USER_REVOKE] = "user_revoke",
        [AUDIT_ROLES] = "roles",
        [AUDIT_BAN] = "ban",
        [AUDIT_UNBAN] = "unban",
        [AUDIT_PROFILE] = "profile",
        [AUDIT_DELETE] = "delete",
        [AUDIT_KEYS] = "keys",
    };
    return (unsigned)kind < AUDIT_KIND_COUNT ? names[kind] : "other";
}
