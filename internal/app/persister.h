/* persister.h - carries one partition of the log into the store.
 *
 * A turn fetches a batch, reads its records as events, writes them in one store transaction with
 * the new `applied`, acknowledges, announces, and makes the side effects. The invariants:
 *
 * 1. Nothing is acknowledged that isn't committed, or dead-lettered with a PubAck.
 * 2. `applied` moves only over a run without a hole. The stream's seqs have none, so a batch that
 *    doesn't begin at applied + 1 shows that records are missing here (another instance holds them,
 *    or they were lost on the way): they are read from the stream at once, before the batch.
 * 3. An instance begins at the store's `applied` each time it becomes the active one, whatever the
 *    consumer has acknowledged. Two instances at work at once are harmless: what is there already
 *    is skipped or applied again to the same end, and `applied` in the store never goes back.
 * 4. What fails for now (store or log away, slow, a newer schema, dead letters full) is given back
 *    and tried again: after 1, 2, 4, 8, 16 s with jitter (the log each 2 s), through a breaker for
 * the store. It is never dead-lettered, however long it takes.
 * 5. What will never work (garbage, refused by the store) goes to the dead letters, then a void
 *    takes its place in the store, then it is terminated. Its neighbours don't wait.
 * 6. Side effects follow a mark of their own (`emitted`) and begin after it when they were cut off.
 *
 * Thread: one, which may block; it is the only one that uses `log`. Stats: any thread reads them.
 */
#ifndef APP_PERSISTER_H
#define APP_PERSISTER_H

#include "app/persister_stats.h"
#include "ports/log_consumer.h"
#include "ports/message_store.h"

enum { PERSIST_BATCH_RECORDS = 500 };
enum { PERSIST_FETCH_WAIT_MS = 500, PERSIST_STANDBY_WAIT_MS = 500 };

struct persister_options {
    const struct log_consumer *log; /* borrowed, as all below */
    const struct message_store *store;
    const struct clock_source *clock;
    struct persister_stats *stats; /* zeroed by the caller */
    uint32_t partition, partitions, generation;
    size_t batch_records_max; /* 0, or more than PERSIST_BATCH_RECORDS: that many */
    uint64_t seed;            /* of the jitter */
    bool emits_nothing;       /* a rebuild: the side effects were made long ago */
    bool accepts_gap;         /* go on where the log begins, if it begins after applied + 1 */
};

struct persister; /* opaque */

/* returns  the caller's (persister_destroy); NULL if memory is short */
struct persister *persister_create(const struct persister_options *options);

/* One turn: blocks for about PERSIST_FETCH_WAIT_MS when nothing comes, or as long as store and log
 * take. Returns how long to wait before the next one, in ms; 0: at once. */
int64_t persister_turn(struct persister *persister);

/* Writes down what has been emitted; for a stop in good order. */
void persister_flush(struct persister *persister);

void persister_destroy(struct persister *persister);

#endif
