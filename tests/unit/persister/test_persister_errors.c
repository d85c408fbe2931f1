/* What fails for now and what will never work: the first is tried for ever and is never
 * dead-lettered, the second is dead-lettered before it is passed over, and its neighbours flow. */
#include "persister_rig.h"
#include "wire/subjects.h"

static void add_good(struct rig *rig, const char *id)
{
    (void)fake_log_message(rig->log, "room1", "ann", id, "hi");
}

static uint64_t add_garbage(struct rig *rig)
{
    return fake_log_add(rig->log, 'c', "room1", 'm', "{\"type\":\"message.n");
}

TEST(garbage_goes_to_the_dead_letters_and_its_neighbours_flow)
{
    struct rig rig;
    char reason[32];
    rig_init(&rig);
    add_good(&rig, "m1");
    uint64_t bad = add_garbage(&rig);
    add_good(&rig, "m3");
    CHECK_INT(0, rig_turn(&rig, 1));
    CHECK_SIZE(1, rig.log->letter_count);
    CHECK_U64(bad, rig.log->letters[0].seq);
    CHECK_STR("unparseable", rig.log->letters[0].reason);
    CHECK_INT(EVENT_VOID, rig_kind_at(&rig, "room1", bad, reason));
    CHECK_STR("unparseable", reason);
    CHECK_SIZE(3, rig_stored(&rig, "room1"));
    CHECK_U64(3, rig_applied(&rig));
    CHECK_INT(FAKE_TERMINATED, fake_log_at(rig.log, bad)->place);
    CHECK_SIZE(2, fake_log_count(rig.log, FAKE_ACKED));
    CHECK_U64(1, atomic_load(&rig.stats[1].dead_letters[DEAD_UNPARSEABLE]));
    rig_fini(&rig);
}

TEST(json_that_is_no_event_has_the_reason_schema)
{
    static const char *const bad[] = {
        "{\"type\":\"message.sung\",\"conversationId\":\"room1\"}",
        "{\"type\":\"message.new\",\"conversationId\":\"room1\"}",
        "{\"type\":\"message.deleted\",\"conversationId\":\"room1\",\"senderId\":\"a\","
        "\"operationId\":\"o\",\"targetSeq\":-1}",
        "{\"type\":\"message.deleted\",\"conversationId\":\"another\",\"senderId\":\"a\","
        "\"operationId\":\"o\",\"targetSeq\":1}",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct rig rig;
        rig_init(&rig);
        uint64_t seq = fake_log_add(rig.log, 'c', "room1", 0, bad[i]);
        CHECK_INT(0, rig_turn(&rig, 1));
        CHECK_SIZE(1, rig.log->letter_count);
        CHECK_STR("schema", rig.log->letters[0].reason);
        CHECK(rig.log->letters[0].error[0] != 0);
        CHECK_INT(EVENT_VOID, rig_kind_at(&rig, "room1", seq, NULL));
        rig_fini(&rig);
    }
}

TEST(another_operation_in_the_header_than_in_the_payload_is_garbage)
{
    struct rig rig;
    rig_init(&rig);
    uint64_t seq = fake_log_message(rig.log, "room1", "ann", "m1", "hi");
    fake_log_at(rig.log, seq)->record.op = 'd';
    CHECK_INT(0, rig_turn(&rig, 1));
    CHECK_SIZE(1, rig.log->letter_count);
    CHECK_INT(EVENT_VOID, rig_kind_at(&rig, "room1", seq, NULL));
    rig_fini(&rig);
}

TEST(a_subject_that_is_no_conversations_is_passed_over_with_a_dead_letter)
{
    struct rig rig;
    rig_init(&rig);
    (void)fake_log_add(rig.log, 'c', "no*id", 'm', "{}");
    add_good(&rig, "m2");
    (void)fake_log_add(rig.log, 'u', "b", 'f', "not a feed record");
    CHECK_INT(0, rig_turn(&rig, 1));
    CHECK_SIZE(2, rig.log->letter_count);
    CHECK_U64(3, rig_applied(&rig));
    CHECK_SIZE(1, rig_stored(&rig, "room1"));
    rig_fini(&rig);
}

TEST(nothing_passes_a_dead_letter_that_could_not_be_stored)
{
    struct rig rig;
    rig_init(&rig);
    add_good(&rig, "m1");
    uint64_t bad = add_garbage(&rig);
    add_good(&rig, "m3");
    rig.log->dead_letter_rc = RC_FULL;
    rig_run(&rig, 1, 4);
    CHECK_INT(PERSISTER_HALTED, atomic_load(&rig.stats[1].state));
    CHECK_INT(ALARM_DEAD_LETTERS, atomic_load(&rig.stats[1].alarm));
    CHECK_U64(1, rig_applied(&rig)); /* what came before it is in */
    CHECK_INT(EVENT_KIND_COUNT, rig_kind_at(&rig, "room1", bad, NULL));
    CHECK_SIZE(1, fake_log_count(rig.log, FAKE_ACKED));
    CHECK_SIZE(0, fake_log_count(rig.log, FAKE_TERMINATED));
    rig.log->dead_letter_rc = RC_OK; /* someone has made room */
    rig_run(&rig, 1, 4);
    CHECK_U64(3, rig_applied(&rig));
    CHECK_INT(ALARM_NONE, atomic_load(&rig.stats[1].alarm));
    CHECK_SIZE(1, rig.log->letter_count);
    rig_fini(&rig);
}

TEST(a_newer_schema_stops_the_partition_and_is_never_dead_lettered)
{
    struct rig rig;
    rig_init(&rig);
    add_good(&rig, "m1");
    uint64_t newer = fake_log_add(rig.log, 'c', "room1", '?', "what this is only version 2 knows");
    fake_log_at(rig.log, newer)->record.schema = 2;
    add_good(&rig, "m3");
    rig_run(&rig, 1, 50);
    CHECK_SIZE(0, rig.log->letter_count);
    CHECK_U64(1, rig_applied(&rig));
    CHECK_INT(ALARM_SCHEMA, atomic_load(&rig.stats[1].alarm));
    CHECK_SIZE(0, fake_log_count(rig.log, FAKE_TERMINATED));
    CHECK_SIZE(1, fake_log_count(rig.log, FAKE_ACKED));
    rig_fini(&rig);
}

TEST(who_stands_at_a_newer_schema_lets_a_newer_persister_have_the_partition)
{
    struct rig rig;
    rig_init(&rig);
    uint64_t newer = fake_log_message(rig.log, "room1", "ann", "m1", "hi");
    fake_log_at(rig.log, newer)->record.schema = 2;
    rig_run(&rig, 1, 3);
    int64_t wait_ms = rig_turn(&rig, 1);
    CHECK(wait_ms > FAKE_PIN_MS); /* long enough to lose the pin */
    fake_clock_advance(&rig.clock, FAKE_PIN_MS);
    fake_log_at(rig.log, newer)->record.schema = 1; /* instance 2 is the upgraded one */
    CHECK_INT(0, rig_turn(&rig, 2));
    CHECK_U64(1, rig_applied(&rig));
    rig_fini(&rig);
}

TEST(one_refused_event_of_many_is_found_and_buried_alone)
{
    struct rig rig;
    char reason[32];
    rig_init(&rig);
    for (int i = 1; i <= 300; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "m%d", i);
        add_good(&rig, id);
    }
    rig.refused_client_id = "m137";
    CHECK_INT(0, rig_turn(&rig, 1));
    CHECK_SIZE(1, rig.log->letter_count);
    CHECK_U64(rig_seq(137), rig.log->letters[0].seq);
    CHECK_STR("refused", rig.log->letters[0].reason);
    CHECK_INT(EVENT_VOID, rig_kind_at(&rig, "room1", rig_seq(137), reason));
    CHECK_STR("refused", reason);
    CHECK_SIZE(300, rig_stored(&rig, "room1"));
    CHECK_U64(300, rig_applied(&rig));
    CHECK_INT(EVENT_MESSAGE_NEW, rig_kind_at(&rig, "room1", rig_seq(136), NULL));
    CHECK_INT(EVENT_MESSAGE_NEW, rig_kind_at(&rig, "room1", rig_seq(138), NULL));
    rig_fini(&rig);
}

TEST(a_refused_feed_entry_is_buried_too)
{
    struct rig rig;
    rig_init(&rig);
    add_good(&rig, "m1");
    (void)fake_log_add(rig.log, 'u', "b", 'f', "{\"conversationId\":\"room1\",\"seq\":1}");
    add_good(&rig, "m3");
    rig.refused_user = "b";
    CHECK_INT(0, rig_turn(&rig, 1));
    CHECK_SIZE(1, rig.log->letter_count);
    CHECK_STR("refused", rig.log->letters[0].reason);
    CHECK_U64(3, rig_applied(&rig));
    rig_fini(&rig);
}

TEST(a_record_of_another_partition_is_a_dead_letter_and_nothing_else)
{
    struct rig rig;
    rig_init(&rig);
    add_good(&rig, "m1");
    uint64_t stray = fake_log_message(rig.log, "general", "ann", "m2", "hi"); /* of partition 3 */
    (void)fake_log_add(rig.log, 'u', "general", 'f', "{\"conversationId\":\"room1\",\"seq\":1}");
    add_good(&rig, "m4");
    CHECK_INT(0, rig_turn(&rig, 1));
    CHECK_SIZE(2, rig.log->letter_count);
    CHECK_U64(stray, rig.log->letters[0].seq);
    CHECK_STR("refused", rig.log->letters[0].reason);
    CHECK(strstr(rig.log->letters[0].error, "partition 3 of 4") != NULL);
    CHECK_INT(EVENT_KIND_COUNT, rig_kind_at(&rig, "general", stray, NULL)); /* not even a void */
    CHECK_SIZE(2, rig_stored(&rig, "room1"));
    CHECK_U64(4, rig_applied(&rig));
    CHECK_SIZE(2, fake_log_count(rig.log, FAKE_ACKED));
    CHECK_SIZE(2, fake_log_count(rig.log, FAKE_TERMINATED));
    rig_fini(&rig);
}

/* What the stream says of itself isn't what the settings say: nothing is fetched, so that whoever
 * is right gets it, and it goes on by itself once that is put right. */
static void check_other_log(uint32_t partitions, uint32_t schema, enum persister_alarm alarm)
{
    struct rig rig;
    rig_init(&rig);
    add_good(&rig, "m1");
    rig.log->partitions = partitions;
    rig.log->schema = schema;
    rig_run(&rig, 1, 4);
    CHECK_INT(alarm, atomic_load(&rig.stats[1].alarm));
    CHECK_INT(PERSISTER_HALTED, atomic_load(&rig.stats[1].state));
    CHECK_INT((int)partitions, (int)atomic_load(&rig.stats[1].log_partitions));
    CHECK_INT((int)schema, (int)atomic_load(&rig.stats[1].log_schema));
    CHECK_SIZE(0, rig.log->fetches);
    CHECK_SIZE(0, rig.log->letter_count);
    rig.log->partitions = 4;
    rig.log->schema = PARLEY_SCHEMA_VERSION;
    rig_run(&rig, 1, 5);
    CHECK_INT(ALARM_NONE, atomic_load(&rig.stats[1].alarm));
    CHECK_SIZE(1, fake_log_count(rig.log, FAKE_ACKED));
    rig_fini(&rig);
}

TEST(a_log_of_other_settings_is_not_fetched_from)
{
    check_other_log(16, 1, ALARM_OTHER_LOG);
    check_other_log(0, 1, ALARM_OTHER_LOG); /* it doesn't say */
    check_other_log(4, PARLEY_SCHEMA_VERSION + 2, ALARM_SCHEMA);
}

TEST(after_a_reconnect_the_log_is_looked_at_before_the_next_fetch)
{
    struct rig rig;
    rig_init(&rig);
    add_good(&rig, "m1");
    rig_run(&rig, 1, 1);
    size_t fetches = rig.log->fetches;
    CHECK_SIZE(1, fetches);
    rig.log->partitions = 16;
    rig.log->epoch++;
    rig_run(&rig, 1, 3);
    CHECK_SIZE(fetches, rig.log->fetches);
    CHECK_INT(ALARM_OTHER_LOG, atomic_load(&rig.stats[1].alarm));
    rig_fini(&rig);
}

TEST(a_store_that_holds_another_log_is_an_alarm_not_a_dead_letter)
{
    struct rig rig;
    rig_init(&rig);
    add_good(&rig, "m1");
    rig.apply_rc = RC_CONFLICT;
    rig_run(&rig, 1, 3);
    CHECK_INT(ALARM_OTHER_LOG, atomic_load(&rig.stats[1].alarm));
    CHECK_SIZE(0, rig.log->letter_count);
    CHECK_SIZE(0, fake_log_count(rig.log, FAKE_ACKED));
    rig_fini(&rig);
}

TEST(a_store_beyond_the_end_of_the_log_is_an_alarm_and_nothing_is_acked)
{
    struct rig rig;
    rig_init(&rig);
    add_good(&rig, "m1");
    rig.applied_answer = (uint64_t)7 << 40; /* a wrong generation: all seqs look stored already */
    rig_run(&rig, 1, 3);
    CHECK_INT(ALARM_OTHER_LOG, atomic_load(&rig.stats[1].alarm));
    CHECK_SIZE(0, rig.log->letter_count);
    CHECK_SIZE(0, fake_log_count(rig.log, FAKE_ACKED));
    rig.applied_answer = 0; /* set right: it goes on by itself, and nothing is lost */
    rig_run(&rig, 1, 5);
    CHECK_INT(ALARM_NONE, atomic_load(&rig.stats[1].alarm));
    CHECK_SIZE(1, fake_log_count(rig.log, FAKE_ACKED));
    rig_fini(&rig);
}

TEST(an_outage_of_the_store_sends_nothing_to_the_dead_letters)
{
    static const enum rc ways[] = { RC_UNAVAILABLE, RC_TIMEOUT, RC_FULL, RC_NOMEM };
    for (size_t w = 0; w < COUNT_OF(ways); w++) {
        struct rig rig;
        rig_init(&rig);
        for (int i = 0; i < 20; i++) {
            char id[16];
            (void)snprintf(id, sizeof id, "m%d", i);
            add_good(&rig, id);
        }
        rig.apply_rc = ways[w];
        int64_t began_ms = clock_monotonic_ms(&rig.clock.source);
        while (clock_monotonic_ms(&rig.clock.source) - began_ms < 24 * 3600 * 1000)
            rig_run(&rig, 1, 1); /* a day */
        CHECK_SIZE(0, rig.log->letter_count);
        CHECK_SIZE(0, fake_log_count(rig.log, FAKE_ACKED));
        rig.apply_rc = RC_OK;
        rig_run(&rig, 1, 10);
        CHECK_U64(20, rig_applied(&rig));
        CHECK_SIZE(20, rig_stored(&rig, "room1"));
        CHECK_SIZE(20, fake_log_count(rig.log, FAKE_ACKED));
        rig_fini(&rig);
    }
}

TEST(a_store_that_is_away_from_the_start_is_waited_for)
{
    struct rig rig;
    rig_init(&rig);
    add_good(&rig, "m1");
    mem_store_set_away(rig.mem, true);
    rig_run(&rig, 1, 5);
    CHECK_INT(PERSISTER_WAITING, atomic_load(&rig.stats[1].state));
    mem_store_set_away(rig.mem, false);
    rig_run(&rig, 1, 5);
    CHECK_U64(1, rig_applied(&rig));
    rig_fini(&rig);
}

TEST(retries_wait_1_2_4_8_16_seconds_a_quarter_more_or_less)
{
    static const int64_t base_ms[] = { 1000, 2000, 4000, 8000, 16000, 16000, 16000 };
    struct rig rig;
    int64_t seen_ms[COUNT_OF(base_ms)];
    bool has_jitter = false;
    rig_init(&rig);
    (void)add_garbage(&rig);
    rig.log->dead_letter_rc = RC_UNAVAILABLE; /* what is no trouble of the store has no breaker */
    for (size_t i = 0; i < COUNT_OF(base_ms); i++) {
        seen_ms[i] = rig_turn(&rig, 1);
        CHECK(seen_ms[i] >= base_ms[i] * 3 / 4 && seen_ms[i] <= base_ms[i] * 5 / 4);
        has_jitter = has_jitter || seen_ms[i] != base_ms[i];
        fake_clock_advance(&rig.clock, seen_ms[i]);
    }
    CHECK(has_jitter);
    rig.log->dead_letter_rc = RC_OK;
    (void)rig_turn(&rig, 1);
    rig.log->fetch_rc = RC_UNAVAILABLE;
    CHECK(rig_turn(&rig, 1) <= 1250); /* after a good turn it begins anew */
    rig_fini(&rig);
}

/* An election takes seconds; who waits for 16 s after it would be 16 s behind for nothing. */
TEST(a_log_that_is_away_is_asked_each_two_seconds)
{
    struct rig rig;
    rig_init(&rig);
    rig.log->fetch_rc = RC_UNAVAILABLE;
    for (int i = 0; i < 12; i++) {
        int64_t wait_ms = rig_turn(&rig, 1);
        CHECK(wait_ms >= 750 && wait_ms <= 2500);
        fake_clock_advance(&rig.clock, wait_ms);
    }
    rig.log->fetch_rc = RC_OK;
    add_good(&rig, "m1");
    rig.log->state_rc = rig.log->read_run_rc = RC_UNAVAILABLE;
    rig.log->hidden_from = rig.log->hidden_to = rig_seq(1);
    add_good(&rig, "m2");
    for (int i = 0; i < 6; i++) { /* the same when it is the reading that fails */
        int64_t wait_ms = rig_turn(&rig, 1);
        CHECK(wait_ms >= 750 && wait_ms <= 2500);
        fake_clock_advance(&rig.clock, wait_ms);
    }
    rig_fini(&rig);
}

TEST(an_open_breaker_stops_the_fetching_and_a_probe_closes_it)
{
    struct rig rig;
    rig_init(&rig);
    add_good(&rig, "m1");
    rig.apply_rc = RC_UNAVAILABLE;
    int64_t wait_ms = 0;
    for (int i = 0; i < 10 && !atomic_load(&rig.stats[1].is_breaker_open); i++) {
        wait_ms = rig_turn(&rig, 1);
        if (!atomic_load(&rig.stats[1].is_breaker_open))
            fake_clock_advance(&rig.clock, wait_ms);
    }
    CHECK(atomic_load(&rig.stats[1].is_breaker_open));
    CHECK_INT(30000, wait_ms);
    CHECK(rig.log->last_delay_ms >= 30000); /* what was fetched comes back after that, not before */
    size_t fetches = rig.log->fetches;
    fake_clock_advance(&rig.clock, 29999);
    CHECK_INT(1, rig_turn(&rig, 1));
    CHECK_SIZE(fetches, rig.log->fetches);
    rig.apply_rc = RC_OK;
    fake_clock_advance(&rig.clock, 1);
    CHECK_INT(0, rig_turn(&rig, 1)); /* the probe */
    CHECK_U64(1, rig_applied(&rig));
    CHECK(!atomic_load(&rig.stats[1].is_breaker_open));
    rig_fini(&rig);
}

TEST(a_store_call_of_three_seconds_without_an_answer_opens_the_breaker_at_once)
{
    struct rig rig;
    rig_init(&rig);
    add_good(&rig, "m1");
    rig.apply_rc = RC_TIMEOUT;
    rig.apply_takes_ms = 3000;
    CHECK_INT(30000, rig_turn(&rig, 1));
    CHECK(atomic_load(&rig.stats[1].is_breaker_open));
    rig_fini(&rig);
}

TEST(any_single_call_that_fails_leaves_nothing_lost_or_doubled)
{
    enum rc *rcs[7];
    for (size_t which = 0; which < 7; which++) {
        struct rig rig;
        rig_init(&rig);
        add_good(&rig, "m1");
        (void)add_garbage(&rig);
        (void)fake_log_member(rig.log, "room1", "bob");
        rcs[0] = &rig.log->fetch_rc;
        rcs[1] = &rig.log->read_run_rc;
        rcs[2] = &rig.log->state_rc;
        rcs[3] = &rig.log->dead_letter_rc;
        rcs[4] = &rig.log->publish_rc;
        rcs[5] = &rig.log->announce_rc;
        rcs[6] = &rig.apply_rc;
        *rcs[which] = RC_UNAVAILABLE;
        rig_run(&rig, 1, 3);
        *rcs[which] = RC_OK;
        rig_run(&rig, 1, 6);
        fake_clock_advance(&rig.clock, 60000);
        rig_run(&rig, 1, 3);
        CHECK_SIZE(3, rig_stored(&rig, "room1"));
        CHECK_SIZE(1, rig.log->letter_count);
        CHECK_SIZE(rig.log->count - 1, fake_log_count(rig.log, FAKE_ACKED));
        CHECK_U64(rig.log->count, rig_applied(&rig));
        CHECK_U64(rig.log->count, rig_emitted(&rig));
        rig_fini(&rig);
    }
}
