/* server.h - what the files of this adapter share. See ws_server.h for the interface. */
#ifndef ADAPTERS_LWS_SERVER_H
#define ADAPTERS_LWS_SERVER_H

#include <libwebsockets.h>
#include <uv.h>

#include "adapters/lws/conn.h"
#include "adapters/lws/proxies.h"
#include "adapters/lws/ws_server.h"

enum {
    WHEEL_TICK_MS = 100,
    WHEEL_SLOTS = 512,
    CONN_CHUNK = 256,
    CONN_CHUNKS_MAX = 256,
    RX_BYTES = 1024,       /* of each socket: the smallest size that costs no speed */
    CLOSE_GRACE_MS = 5000, /* for a close frame to get out and be answered */
    HEADER_SLACK_BYTES =
        4096, /* what the library may hold beyond the limit, so that 431 can be said */
};

struct ws_server {
    struct client_links links; /* the ports point here */
    struct http_links http;
    struct ws_server_options options; /* its strings are not valid after create */
    struct client_sink clients;
    struct http_sink requests;
    char ws_path[64];
    bool has_clients, has_requests, is_tls, is_loopback;

    struct loop *loop;
    struct timers *timers;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct lws_protocols protocols[2];

    uv_poll_t *listener; /* NULL when not accepting */
    int listener_fd;
    int guard_fd; /* -1: none */
    uint16_t port;
    struct timer accept_pause;
    struct proxies proxies;
    uint8_t cors_count;   /* of options.cors_origins */
    struct map addresses; /* of peers, when there is a limit */

    struct conn *chunks[CONN_CHUNKS_MAX];
    uint32_t conn_count; /* slots ever made */
    struct conn *free_conns;

    struct list wheel[WHEEL_SLOTS];
    uint64_t wheel_ms; /* everything due before has been looked at */
    struct timer tick;

    struct conn *first_closing, *last_closing;
    struct task close_task;
    struct task step_task; /* of ws_server_close */

    struct {
        uint32_t at, per_slice;
        uint16_t code;
        char reason[124];
        uint64_t give_up_ms;
        struct timer timer;
        ws_server_done_fn *done;
        void *arg;
        bool is_all_asked;
    } drain;
    bool is_closing;
    uint8_t close_turns;
    ws_server_done_fn *closed;
    void *closed_arg;

    struct {
        uint64_t accepted_seen, quiet_from_ms, turnover_done;
    } trim;

    uint32_t link_sockets; /* conns in LINK or CLOSING: WebSockets whose socket still exists */
    struct ws_server_stats stats;

    char *scratch; /* headers of the request being looked at */
    size_t scratch_bytes;
};

static inline uint64_t server_now_ms(struct ws_server *server)
{
    return timers_now_ms(server->timers);
}

/* callback.c: the library's one callback. */
int server_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len);

/* wheel.c */
void wheel_init(struct ws_server *server);
void wheel_stop(struct ws_server *server);
void wheel_overdue(struct conn *conn, uint64_t now_ms); /* what happens to a conn that is due */

/* heap_trim.c */
void heap_trim_tick(struct ws_server *server, uint64_t now_ms);

/* listener.c */
enum rc listener_open(struct ws_server *server, struct fault *fault);
void listener_close(struct ws_server *server);
void listener_forget_address(struct conn *conn);
/* Counts a WebSocket of a trusted proxy for the client that it names; false: over the limit. One of
 * another peer was counted at accept, whatever header it sends. */
bool listener_count_forwarded(struct conn *conn, const struct sockaddr_storage *peer,
                              struct bytes forwarded_for);

/* link.c */
extern const struct client_links_ops ws_links_ops;
void ws_link_opened(struct conn *conn);
void ws_link_received(struct conn *conn, const uint8_t *piece, size_t len);
void ws_link_writable(struct conn *conn);
void ws_link_peer_closes(struct conn *conn);
void ws_link_beat(struct conn *conn, uint64_t now_ms); /* a heartbeat step is due */
void ws_link_tell_closed(struct conn *conn);           /* on_close, if it is owed */

/* http.c */
extern const struct http_links_ops ws_http_ops;
int http_on_request(struct conn *conn); /* headers are complete, no upgrade */
int http_on_body(struct conn *conn, const uint8_t *piece, size_t len);
int http_on_body_end(struct conn *conn);
int http_on_writable(struct conn *conn);
int http_on_garbage(struct conn *conn, const uint8_t *piece, size_t len);
int http_on_upgrade(struct conn *conn);
void http_overdue(struct conn *conn);
void exchange_free(struct exchange *exchange);

#endif
