/* verify_parts.h - what cmd_verify.c and verify_part.c share. */
#ifndef PARLEYCTL_VERIFY_PARTS_H
#define PARLEYCTL_VERIFY_PARTS_H

#include "base/map.h"
#include "ports/log_consumer.h"
#include "verify.h"

enum finding {
    FOUND_MISSING,   /* in the log, not in the store */
    FOUND_EXTRA,     /* in the store, not in the log */
    FOUND_DIFFERENT, /* in both, not the same */
    FOUND_CHAIN,     /* prev isn't the event before */
    FOUND_BEHIND,    /* the store hasn't got to the stream's end */
    FINDING_COUNT,
};
struct tally {
    uint64_t first, last, applied;
    uint64_t events, feeds, voids, doubles, foreign, aged;
    uint64_t found[FINDING_COUNT];
};

struct verify {
    const struct ctl *ctl;
    const struct message_store *store;
    struct log_consumer log;
    uint32_t partition, partitions, generation;
    struct tally tally;
    json_t *findings;   /* the first SHOWN_MAX */
    struct map last_of; /* conversation -> struct chain, of the compared ones */
    struct arena chains;
};

void verify_find(struct verify *v, enum finding kind, uint64_t seq, const struct id *conversation,
                 const char *detail);

/* Checks what begins at `from`, up to `until`; *out_next: where the next part begins. */
MUST_CHECK enum rc verify_part(struct verify *v, uint64_t from, uint64_t until, uint64_t *out_next);

#endif
