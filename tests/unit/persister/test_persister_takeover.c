/* Several instances, and `applied`: it moves over runs without a hole only, and never back. The
 * frozen holder is what research/guarantees-review.md (H7) measured on a real server: the next one
 * gets 4-6 at once, 1-3 only after ack_wait. */
#include "persister_rig.h"

static void add_messages(struct rig *rig, int from, int to)
{
    for (int i = from; i <= to; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "m%d", i);
        (void)fake_log_message(rig->log, "room1", "ann", id, "hi");
    }
}

/* Instance `holder` fetches everything and is never heard of again. */
static void freeze_with_batch(struct rig *rig, int holder)
{
    struct consumed_batch batch;
    struct log_consumer port = fake_log_port(rig->log, holder);
    CHECK_RC(RC_OK, port.fetch(port.self, PERSIST_BATCH_RECORDS, 0, &batch));
    port.release(port.self, &batch);
}

TEST(a_frozen_holders_records_are_read_from_the_stream_at_once)
{
    struct rig rig;
    rig_init(&rig);
    add_messages(&rig, 1, 3);
    freeze_with_batch(&rig, 2);
    add_messages(&rig, 4, 6);
    fake_clock_advance(&rig.clock, FAKE_PIN_MS);
    (void)rig_turn(&rig, 1);
    CHECK_U64(6, rig_applied(&rig)); /* not in ack_wait, but now */
    CHECK_SIZE(6, rig_stored(&rig, "room1"));
    CHECK_SIZE(3, fake_log_count(rig.log, FAKE_ACKED)); /* 1-3 aren't ours to acknowledge */
    fake_clock_advance(&rig.clock, FAKE_ACK_WAIT_MS);
    (void)rig_turn(&rig, 1);
    CHECK_SIZE(6, fake_log_count(rig.log, FAKE_ACKED));
    CHECK_SIZE(6, rig_stored(&rig, "room1"));
    rig_fini(&rig);
}

TEST(what_a_frozen_holder_has_is_found_even_when_nothing_else_comes)
{
    struct rig rig;
    rig_init(&rig);
    add_messages(&rig, 1, 3);
    freeze_with_batch(&rig, 2);
    fake_clock_advance(&rig.clock, FAKE_PIN_MS);
    (void)rig_turn(&rig, 1);
    CHECK_U64(3, rig_applied(&rig));
    rig_fini(&rig);
}

TEST(applied_does_not_move_over_a_hole)
{
    struct rig rig;
    rig_init(&rig);
    add_messages(&rig, 1, 3);
    freeze_with_batch(&rig, 2);
    add_messages(&rig, 4, 6);
    fake_clock_advance(&rig.clock, FAKE_PIN_MS);
    rig.log->read_run_rc = RC_UNAVAILABLE; /* the hole can't be filled */
    for (int i = 0; i < 5; i++) {
        rig_run(&rig, 1, 1);
        CHECK_U64(0, rig_applied(&rig));
        CHECK_SIZE(0, fake_log_count(rig.log, FAKE_ACKED));
    }
    rig.log->read_run_rc = RC_OK;
    rig_run(&rig, 1, 3);
    CHECK_U64(6, rig_applied(&rig));
    rig_fini(&rig);
}

TEST(a_hole_within_a_batch_is_filled_too)
{
    struct rig rig;
    rig_init(&rig);
    add_messages(&rig, 1, 10);
    rig.log->hidden_from = rig_seq(4);
    rig.log->hidden_to = rig_seq(7);
    (void)rig_turn(&rig, 1);
    CHECK_U64(10, rig_applied(&rig));
    CHECK_SIZE(10, rig_stored(&rig, "room1"));
    rig_fini(&rig);
}

/* While instance 2 stands in its store call, instance 1 takes over and goes on. */
static void let_another_take_over(struct rig *rig)
{
    fake_clock_advance(&rig->clock, 40000);
    add_messages(rig, 4, 6);
    rig_run(rig, 1, 2);
    CHECK_U64(6, rig_applied(rig));
}

TEST(a_holder_that_wakes_up_does_not_set_applied_back)
{
    struct rig rig;
    rig_init(&rig);
    add_messages(&rig, 1, 3);
    rig.before_apply = let_another_take_over;
    (void)rig_turn(&rig, 2);
    CHECK_U64(6, rig_applied(&rig));
    CHECK_SIZE(6, rig_stored(&rig, "room1"));
    CHECK_U64(rig_seq(6), atomic_load(&rig.stats[2].applied)); /* it says what the store says */
    CHECK_INT(PERSIST_STANDBY_WAIT_MS, rig_turn(&rig, 2));     /* and isn't the active one */
    rig_fini(&rig);
}

TEST(the_second_instance_stands_by_while_the_first_lives)
{
    struct rig rig;
    rig_init(&rig);
    add_messages(&rig, 1, 3);
    (void)rig_turn(&rig, 1);
    add_messages(&rig, 4, 6);
    CHECK_INT(PERSIST_STANDBY_WAIT_MS, rig_turn(&rig, 2));
    CHECK_INT(PERSISTER_STANDBY, atomic_load(&rig.stats[2].state));
    CHECK_SIZE(1, rig.applies);
    rig_fini(&rig);
}

TEST(who_becomes_active_again_asks_the_store_where_it_is)
{
    struct rig rig;
    rig_init(&rig);
    add_messages(&rig, 1, 3);
    (void)rig_turn(&rig, 1);
    fake_clock_advance(&rig.clock, FAKE_PIN_MS);
    add_messages(&rig, 4, 6);
    (void)rig_turn(&rig, 2); /* takes over, and is at 6 */
    CHECK_INT(PERSIST_STANDBY_WAIT_MS, rig_turn(&rig, 1));
    fake_clock_advance(&rig.clock, FAKE_PIN_MS);
    add_messages(&rig, 7, 9);
    (void)rig_turn(&rig, 1);
    CHECK_U64(9, rig_applied(&rig));
    CHECK_U64(0, atomic_load(&rig.stats[1].gap_fills)); /* it saw no hole from 4 to 6 */
    rig_fini(&rig);
}

TEST(after_trouble_it_asks_the_store_where_it_is)
{
    struct rig rig;
    rig_init(&rig);
    add_messages(&rig, 1, 3);
    rig.apply_rc = RC_UNAVAILABLE;
    (void)rig_turn(&rig, 1);
    rig.apply_rc = RC_OK;
    fake_clock_advance(&rig.clock, FAKE_PIN_MS);
    (void)rig_turn(&rig, 2);
    CHECK_U64(3, rig_applied(&rig));
    fake_clock_advance(&rig.clock, FAKE_PIN_MS);
    add_messages(&rig, 4, 4);
    (void)rig_turn(&rig, 1);
    CHECK_U64(4, rig_applied(&rig));
    CHECK_U64(0, atomic_load(&rig.stats[1].gap_fills));
    rig_fini(&rig);
}

TEST(takeover_takes_less_than_five_seconds)
{
    struct rig rig;
    rig_init(&rig);
    add_messages(&rig, 1, 3);
    (void)rig_turn(&rig, 1);
    (void)rig_turn(&rig, 2);
    rig_kill(&rig, 1);
    int64_t died_at_ms = clock_monotonic_ms(&rig.clock.source);
    add_messages(&rig, 4, 6);
    while (rig_applied(&rig) < 6)
        rig_run(&rig, 2, 1);
    CHECK(clock_monotonic_ms(&rig.clock.source) - died_at_ms < 5000);
    rig_fini(&rig);
}

TEST(it_begins_at_the_stores_applied_not_where_the_consumer_stands)
{
    struct rig rig;
    rig_init(&rig);
    add_messages(&rig, 1, 700);
    rig_run(&rig, 1, 2);
    CHECK_U64(700, rig_applied(&rig));
    CHECK_SIZE(700, fake_log_count(rig.log, FAKE_ACKED));
    rig_kill(&rig, 1);
    mem_store_destroy(rig.mem); /* the store is lost, and comes back from a backup: an empty one */
    rig.mem = mem_store_create();
    rig.inner = mem_store_messages(rig.mem);
    rig_run(&rig, 1, 4);
    CHECK_U64(700, rig_applied(&rig));
    CHECK_SIZE(700, rig_stored(&rig, "room1"));
    rig_fini(&rig);
}

TEST(a_store_that_was_set_back_under_a_running_persister_is_filled_again)
{
    struct rig rig;
    rig_init(&rig);
    add_messages(&rig, 1, 5);
    rig_run(&rig, 1, 2);
    mem_store_destroy(rig.mem);
    rig.mem = mem_store_create();
    rig.inner = mem_store_messages(rig.mem);
    add_messages(&rig, 6, 8);
    (void)rig_turn(&rig, 1);
    CHECK_SIZE(5, fake_log_count(rig.log, FAKE_ACKED)); /* not a word about what isn't in there */
    rig_run(&rig, 1, 6);
    CHECK_U64(8, rig_applied(&rig));
    CHECK_SIZE(8, rig_stored(&rig, "room1"));
    CHECK_SIZE(8, fake_log_count(rig.log, FAKE_ACKED));
    rig_fini(&rig);
}

TEST(a_gap_that_was_passed_by_somebody_else_lets_it_go_on)
{
    struct rig rig;
    rig_init(&rig);
    add_messages(&rig, 1, 10);
    rig.log->first_seq = rig_seq(5);
    rig_run(&rig, 1, 3);
    CHECK_INT(ALARM_GAP, atomic_load(&rig.stats[1].alarm));
    rig.accepts_gap = true;
    fake_clock_advance(&rig.clock, FAKE_ACK_WAIT_MS);
    rig_run(&rig, 2, 2); /* parleyctl rebuild --accept-gap would do the same to the store */
    rig_kill(&rig, 2);
    add_messages(&rig, 11, 12);
    fake_clock_advance(&rig.clock, FAKE_ACK_WAIT_MS);
    rig_run(&rig, 1, 3);
    CHECK_INT(ALARM_NONE, atomic_load(&rig.stats[1].alarm));
    CHECK_U64(12, rig_applied(&rig));
    rig_fini(&rig);
}

TEST(what_the_log_no_longer_has_stops_the_partition_with_an_alarm)
{
    struct rig rig;
    rig_init(&rig);
    add_messages(&rig, 1, 10);
    rig.log->first_seq = rig_seq(5); /* 1-4 have aged out, and the store never had them */
    rig_run(&rig, 1, 5);
    CHECK_INT(PERSISTER_HALTED, atomic_load(&rig.stats[1].state));
    CHECK_INT(ALARM_GAP, atomic_load(&rig.stats[1].alarm));
    CHECK_U64(0, rig_applied(&rig));
    CHECK_SIZE(0, rig.log->letter_count);
    CHECK_SIZE(0, fake_log_count(rig.log, FAKE_ACKED));
    rig_kill(&rig, 1);
    rig.accepts_gap = true; /* someone has decided */
    fake_clock_advance(&rig.clock, FAKE_ACK_WAIT_MS);
    rig_run(&rig, 1, 3);
    CHECK_U64(10, rig_applied(&rig));
    CHECK_SIZE(6, rig_stored(&rig, "room1"));
    rig_fini(&rig);
}
