/* gateway.h - the edge of one process: connections, the conversations they follow, delivery.
 *
 * What is promised here (docs/ARCHITECTURE.md has the whole):
 *   1. A conversation's events reach each connection in the order of seq, once, without a hole:
 * each event's prev is tested against the last one, and a hole is read from the log first.
 *   2. A connection has, for each conversation, the seq up to which it was sent (struct sub). What
 * is missing comes from the conversation's ring of recent events, else from store and log. So a
 *      reader that is slow, one that returns with a cursor and one that just came are the same
 * case.
 *   3. A cursor never covers what was not sent: see cursors.c.
 *
 * Thread: loop thread, all of it. Blocking reads are jobs on the executor.
 */
#ifndef APP_GATEWAY_H
#define APP_GATEWAY_H

#include "base/latency.h"
#include "domain/address_range.h"
#include "domain/revocation.h"
#include "ports/client_link.h"
#include "ports/directory_store.h"
#include "ports/executor.h"
#include "ports/live_feed.h"
#include "ports/message_store.h"
#include "ports/tickets.h"
#include "ports/timer.h"
#include "ports/token_verifier.h"

struct gateway;
struct revoked;

struct gateway_limits {
    size_t frame_bytes, message_bytes;
    size_t inflight;         /* unanswered requests of a connection */
    size_t outbox_bytes;     /* queued for one connection before it is fed from the ring */
    size_t ring_bytes_room;  /* recent events kept of one conversation */
    size_t ring_bytes_total; /* … of all together */
    size_t connections_per_user;
    size_t watches;
    size_t budgets_kept;  /* rate limits remembered, of users */
    size_t receipts_kept; /* watermarks remembered, of (conversation, user, session) */
    int64_t heartbeat_ms; /* only told to clients; the adapter does it */
    int64_t slow_close_ms;
    int64_t sync_wait_ms; /* events flow this long after hello without a sync */
    int64_t publish_timeout_ms;
    int64_t log_max_age_ms; /* the log forgets after that; 0: never; see gateway_set_log_max_age */
    int64_t late_retry_ms;  /* a retry younger than this is simply published again */
    double send_per_s, send_burst, other_per_s, other_burst;
    double range_per_s, range_burst; /* requests without a token, of one network */
    bool allows_query_token;
    const char *const *allowed_origins; /* NULL-ended; borrowed */
};

struct gateway_deps {
    const struct event_log *log;
    const struct live_feed *feed;
    const struct message_store *store;
    const struct directory_store *directory;
    struct executor *executor;
    struct timers *timers;
    const struct clock_source *clock;
    struct token_verifier *verifier;
    uint32_t partitions, generation;
    const struct ticket_book *tickets; /* NULL: none are taken, as below */
    const struct ticket_claims *claims;
    const struct revoked *revoked; /* what a ticket's identity is checked with; NULL: nothing */
    bool waits_for_revocations;    /* not ready before gateway_revocations_current */
    struct gateway_limits limits;
};

/* Counters since the start, and gauges; read them on the loop thread. */
struct gateway_stats {
    uint64_t connections, users, rooms, ring_bytes, outbox_bytes;
    uint64_t commands; /* taken and not answered yet: waiting, reading, being published */
    uint64_t opened, refused_auth, closed_slow, closed_bad, closed_revoked;
    uint64_t accepted, duplicates, failed, unknown; /* commands by outcome */
    uint64_t delivered, signals, signals_dropped;
    uint64_t gaps, repaired, repairs_failed, resets, boundaries, wrong_streams;
    uint64_t catch_ups, syncs, rate_limited;
    uint64_t lag_ms;         /* of the slowest persister */
    bool is_lag_alarming;    /* over half of the log's max_age; over 80 % sends are refused */
    struct latency delivery; /* from the log's time stamp to the sockets, one an event */
    struct latency accept;   /* from a command to its answer */
};

/* Makes a gateway; NULL if memory is short. The deps' pointers must outlive it. */
struct gateway *gateway_create(const struct gateway_deps *deps);

/* What the sockets adapter is to call, and what the gateway is to call there. */
struct client_sink gateway_sink(struct gateway *g);
void gateway_set_links(struct gateway *g, struct client_links *links);
struct live_feed_events gateway_feed_events(struct gateway *g);

/* Whether new clients should come: heads of all partitions were heard and the link is up. out_why,
 * for people, is static storage. */
bool gateway_is_ready(const struct gateway *g, const char **out_why);

/* The stream was compared with its file and is as it should be; until then, and when it is not,
 * the gateway isn't ready and refuses to publish. */
void gateway_set_log_state(struct gateway *g, bool is_right, const char *why);

/* How long the log keeps a record, as its definition says; 0: without end. Until it is said, what
 * the limits have. */
void gateway_set_log_max_age(struct gateway *g, int64_t max_age_ms);

/* Takes one request from the budget that a user has for sockets and REST together, as far as this
 * gateway knows. Returns 0, or how many ms to wait. */
int64_t gateway_admit(struct gateway *g, const struct identity *identity, bool is_send);

/* The same for requests that need no token, by the network they come from; an empty range is one
 * network. */
int64_t gateway_admit_range(struct gateway *g, const struct address_range *range);

void gateway_stats(const struct gateway *g, struct gateway_stats *out);

/* A valid token named this user: it exists from now on. Returns true when it was not known here; it
 * will be put into the directory in a moment. */
bool gateway_saw_identity(struct gateway *g, const struct identity *identity);

/* Ends the sockets that it means: session.revoked, then 4002. Their tokens are the verifier's part
 * (revoked.h), and come first. */
void gateway_revoke(struct gateway *g, const struct revocation *revocation);
/* All revocations in force are known from here on. */
void gateway_revocations_current(struct gateway *g);

/* Says goodbye with spread retry times, refuses new ones. The sockets are closed by the adapter. */
void gateway_drain(struct gateway *g);
/* No command, fetch or receipt is under way any more. */
bool gateway_is_quiet(const struct gateway *g);

/* After the adapters that call it are gone. NULL is fine. */
void gateway_destroy(struct gateway *g);

#endif
