/* latency.h - a classic histogram of durations, for metrics: fixed bounds from 1 ms to 10 s.
 *
 * Thread: one writer; a reader on the same thread.
 */
#ifndef BASE_LATENCY_H
#define BASE_LATENCY_H

#include "base/buf.h"

enum { LATENCY_BUCKETS = 13 };

struct latency {
    uint64_t counts[LATENCY_BUCKETS + 1]; /* not cumulated; the last one: more than 10 s */
    uint64_t sum_us;
};

/* Counts one duration; a negative one (clocks differ) counts as 0. */
void latency_add(struct latency *latency, int64_t us);

/* Prometheus's text form of a histogram in seconds: name_bucket, name_sum, name_count. */
void latency_write(const struct latency *latency, const char *name, const char *help,
                   struct buf *out);

#endif
