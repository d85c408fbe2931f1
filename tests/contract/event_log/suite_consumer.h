/* suite_consumer.h - the contract of log_consumer. Tests take what others left in a partition in
 * their stride: they look for their own records only, and acknowledge all. */
#ifndef TESTS_CONTRACT_EVENT_LOG_SUITE_CONSUMER_H
#define TESTS_CONTRACT_EVENT_LOG_SUITE_CONSUMER_H

#include "rig.h"

static struct log_consumer consumer_open(uint32_t partition)
{
    struct log_consumer consumer = { 0 };
    CHECK_RC(RC_OK, rig.consumers.open(rig.consumers.self, partition, &consumer));
    return consumer;
}

/* Takes and acknowledges until nothing more comes. */
static void consumer_drain(struct log_consumer *consumer)
{
    struct consumed_batch batch;
    int64_t stop = rig_now_ms() + RIG_WAIT_MS;
    for (int empty = 0; empty < 2;) {
        enum rc rc = consumer->fetch(consumer->self, 100, 100, &batch);
        if (rc == RC_CONFLICT && rig_now_ms() < stop)
            continue; /* the one of the last test holds the pin for a moment yet */
        CHECK_RC(RC_OK, rc);
        empty += batch.count == 0;
        consumer->ack(consumer->self, &batch);
        consumer->release(consumer->self, &batch);
    }
}

/* An id of the partition. */
static struct id id_of(uint32_t partition)
{
    struct id id;
    do
        id = rig_new_id();
    while (rig_partition(&id) != partition);
    return id;
}

TEST(a_consumer_gets_records_in_order_and_acked_ones_never_again)
{
    rig_open(&rig);
    struct id conv = id_of(0), user = id_of(0);
    struct log_consumer consumer = consumer_open(0);
    struct consumed_batch batch;
    consumer_drain(&consumer);
    uint64_t first = rig_store(&rig, 'c', &conv, "1");
    uint64_t second = rig_store(&rig, 'u', &user, "2");
    uint64_t third = rig_store(&rig, 'c', &conv, "3");

    CHECK_RC(RC_OK, consumer.fetch(consumer.self, 100, 2000, &batch));
    CHECK_SIZE(3, batch.count);
    CHECK_U64(first, batch.items[0].record.seq);
    CHECK_U64(second, batch.items[1].record.seq);
    CHECK_U64(third, batch.items[2].record.seq);
    CHECK_INT('u', batch.items[1].record.kind);
    CHECK_ID(user.text, batch.items[1].record.owner);
    CHECK_TEXT("{\"text\":\"3\"}", batch.items[2].record.payload);
    CHECK_INT('m', batch.items[2].record.op);
    CHECK_ID("alice", batch.items[2].record.actor);
    CHECK_U64(1, batch.items[0].deliveries);
    CHECK_U64(0, batch.pending);
    CHECK(batch.items[0].record.at_us > 1700000000000000);
    consumer.ack(consumer.self, &batch);
    consumer.release(consumer.self, &batch);

    CHECK_RC(RC_OK, consumer.fetch(consumer.self, 100, 100, &batch));
    CHECK_SIZE(0, batch.count);
    consumer.release(consumer.self, &batch);
    consumer.close(consumer.self);
    rig_close(&rig);
}

TEST(what_is_given_back_comes_again_with_a_higher_count)
{
    rig_open(&rig);
    struct id conv = id_of(0);
    struct log_consumer consumer = consumer_open(0);
    struct consumed_batch batch;
    consumer_drain(&consumer);
    uint64_t seq = rig_store(&rig, 'c', &conv, "1");
    CHECK_RC(RC_OK, consumer.fetch(consumer.self, 1, 2000, &batch));
    CHECK_SIZE(1, batch.count);
    consumer.give_back(consumer.self, &batch, 100);
    consumer.release(consumer.self, &batch);
    for (;;) {
        CHECK_RC(RC_OK, consumer.fetch(consumer.self, 10, 2000, &batch));
        if (batch.count > 0)
            break;
        consumer.release(consumer.self, &batch);
    }
    CHECK_U64(seq, batch.items[0].record.seq);
    CHECK_U64(2, batch.items[0].deliveries);
    consumer.terminate(consumer.self, &batch.items[0]);
    consumer.release(consumer.self, &batch);
    CHECK_RC(RC_OK, consumer.fetch(consumer.self, 10, 300, &batch));
    CHECK_SIZE(0, batch.count);
    consumer.release(consumer.self, &batch);
    consumer.close(consumer.self);
    rig_close(&rig);
}

static struct rig_seen tailed[64];
static size_t tailed_count;

static void take_tail(void *closure, char kind, const struct id *owner, uint64_t seq)
{
    (void)closure;
    tailed[tailed_count++ % 64] = (struct rig_seen){ .kind = kind, .owner = *owner, .seq = seq };
}

TEST(the_tail_names_every_record_once_and_goes_on_where_it_ended)
{
    rig_open(&rig);
    struct id conv = id_of(1), user = id_of(1);
    struct log_consumer consumer = consumer_open(1);
    struct log_state state;
    uint64_t to = 0;
    (void)rig_store(&rig, 'c', &conv, "0");
    CHECK_RC(RC_OK, consumer.state(consumer.self, &state));
    uint64_t after = state.last_seq;
    tailed_count = 0;
    CHECK_RC(RC_OK, consumer.tail(consumer.self, after, 50, take_tail, NULL, &to));
    CHECK_U64(after, to);
    CHECK_SIZE(0, tailed_count);
    uint64_t first = rig_store(&rig, 'c', &conv, "1");
    uint64_t second = rig_store(&rig, 'u', &user, "2");
    for (int i = 0; i < 40 && to < second; i++)
        CHECK_RC(RC_OK, consumer.tail(consumer.self, to, 200, take_tail, NULL, &to));
    CHECK_U64(second, to);
    CHECK_SIZE(2, tailed_count);
    CHECK_U64(first, tailed[0].seq);
    CHECK_INT('u', tailed[1].kind);
    CHECK_ID(user.text, tailed[1].owner);
    /* From another place: it begins there. */
    tailed_count = 0;
    to = first;
    for (int i = 0; i < 40 && to < second; i++)
        CHECK_RC(RC_OK, consumer.tail(consumer.self, to, 200, take_tail, NULL, &to));
    CHECK_SIZE(1, tailed_count);
    CHECK_U64(second, tailed[0].seq);
    consumer.close(consumer.self);
    rig_close(&rig);
}

TEST(a_run_is_read_whole_whatever_was_acked)
{
    static struct rig_read read;
    rig_open(&rig);
    struct id conv = id_of(0);
    char what[16];
    struct log_consumer consumer = consumer_open(0);
    struct log_state state;
    CHECK_RC(RC_OK, consumer.state(consumer.self, &state));
    for (int i = 0; i < 300; i++) {
        (void)snprintf(what, sizeof what, "%d", i);
        (void)rig_store(&rig, i % 2 ? 'c' : 'u', &conv, what);
    }
    consumer_drain(&consumer);
    read.count = read.stop_after = 0;
    CHECK_RC(RC_OK, consumer.read_run(consumer.self, state.last_seq + 1, state.last_seq + 300,
                                      rig_take, &read));
    CHECK_SIZE(300, read.count);
    for (size_t i = 0; i < 300; i++) {
        CHECK_U64(state.last_seq + 1 + i, read.records[i].seq);
        CHECK_INT(i % 2 ? 'c' : 'u', read.records[i].kind);
    }
    CHECK_RC(RC_NOT_FOUND,
             consumer.read_run(consumer.self, 5, state.last_seq + 1, rig_take, &read));
    consumer.close(consumer.self);
    rig_close(&rig);
}

TEST(many_are_published_and_each_answered)
{
    enum { COUNT = 600 };
    static struct rig_message messages[COUNT];
    static struct publish_request requests[COUNT];
    static struct publish_result results[COUNT];
    char what[16];
    rig_open(&rig);
    struct log_consumer consumer = consumer_open(0);
    struct id user = rig_new_id();
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(what, sizeof what, "%d", i);
        requests[i] = *rig_request(&messages[i], 'u', &user, what);
    }
    CHECK_RC(RC_OK, consumer.publish(consumer.self, requests, COUNT, results));
    for (int i = 0; i < COUNT; i++) {
        CHECK_INT(PUBLISH_STORED, results[i].outcome);
        CHECK(i == 0 || results[i].seq > results[i - 1].seq);
    }
    uint64_t first = results[0].seq;
    CHECK_RC(RC_OK, consumer.publish(consumer.self, requests, 3, results));
    CHECK_INT(PUBLISH_DUPLICATE, results[0].outcome);
    CHECK_U64(first, results[0].seq);
    consumer.close(consumer.self);
    rig_close(&rig);
}

TEST(announcements_are_heard)
{
    rig_open(&rig);
    struct log_consumer consumer = consumer_open(1);
    rig_flush(&rig);
    CHECK_RC(RC_OK, consumer.announce(consumer.self, "heads.1", bytes_of("{\"gen\":1}")));
    CHECK_RC(RC_OK, consumer.announce(consumer.self, "applied.1", bytes_of("{\"seq\":2}")));
    RIG_UNTIL(&rig, rig.seen_count >= 2);
    CHECK_INT('h', rig.seen[0].kind);
    CHECK_INT(1, rig.seen[0].partition);
    CHECK_STR("{\"gen\":1}", rig.seen[0].text);
    CHECK_INT('a', rig.seen[1].kind);
    consumer.close(consumer.self);
    rig_close(&rig);
}

TEST(a_dead_letter_is_stored_once)
{
    rig_open(&rig);
    struct id conv = id_of(0);
    struct log_consumer consumer = consumer_open(0);
    struct consumed_batch batch;
    consumer_drain(&consumer);
    (void)rig_store(&rig, 'c', &conv, "poison");
    CHECK_RC(RC_OK, consumer.fetch(consumer.self, 1, 2000, &batch));
    CHECK_SIZE(1, batch.count);
    const struct dead_letter letter = { .record = &batch.items[0].record,
                                        .reason = "unparseable",
                                        .error = "not JSON\r\nat all",
                                        .deliveries = 1 };
    CHECK_RC(RC_OK, consumer.dead_letter(consumer.self, &letter));
    CHECK_RC(RC_OK, consumer.dead_letter(consumer.self, &letter));
    consumer.terminate(consumer.self, &batch.items[0]);
    consumer.release(consumer.self, &batch);
    consumer.close(consumer.self);
    rig_close(&rig);
}

#endif
