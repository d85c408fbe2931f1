#include "app/announcer.h"
#include "app/persister_parts.h"
#include "base/rc.h"

#include <stdlib.h>

enum { RETRY_BASE_MS = 1000, RETRY_STEPS_MAX = 4, LOG_RETRY_STEPS_MAX = 1, LOOK_EVERY_MS = 2000 };

static uint64_t next_random(uint64_t *state) /* splitmix64 */
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int64_t retry_delay_ms(uint64_t *random, int attempt)
{
    int steps = attempt < RETRY_STEPS_MAX ? attempt : RETRY_STEPS_MAX;
    int64_t base_ms = (int64_t)RETRY_BASE_MS << steps;
    int64_t spread_ms = base_ms / 2;
    return base_ms - spread_ms / 2 + (int64_t)(next_random(random) % (uint64_t)(spread_ms + 1));
}

static int64_t now_ms(const struct persister *p)
{
    return clock_monotonic_ms(p->o.clock);
}

static void enter(struct persister *p, enum persister_state state)
{
    int before = atomic_exchange(&p->o.stats->state, (int)state);
    if (before == (int)state)
        return;
    if (state == PERSISTER_ACTIVE && before != PERSISTER_WAITING && before != PERSISTER_HALTED)
        atomic_fetch_add(&p->o.stats->takeovers, 1);
    log_info("persister.state", LOG_UINT("partition", p->o.partition),
             LOG_STR("state", persister_state_name(state)), LOG_UINT("applied", p->applied));
}

static void set_alarm(struct persister *p, enum persister_alarm alarm)
{
    int before = atomic_exchange(&p->o.stats->alarm, (int)alarm);
    if (before == (int)alarm)
        return;
    if (alarm != ALARM_NONE)
        log_error("persister.alarm", LOG_UINT("partition", p->o.partition),
                  LOG_STR("reason", persister_alarm_name(alarm)), LOG_UINT("applied", p->applied));
    else
        log_info("persister.alarm_over", LOG_UINT("partition", p->o.partition));
}

void store_called(struct persister *p, enum rc rc, int64_t began_ms)
{
    int64_t at_ms = now_ms(p);
    bool was_open = atomic_load(&p->o.stats->is_breaker_open);
    /* A store that refuses something has answered. */
    breaker_record(&p->breaker, rc == RC_OK || rc == RC_INVALID || rc == RC_CONFLICT,
                   at_ms - began_ms, at_ms);
    bool is_open = p->breaker.state == BREAKER_OPEN;
    atomic_store(&p->o.stats->is_breaker_open, is_open);
    if (rc != RC_OK)
        atomic_fetch_add(&p->o.stats->store_errors, 1);
    if (is_open != was_open)
        log_warn(is_open ? "store.breaker_open" : "store.breaker_closed",
                 LOG_UINT("partition", p->o.partition), LOG_RC(rc));
}

struct persister *persister_create(const struct persister_options *options)
{
    struct persister *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->o = *options;
    if (p->o.batch_records_max == 0 || p->o.batch_records_max > PERSIST_BATCH_RECORDS)
        p->o.batch_records_max = PERSIST_BATCH_RECORDS;
    p->random = options->seed;
    breaker_init(&p->breaker);
    return p;
}

void persister_destroy(struct persister *p)
{
    free(p);
}

/* The turn is over for now: the next one comes after the back-off, or when the breaker lets it. */
static int64_t end_in_trouble(struct persister *p, enum trouble trouble, int64_t delay_ms)
{
    p->retry_at_ms = now_ms(p) + delay_ms;
    p->attempts++;
    p->is_placed = false; /* whatever happens meanwhile, the store's word counts after it */
    p->is_checked = false;
    enter(p, trouble == TROUBLE_ALARM ? PERSISTER_HALTED : PERSISTER_WAITING);
    if (trouble == TROUBLE_ALARM)
        set_alarm(p, p->alarm);
    else
        log_warn_every(10000, "persister.waiting", LOG_UINT("partition", p->o.partition),
                       LOG_STR("for", trouble == TROUBLE_STORE ? "store" : "log"),
                       LOG_INT("attempts", p->attempts), LOG_INT("delay_ms", delay_ms));
    return delay_ms;
}

/* A log that is away is no weaker for being asked, and a cluster has its leaders back in seconds.
 */
static int64_t log_delay_ms(struct persister *p)
{
    return retry_delay_ms(&p->random,
                          p->attempts < LOG_RETRY_STEPS_MAX ? p->attempts : LOG_RETRY_STEPS_MAX);
}

static int64_t trouble_delay_ms(struct persister *p, enum trouble trouble)
{
    if (trouble == TROUBLE_LOG)
        return log_delay_ms(p);
    int64_t delay_ms = retry_delay_ms(&p->random, p->attempts);
    int64_t breaker_ms = breaker_wait_ms(&p->breaker, now_ms(p));
    return breaker_ms > delay_ms ? breaker_ms : delay_ms;
}

/* A log that ends before what the store has was lost or set back, and what comes under its numbers
 * would pass for what the store has already. */
static bool has_all_of_store(const struct persister *p, const struct log_state *state,
                             uint64_t applied)
{
    return applied <= state->last_seq || applied == log_floor(p->o.generation);
}

/* Everything would look stored already, and be acknowledged and lost: nothing counts as stored
 * until that is set right. */
static enum trouble refuse_place(struct persister *p, uint64_t applied, uint64_t last_seq)
{
    log_error_every(10000, "persister.beyond_log", LOG_UINT("partition", p->o.partition),
                    LOG_UINT("applied", applied), LOG_UINT("last_seq", last_seq));
    p->applied = 0;
    p->is_placed = false;
    p->alarm = ALARM_OTHER_LOG;
    return TROUBLE_ALARM;
}

/* Reads from the store where we are. After this the batch at hand is judged by the store's word. */
static enum trouble take_place(struct persister *p)
{
    const struct message_store *store = p->o.store;
    uint64_t applied, emitted;
    int64_t began_ms = now_ms(p);
    enum rc rc = store->applied(store->self, p->o.generation, p->o.partition, &applied);
    if (rc == RC_OK)
        rc = store->emitted(store->self, p->o.generation, p->o.partition, &emitted);
    if (rc != RC_OK) {
        store_called(p, rc, began_ms);
        return TROUBLE_STORE;
    }
    struct log_state state;
    if (p->o.log->state(p->o.log->self, &state) != RC_OK)
        return TROUBLE_LOG;
    if (check_state(p, &state) != TROUBLE_NONE)
        return TROUBLE_ALARM;
    if (!has_all_of_store(p, &state, applied))
        return refuse_place(p, applied, state.last_seq);
    p->applied = applied;
    p->emitted = p->o.emits_nothing ? applied : emitted;
    p->is_placed = true;
    p->look_at_ms = 0; /* look at once for what others left unfinished */
    atomic_store(&p->o.stats->applied, applied);
    atomic_store(&p->o.stats->emitted, emitted);
    return TROUBLE_NONE;
}

static int by_seq(const void *a, const void *b)
{
    uint64_t x = ((const struct consumed *)a)->record.seq;
    uint64_t y = ((const struct consumed *)b)->record.seq;
    return x < y ? -1 : x > y;
}

/* The next stretch of the batch that follows p->applied without a hole, as a run. *at moves on. */
static void take_stretch(const struct consumed_batch *batch, size_t *at, struct run *run,
                         uint64_t *deliveries)
{
    run->count = 0;
    run->from = run->to = batch->items[*at].record.seq;
    for (; *at < batch->count; (*at)++) {
        const struct consumed *item = &batch->items[*at];
        if (run->count > 0 && item->record.seq == run->to)
            continue; /* delivered twice in one batch */
        if (run->count > 0 && item->record.seq != run->to + 1)
            break;
        deliveries[run->count] = item->deliveries;
        run->records[run->count++] = &item->record;
        run->to = item->record.seq;
    }
    run->deliveries = deliveries;
}

/* Persists a batch stretch by stretch, filling the holes between them from the stream. */
static enum trouble persist_batch(struct persister *p, struct consumed_batch *batch)
{
    enum trouble trouble = TROUBLE_NONE;
    size_t at = 0;
    qsort(batch->items, batch->count, sizeof *batch->items, by_seq);
    while (at < batch->count && trouble == TROUBLE_NONE) {
        if (batch->items[at].record.seq <= p->applied) {
            at++; /* the store has it: only the acknowledgement was lost */
            continue;
        }
        if (batch->items[at].record.seq > p->applied + 1) {
            trouble = gap_fill(p, p->applied + 1, batch->items[at].record.seq - 1);
            continue; /* the item may be applied by now, if others are at work */
        }
        SCOPED_ARENA(arena, RUN_ARENA_BYTES_MAX);
        struct run run = { .count = 0 };
        run.records = arena_alloc(&arena, batch->count * sizeof *run.records);
        uint64_t *deliveries = arena_alloc(&arena, batch->count * sizeof *deliveries);
        if (!run.records || !deliveries)
            return TROUBLE_LOG;
        take_stretch(batch, &at, &run, deliveries);
        trouble = run_persist(p, &run, &arena);
    }
    return trouble;
}

bool persister_buried(const struct persister *p, uint64_t seq)
{
    for (size_t i = 0; i < p->dead_count; i++)
        if (p->dead_seqs[i] == seq)
            return true;
    return false;
}

/* Forgets the dead whose voids are in the store. */
static void forget_dead(struct persister *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->dead_count; i++)
        if (p->dead_seqs[i] > p->applied)
            p->dead_seqs[kept++] = p->dead_seqs[i];
    p->dead_count = kept;
}

/* Acknowledges what the store has, terminates what is dead, gives the rest back. */
static void settle(struct persister *p, const struct consumed_batch *batch, int64_t delay_ms)
{
    const struct log_consumer *log = p->o.log;
    size_t done = 0;
    while (done < batch->count && batch->items[done].record.seq <= p->applied) {
        if (persister_buried(p, batch->items[done].record.seq))
            log->terminate(log->self, &batch->items[done]);
        done++;
    }
    struct consumed_batch part = *batch;
    part.count = done;
    if (done > 0)
        log->ack(log->self, &part);
    part.items = batch->items + done;
    part.count = batch->count - done;
    if (part.count > 0)
        log->give_back(log->self, &part, delay_ms);
}

/* The oldest record that isn't in the store yet: the first of the batch that isn't, else somewhere
 * in what is pending, which is no older than the last one that we have seen. */
static void note_oldest(struct persister *p, const struct consumed_batch *batch)
{
    int64_t oldest_us = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const struct log_record *record = &batch->items[i].record;
        if (record->seq > p->applied && (oldest_us == 0 || record->at_us < oldest_us))
            oldest_us = record->at_us;
    }
    if (oldest_us == 0 && batch->pending > 0 && batch->count > 0)
        oldest_us = batch->items[batch->count - 1].record.at_us;
    atomic_store(&p->o.stats->oldest_at_us, oldest_us);
}

static void count_redelivered(struct persister *p, const struct consumed_batch *batch)
{
    uint64_t count = 0;
    for (size_t i = 0; i < batch->count; i++)
        count += batch->items[i].deliveries > 1;
    atomic_fetch_add(&p->o.stats->redelivered, count);
}

/* Nothing came. What another instance fetched and never acknowledged stays hidden from us until its
 * ack_wait is over, so the stream itself is asked whether the store has everything. */
static enum trouble look_for_rest(struct persister *p)
{
    const struct log_consumer *log = p->o.log;
    struct log_state state;
    if (now_ms(p) < p->look_at_ms)
        return TROUBLE_NONE;
    if (log->state(log->self, &state) != RC_OK)
        return TROUBLE_LOG;
    p->look_at_ms = now_ms(p) + LOOK_EVERY_MS;
    if (check_state(p, &state) != TROUBLE_NONE)
        return TROUBLE_ALARM;
    if (!has_all_of_store(p, &state, p->applied))
        return refuse_place(p, p->applied, state.last_seq);
    if (state.last_seq <= p->applied)
        return TROUBLE_NONE;
    uint64_t to = state.last_seq;
    if (to - p->applied > PERSIST_BATCH_RECORDS)
        to = p->applied + PERSIST_BATCH_RECORDS; /* a turn is short; the next look comes at once */
    p->look_at_ms = 0;
    return gap_fill(p, p->applied + 1, to);
}

static enum trouble work(struct persister *p, struct consumed_batch *batch)
{
    uint64_t before;
    enum trouble trouble = TROUBLE_NONE;
    if (!p->is_placed)
        trouble = take_place(p);
    before = p->applied;
    note_oldest(p, batch);
    if (trouble == TROUBLE_NONE)
        trouble = batch->count > 0 ? persist_batch(p, batch) : look_for_rest(p);
    note_oldest(p, batch);
    if (p->applied != before)
        announce_applied(p->o.log, p->o.clock, p->o.stats, p->o.partition, p->o.generation);
    return trouble;
}

static int64_t end_well(struct persister *p)
{
    p->attempts = 0;
    enter(p, PERSISTER_ACTIVE);
    set_alarm(p, ALARM_NONE);
    emit_catch_up(p);
    emit_write_mark(p, false);
    return 0;
}

static int64_t handle_batch(struct persister *p, struct consumed_batch *batch)
{
    const struct log_consumer *log = p->o.log;
    int64_t began_ms = now_ms(p);
    forget_dead(p);
    count_redelivered(p, batch);
    enum trouble trouble = work(p, batch);
    int64_t delay_ms = trouble == TROUBLE_NONE ? 0 : trouble_delay_ms(p, trouble);
    settle(p, batch, delay_ms);
    if (batch->count > 0 && trouble == TROUBLE_NONE)
        persister_stats_batch(p->o.stats, (now_ms(p) - began_ms) * 1000);
    log->release(log->self, batch);
    return trouble == TROUBLE_NONE ? end_well(p) : end_in_trouble(p, trouble, delay_ms);
}

int64_t persister_turn(struct persister *p)
{
    const struct log_consumer *log = p->o.log;
    struct consumed_batch batch = { .count = 0 };
    int64_t at_ms = now_ms(p);
    if (at_ms < p->retry_at_ms)
        return p->retry_at_ms - at_ms;
    if (!breaker_allows(&p->breaker, at_ms))
        return breaker_wait_ms(&p->breaker, at_ms);
    enum trouble trouble = check_log(p);
    if (trouble != TROUBLE_NONE)
        return end_in_trouble(p, trouble, trouble_delay_ms(p, trouble));
    switch (log->fetch(log->self, p->o.batch_records_max, PERSIST_FETCH_WAIT_MS, &batch)) {
    case RC_OK:
        return handle_batch(p, &batch);
    case RC_CONFLICT:
        p->is_placed = false;
        p->attempts = 0;
        atomic_store(&p->o.stats->standby_at_ms, now_ms(p));
        atomic_store(&p->o.stats->oldest_at_us, 0);
        enter(p, PERSISTER_STANDBY);
        set_alarm(p, ALARM_NONE);
        return PERSIST_STANDBY_WAIT_MS;
    default:
        return end_in_trouble(p, TROUBLE_LOG, log_delay_ms(p));
    }
}

void persister_flush(struct persister *p)
{
    emit_write_mark(p, true);
}
