/* Any bytes to the gateway's own listener, over a real socket: the library's parser, the guard in
 * front of the app, bodies, the upgrade, and frames after it. Whatever comes, the server answers
 * with a whole HTTP status line or nothing, lets the connection go once the client has closed, and
 * keeps nothing of it. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapters/lws/ws_server.h"
#include "adapters/uv/loop.h"
#include "base/buf.h"
#include "fuzz/demand.h"

enum { INPUT_BYTES_MAX = 32 * 1024, TURNS_MAX = 4000, ANSWER_BYTES = 4096 };

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static struct loop *loop;
static struct ws_server *server;
static struct timer turn;

/* What reached the app passed the guard: a path, no bytes that could end a header. */
static void on_request(void *app, const struct http_request *request)
{
    (void)app;
    demand(request->path.len > 0 && request->path.ptr[0] == '/');
    demand(memchr(request->path.ptr, '\r', request->path.len) == NULL);
    demand(memchr(request->path.ptr, '\n', request->path.len) == NULL);
    demand(memchr(request->path.ptr, '\0', request->path.len) == NULL);
    demand(request->body.len <= 64 * 1024);
    (void)http_reply(ws_server_http(server), request->id,
                     &(struct http_reply){
                         .status = 200, .content_type = "text/plain", .body = bytes_of("ok") });
}

static void on_upgrade(void *app, struct link_id link, const struct upgrade_request *request,
                       struct upgrade_decision *out_decision)
{
    (void)app, (void)link, (void)request;
    out_decision->user = &turn; /* something to be given back */
}

static void on_open(void *app, struct link_id link, void *user)
{
    (void)app, (void)link;
    demand(user == &turn);
}

static void on_message(void *app, struct link_id link, void *user, struct bytes text)
{
    (void)app;
    demand(user == &turn && text.len <= 65536);
    struct frame *frame = frame_copy(text);
    if (frame && link_send(ws_server_links(server), link, frame) != RC_OK)
        link_close(ws_server_links(server), link, CLOSE_TOO_SLOW, bytes_of("too_slow"));
    frame_unref(frame);
}

static void on_close(void *app, struct link_id link, void *user)
{
    (void)app, (void)link;
    demand(user == &turn);
}

static void on_writable(void *app, struct link_id link, void *user)
{
    (void)app, (void)link, (void)user;
}

static void on_turn(struct timer *timer)
{
    (void)timer;
    loop_stop(loop);
}

static const struct client_sink clients = { NULL,       on_upgrade,  on_open,
                                            on_message, on_writable, on_close };
static const struct http_sink http = { NULL, on_request };

static void start(void)
{
    const struct ws_server_options options = { .clients = &clients,
                                               .http = &http,
                                               .header_timeout_ms = 200,
                                               .body_timeout_ms = 200,
                                               .idle_timeout_ms = 200,
                                               .body_bytes_max = 64 * 1024 };
    struct fault fault = { .text = "" };
    loop = loop_create();
    demand(loop && ws_server_create(loop, &options, &server, &fault) == RC_OK);
    turn.run = on_turn;
}

static void run_once(uint64_t ms)
{
    timer_start(loop_timers(loop), &turn, ms, 0);
    loop_run(loop);
}

/* The fuzzer's own alarm may come between. */
static bool is_connected(int fd, const struct sockaddr_in *at)
{
    int rc;
    do
        rc = connect(fd, (const struct sockaddr *)at, sizeof *at);
    while (rc != 0 && errno == EINTR);
    return rc == 0;
}

static int connect_to_it(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons(ws_server_port(server)),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    demand(fd >= 0 && is_connected(fd, &at));
    demand(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    return fd;
}

/* False once the server has closed its side. */
static bool take_answer(int fd, char *answer, size_t *len)
{
    char rest[16384];
    for (;;) {
        bool has_room = *len < ANSWER_BYTES;
        ssize_t got =
            has_room ? read(fd, answer + *len, ANSWER_BYTES - *len) : read(fd, rest, sizeof rest);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            return false;
        if (got < 0)
            return true;
        if (has_room)
            *len += (size_t)got;
    }
}

/* The kernel takes these sizes at once, or the server must read first. */
static void talk(int fd, const unsigned char *data, size_t size)
{
    char answer[ANSWER_BYTES];
    size_t sent = 0, len = 0;
    bool is_open = true, is_shut = false;
    for (int i = 0; is_open && i < TURNS_MAX; i++) {
        ssize_t put = sent < size ? send(fd, data + sent, size - sent, MSG_NOSIGNAL) : 0;
        sent += put > 0 ? (size_t)put : 0;
        if (!is_shut && (sent == size || (put < 0 && errno != EAGAIN))) {
            (void)shutdown(fd, SHUT_WR); /* the server may be gone already */
            is_shut = true;
        }
        run_once(i > 3);
        is_open = take_answer(fd, answer, &len);
    }
    demand(!is_open);
    demand(len == 0 || (len >= 12 && memcmp(answer, "HTTP/1.", 7) == 0));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct ws_server_stats stats;
    if (!server)
        start();
    if (size > INPUT_BYTES_MAX)
        return 0;
    int fd = connect_to_it();
    talk(fd, data, size);
    (void)close(fd);
    for (int i = 0; i < TURNS_MAX; i++) {
        ws_server_stats(server, &stats);
        if (stats.connections == 0)
            break;
        run_once(1);
    }
    demand(stats.connections == 0 && stats.links == 0);
    return 0;
}
