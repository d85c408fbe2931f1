#include "domain/revocation.h"

#include "base/rc.h"

static const char *const names[] = {
    [REVOKED_LOGOUT] = "logout",     [REVOKED_BY_OWNER] = "owner",    [REVOKED_BY_ADMIN] = "admin",
    [REVOKED_REUSE] = "reuse",       [REVOKED_PASSWORD] = "password", [REVOKED_BAN] = "ban",
    [REVOKED_DELETION] = "deletion", [REVOKED_ROLES] = "roles",
};

const char *revocation_reason_name(enum revocation_reason reason)
{
    return (size_t)reason < COUNT_OF(names) ? names[reason] : "admin";
}

bool revocation_reason_read(struct bytes name, enum revocation_reason *out_reason)
{
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (bytes_is(name, names[i])) {
            *out_reason = (enum revocation_reason)i;
            return true;
        }
    }
    return false;
}

bool revocation_means(const struct revocation *revocation, const struct id *user,
                      const struct id *session, int64_t issued_s)
{
    int64_t began_ms = issued_s * 1000;

    if (!id_equal(&revocation->user, user))
        return false;
    if (revocation->kind == REVOKED_SESSION)
        return id_equal(&revocation->session, session);
    if (revocation->spared.len && id_equal(&revocation->spared, session))
        return false;
    (void)id_made_ms(session, &began_ms); /* not one of ours: the token's time stands */
    return began_ms <= revocation->before_ms;
}
