/* wiring_gateway.c - the gateway role: links to nats-server, log, feed, gateway, REST, listener. */
#include "server.h"

#include "app/command.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
    RESCAN_MS = 5000,
    SYNC_WAIT_MS = 1000,
    PUBLISH_TIMEOUT_MS = 10000,
    PUBLISH_HOLD_MS = 9000, /* a leader's election takes 4 to 9 s */
    LATE_RETRY_MS = 60000,
    RECEIPTS_KEPT = 50000,
    BUDGETS_KEPT = 100000
};

static bool make_link(const struct config *c, struct loop *loop, const char *purpose,
                      struct nats_link **out)
{
    struct fault fault = { 0 };
    char name[96];
    (void)snprintf(name, sizeof name, "parleyd-%s-%s", c->server.instance_id, purpose);
    const struct nats_link_options options = {
        .url = c->nats.url,
        .user =
            c->nats.gateway_password[0] ? c->nats.gateway_user : NULL, /* a server without users */
        .password = c->nats.gateway_password,
        .name = name,
        .loop = loop,
    };
    enum rc rc = nats_link_create(&options, out, &fault);
    if (rc != RC_OK)
        log_error("nats.no_link", LOG_RC(rc),
                  LOG_STR("setting", rc == RC_DENIED ? "nats.gateway_user" : "nats.url"),
                  LOG_STR("why", fault.text));
    return rc == RC_OK;
}

/* Without a private key of ours (an identity provider's key set) it issues nothing. */
static enum rc make_issuer(struct server *s, enum jws_algorithm algorithm)
{
    const struct config *c = s->config;
    TRY(jwt_issuer_create(c->auth.keys_dir, algorithm, c->auth.issuer, c->auth.audience,
                          &s->issuer));
    s->issuer_port = jwt_issuer_port(s->issuer);
    return RC_OK;
}

static bool make_verifier(struct server *s)
{
    const struct config *c = s->config;
    struct jwt_keys_error error = { 0 };
    const struct jwt_verifier_options options = {
        .keys_dir = c->auth.keys_dir,
        .jwks_file = c->auth.jwks_file,
        .issuer = c->auth.issuer,
        .audience = c->auth.audience,
        .algorithm = c->auth.algorithm == CONFIG_ES256 ? JWS_ES256 : JWS_RS256,
        .leeway_s = c->auth.leeway_s,
    };
    enum rc rc = c->auth.jwks_file[0] ? RC_OK /* keys of an identity provider: none are made here */
                                      : jwt_keys_ensure(c->auth.keys_dir, options.algorithm, NULL);
    if (rc == RC_OK)
        rc = jwt_verifier_create(&options, &s->verifier, &error);
    if (rc == RC_OK)
        rc = make_issuer(s, options.algorithm);
    if (rc != RC_OK)
        log_error("keys.not_read", LOG_RC(rc), LOG_STR("why", error.text));
    return rc == RC_OK;
}

void gateway_rescan_keys(struct server *s)
{
    struct jwt_keys_error error;
    bool has_changed = false;
    if (jwt_verifier_rescan(s->verifier, &has_changed, &error) != RC_OK)
        log_warn_every(60000, "keys.not_read");
    if (jwt_issuer_rescan(s->issuer) != RC_OK)
        log_warn_every(60000, "keys.no_signer");
    wiring_issuer_rescan(s);
}

static void rescan(struct timer *timer)
{
    gateway_rescan_keys(CONTAINER_OF(timer, struct server, rescan));
}

/* Cuts the comma-separated list into origins. */
static void read_origins(struct server *s)
{
    size_t count = 0;
    s->origin_text = strdup(s->config->gateway.allowed_origins);
    char *rest = s->origin_text, *part;
    while (rest && (part = strsep(&rest, ", ")) != NULL && count < ORIGINS_MAX)
        if (*part)
            s->origins[count++] = part;
}

static bool allows_query_token(const struct config *c)
{
    if (c->gateway.query_token != CONFIG_QUERY_TOKEN_AUTO)
        return c->gateway.query_token == CONFIG_QUERY_TOKEN_ON;
    return c->tls.cert[0] || config_address_is_loopback(&c->gateway.listen);
}

static struct gateway_limits limits_of(const struct server *s)
{
    const struct config *c = s->config;
    return (struct gateway_limits){
        .frame_bytes = (size_t)c->gateway.frame_bytes,
        .message_bytes = (size_t)c->gateway.message_bytes,
        .inflight = (size_t)c->gateway.inflight,
        .outbox_bytes = (size_t)c->gateway.outbox_bytes,
        .ring_bytes_room = (size_t)c->gateway.ring_bytes_per_conversation,
        .ring_bytes_total = (size_t)c->gateway.ring_bytes_total,
        .connections_per_user = (size_t)c->gateway.connections_per_user,
        .watches = (size_t)c->gateway.watch_max,
        .budgets_kept = BUDGETS_KEPT,
        .receipts_kept = RECEIPTS_KEPT,
        .heartbeat_ms = c->gateway.heartbeat_ms,
        .slow_close_ms = c->gateway.slow_close_ms,
        .sync_wait_ms = SYNC_WAIT_MS,
        .publish_timeout_ms = PUBLISH_TIMEOUT_MS,
        .late_retry_ms = LATE_RETRY_MS,
        .send_per_s = (double)c->limits.send_per_s,
        .send_burst = (double)c->limits.send_burst,
        .other_per_s = (double)c->limits.other_per_s,
        .other_burst = (double)c->limits.other_burst,
        .range_per_s = (double)c->limits.network_per_s,
        .range_burst = (double)c->limits.network_burst,
        .allows_query_token = allows_query_token(c),
        .allowed_origins = s->origins,
    };
}

static bool make_gateway(struct server *s)
{
    const struct nats_log_options log = {
        .link = s->log_link, .read_link = s->read_link, .loop = s->loop, .hold_ms = PUBLISH_HOLD_MS
    };
    s->log = nats_log_create(&log);
    if (!s->log)
        return false;
    s->log_port = nats_log_port(s->log);
    const struct gateway_deps deps = {
        .log = &s->log_port,
        .feed = &s->feed_port, /* filled below: the feed needs the gateway's callbacks */
        .store = store_messages(s->store),
        .directory = store_directory(s->store),
        .executor = workers_executor(s->workers),
        .timers = loop_timers(s->loop),
        .clock = clock_system(),
        .verifier = revoked_verifier(s->revoked),
        .tickets = &s->tickets_port,
        .claims = &s->claims_port,
        .revoked = s->revoked,
        .waits_for_revocations = true,
        .partitions = (uint32_t)s->config->streams.partitions,
        .generation = (uint32_t)s->config->streams.generation,
        .limits = limits_of(s),
    };
    s->gateway = gateway_create(&deps);
    if (!s->gateway)
        return false;
    const struct nats_feed_options feed = { .link = s->feed_link,
                                            .read_link = s->read_link,
                                            .loop = s->loop,
                                            .events = gateway_feed_events(s->gateway) };
    s->feed = nats_feed_create(&feed);
    if (s->feed)
        s->feed_port = nats_feed_port(s->feed);
    return s->feed != NULL;
}

/* ---- REST on the same listener ---- */

static bool saw_identity(void *closure, const struct identity *identity)
{
    const struct server *s = closure;
    return gateway_saw_identity(s->gateway, identity);
}

static int64_t admit(void *closure, const struct identity *identity, bool is_send)
{
    const struct server *s = closure;
    return gateway_admit(s->gateway, identity, is_send);
}

static int64_t admit_range(void *closure, const struct address_range *range)
{
    const struct server *s = closure;
    return gateway_admit_range(s->gateway, range);
}

static void write_jwks(void *closure, struct buf *out)
{
    const struct server *s = closure;
    jwt_keys_write_jwks(jwt_verifier_keys(s->verifier), out);
}

/* REST is made after the listener, whose links it needs; requests come with the loop only. */
static void on_request(void *app, const struct http_request *request)
{
    const struct server *s = app;
    rest_handle(s->rest, request);
}

static bool make_rest(struct server *s)
{
    const struct rest_options options = {
        .reading = { &s->log_port, store_messages(s->store),
                     (uint32_t)s->config->streams.partitions,
                     (uint32_t)s->config->streams.generation, .does_without_log = true },
        .directory = store_directory(s->store),
        .executor = workers_executor(s->workers),
        .verifier = revoked_verifier(s->revoked),
        .links = ws_server_http(s->edge),
        .clock = clock_system(),
        .gateway = s->gateway,
        .submit = command_submit,
        .message_bytes_max = (size_t)s->config->gateway.message_bytes,
        .accounts = s->config->accounts.enabled ? &s->accounts : NULL,
        .closure = s,
        .on_identity = saw_identity,
        .admit = admit,
        .admit_range = admit_range,
        .write_jwks = write_jwks,
        .tickets = &s->tickets_port,
        .allowed_origins = s->origins,
    };
    s->rest = rest_create(&options);
    return s->rest != NULL;
}

static const char *text_or_null(const char *text)
{
    return text[0] ? text : NULL;
}

/* One a home and port: those who may share a port are the gateways of one home. */
static void make_guard_path(const struct config *c, char out[PATH_MAX])
{
    (void)snprintf(out, PATH_MAX, "%s/run", c->server.home);
    (void)mkdir(out, 0750); /* there mostly; else the guard does without */
    (void)snprintf(out, PATH_MAX, "%s/run/listen-%u.lock", c->server.home,
                   (unsigned)c->gateway.listen.port);
}

/* Which setting the listener's fault is about. */
static const char *setting_of(const struct fault *fault)
{
    static const char *const settings[][2] = { { "trusted_proxies", "gateway.trusted_proxies" },
                                               { "tls_cert_file", "tls.cert" },
                                               { "tls_key_file", "tls.key" } };
    for (size_t i = 0; i < COUNT_OF(settings); i++)
        if (strcmp(fault->field, settings[i][0]) == 0)
            return settings[i][1];
    return "gateway.listen";
}

static bool listen_edge(struct server *s)
{
    const struct config *c = s->config;
    struct fault fault = { 0 };
    s->sink = gateway_sink(s->gateway);
    s->http = (struct http_sink){ s, on_request };
    char guard[PATH_MAX];
    make_guard_path(c, guard);
    const struct ws_server_options options = {
        .bind_address = c->gateway.listen.host[0] ? c->gateway.listen.host : "0.0.0.0",
        .port = c->gateway.listen.port,
        .shares_port = true,
        .guard_path = guard,
        .clients = &s->sink,
        .http = &s->http,
        .tls_cert_file = text_or_null(c->tls.cert),
        .tls_key_file = text_or_null(c->tls.key),
        .connections_max = (uint32_t)c->gateway.connections_max,
        .connections_per_address_max = (uint32_t)c->gateway.connections_per_address_max,
        .trusted_proxies = c->gateway.trusted_proxies,
        .cors_origins = s->origins,
        .frame_bytes_max = (uint32_t)c->gateway.frame_bytes,
        .heartbeat_ms = (uint32_t)c->gateway.heartbeat_ms,
        .pong_ms = (uint32_t)c->gateway.pong_ms,
    };
    enum rc rc = ws_server_create(s->loop, &options, &s->edge, &fault);
    if (rc != RC_OK) {
        log_error("gateway.no_listener", LOG_RC(rc), LOG_STR("setting", setting_of(&fault)),
                  LOG_STR("address", c->gateway.listen.host),
                  LOG_INT("port", c->gateway.listen.port), LOG_STR("why", fault.text));
        return false;
    }
    gateway_set_links(s->gateway, ws_server_links(s->edge));
    return true;
}

bool wiring_gateway(struct server *s)
{
    read_origins(s);
    if (!make_verifier(s) || !wiring_issuer(s) || !wiring_doors(s) ||
        !make_link(s->config, s->loop, "log", &s->log_link) ||
        !make_link(s->config, s->loop, "feed", &s->feed_link) ||
        !make_link(s->config, NULL, "read", &s->read_link) || !wiring_doors_link(s) ||
        !make_gateway(s) || !wiring_doors_listen(s) || !wiring_accounts(s) || !listen_edge(s) ||
        !make_rest(s) || !stream_watch_start(s))
        return false;
    s->rescan.run = rescan;
    timer_start(loop_timers(s->loop), &s->rescan, RESCAN_MS, RESCAN_MS);
    return true;
}

void wiring_gateway_end(struct server *s)
{
    stream_watch_stop(s);
    wiring_accounts_stop(s);
    wiring_doors_stop(s);
    wiring_issuer_stop(s);
    /* Jobs may still use the links: let them end first. First whoever calls the gateway falls
     * silent, with the answers that are left, after which the gateway wants this and that: what it
     * calls refuses, and goes last. Its rooms and rosters give their subscriptions back. */
    workers_stop(s->workers);
    nats_feed_stop(s->feed);
    nats_log_destroy(s->log);
    gateway_destroy(s->gateway);
    nats_feed_destroy(s->feed);
    wiring_doors_end(s);
    wiring_issuer_end(s);
    nats_link_destroy(s->log_link);
    nats_link_destroy(s->feed_link);
    nats_link_destroy(s->read_link);
    jwt_verifier_destroy(s->verifier);
    jwt_issuer_destroy(s->issuer);
    wiring_accounts_end(s);
    free(s->origin_text);
}
