/* nats_hold.h - how long an outage has lasted: whether a publish that can't be taken now is worth
 * holding.
 *
 * Two outages are told apart: no server at all (the link), and nobody who answers for a partition
 * (its leader is being elected). An outage is waited out for hold_ms from its beginning, not from
 * each publish's, so that one that lasts is told at once. Loop thread; times are the loop's, in ms.
 */
#ifndef ADAPTERS_NATS_NATS_HOLD_H
#define ADAPTERS_NATS_NATS_HOLD_H

#include <stdbool.h>
#include <stdint.h>

enum { NATS_HOLD_PARTITIONS = 256 };

struct nats_hold {
    int64_t hold_ms;       /* 0: nothing is held */
    int64_t down_since_ms; /* 0: the link is up */
    struct {
        int64_t since_ms,
            last_ms; /* nobody has answered for that partition; since 0: somebody has */
    } nobody[NATS_HOLD_PARTITIONS];
};

void nats_hold_link(struct nats_hold *hold, bool is_up, int64_t now_ms);
bool nats_hold_link_may_come(const struct nats_hold *hold, int64_t now_ms);

/* Nobody answers for the partition: whether that may be over soon. */
bool nats_hold_leader_may_come(struct nats_hold *hold, uint32_t partition, int64_t now_ms);
void nats_hold_answered(struct nats_hold *hold, uint32_t partition);

#endif
