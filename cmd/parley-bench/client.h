/* client.h - one user's socket: authentication, sync with a cursor, back-off, books.
 *
 *     DOWN ──client_start──► CONNECTING ──hello, sync's ok──► READY
 *       ▲                        │                              │
 *       └──────── socket lost: WAITING (back-off) ◄─────────────┘
 *
 * A client that is to come back keeps the newest cursor it was given after handling what came
 * before it, and the trails of its conversations.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include "checker.h"
#include "hist.h"
#include "scan.h"
#include "ws.h"

enum client_state { CLIENT_DOWN, CLIENT_CONNECTING, CLIENT_READY, CLIENT_WAITING };

struct client;

struct client_hooks {
    void (*on_ready)(struct client *client);
    /* An event that is new to this client. trail is that of its conversation. */
    void (*on_event)(struct client *client, const struct event *ev, struct trail *trail);
    /* ok or error to a request whose id this file did not make. */
    void (*on_answer)(struct client *client, const struct event *ev, bool is_ok);
    /* The connection was lost or refused; the client comes back by itself if it may. */
    void (*on_down)(struct client *client, unsigned code, struct bytes reason);
    /* Every object as it came, before it is handled. */
    void (*on_line)(struct client *client, struct bytes line);
};

/* What the clients of a run share. */
struct swarm {
    struct loop *loop;
    struct endpoint to;
    struct client_hooks hooks;
    struct tally tally;
    struct hist connect, resume; /* to hello; from the socket's opening to sync's ok */
    uint64_t connects, failures, closes, cut, recovered, not_recovered, resumed_events, goodbyes;
    uint64_t backoff_min_ns, backoff_max_ns;
    struct rng rng;
    bool keeps_rows;  /* trails keep every row */
    bool has_sync;    /* off: idle sockets send nothing */
    bool uses_cursor; /* come back with the last cursor; off: from now */
    char last_failure[160];
};

struct client {
    struct ws ws;
    struct swarm *swarm;
    const char *id, *token; /* borrowed */
    unsigned number;
    enum client_state state;
    bool comes_back, was_ready;
    char *cursor;
    uint64_t opened_ns, sync_ns;
    uint64_t not_before_ns; /* goodbye: come back no earlier */
    uint64_t awake_ns;      /* when it began to read again after a stall */
    unsigned attempts;
    struct timer timer;
    struct hmap trails;  /* hash of conversation id → struct trail */
    struct trail *first; /* most have one conversation: no map walk for it */
    uint64_t first_key;
    void *extra; /* the mode's own */
};

void swarm_init(struct swarm *swarm, struct loop *loop, const char *ws_url, uint64_t seed);

void client_init(struct client *client, struct swarm *swarm, unsigned number, const char *id,
                 const char *token);
/* Connects now, whatever state it was in. */
void client_start(struct client *client);
/* Connects after a delay. */
void client_start_in(struct client *client, uint64_t delay_ns);
/* Ends it for good, politely. */
void client_stop(struct client *client);
/* Ends it and frees what it kept. */
void client_fini(struct client *client);
/* Tears the connection and comes back after away_ns. */
void client_cut(struct client *client, uint64_t away_ns);
void client_send(struct client *client, struct sbuf *request);
/* The trail of a conversation, made when new. */
struct trail *client_trail(struct client *client, uint64_t conversation_key);
/* Drops what it knew: a new connection without a cursor starts anew. */
void client_forget(struct client *client);

/* The row that an event leaves in a trail; the same function serves REST, stream and store. */
struct row row_of(const struct event *ev);
/* Hash of what a message says: raw text, kind ("text" when empty) and metadata (raw JSON). */
uint64_t what_of(struct bytes text, struct bytes kind, struct bytes metadata);
uint64_t who_of(struct bytes sender, struct bytes client_message_id);
uint64_t key_of(struct bytes conversation_id);

#endif
