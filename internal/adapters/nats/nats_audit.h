/* nats_audit.h - the port audit_log on the stream AUDIT, subjects audit.<kind>.
 *
 * A thread of its own takes events from a bounded queue and has each stored under its own id, so a
 * repeat after a time-out is one event. While the stream is away it waits, and the queue fills;
 * what finds it full is dropped and counted.
 */
#ifndef ADAPTERS_NATS_NATS_AUDIT_H
#define ADAPTERS_NATS_NATS_AUDIT_H

#include "adapters/nats/nats_link.h"
#include "ports/audit_log.h"

struct nats_audit;

/* link: blocking use; must outlive it. queue_max: 0 means 4096. NULL if memory or threads are
 * short.
 */
struct nats_audit *nats_audit_create(struct nats_link *link, size_t queue_max);

/* Lives as long as the adapter. */
struct audit_log nats_audit_port(struct nats_audit *audit);

struct nats_audit_counts {
    uint64_t stored, dropped;
    size_t waiting;
};
struct nats_audit_counts nats_audit_counts(struct nats_audit *audit);

/* Stores what is in the queue if that takes less than two seconds, ends the thread, frees it.
 * Nobody may write any more. NULL is fine. */
void nats_audit_destroy(struct nats_audit *audit);

#endif
