/* nats_publish.h - publishing with acknowledgements: private half of nats_log.
 *
 * A slot's life, in `state` (its generation in the upper bits, so that late answers miss):
 *
 *   FREE ──publish──► OPEN ──answer, on nats.c's thread──► ANSWERED ──letter, on the loop──► FREE
 *                       │                                      └──ask again──► OPEN
 *                       └──deadline, on the loop──► FREE
 *
 * Only OPEN can be left by two threads; it is left by compare-and-swap, so one of them wins.
 */
#ifndef ADAPTERS_NATS_NATS_PUBLISH_H
#define ADAPTERS_NATS_NATS_PUBLISH_H

#include "adapters/nats/nats_log.h"
#include "adapters/nats/nats_priv.h"
#include "wire/puback.h"

struct nats_publisher;

struct nats_publisher_options { /* as in struct nats_log_options */
    size_t in_flight_max;
    int64_t hold_ms;
    const struct clock_source *clock;
};

/* NULL if memory is short. Loop thread, or before loop_run. */
struct nats_publisher *nats_publisher_create(struct nats_link *link, struct loop *loop,
                                             const struct nats_publisher_options *options);
void nats_publisher_hold_no_more(struct nats_publisher *pub);
MUST_CHECK enum rc nats_publisher_publish(struct nats_publisher *pub,
                                          const struct publish_request *request,
                                          publish_done_fn *done, void *closure);
void nats_publisher_count(const struct nats_publisher *pub, struct nats_log_counts *out);
void nats_publisher_destroy(struct nats_publisher *pub);

/* A request as a message: subject, headers, payload, checked. Also for the blocking publish.
 * errors: RC_INVALID a forbidden byte, RC_NOMEM */
MUST_CHECK enum rc nats_publish_message(const struct publish_request *request, const char *reply,
                                        natsMsg **out_msg);

/* What the answer of a server means: true when it is final. attempts: how many may have left. */
enum nats_answer_kind { NATS_ANSWER_ACK, NATS_ANSWER_NOBODY, NATS_ANSWER_GARBAGE };
bool nats_publish_is_final(enum nats_answer_kind kind, const struct puback *ack, uint32_t attempts,
                           struct publish_result *out_result);

#endif
