/* cmd_revoke.c - parleyctl token revoke: access tokens that are good no more, whoever made them.
 *
 * Every gateway closes the sockets concerned within two seconds and refuses the tokens. For tokens
 * of an identity provider this is all there is; an account's session can make no new tokens either
 * once it was ended by `parleyctl user revoke` (docs/OPERATIONS.md).
 */
#include "adapters/nats/nats_revocations.h"
#include "base/clock.h"
#include "ctl_audit.h"
#include "ctl_nats.h"

enum { LINK_MS = 5000 };

static void tell_audit(struct nats_link *link, const struct revocation *r)
{
    bool is_one = r->kind == REVOKED_SESSION;

    ctl_audit_write(
        link, &(struct audit_event){ .kind = is_one ? AUDIT_SESSION_REVOKE : AUDIT_USER_REVOKE,
                                     .is_success = true,
                                     .subject = r->user,
                                     .session = r->session });
}

static int publish(const struct ctl *ctl, const struct revocation *revocation)
{
    struct nats_link *link = ctl_nats_open(ctl);
    enum rc rc = link ? nats_link_wait(link, LINK_MS) : RC_UNAVAILABLE;
    struct nats_revocations *adapter = NULL;

    if (!link)
        return CTL_FAILED;
    if (rc == RC_OK) {
        adapter = nats_revocations_create(&(struct nats_revocations_options){ .link = link });
        rc = RC_NOMEM;
    }
    if (adapter) {
        struct revocations port = nats_revocations_port(adapter);
        rc = port.publish(port.self, revocation);
    }
    if (rc == RC_OK)
        tell_audit(link, revocation);
    nats_revocations_destroy(adapter);
    nats_link_destroy(link);
    if (rc == RC_UNAVAILABLE)
        return ctl_fail("nothing was revoked: nats-server doesn't answer, or the bucket REVOKED "
                        "isn't there (parleyctl streams diff)");
    return rc == RC_OK ? CTL_OK : ctl_fail("it may not be revoked: %s; try again", rc_name(rc));
}

int cmd_token_revoke(const struct ctl *ctl, int argc, char **argv)
{
    const char *user = NULL;
    const char *session = NULL;
    const char *span = "30d";
    const struct ctl_option options[] = { { "user", &user, NULL },
                                          { "session", &session, NULL },
                                          { "for", &span, NULL } };
    struct revocation revocation = { .kind = REVOKED_USER, .reason = REVOKED_BY_ADMIN };
    int64_t span_s = 0, now_us = clock_wall_us(clock_system());

    if (!ctl_options(options, COUNT_OF(options), &argc, argv))
        return CTL_USAGE;
    if (argc > 1 || !user || !id_read(bytes_of(user), &revocation.user) ||
        (session && !id_read(bytes_of(session), &revocation.session)))
        return ctl_usage("token revoke: give --user ID, and --session ID for one session alone");
    if (!ctl_read_span(span, &span_s))
        return ctl_usage("--for takes a span of time: 90s, 15m, 1h, 30d");
    if (session)
        revocation.kind = REVOKED_SESSION;
    revocation.before_ms = now_us / 1000;
    revocation.until_s = now_us / 1000000 + span_s;
    int code = publish(ctl, &revocation);
    if (code == CTL_OK && ctl->is_json)
        (void)printf("{\"userId\":\"%s\"}\n", revocation.user.text);
    return code;
}
