#include "app/persister_stats.h"

#include "base/rc.h"

static const double bucket_bounds_s[PERSIST_BUCKET_COUNT] = { 0.001, 0.0025, 0.005, 0.01,
                                                              0.025, 0.05,   0.1,   0.25,
                                                              0.5,   1,      2.5,   5 };

const char *persister_state_name(enum persister_state state)
{
    static const char *const names[] = { "starting", "standby", "active", "waiting", "halted" };
    return names[state];
}

const char *persister_alarm_name(enum persister_alarm alarm)
{
    static const char *const names[ALARM_COUNT] = { "none", "dead_letters", "schema",
                                                    "gap",  "refused",      "other_log" };
    return names[alarm];
}

const char *dead_letter_reason_name(enum dead_letter_reason reason)
{
    static const char *const names[DEAD_REASON_COUNT] = { "unparseable", "schema", "refused" };
    return names[reason];
}

int64_t persister_stats_lag_ms(const struct persister_stats *stats,
                               const struct clock_source *clock)
{
    int64_t oldest_us = atomic_load(&stats->oldest_at_us);
    int64_t age_us = clock_wall_us(clock) - oldest_us;
    return oldest_us == 0 || age_us < 0 ? 0 : age_us / 1000;
}

uint64_t persister_stats_pending(const struct persister_stats *stats)
{
    uint64_t applied = atomic_load(&stats->applied);
    uint64_t tail = atomic_load(&stats->tail);
    return applied != 0 && tail > applied ? tail - applied : 0;
}

void persister_stats_batch(struct persister_stats *stats, int64_t took_us)
{
    size_t bucket = 0;
    while (bucket < PERSIST_BUCKET_COUNT && (double)took_us > bucket_bounds_s[bucket] * 1e6)
        bucket++;
    atomic_fetch_add(&stats->batch_buckets[bucket], 1);
    atomic_fetch_add(&stats->batch_us_sum, (uint64_t)took_us);
    atomic_fetch_add(&stats->batches, 1);
}

struct metric {
    const char *name, *type, *help;
    size_t offset;
};

#define COUNTER(name, field, help)                                                                 \
    {                                                                                              \
        "chat_" name, "counter", help, offsetof(struct persister_stats, field)                     \
    }

static const struct metric counters[] = {
    COUNTER("persister_events_total", events, "Events written into the store."),
    COUNTER("persister_voids_total", voids, "Voids written in the place of what can't be shown."),
    COUNTER("persister_feed_entries_total", feed_entries, "User feed entries written."),
    COUNTER("persister_redelivered_total", redelivered, "Records that were delivered before."),
    COUNTER("persister_store_errors_total", store_errors, "Store calls that failed."),
    COUNTER("persister_takeovers_total", takeovers, "Times this instance became the active one."),
    COUNTER("persister_gap_fills_total", gap_fills, "Missing runs read from the stream itself."),
    COUNTER("persister_feeds_published_total", feeds_published, "User feed records published."),
    COUNTER("persister_withdrawals_total", withdrawals, "Late doubles withdrawn."),
    COUNTER("persister_emit_errors_total", emit_errors, "Side effects put off."),
};

static void write_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_add_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_counters(const struct persister_stats *stats, uint32_t count, struct buf *out)
{
    for (size_t m = 0; m < COUNT_OF(counters); m++) {
        write_head(out, counters[m].name, counters[m].type, counters[m].help);
        for (uint32_t p = 0; p < count; p++) {
            const char *base = (const char *)&stats[p];
            const _Atomic uint64_t *value = (const void *)(base + counters[m].offset);
            buf_add_format(out, "%s{partition=\"%u\"} %llu\n", counters[m].name, p,
                           (unsigned long long)atomic_load(value));
        }
    }
}

static void write_gauges(const struct persister_stats *stats, uint32_t count,
                         const struct clock_source *clock, struct buf *out)
{
    write_head(out, "chat_persister_lag_messages", "gauge", "Records that the store lacks.");
    for (uint32_t p = 0; p < count; p++)
        buf_add_format(out, "chat_persister_lag_messages{partition=\"%u\"} %llu\n", p,
                       (unsigned long long)persister_stats_pending(&stats[p]));
    write_head(out, "chat_persister_lag_seconds", "gauge", "Age of the oldest such record.");
    for (uint32_t p = 0; p < count; p++)
        buf_add_format(out, "chat_persister_lag_seconds{partition=\"%u\"} %.3f\n", p,
                       (double)persister_stats_lag_ms(&stats[p], clock) / 1000);
    write_head(out, "chat_persister_active", "gauge", "1: this instance persists the partition.");
    for (uint32_t p = 0; p < count; p++)
        buf_add_format(out, "chat_persister_active{partition=\"%u\"} %d\n", p,
                       atomic_load(&stats[p].state) == PERSISTER_ACTIVE);
    write_head(out, "chat_store_breaker_open", "gauge", "1: the store isn't asked for a while.");
    for (uint32_t p = 0; p < count; p++)
        buf_add_format(out, "chat_store_breaker_open{partition=\"%u\"} %d\n", p,
                       atomic_load(&stats[p].is_breaker_open));
    write_head(out, "chat_persister_alarm", "gauge", "1: the partition stands and needs a person.");
    for (uint32_t p = 0; p < count; p++)
        for (int a = ALARM_NONE + 1; a < ALARM_COUNT; a++)
            buf_add_format(out, "chat_persister_alarm{partition=\"%u\",reason=\"%s\"} %d\n", p,
                           persister_alarm_name((enum persister_alarm)a),
                           atomic_load(&stats[p].alarm) == a);
}

static void write_dead_letters(const struct persister_stats *stats, uint32_t count, struct buf *out)
{
    write_head(out, "chat_dead_letters_total", "counter", "Records given up on, by reason.");
    for (uint32_t p = 0; p < count; p++)
        for (int r = 0; r < DEAD_REASON_COUNT; r++)
            buf_add_format(
                out,
                "chat_dead_letters_total{consumer=\"persister\",partition=\"%u\",reason=\"%s\"} "
                "%llu\n",
                p, dead_letter_reason_name((enum dead_letter_reason)r),
                (unsigned long long)atomic_load(&stats[p].dead_letters[r]));
}

static void write_histogram(const struct persister_stats *stats, uint32_t count, struct buf *out)
{
    static const char name[] = "chat_persister_batch_seconds";
    write_head(out, name, "histogram", "From fetching a batch to its commit.");
    for (uint32_t p = 0; p < count; p++) {
        unsigned long long below = 0;
        for (size_t b = 0; b < PERSIST_BUCKET_COUNT; b++) {
            below += atomic_load(&stats[p].batch_buckets[b]);
            buf_add_format(out, "%s_bucket{partition=\"%u\",le=\"%g\"} %llu\n", name, p,
                           bucket_bounds_s[b], below);
        }
        below += atomic_load(&stats[p].batch_buckets[PERSIST_BUCKET_COUNT]);
        buf_add_format(out, "%s_bucket{partition=\"%u\",le=\"+Inf\"} %llu\n", name, p, below);
        buf_add_format(out, "%s_sum{partition=\"%u\"} %.6f\n", name, p,
                       (double)atomic_load(&stats[p].batch_us_sum) / 1e6);
        buf_add_format(out, "%s_count{partition=\"%u\"} %llu\n", name, p, below);
    }
}

void persister_stats_write(const struct persister_stats *stats, uint32_t count,
                           const struct clock_source *clock, struct buf *out)
{
    write_gauges(stats, count, clock, out);
    write_counters(stats, count, out);
    write_dead_letters(stats, count, out);
    write_histogram(stats, count, out);
}
