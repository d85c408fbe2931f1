#include "app/persisters.h"

#include "app/announcer.h"
#include "app/persister.h"
#include "base/log.h"
#include "base/rc.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { OPEN_RETRY_MS = 1000 };

struct part {
    struct persisters *all;
    uint32_t partition;
    pthread_t persister, announcer;
    bool has_persister, has_announcer;
};

struct persisters {
    struct persisters_options o;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_stopping; /* under lock */
    struct persister_stats *stats;
    struct part *parts;
};

/* Waits, unless it is time to stop. Returns whether to go on. delay_ms 0 asks only. */
static bool wait_on(struct persisters *all, int64_t delay_ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += delay_ms / 1000;
    until.tv_nsec += (long)(delay_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_mutex_lock(&all->lock);
    int timed_out = delay_ms <= 0;
    while (!all->is_stopping && !timed_out)
        timed_out = pthread_cond_timedwait(&all->changed, &all->lock, &until) != 0;
    bool goes_on = !all->is_stopping;
    (void)pthread_mutex_unlock(&all->lock);
    return goes_on;
}

/* Opens the part's consumer, however long that takes. Returns false when it is time to stop. */
static bool open_log(const struct part *part, struct log_consumer *out)
{
    const struct log_consumer_source *source = part->all->o.log;
    while (wait_on(part->all, 0)) {
        enum rc rc = source->open(source->self, part->partition, out);
        if (rc == RC_OK)
            return true;
        log_warn_every(10000, "persister.no_log", LOG_UINT("partition", part->partition),
                       LOG_RC(rc));
        if (!wait_on(part->all, OPEN_RETRY_MS))
            return false;
    }
    return false;
}

static uint64_t seed_of(const struct part *part)
{
    return (uint64_t)clock_wall_us(part->all->o.clock) ^ ((uint64_t)part->partition << 56);
}

static void *run_persister(void *closure)
{
    const struct part *part = closure;
    const struct persisters_options *o = &part->all->o;
    struct log_consumer log;
    if (!open_log(part, &log))
        return NULL;
    const struct persister_options options = { .log = &log,
                                               .store = o->store,
                                               .clock = o->clock,
                                               .stats = &part->all->stats[part->partition],
                                               .partition = part->partition,
                                               .partitions = o->partitions,
                                               .generation = o->generation,
                                               .batch_records_max = o->batch_records_max,
                                               .seed = seed_of(part),
                                               .emits_nothing = o->emits_nothing,
                                               .accepts_gap = o->accepts_gap };
    struct persister *persister = persister_create(&options);
    while (persister && wait_on(part->all, persister_turn(persister)))
        continue;
    if (persister)
        persister_flush(persister);
    persister_destroy(persister);
    log.close(log.self);
    return NULL;
}

static void *run_announcer(void *closure)
{
    const struct part *part = closure;
    struct log_consumer log;
    if (!open_log(part, &log))
        return NULL;
    const struct announcer_options options = { .log = &log,
                                               .clock = part->all->o.clock,
                                               .stats = &part->all->stats[part->partition],
                                               .partition = part->partition,
                                               .generation = part->all->o.generation };
    struct announcer *announcer = announcer_create(&options);
    while (announcer && wait_on(part->all, announcer_turn(announcer)))
        continue;
    announcer_destroy(announcer);
    log.close(log.self);
    return NULL;
}

static bool start_part(struct persisters *all, uint32_t partition)
{
    struct part *part = &all->parts[partition];
    part->all = all;
    part->partition = partition;
    part->has_persister = pthread_create(&part->persister, NULL, run_persister, part) == 0;
    part->has_announcer = pthread_create(&part->announcer, NULL, run_announcer, part) == 0;
    return part->has_persister && part->has_announcer;
}

static void init_lock(struct persisters *all)
{
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&all->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    (void)pthread_mutex_init(&all->lock, NULL);
}

struct persisters *persisters_start(const struct persisters_options *options)
{
    struct persisters *all = calloc(1, sizeof *all);
    if (!all)
        return NULL;
    all->o = *options;
    init_lock(all);
    all->stats = calloc(options->partitions, sizeof *all->stats);
    all->parts = calloc(options->partitions, sizeof *all->parts);
    bool is_well = all->stats && all->parts;
    for (uint32_t p = 0; p < options->partitions && is_well; p++)
        is_well = start_part(all, p);
    if (!is_well) {
        persisters_stop(all);
        return NULL;
    }
    return all;
}

void persisters_stop(struct persisters *all)
{
    if (!all)
        return;
    (void)pthread_mutex_lock(&all->lock);
    all->is_stopping = true;
    (void)pthread_cond_broadcast(&all->changed);
    (void)pthread_mutex_unlock(&all->lock);
    for (uint32_t p = 0; all->parts && p < all->o.partitions; p++) {
        if (all->parts[p].has_persister)
            (void)pthread_join(all->parts[p].persister, NULL);
        if (all->parts[p].has_announcer)
            (void)pthread_join(all->parts[p].announcer, NULL);
    }
    (void)pthread_cond_destroy(&all->changed);
    (void)pthread_mutex_destroy(&all->lock);
    free(all->stats);
    free(all->parts);
    free(all);
}

/* What the stream of the partition is, where the settings say something else. */
static const char *say_other_log(const struct persisters *all, uint32_t p)
{
    static _Thread_local char text[160];
    const struct persister_stats *stats = &all->stats[p];
    unsigned generation = atomic_load(&stats->log_generation);
    unsigned partitions = atomic_load(&stats->log_partitions);
    if (generation != all->o.generation)
        (void)snprintf(text, sizeof text,
                       "CHAT_%u is of another generation: %u there, %u in the settings", p,
                       generation, all->o.generation);
    else if (partitions != all->o.partitions)
        (void)snprintf(text, sizeof text,
                       "CHAT_%u is one of %u partitions, streams.partitions is %u", p, partitions,
                       all->o.partitions);
    else
        (void)snprintf(text, sizeof text,
                       "the persister of partition %u stands: CHAT_%u is not the log of this store",
                       p, p);
    return text;
}

static const char *say_halted(const struct persisters *all, uint32_t p)
{
    static _Thread_local char text[160];
    enum persister_alarm alarm = (enum persister_alarm)atomic_load(&all->stats[p].alarm);
    if (alarm == ALARM_OTHER_LOG)
        return say_other_log(all, p);
    (void)snprintf(text, sizeof text, "the persister of partition %u stands: alarm %s", p,
                   persister_alarm_name(alarm));
    return text;
}

const char *persisters_trouble(const struct persisters *all)
{
    static const char *const texts[] = {
        [PERSISTER_STARTING] = "a persister has not reached the log yet",
        [PERSISTER_STANDBY] = NULL,
        [PERSISTER_ACTIVE] = NULL,
        [PERSISTER_WAITING] = "a persister waits for the store or the log",
        [PERSISTER_HALTED] = "",
    };
    for (uint32_t p = 0; p < all->o.partitions; p++) {
        const char *text = texts[atomic_load(&all->stats[p].state)];
        if (text)
            return *text ? text : say_halted(all, p);
    }
    return NULL;
}

bool persisters_see_other_settings(const struct persisters *all)
{
    for (uint32_t p = 0; p < all->o.partitions; p++) {
        const struct persister_stats *stats = &all->stats[p];
        bool is_halted = atomic_load(&stats->state) == PERSISTER_HALTED;
        if (is_halted && atomic_load(&stats->alarm) == ALARM_OTHER_LOG &&
            (atomic_load(&stats->log_generation) != all->o.generation ||
             atomic_load(&stats->log_partitions) != all->o.partitions))
            return true;
    }
    return false;
}

int64_t persisters_lag_ms(const struct persisters *all)
{
    int64_t most_ms = 0;
    for (uint32_t p = 0; p < all->o.partitions; p++) {
        int64_t lag_ms = persister_stats_lag_ms(&all->stats[p], all->o.clock);
        if (lag_ms > most_ms)
            most_ms = lag_ms;
    }
    return most_ms;
}

const struct persister_stats *persisters_stats(const struct persisters *all, uint32_t partition)
{
    return &all->stats[partition];
}

void persisters_write_metrics(const struct persisters *all, struct buf *out)
{
    persister_stats_write(all->stats, all->o.partitions, all->o.clock, out);
}
