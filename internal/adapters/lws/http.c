/* http.c - the HTTP side: requests to the app, answers back.
 *
 * 1. The library's reading is switched off while the app has a request: what is pipelined behind it
 *    waits, instead of re-entering this request or spinning the loop.
 * 2. An answer is written in one place, http_on_writable, and ends there: lws_http_transaction_
 *    completed is called once a request, or the connection is closed.
 */
#include "adapters/lws/server.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "adapters/lws/guard.h"
#include "adapters/lws/reply.h"
#include "base/buf.h"

enum {
    WRITE_BYTES = 64 * 1024, /* given to the library at once */
    REENTRIES_MAX = 64,
};

struct exchange {
    uint32_t number;
    enum http_method method;
    uint8_t *body;
    size_t body_len, body_cap;
    uint8_t *reply; /* LWS_PRE bytes of room, then the answer */
    size_t reply_len, reply_at;
};

void exchange_free(struct exchange *exchange)
{
    if (!exchange)
        return;
    free(exchange->body);
    free(exchange->reply);
    free(exchange);
}

static void end_exchange(struct conn *conn)
{
    exchange_free(conn->exchange);
    conn->exchange = NULL;
}

/* Writes an answer at once: for refusals, after which the connection is closed. Returns -1, what
 * the library's callbacks take for "close". */
static int write_and_close(struct conn *conn, const struct http_reply *reply)
{
    struct buf bytes;
    conn->must_close = true;
    conn_enter(conn, CONN_REFUSED, CLOSE_GRACE_MS);
    if (reply_encode(conn, reply, false, &bytes)) {
        (void)!lws_write(conn->wsi, bytes.ptr + LWS_PRE, bytes.len - LWS_PRE, LWS_WRITE_HTTP);
        buf_fini(&bytes); /* the library copied what the kernel did not take */
    }
    return -1;
}

/* A refusal's own header lines, one after the other, into the reply; the texts stay where they are.
 */
static void add_lines(const char *lines, struct http_header *headers, size_t max,
                      struct http_reply *reply, char names[][64])
{
    for (const char *at = lines; at && *at && reply->header_count < max;) {
        const char *colon = strchr(at, ':'), *end = strstr(at, "\r\n");
        char *name = names[reply->header_count];
        (void)snprintf(name, 64, "%.*s", (int)(colon - at), at);
        headers[reply->header_count++] =
            (struct http_header){ name, bytes_make(colon + 2, (size_t)(end - colon - 2)) };
        at = end + 2;
    }
}

static int refuse(struct conn *conn, const struct guard_refusal *refusal)
{
    SCOPED_BUF(problem, 2048);
    struct http_header headers[3];
    char names[3][64];
    struct http_reply reply = { .status = refusal->status, .headers = headers };
    struct id request_id = id_make(clock_system());

    conn->server->stats.refused_guard++;
    end_exchange(conn);
    reply_add_problem(&problem, refusal, &request_id);
    reply.body = buf_bytes(&problem);
    add_lines(refusal->header, headers, 2, &reply, names);
    headers[reply.header_count++] = (struct http_header){ "x-request-id", id_bytes(&request_id) };
    return write_and_close(conn, &reply);
}

static const struct guard_refusal *read_head(struct conn *conn, struct guard_head *head)
{
    struct ws_server *server = conn->server;
    struct guard_limits limits = { .header_bytes_max = server->options.header_bytes_max,
                                   .body_bytes_max = server->options.body_bytes_max };
    return guard_check(conn->wsi, &limits, server->scratch, server->scratch_bytes, head);
}

/* Who holds the other end; false when it is gone, then of no family. */
static bool find_peer(struct conn *conn, struct sockaddr_storage *out)
{
    socklen_t len = sizeof *out;
    memset(out, 0, sizeof *out);
    return getpeername(lws_get_socket_fd(conn->wsi), (struct sockaddr *)out, &len) == 0;
}

static struct bytes peer_text(const struct sockaddr_storage *peer, char *out, size_t out_bytes)
{
    const void *address = &((const struct sockaddr_in *)peer)->sin_addr;
    if (peer->ss_family == AF_INET6)
        address = &((const struct sockaddr_in6 *)peer)->sin6_addr;
    return bytes_of(inet_ntop(peer->ss_family, address, out, (socklen_t)out_bytes));
}

/* A proxy's connection carries one request. The library (4.1.6) doesn't end a header's name at its
 * colon where the name is the beginning of one that it knows ("X", "If", "Content"): it takes the
 * next line for the rest of it, be that Content-Length. The proxy reads it rightly, so what it
 * takes for the body would be somebody else's next request here (RFC 9112, section 11.2). The
 * library shows neither the bytes nor such names, so the connection isn't used again. */
static bool is_of_proxy(const struct ws_server *server, const struct sockaddr_storage *peer)
{
    uint8_t address[ADDRESS_BYTES];
    return address_of_socket(peer, address) && proxies_trust(&server->proxies, address);
}

/* The address behind the trusted proxies; the peer's own where there are none. */
static struct bytes client_text(const struct ws_server *server, const struct sockaddr_storage *peer,
                                struct bytes forwarded_for, struct bytes peer_address,
                                char out[INET6_ADDRSTRLEN])
{
    uint8_t address[ADDRESS_BYTES];
    bool is_v4;
    if (server->proxies.count == 0 || forwarded_for.len == 0 || !address_of_socket(peer, address))
        return peer_address;
    proxies_client(&server->proxies, forwarded_for, address);
    is_v4 = address_is_v4(address);
    return bytes_of(inet_ntop(is_v4 ? AF_INET : AF_INET6, is_v4 ? address + 12 : address, out,
                              INET6_ADDRSTRLEN));
}

/* Gives the request to the app. Its headers are still in the library's table. */
static int dispatch(struct conn *conn, struct guard_head *head)
{
    struct ws_server *server = conn->server;
    struct exchange *exchange = conn->exchange;
    char address[INET6_ADDRSTRLEN], client[INET6_ADDRSTRLEN];
    struct sockaddr_storage peer;

    (void)find_peer(conn, &peer); /* gone: an answer will find that out */
    conn_enter(conn, CONN_WAITING, server->options.reply_timeout_ms);
    conn_set_reading(conn, false);
    conn->must_close =
        conn->must_close || head->wants_close || !server->listener || is_of_proxy(server, &peer);
    head->request.id = (struct http_id){ conn->id.index, conn->id.generation, exchange->number };
    head->request.body = bytes_make(exchange->body, exchange->body_len);
    head->request.remote_address = peer_text(&peer, address, sizeof address);
    head->request.client_address = client_text(server, &peer, head->request.forwarded_for,
                                               head->request.remote_address, client);
    head->request.is_tls = server->is_tls;
    head->request.is_loopback = server->is_loopback;
    server->stats.http_requests++;
    server->requests.on_request(server->requests.app, &head->request);
    return 0;
}

/* A page of this origin may read the answer; the named ones come before "*". */
static uint8_t find_cors(const struct ws_server *server, struct bytes origin)
{
    uint8_t found = 0;
    for (uint8_t i = 0; origin.len && i < server->cors_count; i++) {
        if (bytes_is(origin, server->options.cors_origins[i]))
            return (uint8_t)(i + 1);
        if (strcmp(server->options.cors_origins[i], "*") == 0)
            found = (uint8_t)(i + 1);
    }
    return found;
}

int http_on_request(struct conn *conn)
{
    struct ws_server *server = conn->server;
    struct guard_head head;
    const struct guard_refusal *refusal = read_head(conn, &head);

    conn->cors = refusal ? 0 : find_cors(server, head.request.origin);
    conn->is_preflight = !refusal && head.request.method == HTTP_OPTIONS;
    if (!refusal && !server->has_requests)
        refusal = &guard_no_route;
    if (refusal)
        return refuse(conn, refusal);
    end_exchange(conn);
    conn->exchange = calloc(1, sizeof *conn->exchange);
    if (!conn->exchange)
        return -1;
    conn->exchange->number = ++conn->requests;
    conn->exchange->method = head.request.method;
    conn->reentries = 0;

    enum http_method method = head.request.method;
    bool may_have_body = method == HTTP_POST || method == HTTP_PUT || method == HTTP_PATCH;
    if (may_have_body && !head.has_length) {
        /* Without a length there is no body (RFC 9112, section 6.3), but the library waits for
         * 100 MiB of it: the connection can't be used again. */
        conn->must_close = true;
        return dispatch(conn, &head);
    }
    /* The library reports the end of an empty body for POST, and only for POST. */
    if (head.body_bytes == 0 && method != HTTP_POST)
        return dispatch(conn, &head);
    conn_enter(conn, CONN_BODY, server->options.body_timeout_ms);
    if (head.expects_continue && head.body_bytes > 0) {
        uint8_t go_on[LWS_PRE + 32];
        static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
        memcpy(go_on + LWS_PRE, text, sizeof text - 1);
        if (lws_write(conn->wsi, go_on + LWS_PRE, sizeof text - 1, LWS_WRITE_HTTP) < 0)
            return -1;
    }
    return 0;
}

/* When a request with a body was pipelined behind another, the library hands out the request's own
 * first bytes once more as its body, and then reads on where it has freed (lws_http_action reads
 * the buffered segment from its start; 4.1.6). Those bytes are a method or, since the library takes
 * known headers before the request line too, a header's name, in any case: a letter, or the colon
 * of HTTP/2's names. Nothing tells them from a body that begins so, but no JSON object does. */
static bool may_be_own_head(const struct exchange *exchange, uint8_t first)
{
    bool is_letter = (first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z');
    return exchange->number > 1 && (is_letter || first == ':');
}

int http_on_body(struct conn *conn, const uint8_t *piece, size_t len)
{
    struct exchange *exchange = conn->exchange;
    if (len == 0)
        return 0;
    if (conn->phase != CONN_BODY || !exchange)
        return -1; /* bytes where no body was announced */
    if (exchange->body_len == 0 && may_be_own_head(exchange, piece[0]))
        return refuse(conn, &guard_pipelined_body);
    if (exchange->body_len + len > conn->server->options.body_bytes_max)
        return refuse(conn, &guard_body_too_large); /* the guard let it pass: can't be */
    if (exchange->body_len + len > exchange->body_cap) {
        /* Grown as bytes come in, not as promised: a promise costs the sender nothing. */
        size_t cap = exchange->body_cap ? exchange->body_cap * 2 : 4096;
        while (cap < exchange->body_len + len)
            cap *= 2;
        uint8_t *grown = realloc(exchange->body, cap);
        if (!grown)
            return -1;
        exchange->body = grown;
        exchange->body_cap = cap;
    }
    memcpy(exchange->body + exchange->body_len, piece, len);
    exchange->body_len += len;
    return 0;
}

int http_on_body_end(struct conn *conn)
{
    struct guard_head head;
    if (conn->phase != CONN_BODY || !conn->exchange)
        return ++conn->reentries > REENTRIES_MAX ? -1 : 0; /* pipelined bytes: not this request's */
    const struct guard_refusal *refusal = read_head(conn, &head);
    return refusal ? refuse(conn, refusal) : dispatch(conn, &head);
}

/* Has the exchange's answer written by the library's next writeable callback. */
static void start_reply(struct conn *conn, struct buf *bytes)
{
    struct exchange *exchange = conn->exchange;
    free(exchange->body);
    exchange->body = NULL;
    exchange->reply = bytes->ptr; /* takes it */
    exchange->reply_len = bytes->len;
    exchange->reply_at = LWS_PRE;
    conn_enter(conn, CONN_REPLYING, conn->server->options.write_timeout_ms);
    conn_set_reading(conn, true); /* while it is off the library doesn't call for writing either */
    lws_callback_on_writable(conn->wsi);
}

static enum rc reply_to(struct http_links *links, struct http_id id, const struct http_reply *reply)
{
    struct ws_server *server = CONTAINER_OF(links, struct ws_server, http);
    struct conn *conn = conn_find(server, (struct link_id){ id.index, id.generation });
    struct http_reply internal = { .status = 500 };
    enum rc code = RC_OK;
    struct buf bytes;

    if (!conn || conn->is_dead || conn->phase != CONN_WAITING || !conn->exchange ||
        conn->exchange->number != id.request)
        return RC_NOT_FOUND;
    if (!reply_is_good(reply))
        code = RC_INVALID;
    if (!reply_encode(conn, code == RC_OK ? reply : &internal, conn->exchange->method == HTTP_HEAD,
                      &bytes)) {
        conn_close_later(conn, 0, (struct bytes){ 0 });
        return RC_NOMEM;
    }
    start_reply(conn, &bytes);
    return code;
}

const struct http_links_ops ws_http_ops = { .reply = reply_to };

int http_on_writable(struct conn *conn)
{
    struct exchange *exchange = conn->exchange;
    if (conn->phase != CONN_REPLYING || !exchange)
        return 0;
    size_t left = exchange->reply_len - exchange->reply_at;
    size_t len = left < WRITE_BYTES ? left : WRITE_BYTES;
    /* The library wants LWS_PRE bytes in front that it may use: for HTTP/1.1 it does not. */
    if (lws_write(conn->wsi, exchange->reply + exchange->reply_at, len, LWS_WRITE_HTTP) < 0)
        return -1;
    exchange->reply_at += len;
    if (exchange->reply_at < exchange->reply_len) {
        conn_enter(conn, CONN_REPLYING, conn->server->options.write_timeout_ms);
        lws_callback_on_writable(conn->wsi);
        return 0;
    }
    end_exchange(conn);
    if (conn->must_close) {
        conn_enter(conn, CONN_REFUSED, conn->server->options.write_timeout_ms);
        return -1; /* what is buffered is flushed first */
    }
    conn_enter(conn, CONN_IDLE, conn->server->options.idle_timeout_ms);
    return lws_http_transaction_completed(conn->wsi) ? -1 : 0;
}

int http_on_garbage(struct conn *conn, const uint8_t *piece, size_t len)
{
    if (conn->phase == CONN_REFUSED)
        return -1;
    return refuse(conn, guard_check_garbage(piece, len));
}

void http_overdue(struct conn *conn)
{
    switch ((enum conn_phase)conn->phase) {
    case CONN_BODY:
        (void)refuse(conn, &guard_too_slow);
        break;
    case CONN_WAITING:
        conn_set_reading(conn, true);
        (void)refuse(conn, &guard_reply_late);
        break;
    default:
        break; /* no request to answer, or an answer that isn't taken */
    }
    conn_close_later(conn, 0, (struct bytes){ 0 });
}

static int refuse_upgrade(struct conn *conn, const struct upgrade_decision *decision)
{
    char seconds[16];
    struct http_header headers[2];
    struct http_reply reply = { .status = decision->http_status,
                                .body = decision->body,
                                .headers = headers };
    if (decision->request_id.len)
        headers[reply.header_count++] =
            (struct http_header){ "x-request-id", id_bytes(&decision->request_id) };
    if (decision->retry_after_s) {
        (void)snprintf(seconds, sizeof seconds, "%u", decision->retry_after_s);
        headers[reply.header_count++] = (struct http_header){ "retry-after", bytes_of(seconds) };
    }
    return write_and_close(conn, &reply);
}

/* Takes the app's yes, perhaps with a close to follow. */
static int accept_upgrade(struct conn *conn, const struct upgrade_decision *decision)
{
    conn->user = decision->user;
    conn->is_app_told = !decision->close_code || decision->user;
    conn->close_code = decision->close_code;
    if (decision->close_code && decision->close_reason.len) {
        conn->close_reason = calloc(1, decision->close_reason.len + 1);
        if (conn->close_reason)
            memcpy(conn->close_reason, decision->close_reason.ptr, decision->close_reason.len);
    }
    conn_enter(conn, CONN_UPGRADING, conn->server->options.header_timeout_ms);
    return 0;
}

/* After an unknown Upgrade value on a kept-alive connection the library goes on with freed headers
 * (CVE-2025-11677): then nothing may be read, and -1 makes it stop. It also hangs up without an
 * answer on what it doesn't like about a handshake, so all of that is checked here first. */
int http_on_upgrade(struct conn *conn)
{
    struct ws_server *server = conn->server;
    struct guard_head head;
    struct upgrade_decision decision = { 0 };
    char address[INET6_ADDRSTRLEN], client[INET6_ADDRSTRLEN];
    struct sockaddr_storage peer;

    if (lws_hdr_total_length(conn->wsi, WSI_TOKEN_UPGRADE) <= 0 || conn->phase == CONN_REFUSED)
        return -1;
    const struct guard_refusal *refusal = read_head(conn, &head);
    if (!refusal)
        refusal = guard_check_upgrade(conn->wsi, &head);
    if (!refusal && (!server->has_clients || !bytes_is(head.request.path, server->ws_path)))
        refusal = &guard_no_route;
    if (find_peer(conn, &peer) && !refusal &&
        !listener_count_forwarded(conn, &peer, head.request.forwarded_for))
        refusal = &guard_too_many;
    if (refusal)
        return refuse(conn, refusal);

    struct upgrade_request request = {
        .path = head.request.path,
        .authorization = head.request.authorization,
        .cookie = head.request.cookie,
        .origin = head.request.origin,
        .host = head.request.host,
        .user_agent = head.request.user_agent,
        .remote_address = peer_text(&peer, address, sizeof address),
        .forwarded_for = head.request.forwarded_for,
        .params = head.params,
        .param_count = head.request.param_count,
        .is_tls = server->is_tls,
        .is_loopback = server->is_loopback,
    };
    request.client_address =
        client_text(server, &peer, request.forwarded_for, request.remote_address, client);
    server->clients.on_upgrade(server->clients.app, conn->id, &request, &decision);
    return decision.http_status ? refuse_upgrade(conn, &decision) : accept_upgrade(conn, &decision);
}
