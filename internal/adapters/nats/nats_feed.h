/* nats_feed.h - the live_feed port on core NATS subjects and the KV_PRESENCE bucket.
 *
 * Headers are read on nats.c's delivery thread; one letter a message goes to the loop. When the
 * letters reach their bound, messages are dropped and a boundary is raised: never in silence.
 */
#ifndef ADAPTERS_NATS_NATS_FEED_H
#define ADAPTERS_NATS_NATS_FEED_H

#include "adapters/nats/nats_link.h"
#include "ports/live_feed.h"

struct nats_feed;

struct nats_feed_options {
    struct nats_link *link;      /* borrowed; must outlive the feed */
    struct nats_link *read_link; /* for list_presence; NULL: the same link */
    struct loop *loop;
    struct live_feed_events events;
    size_t letters_max; /* messages waiting for the loop; 0: 65536 */
};

/* Makes the feed and subscribes heads.*, applied.* and ctl.>. NULL if memory is short.
 * Loop thread, or before loop_run. */
struct nats_feed *nats_feed_create(const struct nats_feed_options *options);

struct live_feed nats_feed_port(struct nats_feed *feed);

struct nats_feed_counts {
    uint64_t records, signals, presence;
    uint64_t dropped; /* no room or no memory: a boundary was raised */
    uint64_t refused; /* not what its subject says: unreadable, or of a foreign stream */
    size_t subscriptions;
};
struct nats_feed_counts nats_feed_counts(const struct nats_feed *feed);

/* Unsubscribes all; no callback comes after. Whoever listened may then be destroyed: of the port
 * only `unsubscribe` may still be called, and does nothing. Loop thread, or after loop_run. NULL is
 * fine. */
void nats_feed_stop(struct nats_feed *feed);

/* Stops the feed if it isn't, and frees it. NULL is fine. */
void nats_feed_destroy(struct nats_feed *feed);

#endif
