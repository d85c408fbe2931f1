/* ws_server.h - WebSocket and HTTP server on libwebsockets, for one listener.
 *
 * Translates between sockets and the ports client_link.h and http_link.h, and keeps what the
 * library leaves to its user: the listener, limits, the HTTP guard, heartbeats, message limits,
 * close codes. Callers never see libwebsockets. A process may have several servers on one loop: the
 * gateway's, and one for operations.
 *
 * Thread: loop thread only.
 */
#ifndef ADAPTERS_LWS_WS_SERVER_H
#define ADAPTERS_LWS_WS_SERVER_H

#include "adapters/uv/loop.h"
#include "base/fault.h"
#include "base/rc.h"
#include "ports/client_link.h"
#include "ports/http_link.h"

struct ws_server;

/* Zero means the default in brackets, unless said otherwise. Strings are borrowed for the create
 * call, sinks for the server's life. */
struct ws_server_options {
    const char *bind_address; /* IPv4, IPv6, or a name, whose first address it is ["127.0.0.1"] */
    const char *guard_path;   /* with shares_port: the lock of those who share it (port_guard.h);
                                 NULL:   whoever comes */
    uint16_t port;            /* 0: one that is free; see ws_server_port */
    bool shares_port;         /* SO_REUSEPORT: several processes of this server on one port */

    const struct client_sink *clients; /* NULL: no WebSockets, an upgrade is answered with 404 */
    const struct http_sink *http;      /* NULL: every request is answered with 404 */
    const char *ws_path;               /* ["/v1/ws"] */

    const char
        *tls_cert_file; /* PEM chain; with tls_key_file: WSS and HTTPS only, TLS 1.2 and 1.3 */
    const char *tls_key_file;

    uint32_t connections_max;             /* open sockets; beyond it HTTP 503 [18000] */
    uint32_t connections_per_address_max; /* beyond it HTTP 429; 0: no limit */
    const char *trusted_proxies; /* "10.0.0.0/8,::1": peers that aren't counted; their WebSockets
                                    count for whom X-Forwarded-For names [nobody] */
    const char *const *cors_origins; /* whose pages may read our answers, NULL-ended, at most 64;
                                        "*": all, but not with their cookies; borrowed for the
                                        server's life [nobody] */
    uint32_t frame_bytes_max;  /* one message from a client; larger closes with 1009 [65536] */
    uint32_t body_bytes_max;   /* one request body; larger is answered with 413 [1 MiB] */
    uint32_t header_bytes_max; /* request line and headers; larger is answered with 431 [8192] */

    uint32_t heartbeat_ms;      /* a ping to each socket that often [30000] */
    uint32_t pong_ms;           /* no byte within that after a ping: close 4004 [10000] */
    uint32_t header_timeout_ms; /* from accept, or the first byte, to the end of headers [10000] */
    uint32_t body_timeout_ms;   /* from the end of headers to the end of the body [20000] */
    uint32_t reply_timeout_ms;  /* how long the app may take; then 504 and close [60000] */
    uint32_t idle_timeout_ms;   /* a kept-alive HTTP connection without a request [30000] */
    uint32_t write_timeout_ms;  /* a client that does not take its HTTP answer [20000] */
};

/* Counters since the start, and gauges. */
struct ws_server_stats {
    uint64_t accepted;
    uint64_t refused_limit; /* 503 and 429 at the door */
    uint64_t refused_guard; /* requests that the HTTP guard turned away */
    uint64_t http_requests; /* handed to the app */
    uint64_t upgrades;
    uint64_t frames_in, bytes_in;
    uint64_t frames_out, bytes_out;
    uint64_t sends_blocked; /* link_send answered with RC_FULL */
    uint64_t heartbeats_missed;
    uint64_t heap_trims;  /* memory was given back to the system after a storm */
    uint32_t connections; /* open sockets of any kind */
    uint32_t links;       /* of these, open WebSockets */
};

typedef void ws_server_done_fn(void *arg);

/* Opens the listener and starts serving with the loop.
 *   errors  RC_CONFLICT the address is in use; RC_INVALID an option is wrong (address, certificate,
 *           key); RC_UNAVAILABLE the library or the system refuses; fault says what, may be NULL
 *   out     a server the caller owns (ws_server_close)
 */
MUST_CHECK enum rc ws_server_create(struct loop *loop, const struct ws_server_options *options,
                                    struct ws_server **out_server, struct fault *fault);

/* The port that the listener has. */
uint16_t ws_server_port(const struct ws_server *server);

/* The ports for the app. Live as long as the server. */
struct client_links *ws_server_links(struct ws_server *server);
struct http_links *ws_server_http(struct ws_server *server);

void ws_server_stats(const struct ws_server *server, struct ws_server_stats *out_stats);

/* Closes the listener: new connections are refused by the system, or go to the other processes on
 * the port. HTTP answers from here on close their connection. */
void ws_server_stop_accepting(struct ws_server *server);

/* Closes every WebSocket with a code, per_slice of them each slice_ms, then calls done (once, on a
 * later turn; NULL is fine). Each gets its on_close. Stops accepting first. */
void ws_server_drain(struct ws_server *server, uint16_t code, struct bytes reason,
                     uint32_t per_slice, uint32_t slice_ms, ws_server_done_fn *done, void *arg);

/* Closes what is still open (on_close comes for each open link), frees the server on later turns of
 * the loop, and calls done after that. Nothing of the server may be used from here on; the sinks
 * must live until done. NULL is fine, done is then called at once. */
void ws_server_close(struct ws_server *server, ws_server_done_fn *done, void *arg);

#endif
