/* nats_consumer_priv.h - what the files of the consumer share. */
#ifndef ADAPTERS_NATS_NATS_CONSUMER_PRIV_H
#define ADAPTERS_NATS_NATS_CONSUMER_PRIV_H

#include "adapters/nats/nats_consumer.h"
#include "adapters/nats/nats_priv.h"

#include <stdatomic.h>

enum { NATS_PIN_CHARS = 64, NATS_SLICE_MS = 200 };

struct nats_consumers {
    struct nats_link *link;     /* requests and publishes */
    struct nats_link *ack_link; /* gathers small publishes: acks */
    int64_t linger_ms, timeout_ms;
    atomic_bool is_stopping;
    atomic_int open;
};

/* Where a delivered message stands: from its reply subject. */
struct nats_place {
    uint64_t deliveries, stream_seq, consumer_seq, pending;
    int64_t at_us;
};
bool nats_place_read(const char *reply, struct nats_place *out_place);

/* A pull consumer as one thread uses it: one open request, whose rest the next call goes on with.
 */
struct nats_pull {
    struct nats_consumers *source;
    char subject[NATS_SUBJECT_MAX]; /* $JS.API.CONSUMER.MSG.NEXT.<stream>.<consumer> */
    bool is_pinned;                 /* it has the priority group */
    natsSubscription *sub;
    char inbox[64];
    char pin[NATS_PIN_CHARS];
    uint64_t number;    /* of the open request: its reply subject ends in it */
    size_t left;        /* messages that it may still bring; 0: none is open */
    int64_t ends_at_ms; /* its expiry */
    uint32_t epoch;     /* of the link when it was sent */
};

enum nats_pulled {
    NATS_PULLED,      /* *out_msg is the caller's */
    NATS_PULL_NONE,   /* the time is over */
    NATS_PULL_LOST,   /* the pin is another's now */
    NATS_PULL_BROKEN, /* no such consumer, no server, no leader, or the source is stopping */
};
/* The next message, asked for if no request is open. until_ms: monotonic. */
enum nats_pulled nats_pull_next(struct nats_pull *pull, size_t batch, int64_t wait_ms,
                                int64_t until_ms, natsMsg **out_msg);
MUST_CHECK enum rc nats_pull_begin(struct nats_pull *pull, struct nats_consumers *source,
                                   const char *stream, const char *consumer);
void nats_pull_end(struct nats_pull *pull);

int64_t nats_now_ms(void);

MUST_CHECK enum rc nats_read_run(struct nats_link *link, uint32_t partition, uint64_t from,
                                 uint64_t to,
                                 bool (*each)(void *closure, const struct log_record *record),
                                 void *closure);

/* Publishes all, a window at a time, and waits for each answer. */
MUST_CHECK enum rc nats_publish_all(struct nats_consumers *source,
                                    const struct publish_request *requests, size_t count,
                                    struct publish_result *results);
MUST_CHECK enum rc nats_dead_letter(struct nats_consumers *source, uint32_t partition,
                                    const struct dead_letter *letter);

struct nats_tail {
    struct nats_pull pull;
    char stream[64], name[64];
    bool has_consumer;
    uint64_t to;           /* the last seq that was given, or where it was made to start after */
    uint64_t consumer_seq; /* of the last message */
};
MUST_CHECK enum rc nats_tail_read(struct nats_tail *tail, struct nats_consumers *source,
                                  uint32_t partition, uint64_t after, int64_t wait_ms,
                                  void (*each)(void *closure, char kind, const struct id *owner,
                                               uint64_t seq),
                                  void *closure, uint64_t *out_to);
void nats_tail_end(struct nats_tail *tail, struct nats_consumers *source);

#endif
