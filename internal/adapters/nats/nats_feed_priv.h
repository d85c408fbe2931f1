/* nats_feed_priv.h - what the parts of the feed share: subscriptions, messages, presence. */
#ifndef ADAPTERS_NATS_NATS_FEED_PRIV_H
#define ADAPTERS_NATS_NATS_FEED_PRIV_H

#include "adapters/nats/nats_feed.h"
#include "adapters/nats/nats_priv.h"
#include "adapters/uv/mailbox.h"
#include "base/map.h"

#include <stdatomic.h>

enum { FIXED_SUBS = 3 };

struct nats_feed {
    struct nats_link *link, *read_link;
    struct live_feed_events events;
    struct mailbox *box, *answers;
    struct nats_link_listener listener;
    struct nats_subs subs;
    natsSubscription *fixed[FIXED_SUBS];
    struct map by_handle; /* 8 bytes of handle -> struct feed_sub */
    uint64_t last_handle;
    bool is_closing;
    uint64_t records, signals, presence; /* loop thread */
    _Atomic uint64_t dropped, refused;
};

/* nats.c's delivery thread; the feed is the closure of every subscription. Takes msg. */
void nats_feed_on_message(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure);

/* Presence keys and their republished copies: <prefix><user>.<session>. Returns false for others.
 */
bool nats_presence_split(struct bytes subject, const char *prefix, struct presence_record *record);
/* Reads the marker headers, the revision and the payload; user and session are set already. */
void nats_presence_read(natsMsg *msg, struct presence_record *record);

MUST_CHECK enum rc nats_presence_list(struct nats_link *link, const struct id *users, size_t count,
                                      void (*each)(void *closure,
                                                   const struct presence_record *record),
                                      void *closure);

/* Hands one message to the sender thread, which publishes and frees it; taken in every case.
 * errors: RC_UNAVAILABLE the link is down, RC_FULL, RC_NOMEM */
MUST_CHECK enum rc nats_send_message(struct nats_link *link, natsMsg *msg);

#endif
