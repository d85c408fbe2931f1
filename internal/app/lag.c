/* lag.c - the age guard: what is acknowledged must reach the store before it is too old for the
 * log.
 *
 * Persisters tell with applied.<p> how far the store is, and how old the oldest record is that it
 * doesn't have. Over half of the log's max_age that is an alarm; over 80 % sends are refused
 * (storage_full), so that nothing unpersisted ages out. The age is the larger of
 *   - the persister's word, plus the silence since, and
 *   - the time since this gateway learned of a record beyond what was applied. So a persister that
 *     died, or stands still, with nothing left to do is missed once there is something, and an idle
 *     system refuses nothing however long nobody persists.
 * A gateway learns of records from its own answers, live copies, announced heads and, when those
 * fall silent, from asking the log (partitions.c). One that starts later begins to count then.
 */
#include "app/gateway_state.h"
#include "base/log.h"

/* The oldest record beyond what was applied, as far as this gateway knows: once it is applied, the
 * newest one takes its place, which is seconds younger than the truth while persisters live. */
static void wait_for_newest(struct partition *part, int64_t now)
{
    part->unstored_seq = part->newest_seq > part->applied_seq ? part->newest_seq : 0;
    part->unstored_since_ms = now;
}

void lag_saw(struct gateway *g, uint32_t p, uint64_t seq)
{
    struct partition *part = p < g->d.partitions ? &g->parts[p] : NULL;
    if (!part)
        return;
    if (seq > part->newest_seq)
        part->newest_seq = seq;
    if (!part->unstored_seq)
        wait_for_newest(part, now_ms(g));
}

void lag_heard(struct gateway *g, uint32_t p, struct bytes json)
{
    struct applied applied;
    if (p >= g->d.partitions || applied_parse(json, &applied) != RC_OK ||
        applied.generation != g->d.generation)
        return;
    struct partition *part = &g->parts[p];
    if (applied.seq > part->applied_seq)
        part->applied_seq = applied.seq;
    if (part->unstored_seq <= part->applied_seq)
        wait_for_newest(part, now_ms(g));
    if (!applied.has_lag)
        return; /* one that can't say leaves its last word standing, and that ages */
    part->lag_ms = applied.lag_ms;
    part->lag_heard_ms = now_ms(g);
}

static int64_t age_of(const struct partition *part, int64_t now)
{
    int64_t told = part->lag_ms > 0 ? part->lag_ms + (now - part->lag_heard_ms) : 0;
    int64_t seen = part->unstored_seq ? now - part->unstored_since_ms : 0;
    return told > seen ? told : seen;
}

void lag_tick(struct gateway *g, int64_t now)
{
    int64_t max_age = g->d.limits.log_max_age_ms, worst = 0;
    for (uint32_t p = 0; p < g->d.partitions; p++) {
        int64_t age = age_of(&g->parts[p], now);
        worst = age > worst ? age : worst;
    }
    g->stats.lag_ms = (uint64_t)worst;
    g->stats.is_lag_alarming = max_age > 0 && worst > max_age / 2;
    g->is_refusing_sends = max_age > 0 && worst > max_age / 10 * 8;
    if (g->stats.is_lag_alarming)
        log_error_every(60000, "persister.lag", LOG_INT("lag_ms", worst),
                        LOG_INT("max_age_ms", max_age), LOG_BOOL("refusing", g->is_refusing_sends));
}

void gateway_set_log_max_age(struct gateway *g, int64_t max_age_ms)
{
    g->d.limits.log_max_age_ms = max_age_ms;
}
