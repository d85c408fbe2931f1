/* project.c - the log into a store: a new one, or one that is behind.
 *
 * The persister's own code does it, one partition after the other, on a log that is only read: it
 * fetches nothing (so whoever persists meanwhile isn't disturbed), finds that the store lacks what
 * the stream has, and reads that. Side effects are left out, and so are dead letters: both were
 * made when the events were new. What the log has let go of can't be made again; that is refused,
 * unless
 * --accept-gap says that the loss is known.
 */
#include <time.h>

#include "adapters/nats/nats_consumer.h"
#include "app/persister.h"
#include "base/rc.h"
#include "project.h"

enum { TRIES_MAX = 8 };

static enum rc fetch_nothing(void *self, size_t records_max, int64_t wait_ms,
                             struct consumed_batch *out)
{
    (void)self, (void)records_max, (void)wait_ms;
    *out = (struct consumed_batch){ .count = 0 };
    return RC_OK;
}

static void leave_batch(void *self, struct consumed_batch *batch)
{
    (void)self, (void)batch;
}

static enum rc leave_letter(void *self, const struct dead_letter *letter)
{
    (void)self, (void)letter;
    return RC_OK;
}

static enum rc leave_announcement(void *self, const char *subject, struct bytes json)
{
    (void)self, (void)subject, (void)json;
    return RC_OK;
}

/* The log as something to be read: what would change it, or be heard, is left out. */
static struct log_consumer only_reading(const struct log_consumer *log, bool makes_letters)
{
    struct log_consumer reading = *log;
    reading.fetch = fetch_nothing;
    reading.ack = leave_batch;
    reading.release = leave_batch;
    if (!makes_letters)
        reading.dead_letter = leave_letter;
    reading.announce = leave_announcement;
    return reading;
}

static void pause_ms(int64_t ms)
{
    const struct timespec span = { ms / 1000, ms % 1000 * 1000000 };
    (void)nanosleep(&span, NULL);
}

static int say_trouble(const struct persister_stats *stats, uint32_t partition)
{
    enum persister_alarm alarm = (enum persister_alarm)atomic_load(&stats->alarm);

    if (alarm == ALARM_GAP)
        return ctl_fail("partition %u: the log begins after seq %llu, so what came next can't be "
                        "made again; start from a newer backup, or say --accept-gap",
                        partition, (unsigned long long)atomic_load(&stats->applied));
    if (alarm != ALARM_NONE)
        return ctl_fail("partition %u stands: %s (docs/OPERATIONS.md, alarms)", partition,
                        persister_alarm_name(alarm));
    return ctl_fail("partition %u: log or store don't answer", partition);
}

/* Turns until the store has what the log had when we began. */
static int run_partition(struct persister *persister, const struct persister_stats *stats,
                         uint32_t partition, uint64_t until)
{
    int tries = 0;

    do {
        uint64_t before = atomic_load(&stats->applied);
        int64_t wait_ms = persister_turn(persister);
        bool is_moving = atomic_load(&stats->applied) > before;
        tries = is_moving || wait_ms == 0 ? 0 : tries + 1;
        if (atomic_load(&stats->alarm) != ALARM_NONE || tries > TRIES_MAX)
            return say_trouble(stats, partition);
        pause_ms(wait_ms);
    } while (atomic_load(&stats->applied) < until);
    persister_flush(persister);
    return CTL_OK;
}

static int project_one(struct projection *r, const struct log_consumer_source *source,
                       uint32_t partition)
{
    struct persister_stats stats = { 0 };
    struct log_consumer log;
    struct log_state state;

    if (source->open(source->self, partition, &log) != RC_OK)
        return ctl_fail("partition %u: no log", partition);
    struct log_consumer reading = only_reading(&log, r->makes_letters);
    const struct persister_options options = {
        .log = &reading,
        .store = r->store,
        .clock = clock_system(),
        .stats = &stats,
        .partition = partition,
        .partitions = r->partitions,
        .generation = r->generation,
        .emits_nothing = true,
        .accepts_gap = r->accepts_gap,
    };
    struct persister *persister = persister_create(&options);
    int code = CTL_FAILED;
    if (!persister || log.state(log.self, &state) != RC_OK)
        (void)ctl_fail("partition %u: the log doesn't answer", partition);
    else
        code = run_partition(persister, &stats, partition, state.last_seq);
    unsigned long long events = atomic_load(&stats.events), voids = atomic_load(&stats.voids);
    if (code == CTL_OK && !r->ctl->is_json && !r->is_quiet)
        (void)printf("partition %u: %llu events and %llu voids written, up to seq %llu\n",
                     partition, events, voids, (unsigned long long)atomic_load(&stats.applied));
    (void)json_array_append_new(r->parts,
                                json_pack("{s:i,s:I,s:I,s:I}", "partition", (int)partition,
                                          "events", (json_int_t)events, "voids", (json_int_t)voids,
                                          "applied", (json_int_t)atomic_load(&stats.applied)));
    persister_destroy(persister);
    log.close(log.self);
    return code;
}

/* Opens the log's consumers and does partitions first to last. */
static int project_some(struct projection *r, uint32_t first, uint32_t end)
{
    const struct config *config = r->ctl->config;
    const struct nats_consumers_options options = { .url = config->nats.url,
                                                    .user = config->nats.operator_user,
                                                    .password = config->nats.operator_password,
                                                    .name = "parleyctl" };
    struct nats_consumers *consumers = NULL;
    struct fault fault = { .text = "" };
    int code = CTL_OK;

    if (nats_consumers_create(&options, &consumers, &fault) != RC_OK)
        return ctl_fail("nats: %s", fault.text);
    struct log_consumer_source source = nats_consumers_port(consumers);
    for (uint32_t p = first; p < end && code == CTL_OK; p++)
        code = project_one(r, &source, p);
    nats_consumers_stop(consumers);
    nats_consumers_destroy(consumers);
    return code;
}

int project_all(struct projection *projection)
{
    return project_some(projection, 0, projection->partitions);
}

int project_partition(struct projection *projection, uint32_t partition)
{
    return project_some(projection, partition, partition + 1);
}
