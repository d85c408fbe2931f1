/* conn.h - one open socket, from accept to the end, and the table of all of them.
 *
 *     OPENING --headers--> BODY -> WAITING -> REPLYING -> IDLE --next request--> BODY ...
 *        |                  |         |           |
 *        |                  +---------+-----------+--> REFUSED (answered, about to close)
 *        +--upgrade--> UPGRADING -> LINK -> CLOSING
 *
 * OPENING    TLS handshake and headers of the first request; due: header time-out
 * BODY       headers are good, the body is coming; due: body time-out
 * WAITING    the app has the request; reading is off; due: reply time-out
 * REPLYING   the answer is being written; due: write time-out
 * IDLE       kept alive, or headers of a further request; due: idle time-out
 * REFUSED    an error was written and the library is closing the socket
 * UPGRADING  the app accepted, 101 is not written yet
 * LINK       an open WebSocket; due: the next heartbeat step
 * CLOSING    a WebSocket whose close the app knows of; the library finishes it
 *
 * Invariants:
 * 1. A conn lives until the library's last callback about its socket (WSI_DESTROY), so the pointer
 *    in the socket never dangles. The app never gets that pointer: it gets the id.
 * 2. Nothing closes a socket inside a callback of that same socket: closes are put on a list that a
 *    task works off on the next turn.
 *
 * Thread: loop thread only.
 */
#ifndef ADAPTERS_LWS_CONN_H
#define ADAPTERS_LWS_CONN_H

#include <libwebsockets.h>

#include "base/list.h"
#include "base/map.h"
#include "ports/client_link.h"
#include "ports/http_link.h"

struct ws_server;
struct exchange;

enum conn_phase {
    CONN_OPENING,
    CONN_BODY,
    CONN_WAITING,
    CONN_REPLYING,
    CONN_IDLE,
    CONN_REFUSED,
    CONN_UPGRADING,
    CONN_LINK,
    CONN_CLOSING,
};

/* How many sockets one peer address has open. */
struct address {
    uint32_t count;
    uint8_t key_len;
    uint8_t key[16];
};

struct conn {
    struct list in_wheel;
    struct lws *wsi; /* NULL while the slot is free */
    struct ws_server *server;
    struct link_id id;
    uint64_t due_ms;     /* when the wheel looks at it; UINT64_MAX: never */
    uint64_t last_rx_ms; /* of a WebSocket: any message or pong */
    uint64_t pinged_ms;
    void *user; /* the app's */
    struct exchange *exchange;
    struct address *address;

    uint8_t *message; /* pieces of a message that came in several */
    uint32_t message_len, message_cap;

    struct conn *next_closing; /* also links the free slots */
    char *close_reason;
    uint16_t close_code; /* 0: hang up without a word */
    uint16_t reentries;  /* of a body completion that the library repeats */
    uint32_t requests;   /* HTTP requests so far: makes their ids */

    uint8_t phase;        /* enum conn_phase */
    uint8_t cors;         /* of the request: 0 no page, or one that may not read the answer, else
                             its place in cors_origins, from 1 */
    bool is_app_told : 1; /* the app knows the link: on_close is owed */
    bool is_in_close_list : 1;
    bool is_close_sent : 1;
    bool is_blocked : 1; /* earlier bytes still wait in the library */
    bool is_writable_wanted : 1;
    bool is_reading_off : 1;
    bool is_ping_open : 1;    /* pinged, nothing heard since */
    bool is_stuck : 1;        /* blocked at a heartbeat, and nothing got out since */
    bool is_dead : 1;         /* the library has closed the socket: do not touch it */
    bool must_close : 1;      /* HTTP: this answer is the last one */
    bool is_peer_closing : 1; /* its close frame came: nothing more is delivered or sent */
    bool is_discarding : 1;   /* the rest of a message that was refused */
    bool is_preflight : 1;    /* OPTIONS */
};

/* The conn of an id, NULL if it is stale. */
struct conn *conn_find(struct ws_server *server, struct link_id id);

/* Takes a free slot: phase OPENING, no socket yet. NULL if memory is short. */
struct conn *conn_take(struct ws_server *server);

/* Gives the slot back; its id goes stale. */
void conn_release(struct conn *conn);

/* Frees the table. Every conn must have been released. */
void conn_table_fini(struct ws_server *server);

/* Calls fn for each taken slot from *at on, until it returns false; *at then is the next one.
 *   returns  true when the end was reached
 */
bool conn_each(struct ws_server *server, uint32_t *at, bool (*fn)(struct conn *conn, void *arg),
               void *arg);

/* Has the wheel look at the conn then; UINT64_MAX for never. */
void conn_set_due(struct conn *conn, uint64_t due_ms);

/* Enters a phase and sets when it is overdue. */
void conn_enter(struct conn *conn, enum conn_phase phase, uint32_t timeout_ms);

/* Switches reading from the socket on or off. */
void conn_set_reading(struct conn *conn, bool is_on);

/* Closes the socket on a later turn: with a close frame if it is a WebSocket and code isn't 0. The
 * first call wins. */
void conn_close_later(struct conn *conn, uint16_t code, struct bytes reason);

#endif
