/* nats_consumer.h - the log_consumer port: the durable consumer "persister" of CHAT_<p>, pulled.
 *
 * The consumer has the priority group "persist" with the policy pinned_client (ADR-42): one puller
 * gets the messages, the others wait. The pin is not a fence: what a frozen holder has unacked
 * comes to the next one later, so the store guards `applied` by itself.
 */
#ifndef ADAPTERS_NATS_NATS_CONSUMER_H
#define ADAPTERS_NATS_NATS_CONSUMER_H

#include "adapters/nats/nats_link.h"
#include "ports/log_consumer.h"

struct nats_consumers;

struct nats_consumers_options {
    const char *url, *user, *password, *name; /* copied; links of its own are made of these */
    int64_t linger_ms;  /* how long fetch waits for more after the first; 0: 50 */
    int64_t timeout_ms; /* of one answer of the server; 0: 5000 */
};

/* Makes the source and its links: one for requests, one that gathers acks. Any thread, blocks like
 * nats_link_create. */
MUST_CHECK enum rc nats_consumers_create(const struct nats_consumers_options *options,
                                         struct nats_consumers **out_source, struct fault *fault);

/* The port. Each consumer that is opened belongs to its thread; its tail and announce may be
 * called from one thread, everything else from another. Blocking calls end early, with
 * RC_UNAVAILABLE, after nats_consumers_stop. */
struct log_consumer_source nats_consumers_port(struct nats_consumers *source);

bool nats_consumers_is_up(const struct nats_consumers *source);

/* Whether one of its links has ended for good (nats_link_is_dead). Any thread. */
bool nats_consumers_is_dead(const struct nats_consumers *source);

/* Whether it is dead because the login is refused (nats_link_is_login_refused). */
bool nats_consumers_is_login_refused(struct nats_consumers *source);

/* Has every blocking call return soon. Any thread. */
void nats_consumers_stop(struct nats_consumers *source);

/* Every consumer must be closed. NULL is fine. */
void nats_consumers_destroy(struct nats_consumers *source);

#endif
