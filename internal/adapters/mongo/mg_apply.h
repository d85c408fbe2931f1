/* mg_apply.h - what the files that apply a batch share: the batch under way. */
#ifndef ADAPTERS_MONGO_MG_APPLY_H
#define ADAPTERS_MONGO_MG_APPLY_H

#include "adapters/mongo/mg_store.h"
#include "base/map.h"

/* Who asked for what with which id and body. */
struct mg_claiming {
    char key[MG_CLAIM_CHARS + 1];
    uint64_t lowest; /* of the batch's events */
    uint64_t stored; /* the one that the store has, 0: none before this batch */
    uint64_t seen;   /* while results are made: the lowest so far */
};

struct mg_item {
    const struct event *event;
    char place[MG_PLACE_CHARS + 1];
    struct mg_claiming *claim; /* NULL: no client's id */
    struct mg_item *same;      /* the first item of that place; itself if it is the first */
    uint64_t prev;             /* known for certain, else 0 */
    uint64_t born_of;          /* it is known as a double before it is there */
    bool was_there;
};

struct mg_room {
    struct id id;
    uint64_t highest; /* of the batch */
    uint64_t stored;  /* lastSeq of the store, 0: none */
    uint64_t before;  /* while prevs are filled in: the row before the next one */
    bool is_before_sure;
};

struct mg_applying {
    struct mg_call *call;
    struct arena *arena;
    const struct store_batch *batch;
    struct mg_item *items; /* batch->event_count */
    struct map places, claims, rooms;
    struct map nodes; /* mg_doubles.c */
};

/* mg_doubles.c: after the events are in. */

/* What became of each event, as if they had come one after the other. */
MUST_CHECK enum rc mg_doubles_results(struct mg_applying *a, struct applied_result *results);
/* Keeps what is known of doubles: links, marks, voids, and then the lowered claims. */
MUST_CHECK enum rc mg_doubles_write(struct mg_applying *a);
/* Edits, deletions and pins. */
MUST_CHECK enum rc mg_overlays_write(struct mg_applying *a);

/* mg_facts.c: conversations and memberships, feeds, lastSeq. */
MUST_CHECK enum rc mg_facts_write(struct mg_applying *a);
MUST_CHECK enum rc mg_last_seqs_write(struct mg_applying *a);
MUST_CHECK enum rc mg_feed_write(struct mg_applying *a);

static inline bool mg_is_first(const struct mg_item *item)
{
    return item->same == item;
}

#endif
