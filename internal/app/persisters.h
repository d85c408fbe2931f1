/* persisters.h - the persister role: two threads for each partition, one persisting, one
 * announcing.
 *
 *     struct persisters *all = persisters_start(&options);   (blocks for no dependency)
 *     …
 *     persisters_stop(all);                                  (within the time of one call, see
 * below)
 *
 * Any number of processes may run them on the same log: one at a time persists a partition.
 */
#ifndef APP_PERSISTERS_H
#define APP_PERSISTERS_H

#include "app/persister_stats.h"
#include "ports/log_consumer.h"
#include "ports/message_store.h"

struct persisters_options {
    const struct log_consumer_source *log; /* borrowed until persisters_stop, as all below */
    const struct message_store *store;
    const struct clock_source *clock;
    uint32_t partitions, generation;
    size_t batch_records_max; /* 0: PERSIST_BATCH_RECORDS, which is also the most */
    bool emits_nothing;       /* see persister.h */
    bool accepts_gap;
};

struct persisters; /* opaque */

/* Starts the threads; they open their consumers themselves, and again if that fails.
 *   returns  the caller's (persisters_stop); NULL if memory is short or a thread can't be made
 */
struct persisters *persisters_start(const struct persisters_options *options);

/* Asks all threads to end, waits for them, and frees. A thread that waits ends at once; one inside
 * a call to the store or the log ends with that call. NULL is fine. */
void persisters_stop(struct persisters *persisters);

/* NULL when every partition is persisted by this instance or knows another one that does; else what
 * is wrong with the first that isn't, for /readyz; good until the thread's next call. Any thread.
 */
const char *persisters_trouble(const struct persisters *persisters);

/* Whether a stream is of another generation or number of partitions than the settings: then it
 * isn't only for persisters the wrong one. Any thread. */
bool persisters_see_other_settings(const struct persisters *persisters);

/* The age of the oldest record that the store doesn't have, over all partitions, in ms. Any thread.
 */
int64_t persisters_lag_ms(const struct persisters *persisters);

/* Of one partition. Any thread. */
const struct persister_stats *persisters_stats(const struct persisters *persisters,
                                               uint32_t partition);

/* Appends the metrics in Prometheus's text form. Any thread. */
void persisters_write_metrics(const struct persisters *persisters, struct buf *out);

#endif
