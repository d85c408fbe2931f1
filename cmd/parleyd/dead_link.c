/* dead_link.c - a link to nats-server that is over for good ends the process, for its supervisor to
 * start anew.
 *
 * nats.c reconnects by itself after everything but a refusal in words: a login refused twice in a
 * row, too many connections, a protocol error. Then it closes the connection and never tries again,
 * so the process would stay, not ready, for ever. It drains as on SIGTERM, so that clients are told
 * to go elsewhere, and ends with 1; `parleyd mind`, systemd or Kubernetes start it again with
 * back-off, until the server takes it.
 */
#include "server.h"

enum { LOOK_MS = 500 };

static struct nats_link *dead_link_of_gateway(struct server *s)
{
    struct nats_link *const links[] = { s->log_link, s->feed_link, s->read_link };
    for (size_t i = 0; i < COUNT_OF(links); i++)
        if (links[i] && nats_link_is_dead(links[i]))
            return links[i];
    return NULL;
}

static bool has_dead_consumers(struct server *s)
{
    return s->consumers && nats_consumers_is_dead(s->consumers);
}

static void say_refused(const char *setting, const char *user)
{
    log_error("nats.login_refused", LOG_STR("setting", setting), LOG_STR("user", user),
              LOG_STR("why", "nats-server refuses this user, or its password"));
}

void dead_link_say_why(struct server *s)
{
    const struct config *c = s->config;
    struct nats_link *link = dead_link_of_gateway(s);
    if (link && nats_link_is_login_refused(link))
        say_refused("nats.gateway_user", c->nats.gateway_user);
    if (has_dead_consumers(s) && nats_consumers_is_login_refused(s->consumers))
        say_refused("nats.persister_user", c->nats.persister_user);
}

static void look(struct timer *timer)
{
    struct server *s = CONTAINER_OF(timer, struct server, link_timer);
    if (s->is_draining || (!dead_link_of_gateway(s) && !has_dead_consumers(s)))
        return;
    timer_stop(loop_timers(s->loop), timer);
    log_error("server.link_is_dead", LOG_STR("then", "ends with 1, to be started again"));
    dead_link_say_why(s);
    s->has_dead_link = true;
    drain_start(s);
}

void dead_link_watch(struct server *s)
{
    s->link_timer.run = look;
    timer_start(loop_timers(s->loop), &s->link_timer, LOOK_MS, LOOK_MS);
}
