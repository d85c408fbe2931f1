/* nats_revocations.h - the port revocations on the bucket REVOKED.
 *
 * Keys: s.<user>.<session>, u.<user>; each lives until its own end. What is stored is republished
 * to live.revoked.>, which every gateway hears within milliseconds. A republish comes at most once,
 * so each second the bucket is also asked for what came since: nothing is missed for longer than
 * that, a new gateway gets all, and so does one that was cut off.
 */
#ifndef ADAPTERS_NATS_NATS_REVOCATIONS_H
#define ADAPTERS_NATS_NATS_REVOCATIONS_H

#include "adapters/nats/nats_link.h"
#include "ports/executor.h"
#include "ports/revocations.h"

struct nats_revocations;

struct nats_revocations_options {
    struct nats_link *link; /* blocking use; borrowed, as all here */
    /* To listen: all three, and the sink. NULL: publishing only (tools). */
    struct nats_link *feed_link;
    struct loop *loop;
    struct executor *executor;
    struct revocation_sink sink;
};

/* NULL if memory is short. Loop thread, or before loop_run. */
struct nats_revocations *nats_revocations_create(const struct nats_revocations_options *options);

/* Lives as long as the adapter. */
struct revocations nats_revocations_port(struct nats_revocations *revocations);

/* Ends listening; the sink isn't called any more. Before the executor and the links end. */
void nats_revocations_stop(struct nats_revocations *revocations);

/* Stops it if it isn't, and frees it; after the executor has ended. NULL is fine. */
void nats_revocations_destroy(struct nats_revocations *revocations);

#endif
