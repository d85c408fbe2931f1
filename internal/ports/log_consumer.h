/* log_consumer.h - one partition of the log as its persister reads it. Blocking; one thread a
 * consumer (the thread that opened it). */
#ifndef PORTS_LOG_CONSUMER_H
#define PORTS_LOG_CONSUMER_H

#include "ports/event_log.h"

struct consumed {
    struct log_record record; /* bytes live until the batch is released */
    uint64_t deliveries;      /* 1 the first time */
    void *handle;             /* the adapter's */
};

struct consumed_batch {
    struct consumed *items; /* ascending as delivered */
    size_t count;
    uint64_t pending; /* records of the stream behind this batch, as the server says */
    void *adapter;
};

struct dead_letter {
    const struct log_record *record;
    const char *reason; /* unparseable, schema, refused, too_large, attempts: a closed list */
    const char *error;  /* for people; printable ASCII */
    uint64_t deliveries;
};

struct log_consumer {
    void *self;
    /* Up to records_max records: returns once they are there, or 50 ms after the first came, or
     * after wait_ms without any. RC_OK with count 0: nothing new; RC_CONFLICT: another persister is
     * the active one; RC_UNAVAILABLE. */
    enum rc (*fetch)(void *self, size_t records_max, int64_t wait_ms, struct consumed_batch *out);
    /* After commit. Fire and forget: a lost one is delivered again. This and give_back look only at
     * items[0..count), which may be a part of what was fetched, in any order. */
    void (*ack)(void *self, struct consumed_batch *batch);
    /* One record will not be delivered again: its dead letter is stored. An ack of it that comes
     * later does nothing. */
    void (*terminate)(void *self, struct consumed *item);
    /* Give all of the batch back, to come again after delay_ms. */
    void (*give_back)(void *self, struct consumed_batch *batch, int64_t delay_ms);
    /* Frees what was fetched: call it with the batch as fetch filled it (items may be reordered).
     */
    void (*release)(void *self, struct consumed_batch *batch);
    /* Every record from…to of the stream itself, whatever the consumer has done with them,
     * ascending, given to each() in turn (borrowed for the call) until it returns false. Of both
     * kinds. A seq that the stream doesn't have any more (deleted by hand) is left out.
     * RC_NOT_FOUND: the stream begins after `from`; RC_UNAVAILABLE, RC_TIMEOUT: not all were given
     */
    enum rc (*read_run)(void *self, uint64_t from, uint64_t to,
                        bool (*each)(void *closure, const struct log_record *record),
                        void *closure);
    /* First and last seq of the stream, asked of the leader. */
    enum rc (*state)(void *self, struct log_state *out);
    /* Original body and headers plus Parley-Dlq-*; RC_OK after its PubAck only. Its message id is
     * made of stream, seq and reason. RC_FULL: CHAT_DLQ is full; RC_TIMEOUT, RC_UNAVAILABLE */
    enum rc (*dead_letter)(void *self, const struct dead_letter *letter);
    /* Core publish: heads.<p>, applied.<p>. */
    enum rc (*announce)(void *self, const char *subject, struct bytes json);
    /* Publish to the log, at most a few hundred in flight at once, and wait for every PubAck: user
     * feeds (of any partition), withdrawals. RC_OK: every results[i] is written, whatever its
     * outcome; RC_UNAVAILABLE: the link is down, nothing is known of any. */
    enum rc (*publish)(void *self, const struct publish_request *requests, size_t count,
                       struct publish_result *results);
    /* The tail's heads, from a headers-only ordered consumer of its own: each record's kind, owner
     * and seq in turn, with seq > after. Waits up to wait_ms for the first. *out_to: the highest
     * seq given, or `after`. A call that goes on where the last one ended keeps its consumer. */
    enum rc (*tail)(void *self, uint64_t after, int64_t wait_ms,
                    void (*each)(void *closure, char kind, const struct id *owner, uint64_t seq),
                    void *closure, uint64_t *out_to);
    /* Another number after each reconnect: what was known of the log before may be wrong now, since
     * another server may answer, or a stream was made anew. */
    uint32_t (*epoch)(void *self);
    void (*close)(void *self);
};

/* Opens a partition's consumer, on the thread that will use it. errors: RC_UNAVAILABLE, RC_NOMEM */
struct log_consumer_source {
    void *self;
    enum rc (*open)(void *self, uint32_t partition, struct log_consumer *out);
};

/* The numbers of a generation are those above this one: the place before its first record. */
static inline uint64_t log_floor(uint32_t generation)
{
    return (uint64_t)generation << 40;
}

#endif
