/* metrics.c - Prometheus's text form (exposition format 0.0.4). Labels are bounded: never a user, a
 * conversation or an address. */
#include "server.h"

#include "base/buf.h"

#include <stdio.h>
#include <unistd.h>

static void add(struct buf *out, const char *name, const char *type, const char *help,
                uint64_t value)
{
    buf_add_format(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help, name, type, name,
                   (unsigned long long)value);
}

static void counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
    add(out, name, "counter", help, value);
}

static void gauge(struct buf *out, const char *name, const char *help, uint64_t value)
{
    add(out, name, "gauge", help, value);
}

static void write_commands(struct buf *out, const struct gateway_stats *g)
{
    const struct {
        const char *outcome;
        uint64_t count;
    } rows[] = { { "accepted", g->accepted },
                 { "duplicate", g->duplicates },
                 { "failed", g->failed },
                 { "unknown", g->unknown } };
    buf_add_text(out, "# HELP chat_commands_total Sends, edits and other changes by outcome.\n"
                      "# TYPE chat_commands_total counter\n");
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        buf_add_format(out, "chat_commands_total{outcome=\"%s\"} %llu\n", rows[i].outcome,
                       (unsigned long long)rows[i].count);
}

static void write_gateway(const struct server *s, struct buf *out)
{
    struct gateway_stats g;
    gateway_stats(s->gateway, &g);
    gauge(out, "chat_gateway_connections", "Open client sockets.", g.connections);
    gauge(out, "chat_gateway_users", "Users with a socket here.", g.users);
    gauge(out, "chat_gateway_conversations", "Conversations followed here.", g.rooms);
    gauge(out, "chat_gateway_ring_bytes", "Recent events kept.", g.ring_bytes);
    gauge(out, "chat_gateway_outbox_bytes", "Bytes waiting for sockets.", g.outbox_bytes);
    gauge(out, "chat_commands_in_flight", "Sends, edits and other changes without an answer.",
          g.commands);
    counter(out, "chat_gateway_connections_opened_total", "Sockets opened.", g.opened);
    counter(out, "chat_gateway_auth_refused_total", "Handshakes without a valid token.",
            g.refused_auth);
    counter(out, "chat_gateway_closed_slow_total", "Sockets closed with 4005.", g.closed_slow);
    counter(out, "chat_gateway_closed_bad_total", "Sockets closed with 4003.", g.closed_bad);
    counter(out, "chat_gateway_closed_revoked_total", "Sockets closed with 4002.",
            g.closed_revoked);
    const struct nats_audit_counts audit = nats_audit_counts(s->audit);
    counter(out, "chat_audit_stored_total", "Audit events stored.", audit.stored);
    counter(out, "chat_audit_dropped_total", "Audit events that found the queue full.",
            audit.dropped);
    gauge(out, "chat_revocations_known", "Revoked sessions and users that still count.",
          revoked_count(s->revoked));
    counter(out, "chat_messages_delivered_total", "Durable events put on sockets.", g.delivered);
    counter(out, "chat_signals_total", "Signals put on sockets.", g.signals);
    counter(out, "chat_signals_dropped_total", "Signals dropped for slow sockets.",
            g.signals_dropped);
    counter(out, "chat_gaps_total", "Holes found by prev and read from the log.", g.gaps);
    counter(out, "chat_repaired_events_total",
            "Events that did not come live and were read from the log.", g.repaired);
    counter(out, "chat_repairs_failed_total", "Reads of a hole that failed and were repeated.",
            g.repairs_failed);
    counter(out, "chat_sync_resets_total", "sync.reset frames.", g.resets);
    counter(out, "chat_boundaries_total", "Times that continuity was in doubt.", g.boundaries);
    counter(out, "chat_wrong_streams_total", "Events that did not fit the chain.", g.wrong_streams);
    counter(out, "chat_catch_ups_total", "Blocks read for slow or returning sockets.", g.catch_ups);
    counter(out, "chat_syncs_total", "Resumes.", g.syncs);
    counter(out, "chat_rate_limited_total", "Requests over a user's rate.", g.rate_limited);
    write_commands(out, &g);
    latency_write(&g.delivery, "chat_delivery_latency_seconds",
                  "From the log's time stamp to the sockets, one an event.", out);
    latency_write(&g.accept, "chat_command_seconds", "From a command to its answer.", out);
    counter(out, "chat_messages_accepted_total", "Changes that the log stored for the first time.",
            g.accepted);
    buf_add_format(out,
                   "# HELP chat_gateway_persister_lag_seconds Age of the oldest record that the "
                   "store lacks, as persisters say.\n"
                   "# TYPE chat_gateway_persister_lag_seconds gauge\n"
                   "chat_gateway_persister_lag_seconds %.3f\n",
                   (double)g.lag_ms / 1000);
}

static void write_edge(const struct server *s, struct buf *out)
{
    struct ws_server_stats w;
    struct rest_stats r;
    static const char *const classes[] = { "0", "1xx", "2xx", "3xx", "4xx", "5xx" };
    if (!s->edge)
        return;
    ws_server_stats(s->edge, &w);
    rest_stats(s->rest, &r);
    counter(out, "chat_accepted_sockets_total", "TCP connections accepted.", w.accepted);
    counter(out, "chat_refused_limit_total", "Connections refused by a limit.", w.refused_limit);
    counter(out, "chat_refused_guard_total", "HTTP requests refused by the guard.",
            w.refused_guard);
    counter(out, "chat_heartbeats_missed_total", "Sockets closed with 4004.", w.heartbeats_missed);
    counter(out, "chat_frames_out_total", "WebSocket frames sent.", w.frames_out);
    counter(out, "chat_bytes_out_total", "Bytes of WebSocket frames sent.", w.bytes_out);
    buf_add_text(out, "# HELP chat_http_answers_total REST answers by status class.\n"
                      "# TYPE chat_http_answers_total counter\n");
    for (size_t i = 2; i < COUNT_OF(classes); i++)
        buf_add_format(out, "chat_http_answers_total{class=\"%s\"} %llu\n", classes[i],
                       (unsigned long long)r.answers[i]);
}

static void write_log(const struct server *s, struct buf *out)
{
    struct nats_log_counts log = nats_log_counts(s->log);
    struct nats_feed_counts feed = nats_feed_counts(s->feed);
    gauge(out, "chat_publishes_in_flight", "Publishes without an answer.", log.in_flight);
    counter(out, "chat_publishes_total", "Publishes handed to the log.", log.published);
    counter(out, "chat_publishes_resent_total", "Publishes sent again under the same id.",
            log.resent);
    counter(out, "chat_stale_reads_total", "Direct gets that a replica answered too early.",
            log.stale_reads);
    counter(out, "chat_feed_records_total", "Republished records received.", feed.records);
    counter(out, "chat_feed_dropped_total", "Records dropped on the way to the loop.",
            feed.dropped);
    counter(out, "chat_feed_refused_total", "Records that are not what their subject says.",
            feed.refused);
    gauge(out, "chat_feed_subscriptions", "Subscriptions held.", feed.subscriptions);
}

static void write_store(const struct server *s, struct buf *out)
{
    struct store_state st;
    store_state(s->store, &st);
    gauge(out, "chat_store_up", "Whether the store answers.", s->is_store_up);
    gauge(out, "chat_store_corrupt", "Whether the store's file was found damaged.", st.is_corrupt);
    gauge(out, "chat_store_wrong", "Whether the store's indexes or version are not ours.",
          st.is_wrong);
    counter(out, "chat_store_errors_total", "Failed calls of the store.", st.errors);
}

static void write_process(struct buf *out)
{
    unsigned long long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm) {
        if (fscanf(statm, "%*u %llu", &pages) != 1)
            pages = 0;
        (void)fclose(statm);
    }
    gauge(out, "process_resident_memory_bytes", "Resident memory size in bytes.",
          pages * (unsigned long long)sysconf(_SC_PAGESIZE));
}

void metrics_write(const struct server *s, struct buf *out)
{
    const char *why;
    buf_add_format(out,
                   "# HELP chat_build_info The version that runs.\n"
                   "# TYPE chat_build_info gauge\nchat_build_info{version=\"%s\"} 1\n",
                   PARLEY_VERSION);
    gauge(out, "chat_ready", "Whether /readyz says 200.", server_is_ready(s, &why));
    write_store(s, out);
    if (s->gateway) {
        write_gateway(s, out);
        write_edge(s, out);
        write_log(s, out);
    }
    if (s->persisters)
        persisters_write_metrics(s->persisters, out);
    write_process(out);
}
