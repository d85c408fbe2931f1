/* The role as a whole, on real threads and the machine's clock: it starts without its dependencies,
 * finds them later, and stops within a second whatever it waits for. */
#include "adapters/mem/mem_store.h"
#include "app/persisters.h"
#include "ports/log_consumer.h"
#include "support/check.h"
#include "wire/subjects.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

static _Atomic int open_count;
static _Atomic bool has_log;

/* Blocks for a while, as the real one does when nothing comes: on a condition that nobody signals.
 */
static void block_ms(int64_t ms)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t never = PTHREAD_COND_INITIALIZER;
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += ms * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_mutex_lock(&lock);
    while (pthread_cond_timedwait(&never, &lock, &until) == 0)
        continue;
    (void)pthread_mutex_unlock(&lock);
}

static enum rc idle_fetch(void *self, size_t records_max, int64_t wait_ms,
                          struct consumed_batch *out)
{
    (void)self, (void)records_max;
    block_ms(wait_ms < 20 ? wait_ms : 20);
    *out = (struct consumed_batch){ .count = 0 };
    return atomic_load(&has_log) ? RC_OK : RC_UNAVAILABLE;
}

static _Atomic uint32_t partitions_there = 4;

static enum rc idle_state(void *self, struct log_state *out)
{
    (void)self;
    /* as a stream of generation 1 that is empty */
    *out = (struct log_state){ .first_seq = log_floor(1) + 1,
                               .last_seq = log_floor(1),
                               .generation = 1,
                               .partitions = atomic_load(&partitions_there),
                               .schema = PARLEY_SCHEMA_VERSION };
    return RC_OK;
}

static enum rc idle_tail(void *self, uint64_t after, int64_t wait_ms,
                         void (*each)(void *closure, char kind, const struct id *owner,
                                      uint64_t seq),
                         void *closure, uint64_t *out_to)
{
    (void)self, (void)each, (void)closure;
    block_ms(wait_ms < 20 ? wait_ms : 20);
    *out_to = after;
    return RC_OK;
}

static enum rc idle_announce(void *self, const char *subject, struct bytes json)
{
    (void)self, (void)subject, (void)json;
    return RC_OK;
}

static void no_batch(void *self, struct consumed_batch *batch)
{
    (void)self, (void)batch;
}

static uint32_t idle_epoch(void *self)
{
    (void)self;
    return 1;
}

static void idle_close(void *self)
{
    (void)self;
    atomic_fetch_sub(&open_count, 1);
}

static enum rc open_idle(void *self, uint32_t partition, struct log_consumer *out)
{
    (void)self, (void)partition;
    if (!atomic_load(&has_log))
        return RC_UNAVAILABLE;
    atomic_fetch_add(&open_count, 1);
    *out = (struct log_consumer){ .fetch = idle_fetch,
                                  .release = no_batch,
                                  .state = idle_state,
                                  .tail = idle_tail,
                                  .announce = idle_announce,
                                  .epoch = idle_epoch,
                                  .close = idle_close };
    return RC_OK;
}

static int64_t now_ms(void)
{
    return clock_monotonic_ms(clock_system());
}

static struct persisters *start(struct mem_store *mem)
{
    static const struct log_consumer_source source = { .open = open_idle };
    const struct persisters_options options = { .log = &source,
                                                .store = mem_store_messages(mem),
                                                .clock = clock_system(),
                                                .partitions = 4,
                                                .generation = 1 };
    return persisters_start(&options);
}

TEST(they_start_without_the_log_and_stop_at_once)
{
    struct mem_store *mem = mem_store_create();
    atomic_store(&has_log, false);
    struct persisters *all = start(mem);
    CHECK(all != NULL);
    block_ms(100);
    CHECK(persisters_trouble(all) != NULL);
    int64_t asked_ms = now_ms();
    persisters_stop(all);
    CHECK(now_ms() - asked_ms < 1000);
    CHECK_INT(0, atomic_load(&open_count));
    mem_store_destroy(mem);
}

TEST(they_are_well_once_the_log_is_there_and_close_what_they_opened)
{
    struct mem_store *mem = mem_store_create();
    atomic_store(&has_log, true);
    struct persisters *all = start(mem);
    int64_t began_ms = now_ms();
    while (persisters_trouble(all) && now_ms() - began_ms < 5000)
        block_ms(10);
    CHECK(persisters_trouble(all) == NULL);
    CHECK_INT(8, atomic_load(&open_count)); /* two for each partition */
    persisters_stop(all);
    CHECK_INT(0, atomic_load(&open_count));
    mem_store_destroy(mem);
}

TEST(they_stop_within_a_second_while_they_wait_to_try_again)
{
    struct mem_store *mem = mem_store_create();
    atomic_store(&has_log, true);
    mem_store_set_away(mem, true);
    struct persisters *all = start(mem);
    block_ms(500); /* by now each waits for its second try */
    CHECK(persisters_trouble(all) != NULL);
    int64_t asked_ms = now_ms();
    persisters_stop(all);
    CHECK(now_ms() - asked_ms < 1000);
    mem_store_destroy(mem);
}

TEST(a_log_of_other_settings_is_named)
{
    struct mem_store *mem = mem_store_create();
    atomic_store(&has_log, true);
    atomic_store(&partitions_there, 16);
    struct persisters *all = start(mem);
    int64_t began_ms = now_ms();
    const char *why = NULL;
    while ((!(why = persisters_trouble(all)) || !strstr(why, "16")) && now_ms() - began_ms < 5000)
        block_ms(10);
    CHECK_STR("CHAT_0 is one of 16 partitions, streams.partitions is 4", why);
    persisters_stop(all);
    atomic_store(&partitions_there, 4);
    mem_store_destroy(mem);
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (; (text = strstr(text, part)); text++)
        count++;
    return count;
}

TEST(the_metrics_name_every_partition)
{
    struct mem_store *mem = mem_store_create();
    SCOPED_BUF(text, 1 << 20);
    struct persisters *all = start(mem);
    persisters_write_metrics(all, &text);
    buf_add_byte(&text, 0);
    CHECK(!text.has_failed);
    const char *metrics = (const char *)text.ptr;
    CHECK_SIZE(4, count_of(metrics, "\nchat_persister_lag_messages{"));
    CHECK_SIZE(4, count_of(metrics, "\nchat_store_breaker_open{"));
    CHECK_SIZE(4, count_of(metrics, "\nchat_persister_redelivered_total{"));
    CHECK_SIZE(12, count_of(metrics, "\nchat_dead_letters_total{"));
    CHECK_SIZE(4, count_of(metrics, "le=\"+Inf\""));
    CHECK_SIZE(count_of(metrics, "# HELP "), count_of(metrics, "# TYPE "));
    persisters_stop(all);
    mem_store_destroy(mem);
}
