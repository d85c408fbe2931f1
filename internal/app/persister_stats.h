/* persister_stats.h - what one partition's persister is doing, for metrics, readiness and lag.
 *
 * Written by the partition's two threads, read by any: every field is atomic, none is exact against
 * another.
 */
#ifndef APP_PERSISTER_STATS_H
#define APP_PERSISTER_STATS_H

#include "base/buf.h"
#include "base/clock.h"

#include <stdatomic.h>

enum persister_state {
    PERSISTER_STARTING, /* has not heard from the log yet */
    PERSISTER_STANDBY,  /* another one is active for this partition */
    PERSISTER_ACTIVE,
    PERSISTER_WAITING, /* the store or the log is away: tries again */
    PERSISTER_HALTED,  /* needs a person: see the alarm; tries again all the same */
};

enum persister_alarm {
    ALARM_NONE,
    ALARM_DEAD_LETTERS, /* the dead letters take nothing: full or away */
    ALARM_SCHEMA,       /* an event of a newer version: this persister must be upgraded */
    ALARM_GAP,          /* the log no longer has what the store misses */
    ALARM_REFUSED,      /* the store takes neither an event nor a void in its place */
    ALARM_OTHER_LOG,    /* the store has another event in this one's place: not the same log */
    ALARM_COUNT,
};

enum dead_letter_reason {
    DEAD_UNPARSEABLE,
    DEAD_SCHEMA,
    DEAD_REFUSED,
    DEAD_REASON_COUNT,
};

enum { PERSIST_BUCKET_COUNT = 12 };

struct persister_stats {
    _Atomic int state; /* enum persister_state */
    _Atomic int alarm; /* enum persister_alarm */
    _Atomic bool is_breaker_open;
    _Atomic uint64_t applied; /* 0: the store has never answered */
    _Atomic uint64_t emitted;
    /* the stream's metadata as it was last asked for; 0: never, or it doesn't say */
    _Atomic uint32_t log_generation, log_partitions, log_schema;
    _Atomic uint64_t tail; /* last seq of the stream, as the announcer sees it; 0: unknown */
    _Atomic int64_t
        oldest_at_us; /* wall time of the oldest record known not to be stored; 0: none */
    _Atomic int64_t standby_at_ms; /* monotonic: when another one was last known to be active */
    _Atomic uint64_t events, voids, feed_entries, batches, redelivered, store_errors;
    _Atomic uint64_t feeds_published, withdrawals, emit_errors, takeovers, gap_fills;
    _Atomic uint64_t dead_letters[DEAD_REASON_COUNT];
    _Atomic uint64_t batch_us_sum;
    _Atomic uint64_t
        batch_buckets[PERSIST_BUCKET_COUNT + 1]; /* the last one: +Inf; not cumulated */
};

const char *persister_state_name(enum persister_state state);
const char *persister_alarm_name(enum persister_alarm alarm); /* "none", "dead_letters", … */
const char *dead_letter_reason_name(enum dead_letter_reason reason);

/* How old the oldest record is that the store doesn't have; 0: it has all that is known of. */
int64_t persister_stats_lag_ms(const struct persister_stats *stats,
                               const struct clock_source *clock);

/* How many records the store doesn't have; 0 when that can't be said. */
uint64_t persister_stats_pending(const struct persister_stats *stats);

/* Counts one batch that took so long from fetch to commit. */
void persister_stats_batch(struct persister_stats *stats, int64_t took_us);

/* Prometheus text (version 0.0.4) of `count` partitions, 0 first. */
void persister_stats_write(const struct persister_stats *stats, uint32_t count,
                           const struct clock_source *clock, struct buf *out);

#endif
