/* echo.c - parley-echo: a server that sends back what it gets, for tests of the socket adapter.
 *
 * It is the gateway's own framing and HTTP code (adapters/lws) under the smallest app there can be,
 * and is built with the tests only: nothing of it is reachable in parleyd. It prints its port on
 * one line once it listens, and ends on SIGTERM as a gateway does: 1001 in slices, then exit 0.
 *
 * WebSocket /v1/ws: echoes text. In the query: refuse=STATUS, close=CODE (with why=TEXT). A message
 * "/close CODE", "/flood COUNT BYTES", "/pause MS" does just that.
 * HTTP: /echo answers with a line about each part of the request; /late?ms=N the same later; /never
 * not at all; /big?bytes=N with so many bytes; /split with a header that has a line end; /stats.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapters/lws/ws_server.h"
#include "adapters/uv/loop.h"
#include "base/buf.h"

struct echo {
    struct loop *loop;
    struct ws_server *server;
    struct late *lates; /* answers that wait for their time */
    uint64_t opened, closed, messages;
};

/* One open link: what could not be sent yet. */
struct peer {
    struct echo *echo;
    struct link_id link;
    struct frame *waiting[64];
    size_t waiting_count;
    uint32_t flood_left, flood_bytes;
    struct timer resume;
};

struct late {
    struct timer timer;
    struct late *next;
    struct echo *echo;
    struct http_id id;
    size_t len;
    char text[];
};

static uint64_t param_number(const struct http_param *params, size_t count, const char *name,
                             uint64_t otherwise)
{
    struct bytes text;
    uint64_t value;
    return http_param(params, count, name, &text) && bytes_to_u64(text, UINT32_MAX, &value)
               ? value
               : otherwise;
}

static void on_resume(struct timer *timer)
{
    struct peer *peer = CONTAINER_OF(timer, struct peer, resume);
    link_resume(ws_server_links(peer->echo->server), peer->link);
}

static void on_upgrade(void *app, struct link_id link, const struct upgrade_request *request,
                       struct upgrade_decision *out_decision)
{
    struct bytes why = { 0 };
    (void)http_param(request->params, request->param_count, "why", &why);
    out_decision->close_reason = why;
    out_decision->http_status =
        (uint16_t)param_number(request->params, request->param_count, "refuse", 0);
    out_decision->body = bytes_of("{\"code\":\"refused\"}");
    out_decision->close_code =
        (uint16_t)param_number(request->params, request->param_count, "close", 0);
    if (out_decision->http_status || out_decision->close_code)
        return;
    struct peer *peer = calloc(1, sizeof *peer);
    if (!peer)
        abort();
    peer->echo = app;
    peer->link = link;
    peer->resume.run = on_resume;
    out_decision->user = peer;
}

static void on_open(void *app, struct link_id link, void *user)
{
    struct echo *echo = app;
    (void)link, (void)user;
    echo->opened++;
}

static void flush(struct peer *peer)
{
    struct client_links *links = ws_server_links(peer->echo->server);
    size_t sent = 0;
    while (sent < peer->waiting_count && link_send(links, peer->link, peer->waiting[sent]) == RC_OK)
        frame_unref(peer->waiting[sent++]);
    peer->waiting_count -= sent;
    memmove(peer->waiting, peer->waiting + sent, peer->waiting_count * sizeof *peer->waiting);
    while (peer->waiting_count == 0 && peer->flood_left > 0) {
        struct frame *frame = frame_create(peer->flood_bytes);
        if (!frame)
            abort();
        memset(frame->data, 'a' + (int)(peer->flood_left % 26), frame->len);
        enum rc code = link_send(links, peer->link, frame);
        frame_unref(frame);
        if (code != RC_OK)
            return;
        peer->flood_left--;
    }
}

static void obey(struct peer *peer, const char *command)
{
    struct client_links *links = ws_server_links(peer->echo->server);
    unsigned a = 0, b = 0;
    if (sscanf(command, "/close %u", &a) == 1)
        link_close(links, peer->link, (uint16_t)a, bytes_of("as asked"));
    else if (sscanf(command, "/flood %u %u", &a, &b) == 2)
        peer->flood_left = a, peer->flood_bytes = b;
    else if (sscanf(command, "/pause %u", &a) == 1) {
        link_pause(links, peer->link);
        timer_start(loop_timers(peer->echo->loop), &peer->resume, a, 0);
    }
}

static void on_message(void *app, struct link_id link, void *user, struct bytes text)
{
    struct echo *echo = app;
    struct peer *peer = user;
    char command[64];
    echo->messages++;
    if (bytes_starts(text, "/") && text.len < sizeof command) {
        (void)snprintf(command, sizeof command, "%.*s", BYTES_ARG(text));
        obey(peer, command);
        flush(peer);
        return;
    }
    if (peer->waiting_count == COUNT_OF(peer->waiting)) {
        link_close(ws_server_links(echo->server), link, CLOSE_TOO_SLOW, bytes_of("too_slow"));
        return;
    }
    struct frame *frame = frame_copy(text);
    if (!frame)
        abort();
    peer->waiting[peer->waiting_count++] = frame;
    flush(peer);
}

static void on_writable(void *app, struct link_id link, void *user)
{
    (void)app, (void)link;
    flush(user);
}

static void on_close(void *app, struct link_id link, void *user)
{
    struct echo *echo = app;
    struct peer *peer = user;
    (void)link;
    echo->closed++;
    if (!peer)
        return;
    timer_stop(loop_timers(echo->loop), &peer->resume);
    for (size_t i = 0; i < peer->waiting_count; i++)
        frame_unref(peer->waiting[i]);
    free(peer);
}

static void describe(const struct http_request *request, struct buf *out)
{
    static const char *const methods[] = { "GET",   "HEAD",   "POST",   "PUT",
                                           "PATCH", "DELETE", "OPTIONS" };
    buf_add_format(out, "method %s\npath %.*s\nhost %.*s\nbody %zu ", methods[request->method],
                   BYTES_ARG(request->path), BYTES_ARG(request->host), request->body.len);
    buf_add(out, request->body);
    buf_add_format(out, "\nfrom %.*s\nkey %.*s\n", BYTES_ARG(request->remote_address),
                   BYTES_ARG(request->idempotency_key));
    for (size_t i = 0; i < request->param_count; i++)
        buf_add_format(out, "param %.*s=%.*s\n", BYTES_ARG(request->params[i].name),
                       BYTES_ARG(request->params[i].value));
}

static void answer(struct echo *echo, struct http_id id, uint16_t status, struct bytes body)
{
    (void)http_reply(
        ws_server_http(echo->server), id,
        &(struct http_reply){ .status = status, .content_type = "text/plain", .body = body });
}

static void on_late(struct timer *timer)
{
    struct late *late = CONTAINER_OF(timer, struct late, timer);
    struct late **at = &late->echo->lates;
    while (*at != late)
        at = &(*at)->next;
    *at = late->next;
    answer(late->echo, late->id, 200, bytes_make(late->text, late->len));
    free(late);
}

/* The loop has ended: whose time didn't come is never answered. */
static void drop_lates(struct echo *echo)
{
    while (echo->lates) {
        struct late *late = echo->lates;
        echo->lates = late->next;
        timer_stop(loop_timers(echo->loop), &late->timer);
        free(late);
    }
}

static void answer_late(struct echo *echo, const struct http_request *request, struct bytes text)
{
    struct late *late = calloc(1, sizeof *late + text.len);
    if (!late)
        abort();
    late->timer.run = on_late;
    late->next = echo->lates;
    echo->lates = late;
    late->echo = echo;
    late->id = request->id;
    late->len = text.len;
    memcpy(late->text, text.ptr, text.len);
    timer_start(loop_timers(echo->loop), &late->timer,
                param_number(request->params, request->param_count, "ms", 50), 0);
}

static void answer_big(struct echo *echo, const struct http_request *request)
{
    size_t len = param_number(request->params, request->param_count, "bytes", 1);
    char *text = malloc(len + 1);
    if (!text)
        abort();
    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + i % 26);
    answer(echo, request->id, 200, bytes_make(text, len));
    free(text);
}

static void answer_split(struct echo *echo, struct http_id id)
{
    struct http_header header = { "x-split", bytes_of("a\r\nx-forged: 1") };
    (void)http_reply(ws_server_http(echo->server), id,
                     &(struct http_reply){ .status = 200, .headers = &header, .header_count = 1 });
}

static void answer_stats(struct echo *echo, struct http_id id)
{
    SCOPED_BUF(out, 4096);
    struct ws_server_stats stats;
    ws_server_stats(echo->server, &stats);
    buf_add_format(&out,
                   "connections %u\nlinks %u\nopened %lu\nclosed %lu\nmessages %lu\nrequests %lu\n"
                   "refused_guard %lu\nrefused_limit %lu\nheartbeats_missed %lu\n",
                   stats.connections, stats.links, echo->opened, echo->closed, echo->messages,
                   stats.http_requests, stats.refused_guard, stats.refused_limit,
                   stats.heartbeats_missed);
    answer(echo, id, 200, buf_bytes(&out));
}

static void on_request(void *app, const struct http_request *request)
{
    struct echo *echo = app;
    SCOPED_BUF(text, 4 * 1024 * 1024);
    describe(request, &text);
    if (bytes_is(request->path, "/echo"))
        answer(echo, request->id, 200, buf_bytes(&text));
    else if (bytes_is(request->path, "/late"))
        answer_late(echo, request, buf_bytes(&text));
    else if (bytes_is(request->path, "/big"))
        answer_big(echo, request);
    else if (bytes_is(request->path, "/split"))
        answer_split(echo, request->id);
    else if (bytes_is(request->path, "/stats"))
        answer_stats(echo, request->id);
    else if (!bytes_is(request->path, "/never"))
        answer(echo, request->id, 404, bytes_of("nothing here\n"));
}

static void on_ended(void *arg)
{
    loop_stop(((struct echo *)arg)->loop);
}

static void on_drained(void *arg)
{
    struct echo *echo = arg;
    ws_server_close(echo->server, on_ended, echo);
}

static void on_signal(void *arg, int signal_number)
{
    struct echo *echo = arg;
    (void)signal_number;
    ws_server_drain(echo->server, CLOSE_GOING_AWAY, bytes_of("going_away"), 200, 50, on_drained,
                    echo);
}

static void read_options(int argc, char **argv, struct ws_server_options *options)
{
    static const struct option known[] = {
        { "port", required_argument, NULL, 'p' },
        { "shares-port", no_argument, NULL, 's' },
        { "cert", required_argument, NULL, 'c' },
        { "key", required_argument, NULL, 'k' },
        { "frame-bytes", required_argument, NULL, 'f' },
        { "body-bytes", required_argument, NULL, 'b' },
        { "heartbeat-ms", required_argument, NULL, 'h' },
        { "pong-ms", required_argument, NULL, 'o' },
        { "header-ms", required_argument, NULL, 'H' },
        { "body-ms", required_argument, NULL, 'B' },
        { "reply-ms", required_argument, NULL, 'R' },
        { "idle-ms", required_argument, NULL, 'I' },
        { "connections", required_argument, NULL, 'm' },
        { "per-address", required_argument, NULL, 'a' },
        { "trusted-proxies", required_argument, NULL, 'x' },
        { NULL, 0, NULL, 0 },
    };
    int letter;
    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        unsigned long number = optarg ? strtoul(optarg, NULL, 10) : 0;
        switch (letter) {
        case 'p':
            options->port = (uint16_t)number;
            break;
        case 's':
            options->shares_port = true;
            break;
        case 'c':
            options->tls_cert_file = optarg;
            break;
        case 'k':
            options->tls_key_file = optarg;
            break;
        case 'f':
            options->frame_bytes_max = (uint32_t)number;
            break;
        case 'b':
            options->body_bytes_max = (uint32_t)number;
            break;
        case 'h':
            options->heartbeat_ms = (uint32_t)number;
            break;
        case 'o':
            options->pong_ms = (uint32_t)number;
            break;
        case 'H':
            options->header_timeout_ms = (uint32_t)number;
            break;
        case 'B':
            options->body_timeout_ms = (uint32_t)number;
            break;
        case 'R':
            options->reply_timeout_ms = (uint32_t)number;
            break;
        case 'I':
            options->idle_timeout_ms = (uint32_t)number;
            break;
        case 'm':
            options->connections_max = (uint32_t)number;
            break;
        case 'a':
            options->connections_per_address_max = (uint32_t)number;
            break;
        case 'x':
            options->trusted_proxies = optarg;
            break;
        default:
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    struct echo echo = { 0 };
    struct client_sink clients = { &echo, on_upgrade, on_open, on_message, on_writable, on_close };
    struct http_sink http = { &echo, on_request };
    struct ws_server_options options = { .clients = &clients, .http = &http };
    struct fault fault = { 0 };

    read_options(argc, argv, &options);
    echo.loop = loop_create();
    if (!echo.loop)
        return 1;
    enum rc code = ws_server_create(echo.loop, &options, &echo.server, &fault);
    if (code != RC_OK) {
        fprintf(stderr, "parley-echo: %s: %s %s\n", rc_name(code), fault.field, fault.text);
        return 1;
    }
    if (loop_on_signal(echo.loop, SIGTERM, on_signal, &echo) != RC_OK)
        return 1;
    printf("%u\n", ws_server_port(echo.server));
    fflush(stdout);
    loop_run(echo.loop);
    drop_lates(&echo);
    loop_destroy(echo.loop);
    if (echo.closed < echo.opened)
        fprintf(stderr, "parley-echo: %lu opened, %lu closed\n", echo.opened, echo.closed);
    return echo.closed < echo.opened;
}
