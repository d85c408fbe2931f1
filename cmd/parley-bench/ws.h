/* ws.h - the client's half of a WebSocket (RFC 6455), on the loop.
 *
 * TCP, or TLS over it (tls.h); no extensions. Thousands of these live in one process, so an idle
 * one holds no buffers: input is read into one shared block, and only an incomplete frame is kept.
 */
#ifndef BENCH_WS_H
#define BENCH_WS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "loop.h"
#include "util.h"

/* Where the socket is: parsed from a ws://, wss:// or http:// URL by endpoint_parse. */
struct endpoint {
    struct sockaddr_in addr;
    char host[128]; /* with port, for the Host header */
    char name[100]; /* without */
    char path[128];
    bool is_loopback, is_tls;
};

/* Ends the program when the URL is none of ours (https included). */
void endpoint_parse(const char *url, struct endpoint *out);

enum ws_state { WS_CLOSED, WS_CONNECTING, WS_UPGRADING, WS_OPEN };

struct ws;

/* What happens on a socket; owner is ws->owner. */
struct ws_events {
    void (*on_open)(void *owner);
    void (*on_text)(void *owner, struct bytes text);
    /* The socket is gone and ws may be opened again. code is that of the close frame, 0 without
     * one, or 600-999 for an HTTP refusal (600 + status - 400 for 4xx…: see ws.c). */
    void (*on_close)(void *owner, unsigned code, struct bytes reason);
};

struct ws {
    struct loop *loop;
    const struct ws_events *events;
    void *owner;
    enum ws_state state;
    int fd;
    struct tls *tls; /* NULL: plain */
    uint32_t epoch;  /* counts connections, so that a loop over frames sees a close within */
    bool wants_write, is_paused, is_fragmented;
    struct watch watch;
    int receive_bytes; /* SO_RCVBUF; 0: the kernel's choice. Small for a reader that stalls */
    struct sbuf in, out, fragments;
    size_t out_sent;
};

void ws_init(struct ws *ws, struct loop *loop, const struct ws_events *events, void *owner);

/* Starts to connect; on_open or on_close follows.
 *   source  picks the local address 127.0.1.x when the server is on loopback: one address has
 *           some 28,000 ports
 *   token   goes into the Authorization header; NULL: none
 */
void ws_open(struct ws *ws, const struct endpoint *to, unsigned source, const char *token);

/* Queues one text frame and writes what the socket takes. Dropped silently unless open. */
void ws_send(struct ws *ws, struct bytes text);

/* Ends the connection: politely with a close frame, or as a crash would. No on_close follows. */
void ws_close(struct ws *ws);
void ws_cut(struct ws *ws);

/* Stops or resumes reading: a stalled reader. */
void ws_pause(struct ws *ws, bool is_paused);

#endif
