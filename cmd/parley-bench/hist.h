/* hist.h - a latency histogram with log-linear buckets.
 *
 * 64 buckets for each power of two of nanoseconds: a quantile is off by at most 1.6 %, and adding
 * costs a shift and an increment, so that it can stand on the hot path.
 */
#ifndef BENCH_HIST_H
#define BENCH_HIST_H

#include <stdint.h>

#define HIST_SUB_BITS 6
#define HIST_BUCKETS ((44 - HIST_SUB_BITS + 1) << HIST_SUB_BITS) /* up to 2^44 ns, 4.8 hours */

struct hist {
    uint64_t count, sum_ns, max_ns;
    uint32_t buckets[HIST_BUCKETS];
};

void hist_add(struct hist *hist, uint64_t ns);

/* The value below which the share q (0..1) of what was added lies, in milliseconds; 0 when empty.
 */
double hist_ms(const struct hist *hist, double q);
double hist_mean_ms(const struct hist *hist);

#endif
