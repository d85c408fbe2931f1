#include "adapters/nats/nats_hold.h"

/* Held publishes ask more often than that: who didn't for so long sees another outage. */
enum { FRESH_MS = 2000 };

void nats_hold_link(struct nats_hold *hold, bool is_up, int64_t now_ms)
{
    if (is_up)
        hold->down_since_ms = 0;
    else if (!hold->down_since_ms)
        hold->down_since_ms = now_ms;
}

bool nats_hold_link_may_come(const struct nats_hold *hold, int64_t now_ms)
{
    return hold->hold_ms > 0 &&
           (!hold->down_since_ms || now_ms - hold->down_since_ms < hold->hold_ms);
}

bool nats_hold_leader_may_come(struct nats_hold *hold, uint32_t partition, int64_t now_ms)
{
    uint32_t p = partition % NATS_HOLD_PARTITIONS;
    if (!hold->nobody[p].since_ms || now_ms - hold->nobody[p].last_ms > FRESH_MS)
        hold->nobody[p].since_ms = now_ms;
    hold->nobody[p].last_ms = now_ms;
    return now_ms - hold->nobody[p].since_ms < hold->hold_ms;
}

void nats_hold_answered(struct nats_hold *hold, uint32_t partition)
{
    hold->nobody[partition % NATS_HOLD_PARTITIONS].since_ms = 0;
}
