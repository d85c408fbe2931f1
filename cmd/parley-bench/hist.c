/* hist.c - log-linear buckets. */
#include "hist.h"

static uint32_t bucket_of(uint64_t ns)
{
    if (ns >> 44)
        return HIST_BUCKETS - 1;
    if (ns < (1u << HIST_SUB_BITS))
        return (uint32_t)ns;
    uint32_t top = 63 - (uint32_t)__builtin_clzll(ns);
    uint32_t shift = top - HIST_SUB_BITS;
    return ((shift + 1) << HIST_SUB_BITS) + (uint32_t)((ns >> shift) & ((1u << HIST_SUB_BITS) - 1));
}

/* The middle of a bucket, in nanoseconds. */
static double middle_of(uint32_t bucket)
{
    if (bucket < (1u << HIST_SUB_BITS))
        return bucket;
    uint32_t shift = (bucket >> HIST_SUB_BITS) - 1;
    uint64_t low = (uint64_t)((bucket & ((1u << HIST_SUB_BITS) - 1)) | (1u << HIST_SUB_BITS));
    return (double)(low << shift) + (double)(1ull << shift) / 2;
}

void hist_add(struct hist *hist, uint64_t ns)
{
    hist->count++;
    hist->sum_ns += ns;
    if (ns > hist->max_ns)
        hist->max_ns = ns;
    hist->buckets[bucket_of(ns)]++;
}

double hist_ms(const struct hist *hist, double q)
{
    if (hist->count == 0)
        return 0;
    if (q >= 1)
        return (double)hist->max_ns / 1e6;
    uint64_t want = (uint64_t)(q * (double)hist->count) + 1, seen = 0;
    for (uint32_t i = 0; i < HIST_BUCKETS; i++) {
        seen += hist->buckets[i];
        if (seen >= want)
            return middle_of(i) / 1e6;
    }
    return (double)hist->max_ns / 1e6;
}

double hist_mean_ms(const struct hist *hist)
{
    return hist->count ? (double)hist->sum_ns / (double)hist->count / 1e6 : 0;
}
