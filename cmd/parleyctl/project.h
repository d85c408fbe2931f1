/* project.h - a log projected into a store by the persister's own code (rebuild, restore, renew).
 */
#ifndef PARLEYCTL_PROJECT_H
#define PARLEYCTL_PROJECT_H

#include "ctl_nats.h"

struct projection {
    const struct ctl *ctl;
    const struct message_store *store;
    uint32_t generation, partitions;
    bool accepts_gap; /* go on where the log begins */
    bool
        makes_letters; /* what can't be stored becomes a dead letter; else that was done long ago */
    bool is_quiet;
    json_t *parts; /* of every partition what was written; the caller's */
};

/* Until the store has what each partition's stream had when its turn came. CTL_FAILED after having
 * said why not. */
int project_all(struct projection *projection);

/* The same for one partition. */
int project_partition(struct projection *projection, uint32_t partition);

#endif
