/* drain.c - SIGTERM, or a dead link (dead_link.c): not ready, stop accepting, goodbye, flush, close
 * 1001 in slices, exit 0 (1 for a dead link).
 *
 *   0      /readyz says 503, the listener is closed, every client hears goodbye with its own delay
 *   ...    for half a second, in which clients hear that and stop sending, and then until nothing
 *          is under way (at most a third of the time): answers still reach clients
 *   then   sockets are closed in slices, so that reconnects spread
 *   then   persisters end after their batch, and the loop stops
 */
#include "server.h"

#include "adapters/sys/service.h"

enum { STEP_MS = 50, SLICE_MS = 50, LINGER_MS = 500 };

static void finish(struct server *s)
{
    s->exit_code = s->has_dead_link ? 1 : 0;
    timer_stop(loop_timers(s->loop), &s->drain_timer);
    loop_stop(s->loop);
}

static void ops_closed(void *arg)
{
    finish(arg);
}

static void edge_closed(void *arg)
{
    struct server *s = arg;
    s->edge = NULL;
    ws_server_close(s->ops, ops_closed, s); /* before rest goes: its metrics ask that */
    s->ops = NULL;
    rest_abandon(s->rest); /* a call may wait for the log for longer than there was time */
    s->rest = NULL;
}

static void edge_drained(void *arg)
{
    struct server *s = arg;
    ws_server_close(s->edge, edge_closed, s);
}

static void close_edge(struct server *s)
{
    struct gateway_stats stats;
    gateway_stats(s->gateway, &stats);
    uint64_t slices = (uint64_t)s->config->server.drain_seconds * 1000 / 2 / SLICE_MS + 1;
    uint32_t per_slice = (uint32_t)(stats.connections / slices) + 50;
    timer_stop(loop_timers(s->loop), &s->drain_timer);
    ws_server_drain(s->edge, CLOSE_GOING_AWAY, bytes_of("going away"), per_slice, SLICE_MS,
                    edge_drained, s);
}

static void step(struct timer *timer)
{
    struct server *s = CONTAINER_OF(timer, struct server, drain_timer);
    struct rest_stats rest;
    struct gateway_stats stats;
    int64_t now = (int64_t)timers_now_ms(loop_timers(s->loop));
    rest_stats(s->rest, &rest);
    gateway_stats(s->gateway, &stats);
    bool is_heard = stats.connections == 0 || now >= s->goodbye_ms + LINGER_MS;
    bool is_quiet = is_heard && gateway_is_quiet(s->gateway) && rest.pending == 0;
    if (is_quiet || now >= s->drain_until_ms)
        close_edge(s);
}

void drain_start(struct server *s)
{
    struct timers *timers = loop_timers(s->loop);
    if (s->is_draining)
        return;
    s->is_draining = true;
    service_notify("STOPPING=1");
    if (!s->gateway) {
        ws_server_close(s->ops, ops_closed, s);
        s->ops = NULL;
        return;
    }
    ws_server_stop_accepting(s->edge);
    nats_log_hold_no_more(s->log); /* what can't be stored now is refused while there is time */
    gateway_drain(s->gateway);
    s->goodbye_ms = (int64_t)timers_now_ms(timers);
    s->drain_until_ms = (int64_t)timers_now_ms(timers) + s->config->server.drain_seconds * 1000 / 3;
    s->drain_timer.run = step;
    timer_start(timers, &s->drain_timer, STEP_MS, STEP_MS);
}
