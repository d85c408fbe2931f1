/* listener.c - the listening socket, and the limits at the door.
 *
 * The library's own listener can't share its port in 4.1.6 (the option does nothing and the context
 * still succeeds), so the socket is ours and each accepted one is given to the library.
 */
#include "adapters/lws/port_guard.h"
#include "adapters/lws/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACCEPTS_A_TURN = 64, BACKLOG = 4096, ACCEPT_PAUSE_MS = 100 };

static bool parse_address(const char *text, uint16_t port, struct sockaddr_storage *out,
                          socklen_t *out_len, bool *out_is_loopback)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        *out_len = sizeof *v4;
        *out_is_loopback = (ntohl(v4->sin_addr.s_addr) >> 24) == 127;
        return true;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        *out_len = sizeof *v6;
        *out_is_loopback = IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
        return true;
    }
    return false;
}

/* A name is looked up once; of several addresses it is the first, IPv4 before IPv6. */
static bool resolve(const char *name, uint16_t port, struct sockaddr_storage *out,
                    socklen_t *out_len, bool *out_is_loopback)
{
    static const int families[] = { AF_INET, AF_INET6 };
    char text[INET6_ADDRSTRLEN];
    if (parse_address(name, port, out, out_len, out_is_loopback))
        return true;
    for (size_t i = 0; i < COUNT_OF(families); i++) {
        const struct addrinfo wanted = { .ai_family = families[i], .ai_socktype = SOCK_STREAM };
        struct addrinfo *found = NULL;
        if (getaddrinfo(name, NULL, &wanted, &found) != 0)
            continue;
        bool is_text = getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, NULL, 0,
                                   NI_NUMERICHOST) == 0;
        freeaddrinfo(found);
        if (is_text)
            return parse_address(text, port, out, out_len, out_is_loopback);
    }
    return false;
}

/* Whether one more socket of this address is within the limit; counts it if so. */
static bool count_address(struct ws_server *server, const uint8_t from[ADDRESS_BYTES],
                          struct address **out_address)
{
    bool is_v4 = address_is_v4(from);
    const uint8_t *key = is_v4 ? from + 12 : from;
    size_t len = is_v4 ? 4 : 8; /* whoever has one IPv6 address has its /64 */
    struct address *address = map_get(&server->addresses, bytes_make(key, len));
    if (!address) {
        address = calloc(1, sizeof *address);
        if (!address || map_put(&server->addresses, bytes_make(key, len), address) != RC_OK) {
            free(address);
            return false;
        }
        memcpy(address->key, key, len);
        address->key_len = (uint8_t)len;
    }
    if (address->count >= server->options.connections_per_address_max)
        return false;
    address->count++;
    *out_address = address;
    return true;
}

static void uncount_address(struct ws_server *server, struct address *address)
{
    if (!address || --address->count > 0)
        return;
    (void)map_remove(&server->addresses, bytes_make(address->key, address->key_len));
    free(address);
}

/* A trusted proxy isn't counted: its clients are, by listener_count_forwarded. */
static bool count_peer(struct ws_server *server, const struct sockaddr_storage *peer,
                       struct address **out_address)
{
    uint8_t from[ADDRESS_BYTES];
    *out_address = NULL;
    return !server->options.connections_per_address_max || !address_of_socket(peer, from) ||
           proxies_trust(&server->proxies, from) || count_address(server, from, out_address);
}

bool listener_count_forwarded(struct conn *conn, const struct sockaddr_storage *peer,
                              struct bytes forwarded_for)
{
    struct ws_server *server = conn->server;
    uint8_t from[ADDRESS_BYTES];
    if (!server->options.connections_per_address_max || conn->address ||
        !address_of_socket(peer, from))
        return true;
    proxies_client(&server->proxies, forwarded_for, from);
    if (proxies_trust(&server->proxies, from) || count_address(server, from, &conn->address))
        return true;
    server->stats.refused_limit++;
    return false;
}

void listener_forget_address(struct conn *conn)
{
    uncount_address(conn->server, conn->address);
    conn->address = NULL;
}

/* Says no before the library has seen the socket. Under TLS there is no one to say it to yet. */
static void refuse(struct ws_server *server, int fd, const char *status, const char *body)
{
    char text[512];
    server->stats.refused_limit++;
    if (!server->is_tls) {
        int len = snprintf(text, sizeof text,
                           "HTTP/1.1 %s\r\ncontent-type: application/problem+json\r\n"
                           "content-length: %zu\r\nretry-after: 5\r\ncache-control: no-store\r\n"
                           "x-content-type-options: nosniff\r\n"
                           "content-security-policy: default-src 'none'; frame-ancestors 'none'"
                           "\r\nconnection: close\r\n\r\n%s",
                           status, strlen(body), body);
        (void)!send(fd, text, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT); /* a courtesy */
        (void)shutdown(fd, SHUT_WR); /* the peer may be gone already */
    }
    close(fd);
}

#define PROBLEM(title, status, code, message)                                                      \
    "{\"type\":\"about:blank\",\"title\":\"" title "\",\"status\":" status ",\"code\":\"" code     \
    "\",\"message\":\"" message "\",\"detail\":\"" message                                         \
    "\",\"retryable\":true,\"retryAfterMs\":5000,\"field\":null,\"requestId\":null}"

static void adopt(struct ws_server *server, int fd, const struct sockaddr_storage *peer)
{
    struct address *address = NULL;
    if (server->stats.connections >= server->options.connections_max) {
        refuse(server, fd, "503 Service Unavailable",
               PROBLEM("Service Unavailable", "503", "overloaded", "Too many connections."));
        return;
    }
    if (!count_peer(server, peer, &address)) {
        refuse(server, fd, "429 Too Many Requests",
               PROBLEM("Too Many Requests", "429", "rate_limited",
                       "Too many connections from this address."));
        return;
    }
    struct conn *conn = conn_take(server);
    if (!conn) {
        uncount_address(server, address);
        close(fd);
        return;
    }
    conn->address = address;
    conn_enter(conn, CONN_OPENING, server->options.header_timeout_ms);

    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* slower, not wrong, without */
    lws_adopt_desc_t info = { .vh = server->vhost,
                              .type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP | LWS_ADOPT_ALLOW_SSL,
                              .fd = { .sockfd = fd },
                              .opaque = conn };
    struct lws *wsi = lws_adopt_descriptor_vhost_via_info(&info);
    if (wsi) {
        conn->wsi = wsi;
        server->stats.accepted++;
    } else if (!conn->wsi) {
        conn_release(conn); /* it failed before any callback: none will come */
    }
}

static void on_pause_over(struct timer *timer);

static void on_acceptable(uv_poll_t *handle, int status, int events)
{
    struct ws_server *server = handle->data;
    (void)events;
    if (status < 0)
        return;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        struct sockaddr_storage peer = { 0 };
        socklen_t len = sizeof peer;
        int fd = accept4(server->listener_fd, (struct sockaddr *)&peer, &len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            adopt(server, fd, &peer);
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        if (errno != EAGAIN) {
            /* Out of file descriptors or memory: polling on would spin. */
            uv_poll_stop(handle);
            timer_start(server->timers, &server->accept_pause, ACCEPT_PAUSE_MS, 0);
        }
        return;
    }
}

static void on_pause_over(struct timer *timer)
{
    struct ws_server *server = CONTAINER_OF(timer, struct ws_server, accept_pause);
    if (server->listener)
        uv_poll_start(server->listener, UV_READABLE, on_acceptable);
}

static void close_guard(struct ws_server *server)
{
    if (server->guard_fd >= 0)
        close(server->guard_fd);
    server->guard_fd = -1;
}

static enum rc bind_socket(struct ws_server *server, struct fault *fault)
{
    const struct ws_server_options *options = &server->options;
    struct sockaddr_storage address;
    socklen_t len;
    int on = 1;

    if (!resolve(options->bind_address, options->port, &address, &len, &server->is_loopback)) {
        fault_set(fault, "bind_address", "%s is no address, and no name that has one",
                  options->bind_address);
        return RC_INVALID;
    }
    if (options->shares_port && options->guard_path && options->port &&
        port_guard_take(options->guard_path, &address, len, &server->guard_fd) != RC_OK) {
        fault_set(fault, "port", "can't listen on %s port %u: another program does",
                  options->bind_address, options->port);
        return RC_CONFLICT;
    }
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return RC_UNAVAILABLE;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address.ss_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if ((options->shares_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) ||
        bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, BACKLOG) != 0) {
        int error = errno;
        close(fd);
        fault_set(fault, "port", "can't listen on %s port %u: %s", options->bind_address,
                  options->port, strerror(error));
        return error == EADDRINUSE ? RC_CONFLICT : RC_INVALID;
    }
    len = sizeof address;
    (void)getsockname(fd, (struct sockaddr *)&address, &len); /* can't fail on a bound socket */
    server->port =
        ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
                                           : ((struct sockaddr_in6 *)&address)->sin6_port);
    server->listener_fd = fd;
    return RC_OK;
}

enum rc listener_open(struct ws_server *server, struct fault *fault)
{
    server->accept_pause.run = on_pause_over;
    server->guard_fd = -1;
    enum rc rc = bind_socket(server, fault);
    if (rc != RC_OK) {
        close_guard(server);
        return rc;
    }
    uv_poll_t *poll = calloc(1, sizeof *poll);
    if (!poll || uv_poll_init_socket(loop_handle(server->loop), poll, server->listener_fd) != 0) {
        free(poll);
        close(server->listener_fd);
        close_guard(server);
        return RC_UNAVAILABLE;
    }
    poll->data = server;
    server->listener = poll;
    uv_poll_start(poll, UV_READABLE, on_acceptable);
    return RC_OK;
}

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

void listener_close(struct ws_server *server)
{
    timer_stop(server->timers, &server->accept_pause);
    if (!server->listener)
        return;
    uv_poll_stop(server->listener);
    uv_close((uv_handle_t *)server->listener, free_handle);
    server->listener = NULL;
    close(server->listener_fd);
    close_guard(server);
}
