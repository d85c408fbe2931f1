/* nats_attempts.h - the port attempts on the bucket ATTEMPTS: shared by all gateways, kept over
 * restarts. Each change is a compare-and-set by revision, tried again until it gets through.
 */
#ifndef ADAPTERS_NATS_NATS_ATTEMPTS_H
#define ADAPTERS_NATS_NATS_ATTEMPTS_H

#include "adapters/nats/nats_link.h"
#include "ports/attempts.h"

/* The port; its self is the link, which must outlive it. */
struct attempts nats_attempts_port(struct nats_link *link);

#endif
