/* Persisting in good weather, and what a crash may repeat. The store and the log's consumer are
 * looked at after each turn: what is committed, what is acknowledged, in which order. */
#include "persister_rig.h"
#include "wire/event_json.h"

TEST(a_batch_is_committed_with_applied_and_acknowledged)
{
    struct rig rig;
    rig_init(&rig);
    for (int i = 0; i < 10; i++) {
        char id[8] = { 'm', (char)('0' + i) };
        (void)fake_log_message(rig.log, i % 2 ? "room5" : "room9", "ann", id, "hi");
    }
    CHECK_INT(0, rig_turn(&rig, 1));
    CHECK_U64(10, rig_applied(&rig));
    CHECK_SIZE(5, rig_stored(&rig, "room5"));
    CHECK_SIZE(5, rig_stored(&rig, "room9"));
    CHECK_SIZE(10, fake_log_count(rig.log, FAKE_ACKED));
    CHECK_SIZE(1, rig.applies); /* one transaction */
    rig_fini(&rig);
}

TEST(nothing_is_acknowledged_that_the_store_did_not_take)
{
    struct rig rig;
    rig_init(&rig);
    (void)fake_log_message(rig.log, "room1", "ann", "m1", "hi");
    rig.apply_rc = RC_UNAVAILABLE;
    CHECK(rig_turn(&rig, 1) > 0);
    CHECK_SIZE(0, fake_log_count(rig.log, FAKE_ACKED));
    CHECK_SIZE(0, rig.log->acks);
    CHECK_SIZE(1, rig.log->give_backs);
    CHECK_U64(0, rig_applied(&rig));
    rig_fini(&rig);
}

TEST(a_crash_between_commit_and_ack_stores_nothing_twice)
{
    struct rig rig;
    rig_init(&rig);
    for (int i = 0; i < 3; i++)
        (void)fake_log_message(rig.log, "room1", "ann", i == 0 ? "m1" : i == 1 ? "m2" : "m3", "hi");
    rig.log->loses_acks = true;
    (void)rig_turn(&rig, 1);
    CHECK_SIZE(0, fake_log_count(rig.log, FAKE_ACKED));
    CHECK_U64(3, rig_applied(&rig));
    rig_kill(&rig, 1);
    rig.log->loses_acks = false;
    fake_clock_advance(&rig.clock, FAKE_ACK_WAIT_MS);
    rig_run(&rig, 1, 2);
    CHECK_SIZE(3, fake_log_count(rig.log, FAKE_ACKED));
    CHECK_SIZE(3, rig_stored(&rig, "room1"));
    CHECK_U64(3, rig_applied(&rig));
    CHECK_U64(3, atomic_load(&rig.stats[1].redelivered));
    rig_fini(&rig);
}

/* Someone else's commit is in the store, though the log doesn't know: the same as a crash after. */
static void crash_in_apply(struct rig *rig)
{
    rig->apply_rc = RC_TIMEOUT; /* the answer is lost; below the commit is made all the same */
}

TEST(a_commit_whose_answer_was_lost_is_found_there)
{
    struct rig rig;
    rig_init(&rig);
    uint64_t seq = fake_log_message(rig.log, "room1", "ann", "m1", "hi");
    rig.before_apply = crash_in_apply;
    CHECK(rig_turn(&rig, 1) > 0);
    CHECK_SIZE(0, fake_log_count(rig.log, FAKE_ACKED));
    rig.apply_rc = RC_OK;
    SCOPED_ARENA(arena, 1 << 20);
    struct event event;
    event = (struct event){ .kind = EVENT_VOID };
    CHECK_RC(RC_OK, event_parse(fake_log_at(rig.log, seq)->record.payload, &arena, &event, NULL));
    event.seq = seq;
    memcpy(event.body_hash, fake_log_at(rig.log, seq)->record.body_hash, BODY_HASH_BYTES);
    const struct store_batch batch = { .generation = RIG_GENERATION,
                                       .partition = RIG_PARTITION,
                                       .events = &event,
                                       .event_count = 1,
                                       .from = seq,
                                       .to = seq };
    CHECK_RC(RC_OK, rig.inner->apply(rig.inner->self, &batch, NULL));
    fake_clock_advance(&rig.clock, 2000);
    rig_run(&rig, 1, 2);
    CHECK_SIZE(1, rig_stored(&rig, "room1"));
    CHECK_SIZE(1, fake_log_count(rig.log, FAKE_ACKED));
    CHECK_U64(1, rig_applied(&rig));
    rig_fini(&rig);
}

TEST(more_than_a_batch_flows_in_order)
{
    struct rig rig;
    rig_init(&rig);
    for (int i = 0; i < 1200; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "m%d", i);
        (void)fake_log_message(rig.log, "room1", "ann", id, "hi");
    }
    rig_run(&rig, 1, 3);
    CHECK_U64(1200, rig_applied(&rig));
    CHECK_SIZE(1200, rig_stored(&rig, "room1"));
    CHECK_SIZE(3, rig.applies);
    rig_fini(&rig);
}

TEST(user_feed_records_become_feed_entries)
{
    struct rig rig;
    rig_init(&rig);
    char payload[128];
    (void)snprintf(payload, sizeof payload, "{\"conversationId\":\"room1\",\"seq\":%llu}",
                   (unsigned long long)rig_seq(1));
    uint64_t seq = fake_log_add(rig.log, 'u', "b", 'f', payload);
    (void)rig_turn(&rig, 1);
    SCOPED_ARENA(arena, 1 << 20);
    struct user_feed_entry *entries;
    size_t count;
    struct id bob;
    CHECK(id_read(bytes_of("b"), &bob));
    CHECK_RC(RC_OK, rig.inner->user_feed(rig.inner->self, &bob, 0, 10, &arena, &entries, &count));
    CHECK_SIZE(1, count);
    CHECK_U64(seq, entries[0].feed_seq);
    CHECK_ID("room1", entries[0].conversation);
    CHECK_U64(1, rig_applied(&rig));
    rig_fini(&rig);
}

TEST(applied_is_announced_after_the_commit_with_the_lag)
{
    struct rig rig;
    struct applied applied;
    rig_init(&rig);
    (void)fake_log_message(rig.log, "room1", "ann", "m1", "hi");
    (void)rig_turn(&rig, 1);
    const char *said = fake_log_last_said(rig.log, "applied.1");
    CHECK(said != NULL);
    CHECK_RC(RC_OK, applied_parse(bytes_of(said), &applied));
    CHECK_U64(rig_seq(1), applied.seq);
    CHECK_U64(RIG_GENERATION, applied.generation);
    CHECK(applied.has_lag);
    CHECK_INT(0, applied.lag_ms);
    rig_fini(&rig);
}

TEST(the_age_of_the_oldest_unstored_record_is_known_while_the_store_is_away)
{
    struct rig rig;
    rig_init(&rig);
    (void)fake_log_message(rig.log, "room1", "ann", "m1", "hi");
    rig.apply_rc = RC_UNAVAILABLE;
    (void)rig_turn(&rig, 1);
    fake_clock_advance(&rig.clock, 3600 * 1000);
    CHECK_INT(3600 * 1000, persister_stats_lag_ms(&rig.stats[1], &rig.clock.source));
    rig.apply_rc = RC_OK;
    (void)rig_turn(&rig, 1);
    CHECK_INT(0, persister_stats_lag_ms(&rig.stats[1], &rig.clock.source));
    rig_fini(&rig);
}

TEST(an_idle_persister_writes_nothing)
{
    struct rig rig;
    rig_init(&rig);
    (void)fake_log_message(rig.log, "room1", "ann", "m1", "hi");
    rig_run(&rig, 1, 5);
    fake_clock_advance(&rig.clock, 60000);
    size_t applies = rig.applies, writes = rig.emitted_writes;
    for (int i = 0; i < 100; i++) {
        fake_clock_advance(&rig.clock, 500);
        (void)rig_turn(&rig, 1);
    }
    CHECK_SIZE(applies, rig.applies);
    CHECK(rig.emitted_writes <= writes + 1);
    rig_fini(&rig);
}
