/* ws.c - connecting and moving bytes; frames are in ws_frame.c. */
#include "ws.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls.h"
#include "ws_frame.h"

#define READ_BLOCK (256 * 1024)
#define HEADER_BYTES_MAX 8192

static void on_ready(void *owner, uint32_t events);

static void resolve(const char *host, const char *port, struct sockaddr_in *out)
{
    struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *found = NULL;
    if (getaddrinfo(host, port, &hints, &found) != 0 || !found)
        die("no IPv4 address for %s", host);
    memcpy(out, found->ai_addr, sizeof *out);
    freeaddrinfo(found);
}

void endpoint_parse(const char *url, struct endpoint *out)
{
    char host[100] = "", port[8] = "80", path[128] = "/";
    const char *at = strstr(url, "://");
    bool is_tls = strncmp(url, "wss://", 6) == 0;
    if (!is_tls && strncmp(url, "ws://", 5) != 0 && strncmp(url, "http://", 7) != 0)
        die("URL %s: only ws://, wss:// and http:// are spoken here", url);
    if (is_tls)
        snprintf(port, sizeof port, "443");
    if (sscanf(at + 3, "%99[^:/]:%7[0-9]%127s", host, port, path) < 2)
        if (sscanf(at + 3, "%99[^:/]%127s", host, path) < 1)
            die("URL %s has no host", url);
    *out = (struct endpoint){ 0 };
    resolve(host, port, &out->addr);
    out->is_tls = is_tls;
    snprintf(out->name, sizeof out->name, "%s", host);
    snprintf(out->host, sizeof out->host, "%s:%s", host, port);
    snprintf(out->path, sizeof out->path, "%s", path);
    out->is_loopback = (ntohl(out->addr.sin_addr.s_addr) >> 24) == 127;
}

void ws_init(struct ws *ws, struct loop *loop, const struct ws_events *events, void *owner)
{
    *ws = (struct ws){ .loop = loop, .events = events, .owner = owner, .fd = -1 };
    ws->watch = (struct watch){ on_ready, ws };
}

static void ws_drop(struct ws *ws)
{
    if (ws->fd >= 0) {
        loop_remove(ws->loop, ws->fd);
        close(ws->fd);
    }
    tls_free(ws->tls);
    ws->tls = NULL;
    ws->fd = -1;
    ws->state = WS_CLOSED;
    ws->epoch++;
    ws->out_sent = 0;
    sbuf_free(&ws->in);
    sbuf_free(&ws->out);
    sbuf_free(&ws->fragments);
}

void ws_fail(struct ws *ws, unsigned code, struct bytes reason)
{
    char copy[128];
    size_t len = reason.len < sizeof copy ? reason.len : sizeof copy;
    if (len)
        memcpy(copy, reason.ptr, len);
    ws_drop(ws);
    ws->events->on_close(ws->owner, code, bytes_make(copy, len));
}

void ws_cut(struct ws *ws)
{
    /* A reset, as a machine that vanishes would leave it: unread data is thrown away. */
    struct linger linger = { .l_onoff = 1, .l_linger = 0 };
    if (ws->fd >= 0)
        (void)setsockopt(ws->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    ws_drop(ws);
}

void ws_close(struct ws *ws)
{
    uint8_t code[2] = { 1000 >> 8, 1000 & 255 };
    if (ws->state == WS_OPEN) {
        frame_write(&ws->out, FRAME_CLOSE, bytes_make(code, 2));
        ws_flush(ws);
    }
    if (ws->state != WS_CLOSED)
        ws_drop(ws);
}

static void bind_source(int fd, unsigned source)
{
    int on = 1;
    struct sockaddr_in from = { .sin_family = AF_INET };
    from.sin_addr.s_addr = htonl(0x7f000101u + source % 200);
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    (void)bind(fd, (struct sockaddr *)&from, sizeof from); /* else the kernel picks one */
}

void ws_open(struct ws *ws, const struct endpoint *to, unsigned source, const char *token)
{
    int on = 1;
    ws->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (ws->fd < 0)
        die("no socket: error %d (open files are limited: ulimit -n)", errno);
    (void)setsockopt(ws->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (ws->receive_bytes) /* before connect: it decides the window that is offered */
        (void)setsockopt(ws->fd, SOL_SOCKET, SO_RCVBUF, &ws->receive_bytes,
                         sizeof ws->receive_bytes);
    if (to->is_loopback)
        bind_source(ws->fd, source);
    if (to->is_tls)
        ws->tls = tls_begin(ws->fd, to->name);
    ws->state = WS_CONNECTING;
    ws->wants_write = true;
    ws->is_paused = ws->is_fragmented = false;
    sbuf_printf(&ws->out,
                "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: cGFybGV5LWJlbmNoLWtleQ==\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Protocol: parley.v1\r\n",
                to->path, to->host);
    if (token)
        sbuf_printf(&ws->out, "Authorization: Bearer %s\r\n", token);
    sbuf_puts(&ws->out, "\r\n");
    (void)connect(ws->fd, (const struct sockaddr *)&to->addr, sizeof to->addr); /* see on_ready */
    loop_add(ws->loop, ws->fd, EPOLLIN | EPOLLOUT, &ws->watch);
}

static void watch_for(struct ws *ws, bool wants_write)
{
    ws->wants_write = wants_write;
    loop_change(ws->loop, ws->fd, (ws->is_paused ? 0 : EPOLLIN) | (wants_write ? EPOLLOUT : 0),
                &ws->watch);
}

void ws_pause(struct ws *ws, bool is_paused)
{
    ws->is_paused = is_paused;
    if (ws->fd >= 0)
        watch_for(ws, ws->wants_write);
}

void ws_flush(struct ws *ws)
{
    while (ws->out_sent < ws->out.len) {
        const char *at = ws->out.ptr + ws->out_sent;
        size_t left = ws->out.len - ws->out_sent;
        ssize_t n = ws->tls ? tls_write(ws->tls, at, left) : send(ws->fd, at, left, MSG_NOSIGNAL);
        if (n <= 0)
            break; /* a dead socket is noticed by reading */
        ws->out_sent += (size_t)n;
    }
    bool is_empty = ws->out_sent == ws->out.len;
    if (is_empty) {
        ws->out_sent = 0;
        sbuf_free(&ws->out);
    }
    /* In a handshake it is the other side's turn: read_some goes on with it, then on_ready here. */
    bool wants_write = !is_empty && !(ws->tls && tls_is_hungry(ws->tls));
    if (ws->wants_write != wants_write)
        watch_for(ws, wants_write);
}

void ws_send(struct ws *ws, struct bytes text)
{
    if (ws->state != WS_OPEN)
        return;
    frame_write(&ws->out, FRAME_TEXT, text);
    ws_flush(ws);
}

/* Reads the answer to the upgrade; gives the bytes behind it. */
static bool take_upgrade(struct ws *ws, struct bytes *rest)
{
    const uint8_t *end = memmem(rest->ptr, rest->len, "\r\n\r\n", 4);
    if (!end) {
        if (rest->len > HEADER_BYTES_MAX)
            ws_fail(ws, 0, bytes_of("no end of the HTTP header"));
        return false;
    }
    unsigned status = 0;
    size_t used = (size_t)(end + 4 - rest->ptr);
    char line[16] = "";
    memcpy(line, rest->ptr, rest->len < 15 ? rest->len : 15);
    if (sscanf(line, "HTTP/1.1 %3u", &status) != 1 || status != 101) {
        ws_fail(ws, status, bytes_of("the upgrade was refused"));
        return false;
    }
    /* The accept value of our fixed key: RFC 6455, section 4.2.2. */
    if (!memmem(rest->ptr, used, WS_ACCEPT, strlen(WS_ACCEPT))) {
        ws_fail(ws, 0, bytes_of("wrong Sec-WebSocket-Accept"));
        return false;
    }
    *rest = bytes_make(rest->ptr + used, rest->len - used);
    ws->state = WS_OPEN;
    return true;
}

static void take_bytes(struct ws *ws, struct bytes rest)
{
    uint32_t epoch = ws->epoch;
    if (ws->state != WS_OPEN) {
        bool is_up = take_upgrade(ws, &rest);
        if (ws->epoch != epoch)
            return;
        if (is_up)
            ws->events->on_open(ws->owner);
        else
            frame_keep(ws, rest);
        if (!is_up || ws->epoch != epoch)
            return;
    }
    frames_take(ws, rest);
}

static void read_some(struct ws *ws)
{
    static uint8_t block[READ_BLOCK];
    ssize_t n =
        ws->tls ? tls_read(ws->tls, block, sizeof block) : recv(ws->fd, block, sizeof block, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        ws_fail(ws, 0, bytes_of(n == 0 ? "closed by the peer" : strerror(errno)));
        return;
    }
    if (ws->in.len == 0) {
        take_bytes(ws, bytes_make(block, (size_t)n));
        return;
    }
    struct sbuf whole = ws->in;
    ws->in = (struct sbuf){ 0 };
    sbuf_add(&whole, block, (size_t)n);
    take_bytes(ws, bytes_make(whole.ptr, whole.len));
    sbuf_free(&whole);
}

static void on_ready(void *owner, uint32_t events)
{
    struct ws *ws = owner;
    uint32_t epoch = ws->epoch;
    if (ws->fd < 0)
        return;
    if ((events & EPOLLOUT) && ws->state == WS_CONNECTING)
        ws->state = WS_UPGRADING;
    if ((events & EPOLLOUT) && ws->state != WS_CONNECTING)
        ws_flush(ws);
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && ws->epoch == epoch)
        read_some(ws);
    while (ws->epoch == epoch && ws->tls && !ws->is_paused && tls_has_more(ws->tls))
        read_some(ws);
    if (ws->epoch == epoch && ws->tls && ws->state != WS_CONNECTING && ws->out.len)
        ws_flush(ws);
}
