/* nats_link_priv.h - a link's parts, for nats_link*.c only: making and ending it, the way of its
 * events to the loop, and its sender thread. */
#ifndef ADAPTERS_NATS_NATS_LINK_PRIV_H
#define ADAPTERS_NATS_NATS_LINK_PRIV_H

#include "adapters/nats/nats_priv.h"
#include "adapters/uv/mailbox.h"
#include "base/log.h"

#include <stdatomic.h>

struct nats_link {
    natsConnection *nc;
    natsOptions *options;
    char name[64];
    char *urls;
    struct mailbox *box; /* NULL without a loop */
    struct mail letter;
    atomic_bool is_letter_posted;
    atomic_bool is_up, is_boundary;
    _Atomic uint32_t epoch;
    _Atomic uint64_t reconnects, slow_consumers, errors, boundaries;
    struct list listeners; /* loop thread, as the next three */
    bool seen_up;
    uint32_t seen_epoch;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* up, closed, or the queue ran empty */
    bool is_closed;         /* under lock: the closed callback has run */
    bool is_closing;        /* we asked for it */

    pthread_cond_t has_op;
    struct nats_op *first, *last; /* under lock */
    size_t op_count;              /* under lock: queued and not yet run */
    bool is_stopping;             /* under lock */
    pthread_t sender;
    bool has_sender;

    struct nats_mux *mux;
    natsSubscription **graves; /* under lock: unsubscribed, not yet destroyed */
    size_t grave_count, grave_cap;
};

/* nats_link_events.c: nats.c's callbacks, on its threads, with the link as closure. */
void nats_link_on_connected(natsConnection *nc, void *closure);
void nats_link_on_disconnected(natsConnection *nc, void *closure);
void nats_link_on_closed(natsConnection *nc, void *closure);
void nats_link_on_error(natsConnection *nc, natsSubscription *sub, natsStatus status,
                        void *closure);
void nats_link_set_up(struct nats_link *link, bool is_up);
void nats_link_on_letter(struct mail *mail); /* loop thread */

/* nats_link_sender.c */
MUST_CHECK enum rc nats_link_start_sender(struct nats_link *link);
void nats_link_stop_sender(struct nats_link *link); /* runs what is queued first */
/* Once no reader can be at them. Takes the array. */
void nats_link_free_graves(natsSubscription **graves, size_t count);

#endif
