#include "app/announcer.h"

#include "base/log.h"
#include "base/map.h"
#include "base/rc.h"
#include "wire/event_json.h"

#include <stdio.h>
#include <stdlib.h>

enum { HEADS_BYTES_MAX = 200 * 1024, RETRY_MS = 500 };

struct announcer {
    struct announcer_options o;
    bool is_placed;
    uint64_t from, to;   /* of the announcement in the making */
    struct map by_owner; /* kind and id -> its entry */
    struct heads_entry entries[ANNOUNCE_ENTRIES_MAX];
    size_t count;
    int64_t announced_at_ms, applied_at_ms;
};

struct announcer *announcer_create(const struct announcer_options *options)
{
    struct announcer *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->o = *options;
    map_init(&a->by_owner);
    return a;
}

void announcer_destroy(struct announcer *a)
{
    if (!a)
        return;
    map_fini(&a->by_owner);
    free(a);
}

static int64_t now_ms(const struct announcer *a)
{
    return clock_monotonic_ms(a->o.clock);
}

static enum rc publish(const struct log_consumer *log, const char *root, uint32_t partition,
                       const struct buf *json)
{
    char subject[32];
    if (json->has_failed)
        return RC_NOMEM;
    (void)snprintf(subject, sizeof subject, "%s.%u", root, partition);
    return log->announce(log->self, subject, buf_bytes(json));
}

void announce_applied(const struct log_consumer *log, const struct clock_source *clock,
                      const struct persister_stats *stats, uint32_t partition, uint32_t generation)
{
    SCOPED_BUF(json, 256);
    uint64_t seq = atomic_load(&stats->applied);
    int64_t lag_ms = persister_stats_lag_ms(stats, clock);
    const struct applied applied = { .generation = generation,
                                     .seq = seq,
                                     .has_lag = seq != 0 || lag_ms != 0,
                                     .lag_ms = lag_ms,
                                     .pending = persister_stats_pending(stats) };
    applied_write(&json, &applied);
    (void)publish(log, "applied", partition, &json); /* a lost one is followed by the next */
}

static void start_next(struct announcer *a)
{
    map_fini(&a->by_owner);
    map_init(&a->by_owner);
    a->count = 0;
    a->from = a->to;
}

/* Publishes what there is of (from, to]. When it can't be sent, it stays and grows. */
static bool announce(struct announcer *a)
{
    SCOPED_BUF(json, HEADS_BYTES_MAX);
    const struct heads heads = { .generation = a->o.generation,
                                 .from = a->from,
                                 .to = a->to,
                                 .entries = a->entries,
                                 .count = a->count };
    heads_write(&json, &heads);
    if (publish(a->o.log, "heads", a->o.partition, &json) != RC_OK)
        return false;
    a->announced_at_ms = now_ms(a);
    start_next(a);
    return true;
}

static void make_room(struct announcer *a)
{
    if (announce(a))
        return;
    log_warn_every(10000, "announcer.heads_dropped", LOG_UINT("partition", a->o.partition),
                   LOG_UINT("from", a->from), LOG_UINT("to", a->to));
    start_next(a); /* listeners see the hole, and look themselves */
}

static void add_head(void *closure, char kind, const struct id *owner, uint64_t seq)
{
    struct announcer *a = closure;
    char key[ID_CHARS_MAX + 1] = { kind };
    memcpy(key + 1, owner->text, owner->len);
    struct bytes key_bytes = bytes_make(key, (size_t)owner->len + 1);
    struct heads_entry *entry = owner->len > 0 ? map_get(&a->by_owner, key_bytes) : NULL;
    if (!entry && owner->len > 0) {
        if (a->count == ANNOUNCE_ENTRIES_MAX)
            make_room(a);
        entry = &a->entries[a->count];
        *entry = (struct heads_entry){ .owner = *owner, .kind = kind };
        if (map_put(&a->by_owner, key_bytes, entry) == RC_OK)
            a->count++;
        else
            make_room(a); /* memory is short: what was named is sent, this one becomes a hole */
    }
    if (entry)
        entry->seq = seq;
    if (seq > a->to)
        a->to = seq;
}

static enum rc take_place(struct announcer *a)
{
    struct log_state state;
    TRY(a->o.log->state(a->o.log->self, &state));
    uint64_t before_first = state.first_seq > 0 ? state.first_seq - 1 : 0;
    uint64_t floor = log_floor(a->o.generation);
    a->to = state.last_seq > ANNOUNCE_REACH_BACK ? state.last_seq - ANNOUNCE_REACH_BACK : 0;
    if (a->to < before_first)
        a->to = before_first;
    if (a->to < floor)
        a->to = floor;
    a->is_placed = true;
    start_next(a);
    return RC_OK;
}

static bool is_other_active(const struct announcer *a)
{
    int64_t at_ms = atomic_load(&a->o.stats->standby_at_ms);
    return atomic_load(&a->o.stats->state) == PERSISTER_STANDBY &&
           now_ms(a) - at_ms < ANNOUNCE_STANDBY_MS;
}

static int64_t due_in_ms(const struct announcer *a)
{
    bool is_busy = a->to > a->from && !is_other_active(a);
    int64_t every_ms = is_busy ? ANNOUNCE_BUSY_MS : ANNOUNCE_QUIET_MS;
    int64_t left_ms = a->announced_at_ms + every_ms - now_ms(a);
    return left_ms > 0 ? left_ms : 0;
}

static void announce_progress(struct announcer *a)
{
    if (now_ms(a) - a->applied_at_ms < ANNOUNCE_QUIET_MS || is_other_active(a))
        return;
    a->applied_at_ms = now_ms(a);
    announce_applied(a->o.log, a->o.clock, a->o.stats, a->o.partition, a->o.generation);
}

int64_t announcer_turn(struct announcer *a)
{
    const struct log_consumer *log = a->o.log;
    if (!a->is_placed && take_place(a) != RC_OK)
        return RETRY_MS;
    int64_t wait_ms = due_in_ms(a);
    uint64_t to = a->to;
    if (wait_ms > ANNOUNCE_BUSY_MS)
        wait_ms = ANNOUNCE_BUSY_MS;
    if (log->tail(log->self, a->to, wait_ms, add_head, a, &to) != RC_OK)
        return RETRY_MS; /* the place is kept: the next announcement begins where this one ended */
    if (to > a->to)
        a->to = to;
    atomic_store(&a->o.stats->tail, a->to);
    if (due_in_ms(a) == 0)
        (void)announce(a); /* what wasn't sent goes out with the next */
    announce_progress(a);
    return 0;
}
