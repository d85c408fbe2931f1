#include "base/latency.h"

static const uint32_t bounds_us[LATENCY_BUCKETS] = { 1000,    2500,    5000,    10000,  25000,
                                                     50000,   100000,  250000,  500000, 1000000,
                                                     2500000, 5000000, 10000000 };

void latency_add(struct latency *latency, int64_t us)
{
    uint64_t value = us > 0 ? (uint64_t)us : 0;
    size_t at = 0;
    while (at < LATENCY_BUCKETS && value > bounds_us[at])
        at++;
    latency->counts[at]++;
    latency->sum_us += value;
}

void latency_write(const struct latency *latency, const char *name, const char *help,
                   struct buf *out)
{
    uint64_t count = 0;
    buf_add_format(out, "# HELP %s %s\n# TYPE %s histogram\n", name, help, name);
    for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
        count += latency->counts[i];
        buf_add_format(out, "%s_bucket{le=\"%g\"} %llu\n", name, bounds_us[i] / 1e6,
                       (unsigned long long)count);
    }
    count += latency->counts[LATENCY_BUCKETS];
    buf_add_format(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.6f\n%s_count %llu\n", name,
                   (unsigned long long)count, name, (double)latency->sum_us / 1e6, name,
                   (unsigned long long)count);
}
