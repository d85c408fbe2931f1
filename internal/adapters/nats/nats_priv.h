/* nats_priv.h - what the files of this folder share. The only header that shows nats.c's types. */
#ifndef ADAPTERS_NATS_NATS_PRIV_H
#define ADAPTERS_NATS_NATS_PRIV_H

#include <nats/nats.h>
#include <pthread.h>

#include "adapters/nats/nats_link.h"
#include "base/buf.h"
#include "ports/event_log.h"

enum { NATS_REPLY_TIMEOUT_MS = 5000, NATS_SUBJECT_MAX = 256 };

/* The one table from nats.c's codes to ours. */
enum rc nats_status_rc(natsStatus status);

natsConnection *nats_link_connection(struct nats_link *link);

/* Work for the sender thread, embedded in what it carries. */
struct nats_op {
    struct nats_op *next;
    /* Sender thread. Of a flush op: once the server has answered a PING that was sent after every
     * op before it, or didn't. May free the op. */
    void (*run)(struct nats_op *op, natsConnection *nc, natsStatus flushed);
    bool is_flush;
};

/* Hands work to the sender thread; op is borrowed until run.
 * errors: RC_FULL the queue's bound, RC_UNAVAILABLE the link is closing; run will not be called */
MUST_CHECK enum rc nats_link_send(struct nats_link *link, struct nats_op *op);

/* Waits until all that was queued has run. Not the sender thread. */
void nats_link_drain_ops(struct nats_link *link);

/* Ends a subscription for good, later: see nats_link.c, 3. Any thread. NULL is fine. */
void nats_link_bury(struct nats_link *link, natsSubscription *sub);
/* PING and PONG; what was buried before is destroyed. Any thread but the loop's. */
natsStatus nats_link_clear_graves(struct nats_link *link);

/* ---- nats_mux.c: many requests, one subscription for all their answers ---- */

struct nats_mux;
MUST_CHECK enum rc nats_mux_create(natsConnection *nc, struct nats_mux **out_mux);
void nats_mux_destroy(struct nats_mux *mux); /* after the connection was closed */
struct nats_mux *nats_link_mux(struct nats_link *link);

/* One request that waits for answers, on its caller's stack. Answers come to `inbox`, and to
 * `inbox` with "-" and anything behind it. */
struct nats_call {
    struct list node;
    struct nats_mux *mux;
    uint64_t number;
    struct nats_answer *first, *last; /* under the mux's lock */
    pthread_cond_t has_answer;
    char inbox[96];
};
void nats_call_begin(struct nats_call *call, struct nats_link *link);
/* The next answer; the caller's. NATS_TIMEOUT: none in that time. A 503 is an answer too. */
natsStatus nats_call_next(struct nats_call *call, int64_t timeout_ms, natsMsg **out_msg);
void nats_call_end(struct nats_call *call);

/* Sends a request and takes its one answer, which is the caller's.
 * errors: RC_UNAVAILABLE link down, lost meanwhile, or nobody there; RC_TIMEOUT */
MUST_CHECK enum rc nats_ask(struct nats_link *link, const char *subject, struct bytes payload,
                            int64_t timeout_ms, natsMsg **out_msg);

/* A subscription whose callbacks certainly have ended before its closure goes: counts what lives.
 */
struct nats_subs {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    size_t alive; /* under lock */
};
void nats_subs_init(struct nats_subs *subs);
/* Waits until every subscription made with nats_subs_add has ended (at most 5 s). */
void nats_subs_wait(struct nats_subs *subs);
void nats_subs_fini(struct nats_subs *subs);
/* Subscribes; cb runs on nats.c's delivery thread. Ends by nats_link_bury. */
natsStatus nats_subs_add(struct nats_subs *subs, natsConnection *nc, const char *subject,
                         natsMsgHandler cb, void *closure, natsSubscription **out_sub);

/* ---- nats_record.c ---- */

/* The value of a header; len 0 and ptr NULL when it is missing. */
struct bytes nats_header(natsMsg *msg, const char *name);
uint64_t nats_header_u64(natsMsg *msg, const char *name);

/* Reads a message of a Direct Get or a republish: place and time from Nats-* headers, Parley-*.
 * The record borrows from the message. Returns false if it isn't a record of a CHAT stream. */
bool nats_record_read(natsMsg *msg, struct log_record *out_record);
/* Only the Parley-* headers and the payload; subject, seq and time are the caller's. */
void nats_record_read_parley(natsMsg *msg, struct log_record *record);
/* The same from a header block ("NATS/1.0\r\nName: value\r\n…"). */
void nats_record_read_block(struct bytes block, struct log_record *record);

/* ---- nats_read.c ---- */

/* Called for each message until it returns false. msg stays the caller's. */
typedef bool nats_each_fn(void *closure, natsMsg *msg);

enum nats_batch_end {
    NATS_BATCH_WHOLE, /* the end marker came */
    NATS_BATCH_NONE,  /* 404: nothing there, as far as this replica knows */
    NATS_BATCH_LIMIT, /* 413: too many subjects */
    NATS_BATCH_LEFT,  /* each() returned false */
};
struct nats_batch {
    enum nats_batch_end end;
    uint64_t pending; /* left behind the batch */
    uint64_t up_to;   /* Nats-UpTo-Sequence of the end marker, 0 if it has none */
    size_t count;
};

/* One Direct Get batch of a stream, answered by any replica. request: its JSON with "batch".
 * errors: RC_UNAVAILABLE, RC_TIMEOUT, RC_NOMEM */
MUST_CHECK enum rc nats_direct_batch(struct nats_link *link, const char *stream,
                                     struct bytes request, nats_each_fn *each, void *closure,
                                     struct nats_batch *out_batch);

/* One record from the stream's leader. request: {"seq":…} or {"last_by_subj":…} and so on.
 * errors: RC_NOT_FOUND, RC_UNAVAILABLE, RC_TIMEOUT, RC_NOMEM */
MUST_CHECK enum rc nats_leader_get(struct nats_link *link, const char *stream, struct bytes request,
                                   struct arena *arena, struct log_record *out_record);

/* A stored message as it is, headers as their block; borrowed from the arena. */
struct nats_original {
    struct bytes subject, headers, payload;
};
MUST_CHECK enum rc nats_leader_original(struct nats_link *link, const char *stream, uint64_t seq,
                                        struct arena *arena, struct nats_original *out);

/* The stream's state and its parley.* metadata, from the leader. Without metadata: zeros. */
MUST_CHECK enum rc nats_stream_state(struct nats_link *link, const char *stream,
                                     struct log_state *out_state);

#endif
