/* Side effects: made once above the mark, made late when they were cut off, never by a rebuild. */
#include "persister_rig.h"
#include "wire/subjects.h"

/* The id under which the gateway publishes the feed record of that event. */
static void feed_msg_id(char out[MSG_ID_CHARS + 1], const char *conversation, const char *user,
                        uint64_t seq)
{
    struct id c, u, s;
    char decimal[24];
    (void)snprintf(decimal, sizeof decimal, "%llu", (unsigned long long)seq);
    CHECK(id_read(bytes_of(conversation), &c));
    CHECK(id_read(bytes_of(user), &u));
    CHECK(id_read(bytes_of(decimal), &s));
    msg_id_write(out, 'f', &c, &u, &s);
}

/* user_42 is in partition 1 of 4 as the rig's log is (FNV-1a 0x3d028cf1), general isn't. */
TEST(a_member_event_wakes_its_user_up)
{
    struct rig rig;
    rig_init(&rig);
    uint64_t seq = fake_log_member(rig.log, "room1", "user_42");
    (void)rig_turn(&rig, 1);
    struct fake_record *feed = fake_log_at(rig.log, seq + 1);
    CHECK(feed != NULL);
    char msg_id[MSG_ID_CHARS + 1], payload[128];
    feed_msg_id(msg_id, "room1", "user_42", seq);
    CHECK_STR(msg_id, feed->msg_id);
    CHECK_INT('u', feed->record.kind);
    CHECK_INT('f', feed->record.op);
    CHECK_ID("user_42", feed->record.owner);
    (void)snprintf(payload, sizeof payload, "{\"conversationId\":\"room1\",\"seq\":%llu}",
                   (unsigned long long)seq);
    CHECK_STR(payload, feed->payload);
    rig_fini(&rig);
}

TEST(what_the_gateway_has_published_already_is_not_doubled)
{
    struct rig rig;
    rig_init(&rig);
    uint64_t seq = fake_log_member(rig.log, "room1", "user_42");
    char payload[128];
    (void)snprintf(payload, sizeof payload, "{\"conversationId\":\"room1\",\"seq\":%llu}",
                   (unsigned long long)seq);
    uint64_t by_gateway = fake_log_add(rig.log, 'u', "user_42", 'f', payload);
    feed_msg_id(fake_log_at(rig.log, by_gateway)->msg_id, "room1", "user_42", seq);
    rig_run(&rig, 1, 3);
    CHECK_SIZE(2, rig.log->count);
    CHECK_SIZE(1, rig.log->duplicates);
    rig_fini(&rig);
}

TEST(users_of_other_partitions_are_woken_there)
{
    struct rig rig;
    rig_init(&rig);
    (void)fake_log_member(rig.log, "room1", "general"); /* partition 3 */
    (void)rig_turn(&rig, 1);
    CHECK_SIZE(1, rig.log->published_elsewhere);
    rig_fini(&rig);
}

TEST(messages_have_no_side_effects)
{
    struct rig rig;
    rig_init(&rig);
    (void)fake_log_message(rig.log, "room1", "ann", "m1", "hi");
    (void)rig_turn(&rig, 1);
    CHECK_SIZE(1, rig.log->count);
    CHECK_U64(0, atomic_load(&rig.stats[1].feeds_published));
    rig_fini(&rig);
}

TEST(what_was_cut_off_is_made_by_the_next_one)
{
    struct rig rig;
    rig_init(&rig);
    (void)fake_log_member(rig.log, "room1", "user_42");
    rig.log->publish_rc = RC_UNAVAILABLE;
    (void)rig_turn(&rig, 1);
    CHECK_U64(1, rig_applied(&rig)); /* committed and acknowledged, nothing emitted */
    CHECK_U64(0, rig_emitted(&rig));
    CHECK_SIZE(1, rig.log->count);
    rig_kill(&rig, 1);
    rig.log->publish_rc = RC_OK;
    rig_run(&rig, 1, 2);
    CHECK_SIZE(2, rig.log->count);
    CHECK(rig_emitted(&rig) >= 1);
    rig_fini(&rig);
}

TEST(a_log_that_takes_no_side_effects_does_not_stop_persisting)
{
    static const enum publish_outcome ways[] = { PUBLISH_FULL, PUBLISH_UNKNOWN,
                                                 PUBLISH_UNAVAILABLE };
    for (size_t w = 0; w < COUNT_OF(ways); w++) {
        struct rig rig;
        rig_init(&rig);
        (void)fake_log_member(rig.log, "room1", "user_42");
        rig.log->publish_outcome = ways[w];
        (void)rig_turn(&rig, 1);
        for (int i = 0; i < 5; i++) {
            char id[8] = { 'm', (char)('0' + i) };
            (void)fake_log_message(rig.log, "room1", "ann", id, "hi");
            CHECK_INT(0, rig_turn(&rig, 1));
        }
        CHECK_U64(6, rig_applied(&rig));
        CHECK_U64(0, rig_emitted(&rig)); /* the mark waits for the first that is due */
        rig.log->publish_outcome = PUBLISH_STORED;
        fake_clock_advance(&rig.clock, 60000);
        rig_run(&rig, 1, 4);
        CHECK_SIZE(7, rig.log->count);
        CHECK_U64(7, rig_applied(&rig));
        CHECK(rig_emitted(&rig) >= 6);
        rig_fini(&rig);
    }
}

TEST(a_late_double_is_withdrawn_once)
{
    struct rig rig;
    char payload[256];
    rig_init(&rig);
    uint64_t first = fake_log_message(rig.log, "room1", "ann", "m1", "hi");
    (void)rig_turn(&rig, 1);
    uint64_t second = fake_log_message(rig.log, "room1", "ann", "m1", "hi");
    (void)rig_turn(&rig, 1);
    CHECK_SIZE(3, rig.log->count);
    struct fake_record *withdrawal = fake_log_at(rig.log, second + 1);
    CHECK_INT('c', withdrawal->record.kind);
    CHECK_INT('w', withdrawal->record.op);
    CHECK_ID("room1", withdrawal->record.owner);
    (void)snprintf(
        payload, sizeof payload,
        "{\"type\":\"message.withdrawn\",\"conversationId\":\"room1\",\"targetSeq\":%llu,"
        "\"of\":%llu}",
        (unsigned long long)second, (unsigned long long)first);
    CHECK_STR(payload, withdrawal->payload);
    rig_run(&rig, 1, 5);
    CHECK_SIZE(3, rig.log->count); /* its own withdrawal has no effects */
    CHECK_INT(EVENT_VOID, rig_kind_at(&rig, "room1", second, NULL));
    CHECK_INT(EVENT_MESSAGE_WITHDRAWN, rig_kind_at(&rig, "room1", second + 1, NULL));
    rig_fini(&rig);
}

TEST(a_double_whose_withdrawal_was_cut_off_is_withdrawn_by_the_next_one)
{
    struct rig rig;
    rig_init(&rig);
    (void)fake_log_message(rig.log, "room1", "ann", "m1", "hi");
    (void)fake_log_message(rig.log, "room1", "ann", "m1", "hi");
    rig.log->publish_rc = RC_UNAVAILABLE;
    (void)rig_turn(&rig, 1);
    rig_kill(&rig, 1);
    rig.log->publish_rc = RC_OK;
    rig_run(&rig, 1, 3);
    CHECK_SIZE(3, rig.log->count);
    CHECK_INT('w', fake_log_at(rig.log, rig_seq(3))->record.op);
    CHECK_U64(1, atomic_load(&rig.stats[1].withdrawals));
    rig_fini(&rig);
}

/* What was persisted while the log took no side effects, in a store that takes its time. */
static void fall_behind(struct rig *rig, int messages)
{
    (void)fake_log_member(rig->log, "room1", "user_42");
    for (int i = 0; i < messages; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "m%d", i);
        (void)fake_log_message(rig->log, "room1", "ann", id, "hi");
    }
    rig->log->publish_rc = RC_UNAVAILABLE;
    (void)rig_turn(rig, 1);
    CHECK_U64((uint64_t)messages + 1, rig_applied(rig));
    rig_kill(rig, 1);
    rig->log->publish_rc = RC_OK;
    rig->apply_takes_ms = 150;
}

/* Otherwise the place is lost meanwhile, and whoever has it then does all of it too. */
TEST(catching_up_with_side_effects_is_over_before_the_partition_is_lost)
{
    struct rig rig;
    rig_init(&rig);
    fall_behind(&rig, 200);
    (void)fake_log_message(rig.log, "room1", "ann", "new", "hi");
    fake_clock_advance(&rig.clock, FAKE_PIN_MS);
    int64_t began_ms = clock_monotonic_ms(&rig.clock.source);
    (void)rig_turn(&rig, 2);
    CHECK(clock_monotonic_ms(&rig.clock.source) - began_ms < FAKE_PIN_MS);
    CHECK_SIZE(3, rig.applies); /* the first 201, the new one, and what became of the first */
    CHECK_U64(202, rig_applied(&rig));
    CHECK_SIZE(203, rig.log->count); /* the wake-up that was due */
    rig_fini(&rig);
}

TEST(one_refused_event_keeps_no_other_side_effect_back)
{
    struct rig rig;
    rig_init(&rig);
    fall_behind(&rig, 40);
    rig.log->publish_rc = RC_UNAVAILABLE;
    rig.refused_client_id = "bad";
    (void)fake_log_message(rig.log, "room1", "ann", "bad", "hi");
    uint64_t twice = fake_log_message(rig.log, "room1", "ann", "m7", "hi");
    (void)fake_log_message(rig.log, "room1", "ann", "last", "hi");
    rig_run(&rig, 1, 1);
    rig_kill(&rig, 1);
    rig.log->publish_rc = RC_OK;
    rig.applies = 0;
    rig_run(&rig, 1, 3);
    CHECK_U64(1, atomic_load(&rig.stats[1].withdrawals));
    CHECK_U64(1, atomic_load(&rig.stats[1].feeds_published));
    CHECK(rig.applies < 20); /* halves down to the one, not each alone */
    CHECK_INT(EVENT_VOID, rig_kind_at(&rig, "room1", twice, NULL));
    rig_fini(&rig);
}

TEST(the_same_id_with_another_body_is_kept)
{
    struct rig rig;
    rig_init(&rig);
    (void)fake_log_message(rig.log, "room1", "ann", "m1", "hi");
    uint64_t second = fake_log_message(rig.log, "room1", "ann", "m1", "something else");
    rig_run(&rig, 1, 2);
    CHECK_SIZE(2, rig.log->count); /* no withdrawal */
    CHECK_INT(EVENT_MESSAGE_NEW, rig_kind_at(&rig, "room1", second, NULL));
    rig_fini(&rig);
}

static void let_another_emit(struct rig *rig)
{
    fake_clock_advance(&rig->clock, 40000);
    rig_run(rig, 1, 2);
}

TEST(a_holder_that_wakes_up_does_not_emit_what_another_has)
{
    struct rig rig;
    rig_init(&rig);
    (void)fake_log_member(rig.log, "room1", "user_42");
    rig.before_apply = let_another_emit;
    (void)rig_turn(&rig, 2);
    CHECK_U64(1, atomic_load(&rig.stats[1].feeds_published));
    CHECK_U64(0, atomic_load(&rig.stats[2].feeds_published));
    CHECK_SIZE(0, rig.log->duplicates); /* the log's memory for ids wasn't needed */
    rig_fini(&rig);
}

TEST(a_rebuild_makes_no_side_effects)
{
    struct rig rig;
    rig_init(&rig);
    rig.emits_nothing = true;
    (void)fake_log_member(rig.log, "room1", "user_42");
    (void)fake_log_message(rig.log, "room1", "ann", "m1", "hi");
    (void)fake_log_message(rig.log, "room1", "ann", "m1", "hi");
    rig_run(&rig, 1, 3);
    persister_flush(rig.persisters[1]);
    CHECK_U64(3, rig_applied(&rig));
    CHECK_SIZE(3, rig.log->count);
    CHECK_U64(3, rig_emitted(&rig)); /* and a common one after it makes none either */
    rig_kill(&rig, 1);
    rig.emits_nothing = false;
    rig_run(&rig, 1, 3);
    CHECK_SIZE(3, rig.log->count);
    rig_fini(&rig);
}
