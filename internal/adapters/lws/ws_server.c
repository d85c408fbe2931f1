/* ws_server.c - the life of a server: options, the library's context, draining, the end. */
#include "adapters/lws/server.h"

#include <assert.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

enum { DESTROY_TURNS = 6, CONNECTIONS_MAX = CONN_CHUNK * CONN_CHUNKS_MAX };

#define DEFAULT(field, value)                                                                      \
    do {                                                                                           \
        if (!options->field)                                                                       \
            options->field = (value);                                                              \
    } while (0)

static void set_defaults(struct ws_server_options *options)
{
    DEFAULT(bind_address, "127.0.0.1");
    DEFAULT(ws_path, "/v1/ws");
    DEFAULT(connections_max, 18000);
    DEFAULT(frame_bytes_max, 64 * 1024);
    DEFAULT(body_bytes_max, 1024 * 1024);
    DEFAULT(header_bytes_max, 8192);
    DEFAULT(heartbeat_ms, 30000);
    DEFAULT(pong_ms, 10000);
    DEFAULT(header_timeout_ms, 10000);
    DEFAULT(body_timeout_ms, 20000);
    DEFAULT(reply_timeout_ms, 60000);
    DEFAULT(idle_timeout_ms, 30000);
    DEFAULT(write_timeout_ms, 20000);
    if (options->connections_max > CONNECTIONS_MAX)
        options->connections_max = CONNECTIONS_MAX;
    if (options->pong_ms > options->heartbeat_ms)
        options->pong_ms = options->heartbeat_ms;
}

/* The library makes a context with a broken certificate and only then fails to serve. */
static enum rc check_certificate(const struct ws_server_options *options, struct fault *fault)
{
    const char *wrong = NULL, *field = "tls_cert_file";
    if (!options->tls_cert_file && !options->tls_key_file)
        return RC_OK;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx)
        return RC_NOMEM;
    if (!options->tls_cert_file || !options->tls_key_file)
        wrong = "certificate and key are needed both";
    else if (SSL_CTX_use_certificate_chain_file(ctx, options->tls_cert_file) != 1)
        wrong = "is not a readable PEM certificate chain";
    else if (SSL_CTX_use_PrivateKey_file(ctx, options->tls_key_file, SSL_FILETYPE_PEM) != 1)
        field = "tls_key_file", wrong = "is not a readable PEM key";
    else if (SSL_CTX_check_private_key(ctx) != 1)
        field = "tls_key_file", wrong = "does not belong to the certificate";
    SSL_CTX_free(ctx);
    ERR_clear_error();
    if (wrong)
        fault_set(fault, field, "%s", wrong);
    return wrong ? RC_INVALID : RC_OK;
}

static int whole_seconds(uint32_t ms)
{
    return (int)((ms + 999) / 1000);
}

static enum rc make_context(struct ws_server *server)
{
    static const lws_retry_bo_t no_validity_timers = { .secs_since_valid_ping = 0,
                                                       .secs_since_valid_hangup = 0 };
    const struct ws_server_options *options = &server->options;
    void *loops[] = { loop_handle(server->loop) };
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .protocols = server->protocols,
        .foreign_loops = loops,
        .pcontext = &server->context,
        .uid = -1,
        .gid = -1,
        .vhost_name = "default",
        .server_string = "parley",
        .alpn = "http/1.1",
        .retry_and_idle_policy = &no_validity_timers,
        .timeout_secs = (unsigned)whole_seconds(options->body_timeout_ms) + 5,
        .timeout_secs_ah_idle = (unsigned)whole_seconds(options->header_timeout_ms) + 1,
        .keepalive_timeout = whole_seconds(options->idle_timeout_ms) + 5,
        .max_http_header_data2 = options->header_bytes_max + HEADER_SLACK_BYTES,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_VALIDATE_UTF8 |
                   LWS_SERVER_OPTION_FALLBACK_TO_APPLY_LISTEN_ACCEPT_CONFIG,
    };
    if (server->is_tls) {
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        info.ssl_cert_filepath = options->tls_cert_file;
        info.ssl_private_key_filepath = options->tls_key_file;
        info.ssl_options_set = SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_RENEGOTIATION;
    }
    /* The library would log what peers send, at any level: it must not. */
    lws_set_log_level(0, NULL);
    server->context = lws_create_context(&info);
    if (!server->context)
        return RC_UNAVAILABLE;
    server->vhost = lws_get_vhost_by_name(server->context, "default");
    return server->vhost ? RC_OK : RC_UNAVAILABLE;
}

/* Works off the list of sockets to close; see conn.h, invariant 2. */
static void on_close_task(struct task *task)
{
    struct ws_server *server = CONTAINER_OF(task, struct ws_server, close_task);
    struct conn *conn = server->first_closing;
    server->first_closing = server->last_closing = NULL;
    while (conn) {
        struct conn *next = conn->next_closing;
        conn->is_in_close_list = false;
        if (conn->is_dead) {
            conn = next;
            continue;
        }
        if (conn->phase == CONN_LINK)
            ws_link_tell_closed(conn);
        if (conn->phase == CONN_CLOSING && conn->close_code) {
            conn_set_due(conn, server_now_ms(server) + CLOSE_GRACE_MS);
            if (!conn->is_blocked) { /* else once its bytes are out */
                conn->is_close_sent = true;
                lws_close_reason(conn->wsi, (enum lws_close_status)conn->close_code,
                                 (unsigned char *)conn->close_reason,
                                 conn->close_reason ? strlen(conn->close_reason) : 0);
                lws_set_timeout(conn->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
            }
        } else {
            lws_set_timeout(conn->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
        }
        conn = next;
    }
}

enum rc ws_server_create(struct loop *loop, const struct ws_server_options *options,
                         struct ws_server **out_server, struct fault *fault)
{
    enum rc code;
    TRY(check_certificate(options, fault));
    struct ws_server *server = calloc(1, sizeof *server);
    if (!server)
        return RC_NOMEM;
    server->options = *options;
    set_defaults(&server->options);
    (void)snprintf(server->ws_path, sizeof server->ws_path, "%s", server->options.ws_path);
    server->loop = loop;
    server->timers = loop_timers(loop);
    server->links.ops = &ws_links_ops;
    server->http.ops = &ws_http_ops;
    server->has_clients = options->clients != NULL;
    server->has_requests = options->http != NULL;
    server->is_tls = options->tls_cert_file != NULL;
    for (const char *const *at = options->cors_origins; at && *at && server->cors_count < 64; at++)
        server->cors_count++;
    if (options->clients)
        server->clients = *options->clients;
    if (options->http)
        server->requests = *options->http;
    server->close_task.run = on_close_task;
    server->protocols[0] = (struct lws_protocols){
        .name = "parley.v1",
        .callback = server_callback,
        .rx_buffer_size = RX_BYTES,
        .tx_packet_size = 1024 * 1024, /* 0 would cut each send to rx_buffer_size */
    };
    map_init(&server->addresses);
    code = proxies_read(options->trusted_proxies, &server->proxies, fault);
    if (code != RC_OK) {
        free(server);
        return code;
    }
    server->scratch_bytes = 2 * (size_t)server->options.header_bytes_max + 2 * HEADER_SLACK_BYTES;
    server->scratch = malloc(server->scratch_bytes);
    code = server->scratch ? listener_open(server, fault) : RC_NOMEM;
    if (code != RC_OK) {
        free(server->scratch);
        free(server);
        return code;
    }
    wheel_init(server);
    code = make_context(server);
    if (code != RC_OK) {
        fault_set(fault, "", "the WebSocket library refuses to start");
        ws_server_close(server, NULL, NULL);
        return code;
    }
    server->options.bind_address = server->options.ws_path = NULL;
    server->options.tls_cert_file = server->options.tls_key_file = NULL;
    server->options.trusted_proxies = server->options.guard_path = NULL;
    *out_server = server;
    return RC_OK;
}

uint16_t ws_server_port(const struct ws_server *server)
{
    return server->port;
}

struct client_links *ws_server_links(struct ws_server *server)
{
    return &server->links;
}

struct http_links *ws_server_http(struct ws_server *server)
{
    return &server->http;
}

void ws_server_stats(const struct ws_server *server, struct ws_server_stats *out_stats)
{
    *out_stats = server->stats;
}

void ws_server_stop_accepting(struct ws_server *server)
{
    listener_close(server);
}

static bool drain_one(struct conn *conn, void *arg)
{
    uint32_t *left = arg;
    struct ws_server *server = conn->server;
    if (conn->phase != CONN_LINK || conn->is_in_close_list || conn->is_dead)
        return true;
    conn_close_later(conn, server->drain.code, bytes_of(server->drain.reason));
    return --*left > 0;
}

static void on_drain(struct timer *timer)
{
    struct ws_server *server = CONTAINER_OF(timer, struct ws_server, drain.timer);
    uint32_t left = server->drain.per_slice;
    if (!server->drain.is_all_asked)
        server->drain.is_all_asked = conn_each(server, &server->drain.at, drain_one, &left);
    if (!server->drain.is_all_asked) {
        server->drain.give_up_ms = server_now_ms(server) + CLOSE_GRACE_MS;
        return;
    }
    if (server->link_sockets > 0 && server_now_ms(server) < server->drain.give_up_ms)
        return;
    timer_stop(server->timers, &server->drain.timer);
    ws_server_done_fn *done = server->drain.done;
    server->drain.done = NULL;
    if (done)
        done(server->drain.arg);
}

void ws_server_drain(struct ws_server *server, uint16_t code, struct bytes reason,
                     uint32_t per_slice, uint32_t slice_ms, ws_server_done_fn *done, void *arg)
{
    ws_server_stop_accepting(server);
    server->drain.at = 0;
    server->drain.is_all_asked = false;
    server->drain.per_slice = per_slice ? per_slice : 200;
    server->drain.code = code;
    (void)snprintf(server->drain.reason, sizeof server->drain.reason, "%.*s", BYTES_ARG(reason));
    server->drain.give_up_ms = server_now_ms(server) + CLOSE_GRACE_MS;
    server->drain.done = done;
    server->drain.arg = arg;
    server->drain.timer.run = on_drain;
    timer_start(server->timers, &server->drain.timer, 0, slice_ms ? slice_ms : 50);
}

static void free_address(struct ws_server *server)
{
    size_t at = 0;
    void *address;
    while ((address = map_next(&server->addresses, &at, NULL)))
        free(address);
    map_fini(&server->addresses);
}

/* The library ends in steps: sockets, then its own handles, each over turns of the loop; only a
 * second destroy frees the context on a foreign loop (context.c, lws_context_destroy). */
static void on_step(struct task *task)
{
    struct ws_server *server = CONTAINER_OF(task, struct ws_server, step_task);
    if (server->stats.connections > 0 || server->close_turns++ < DESTROY_TURNS) {
        task_post(server->timers, &server->step_task);
        return;
    }
    if (server->context)
        lws_context_destroy(server->context);
    conn_table_fini(server);
    free_address(server);
    ws_server_done_fn *closed = server->closed;
    void *arg = server->closed_arg;
    free(server->scratch);
    free(server);
    if (closed)
        closed(arg);
}

static bool tell_one(struct conn *conn, void *arg)
{
    (void)arg;
    ws_link_tell_closed(conn);
    return true;
}

void ws_server_close(struct ws_server *server, ws_server_done_fn *done, void *arg)
{
    uint32_t at = 0;
    if (!server) {
        if (done)
            done(arg);
        return;
    }
    assert(!server->is_closing);
    server->is_closing = true;
    server->closed = done;
    server->closed_arg = arg;
    listener_close(server);
    wheel_stop(server);
    timer_stop(server->timers, &server->drain.timer);
    task_cancel(server->timers, &server->close_task);
    (void)conn_each(server, &at, tell_one, NULL);
    if (server->context)
        lws_context_destroy(server->context);
    server->step_task.run = on_step;
    task_post(server->timers, &server->step_task);
}
