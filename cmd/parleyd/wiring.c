#include "wiring.h"

#include "adapters/sys/service.h"
#include "server.h"

#include <signal.h>

static bool open_store(struct server *s)
{
    struct fault fault = { .text = "" };
    const struct store_options options = { .url = s->config->store.url, .is_server = true };
    enum rc rc = store_open(&options, &s->store, &fault);
    if (rc != RC_OK)
        log_error("store.not_opened", LOG_RC(rc), LOG_STR("setting", "store.url"),
                  LOG_STR("why", fault.text));
    s->is_store_asked = rc == RC_OK;
    s->is_store_up = rc == RC_OK;
    return rc == RC_OK;
}

static bool take_signals(struct server *s);

static bool make_common(struct server *s)
{
    const struct workers_options workers = {
        .name = "worker",
        .thread_count = (size_t)s->config->gateway.store_workers,
        .queue_max = 65536,
    };
    s->loop = loop_create();
    if (s->loop && !take_signals(s)) /* from here on a stop is obeyed, as soon as the loop turns */
        return false;
    s->workers = s->loop ? workers_create(s->loop, &workers) : NULL;
    if (!s->workers) {
        log_error("server.no_threads");
        return false;
    }
    return open_store(s);
}

static void on_stop(void *arg, int signal_number)
{
    struct server *s = arg;
    log_info("server.stopping", LOG_INT("signal", signal_number));
    drain_start(s);
}

static void on_hangup(void *arg, int signal_number)
{
    struct server *s = arg;
    (void)signal_number;
    if (s->gateway)
        gateway_rescan_keys(s);
}

static bool take_signals(struct server *s)
{
    return loop_on_signal(s->loop, SIGTERM, on_stop, s) == RC_OK &&
           loop_on_signal(s->loop, SIGINT, on_stop, s) == RC_OK &&
           loop_on_signal(s->loop, SIGHUP, on_hangup, s) == RC_OK;
}

/* The loop turns: so says the watchdog, which a thread of its own couldn't. */
static void feed_watchdog(struct timer *timer)
{
    (void)timer;
    service_notify("WATCHDOG=1");
}

static void start_watchdog(struct server *s)
{
    int64_t every_ms = service_watchdog_ms();
    s->watchdog.run = feed_watchdog;
    if (every_ms > 0)
        timer_start(loop_timers(s->loop), &s->watchdog, 0, (uint32_t)every_ms);
}

/* A gateway whose persister waits for the store still takes sends: that is "degraded", not "not
 * ready" (ops.c). Only a process that does nothing but persist is judged by it. */
bool server_is_ready(const struct server *s, const char **out_why)
{
    *out_why = NULL;
    if (s->is_draining)
        *out_why = "draining";
    else if (s->gateway && !gateway_is_ready(s->gateway, out_why))
        return false;
    else if (s->gateway && s->persisters && persisters_see_other_settings(s->persisters))
        *out_why = persisters_trouble(s->persisters); /* they see it before the next check does */
    else if (s->gateway)
        *out_why = stream_watch_silence(s);
    else if (s->persisters)
        *out_why = persisters_trouble(s->persisters);
    return !*out_why;
}

const char *server_trouble(const struct server *s)
{
    struct store_state store;
    store_state(s->store, &store);
    if (store.trouble)
        return store.trouble;
    if (s->is_store_asked && !s->is_store_up)
        return "the store does not answer";
    return s->persisters ? persisters_trouble(s->persisters) : NULL;
}

/* A start that failed half-way leaves its listeners open, and the loop doesn't end before they do.
 * No client was served yet. */
static void close_listeners(struct server *s)
{
    if (s->edge)
        ws_server_close(s->edge, NULL, NULL);
    if (s->ops)
        ws_server_close(s->ops, NULL, NULL);
    s->edge = s->ops = NULL;
}

static void end(struct server *s)
{
    ops_stop(s);
    close_listeners(s);
    wiring_persister_end(s);
    wiring_gateway_end(s);
    workers_destroy(s->workers);
    store_close(s->store);
    loop_destroy(s->loop);
}

int wiring_run(const struct config *config)
{
    struct server s = { .config = config, .exit_code = 1 };
    bool is_built =
        make_common(&s) && (!(config->server.roles & CONFIG_ROLE_GATEWAY) || wiring_gateway(&s)) &&
        (!(config->server.roles & CONFIG_ROLE_PERSISTER) || wiring_persister(&s)) && ops_start(&s);
    if (is_built) {
        start_watchdog(&s);
        dead_link_watch(&s);
        service_notify("READY=1");
        log_info("server.started");
        loop_run(s.loop);
    } else {
        dead_link_say_why(&s); /* a role can't be built on a link that was refused */
    }
    end(&s);
    log_info("server.stopped", LOG_INT("code", s.exit_code));
    return s.exit_code;
}
