/* wiring_doors.c - what lets people in and keeps them out, as the gateway role needs it:
 * tickets, attempts, audit, revoked sessions. */
#include "server.h"

enum { REVOKED_TICK_MS = 1000 };

static int64_t now_s(void)
{
    return clock_wall_us(clock_system()) / 1000000;
}

/* First the tokens, then the sockets: who is cut off and comes back at once is refused. */
static void on_revoked(void *closure, const struct revocation *revocation)
{
    struct server *s = closure;
    (void)revoked_take(s->revoked, revocation, now_s()); /* it has said so itself */
    gateway_revoke(s->gateway, revocation);
}

static void on_current(void *closure)
{
    struct server *s = closure;
    gateway_revocations_current(s->gateway);
}

static void tick(struct timer *timer)
{
    struct server *s = CONTAINER_OF(timer, struct server, revoked_timer);
    revoked_tick(s->revoked, now_s());
}

bool wiring_doors(struct server *s)
{
    enum rc rc = ticket_maker_create(s->config->auth.keys_dir, clock_system(), &s->tickets);
    if (rc != RC_OK) {
        log_error("keys.no_ticket_key", LOG_RC(rc), LOG_STR("setting", "auth.keys_dir"));
        return false;
    }
    s->tickets_port = ticket_maker_port(s->tickets);
    s->revoked = revoked_create(server_verifier(s));
    return s->revoked != NULL;
}

bool wiring_doors_link(struct server *s)
{
    s->claims_port = nats_tickets_port(s->read_link);
    s->attempts_port = nats_attempts_port(s->read_link);
    s->audit = nats_audit_create(s->read_link, 0);
    if (s->audit)
        s->audit_port = nats_audit_port(s->audit);
    return s->audit != NULL;
}

bool wiring_doors_listen(struct server *s)
{
    const struct nats_revocations_options options = {
        .link = s->read_link,
        .feed_link = s->feed_link,
        .loop = s->loop,
        .executor = workers_executor(s->workers),
        .sink = { .closure = s, .on_revoked = on_revoked, .on_current = on_current },
    };
    s->revocations = nats_revocations_create(&options);
    if (!s->revocations)
        return false;
    s->revocations_port = nats_revocations_port(s->revocations);
    s->revoked_timer.run = tick;
    timer_start(loop_timers(s->loop), &s->revoked_timer, REVOKED_TICK_MS, REVOKED_TICK_MS);
    return true;
}

void wiring_doors_stop(struct server *s)
{
    if (!s->revocations)
        return;
    timer_stop(loop_timers(s->loop), &s->revoked_timer);
    nats_revocations_stop(s->revocations);
}

void wiring_doors_end(struct server *s)
{
    nats_revocations_destroy(s->revocations);
    nats_audit_destroy(s->audit);
    ticket_maker_destroy(s->tickets);
    revoked_destroy(s->revoked);
}
