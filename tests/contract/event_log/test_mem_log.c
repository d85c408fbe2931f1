/* The contract on the log in memory, and the failures that it can be told to have. */
#include "rig.h"

#include "adapters/mem/mem_log.h"

static void rig_open(struct rig *rig)
{
    memset(rig, 0, sizeof *rig);
    struct mem_log *log =
        mem_log_create(&(struct mem_log_options){ .partitions = RIG_PARTITIONS, .generation = 1 });
    const struct live_feed_events events = rig_events(rig);
    CHECK(log != NULL);
    rig->adapter = log;
    rig->log = mem_log_port(log);
    rig->consumers = mem_log_consumers(log);
    rig->feed = mem_log_feed(log, &events);
    RIG_UNTIL(rig, rig->ups > 0);
}

static void rig_close(struct rig *rig)
{
    mem_log_destroy(rig->adapter);
}

static void rig_turn(struct rig *rig)
{
    (void)mem_log_pump(rig->adapter);
}

#include "suite.h"
#include "suite_consumer.h"

static enum publish_outcome try_once(const struct id *conv, const char *what,
                                     enum mem_failure failure)
{
    struct rig_message m;
    mem_log_plan(rig.adapter, failure);
    return rig_publish(&rig, rig_request(&m, 'c', conv, what)).outcome;
}

TEST(planned_failures_happen_once_each)
{
    rig_open(&rig);
    struct mem_log *log = rig.adapter;
    struct id conv = rig_new_id();
    uint32_t p = rig_partition(&conv);
    CHECK_INT(PUBLISH_UNKNOWN, try_once(&conv, "a", MEM_PUBLISH_UNKNOWN_LOST));
    CHECK_SIZE(0, mem_log_count(log, p));
    CHECK_INT(PUBLISH_UNKNOWN, try_once(&conv, "a", MEM_PUBLISH_UNKNOWN_STORED));
    CHECK_SIZE(1, mem_log_count(log, p));
    CHECK_INT(PUBLISH_DUPLICATE, try_once(&conv, "a", MEM_PUBLISH_OK));
    CHECK_INT(PUBLISH_FULL, try_once(&conv, "b", MEM_PUBLISH_FULL));
    CHECK_INT(PUBLISH_TOO_LARGE, try_once(&conv, "b", MEM_PUBLISH_TOO_LARGE));
    CHECK_INT(PUBLISH_UNAVAILABLE, try_once(&conv, "b", MEM_PUBLISH_UNAVAILABLE));
    CHECK_INT(PUBLISH_CONFLICT, try_once(&conv, "b", MEM_PUBLISH_CONFLICT));
    CHECK_SIZE(1, mem_log_count(log, p));
    CHECK_INT(PUBLISH_UNKNOWN, try_once(&conv, "b", MEM_PUBLISH_LATE));
    CHECK_SIZE(1, mem_log_count(log, p));
    mem_log_store_late(log);
    CHECK_SIZE(2, mem_log_count(log, p));
    CHECK_INT(PUBLISH_DUPLICATE, try_once(&conv, "b", MEM_PUBLISH_OK));
    (void)rig_store(&rig, 'c', &conv, "c");
    rig_close(&rig);
}

TEST(republished_copies_are_lost_or_doubled_as_planned)
{
    rig_open(&rig);
    struct id conv = rig_new_id();
    (void)rig.feed.subscribe(rig.feed.self, rig_partition(&conv), &conv);
    CHECK_INT(PUBLISH_STORED, try_once(&conv, "a", MEM_PUBLISH_NOT_REPUBLISHED));
    CHECK_INT(PUBLISH_STORED, try_once(&conv, "b", MEM_PUBLISH_REPUBLISHED_TWICE));
    CHECK_SIZE(2, rig.seen_count);
    CHECK_U64(rig.seen[0].seq, rig.seen[1].seq);
    CHECK_U64(rig.seen[0].seq - 1, rig.seen[0].prev); /* the hole shows */
    rig_close(&rig);
}

TEST(a_held_answer_comes_when_it_is_released)
{
    struct rig_message m;
    struct rig_done done = { .calls = 0 };
    rig_open(&rig);
    struct id conv = rig_new_id();
    mem_log_plan(rig.adapter, MEM_PUBLISH_HELD);
    CHECK_RC(RC_OK,
             rig.log.publish(rig.log.self, rig_request(&m, 'c', &conv, "a"), rig_on_done, &done));
    rig_turn(&rig);
    CHECK_INT(0, done.calls);
    mem_log_release(rig.adapter);
    rig_turn(&rig);
    CHECK_INT(1, done.calls);
    CHECK_INT(PUBLISH_STORED, done.result.outcome);
    rig_close(&rig);
}

TEST(what_has_expired_breaks_the_chain_and_the_range)
{
    static struct rig_read read;
    rig_open(&rig);
    struct id conv = id_of(0);
    uint64_t first = rig_store(&rig, 'c', &conv, "1");
    uint64_t second = rig_store(&rig, 'c', &conv, "2");
    mem_log_expire(rig.adapter, 0, second + 1);
    (void)rig.feed.subscribe(rig.feed.self, 0, &conv);
    uint64_t third = rig_store(&rig, 'c', &conv, "3");
    CHECK_SIZE(1, rig.seen_count);
    CHECK_U64(0, rig.seen[0].prev);
    read.count = read.stop_after = 0;
    CHECK_RC(RC_NOT_FOUND, rig_read(&rig, &conv, first, third, 100, &read));
    CHECK_RC(RC_OK, rig_read(&rig, &conv, second, third, 100, &read));
    CHECK_SIZE(1, read.count);
    rig_close(&rig);
}

TEST(link_and_reads_can_be_away)
{
    uint64_t head;
    rig_open(&rig);
    struct id conv = id_of(0);
    (void)rig_store(&rig, 'c', &conv, "1");
    mem_log_set_reads(rig.adapter, false);
    CHECK_RC(RC_UNAVAILABLE, rig.log.head(rig.log.self, 0, 'c', &conv, &head));
    (void)rig_store(&rig, 'c', &conv, "2");
    mem_log_set_reads(rig.adapter, true);
    CHECK_RC(RC_OK, rig.log.head(rig.log.self, 0, 'c', &conv, &head));
    mem_log_set_link(rig.adapter, false);
    CHECK_INT(PUBLISH_UNAVAILABLE, try_once(&conv, "3", MEM_PUBLISH_OK));
    CHECK_SIZE(1, rig.downs);
    CHECK_RC(RC_UNAVAILABLE, rig.feed.signal(rig.feed.self, 0, &conv, bytes_of("{}")));
    mem_log_set_link(rig.adapter, true);
    rig_turn(&rig);
    CHECK_SIZE(1, rig.boundaries);
    CHECK_SIZE(2, rig.ups);
    rig_close(&rig);
}

TEST(only_one_consumer_is_the_active_one)
{
    struct consumed_batch batch;
    const struct mem_dead_letter *letters;
    rig_open(&rig);
    struct id conv = id_of(0);
    struct log_consumer first = consumer_open(0), second = consumer_open(0);
    (void)rig_store(&rig, 'c', &conv, "1");
    CHECK_RC(RC_OK, first.fetch(first.self, 10, 0, &batch));
    CHECK_SIZE(1, batch.count);
    const struct dead_letter letter = { &batch.items[0].record, "refused", "no", 1 };
    mem_log_fail_dead_letters(rig.adapter, 1);
    CHECK_RC(RC_FULL, first.dead_letter(first.self, &letter));
    CHECK_RC(RC_OK, first.dead_letter(first.self, &letter));
    CHECK_RC(RC_OK, first.dead_letter(first.self, &letter));
    CHECK_SIZE(1, mem_log_dead_letters(rig.adapter, &letters));
    CHECK_STR("refused", letters[0].reason);
    first.release(first.self, &batch);
    CHECK_RC(RC_CONFLICT, second.fetch(second.self, 10, 0, &batch));
    first.close(first.self); /* it had acknowledged nothing */
    CHECK_RC(RC_OK, second.fetch(second.self, 10, 0, &batch));
    CHECK_SIZE(1, batch.count);
    CHECK_U64(2, batch.items[0].deliveries);
    second.release(second.self, &batch);
    second.close(second.self);
    rig_close(&rig);
}
