/* Heads: contiguous, complete, in time, and independent of store and rank. Announcements are parsed
 * as a gateway parses them, and compared with what the log holds. */
#include "app/announcer.h"
#include "persister_rig.h"
#include "wire/event_json.h"

struct stage {
    struct rig rig;
    struct log_consumer port;
    struct persister_stats stats;
    struct announcer *announcer;
};

static void make_announcer(struct stage *s)
{
    s->port = fake_log_port(s->rig.log, 5);
    const struct announcer_options options = { .log = &s->port,
                                               .clock = &s->rig.clock.source,
                                               .stats = &s->stats,
                                               .partition = RIG_PARTITION,
                                               .generation = RIG_GENERATION };
    s->announcer = announcer_create(&options);
    CHECK(s->announcer != NULL);
}

static void stage_init(struct stage *s)
{
    rig_init(&s->rig);
    memset(&s->stats, 0, sizeof s->stats);
    make_announcer(s);
}

static void stage_fini(struct stage *s)
{
    announcer_destroy(s->announcer);
    rig_fini(&s->rig);
}

/* Turns for that much time of the clock. */
static void run_for(struct stage *s, int64_t ms)
{
    int64_t end_ms = clock_monotonic_ms(&s->rig.clock.source) + ms;
    while (clock_monotonic_ms(&s->rig.clock.source) < end_ms)
        fake_clock_advance(&s->rig.clock, announcer_turn(s->announcer) + 1);
}

static size_t count_said(const struct stage *s, const char *subject)
{
    size_t count = 0;
    for (size_t i = 0; i < s->rig.log->said_count; i++)
        count += strcmp(s->rig.log->said[i].subject, subject) == 0;
    return count;
}

/* Walks all heads: each begins where the one before ended. Returns where the last one ends. */
static uint64_t check_contiguous(const struct stage *s, size_t *out_entries)
{
    uint64_t to = 0;
    *out_entries = 0;
    for (size_t i = 0; i < s->rig.log->said_count; i++) {
        SCOPED_ARENA(arena, 1 << 20);
        struct heads heads;
        if (strcmp(s->rig.log->said[i].subject, "heads.1") != 0)
            continue;
        CHECK_RC(RC_OK, heads_parse(bytes_of(s->rig.log->said[i].json), &arena, &heads));
        CHECK_U64(RIG_GENERATION, heads.generation);
        CHECK(to == 0 || heads.from == to);
        CHECK(heads.to >= heads.from);
        to = heads.to;
        *out_entries += heads.count;
    }
    return to;
}

TEST(every_owner_that_got_a_record_is_named_with_its_last_seq)
{
    struct stage s;
    SCOPED_ARENA(arena, 1 << 20);
    struct heads heads;
    stage_init(&s);
    (void)fake_log_message(s.rig.log, "a", "ann", "m1", "hi");
    (void)fake_log_message(s.rig.log, "b", "ann", "m2", "hi");
    uint64_t last_a = fake_log_message(s.rig.log, "a", "ann", "m3", "hi");
    uint64_t last_bob = fake_log_add(s.rig.log, 'u', "bob", 'f', "{}");
    run_for(&s, 100);
    const char *said = fake_log_last_said(s.rig.log, "heads.1");
    CHECK(said != NULL);
    CHECK_RC(RC_OK, heads_parse(bytes_of(said), &arena, &heads));
    CHECK_SIZE(3, heads.count);
    CHECK_U64(log_floor(RIG_GENERATION), heads.from);
    CHECK_U64(last_bob, heads.to);
    for (size_t i = 0; i < heads.count; i++) {
        if (bytes_is(id_bytes(&heads.entries[i].owner), "a"))
            CHECK_U64(last_a, heads.entries[i].seq);
        if (bytes_is(id_bytes(&heads.entries[i].owner), "bob"))
            CHECK_INT('u', heads.entries[i].kind);
    }
    stage_fini(&s);
}

TEST(heads_follow_each_other_without_a_hole)
{
    struct stage s;
    size_t entries;
    stage_init(&s);
    for (int i = 0; i < 60; i++) {
        (void)fake_log_message(s.rig.log, i % 3 ? "a" : "b", "ann", "m", "hi");
        run_for(&s, i % 5 ? 70 : 900);
    }
    run_for(&s, 500);
    CHECK_U64(rig_seq(60), check_contiguous(&s, &entries));
    stage_fini(&s);
}

TEST(they_come_each_200_ms_when_something_comes_and_each_2_s_when_not)
{
    struct stage s;
    stage_init(&s);
    run_for(&s, 10);
    size_t before = count_said(&s, "heads.1");
    for (int i = 0; i < 100; i++) {
        (void)fake_log_message(s.rig.log, "a", "ann", "m", "hi");
        run_for(&s, 20);
    }
    size_t busy = count_said(&s, "heads.1") - before; /* in 2 s and a little */
    CHECK(busy >= 8 && busy <= 12);
    run_for(&s, 2000);
    before = count_said(&s, "heads.1");
    run_for(&s, 20000);
    size_t quiet = count_said(&s, "heads.1") - before;
    CHECK(quiet >= 9 && quiet <= 11);
    stage_fini(&s);
}

TEST(the_first_record_after_quiet_is_named_at_once)
{
    struct stage s;
    size_t entries;
    stage_init(&s);
    run_for(&s, 1000);
    (void)fake_log_message(s.rig.log, "a", "ann", "m", "hi");
    (void)announcer_turn(s.announcer);
    (void)announcer_turn(s.announcer);
    CHECK_U64(rig_seq(1), check_contiguous(&s, &entries));
    stage_fini(&s);
}

TEST(many_owners_are_spread_over_several_heads_without_a_hole)
{
    struct stage s;
    size_t entries;
    stage_init(&s);
    for (int i = 0; i < 2500; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "r%d", i);
        (void)fake_log_message(s.rig.log, name, "ann", "m", "hi");
    }
    run_for(&s, 300);
    CHECK_SIZE(3, count_said(&s, "heads.1"));
    CHECK_U64(rig_seq(2500), check_contiguous(&s, &entries));
    CHECK_SIZE(2500, entries);
    stage_fini(&s);
}

TEST(what_could_not_be_sent_is_in_the_next_one)
{
    struct stage s;
    size_t entries;
    stage_init(&s);
    (void)fake_log_message(s.rig.log, "a", "ann", "m1", "hi");
    s.rig.log->announce_rc = RC_UNAVAILABLE;
    run_for(&s, 3000);
    CHECK_SIZE(0, count_said(&s, "heads.1"));
    s.rig.log->announce_rc = RC_OK;
    (void)fake_log_message(s.rig.log, "b", "ann", "m2", "hi");
    run_for(&s, 500);
    CHECK_U64(rig_seq(2), check_contiguous(&s, &entries));
    CHECK_SIZE(2, entries);
    stage_fini(&s);
}

TEST(after_an_outage_of_the_log_they_go_on_where_they_ended)
{
    struct stage s;
    size_t entries;
    stage_init(&s);
    (void)fake_log_message(s.rig.log, "a", "ann", "m1", "hi");
    run_for(&s, 500);
    s.rig.log->tail_rc = RC_UNAVAILABLE;
    (void)fake_log_message(s.rig.log, "b", "ann", "m2", "hi");
    run_for(&s, 10000);
    s.rig.log->tail_rc = RC_OK;
    run_for(&s, 500);
    CHECK_U64(rig_seq(2), check_contiguous(&s, &entries));
    CHECK_SIZE(2, entries);
    stage_fini(&s);
}

TEST(a_restarted_announcer_reaches_back_over_what_was_stored_meanwhile)
{
    struct stage s;
    SCOPED_ARENA(arena, 1 << 20);
    struct heads before, after;
    stage_init(&s);
    (void)fake_log_message(s.rig.log, "a", "ann", "m1", "hi");
    run_for(&s, 500);
    CHECK_RC(RC_OK,
             heads_parse(bytes_of(fake_log_last_said(s.rig.log, "heads.1")), &arena, &before));
    announcer_destroy(s.announcer);
    (void)fake_log_message(s.rig.log, "b", "ann", "m2", "hi");
    make_announcer(&s);
    run_for(&s, 100);
    CHECK_RC(RC_OK,
             heads_parse(bytes_of(fake_log_last_said(s.rig.log, "heads.1")), &arena, &after));
    CHECK(after.from <= before.to);
    CHECK_U64(rig_seq(2), after.to);
    stage_fini(&s);
}

TEST(they_go_on_while_the_store_is_away)
{
    struct stage s;
    size_t entries;
    stage_init(&s);
    s.rig.apply_rc = RC_UNAVAILABLE;
    for (int i = 0; i < 10; i++) {
        (void)fake_log_message(s.rig.log, "a", "ann", "m", "hi");
        (void)rig_turn(&s.rig, 1);
        run_for(&s, 1000);
    }
    CHECK_U64(0, rig_applied(&s.rig));
    CHECK_U64(rig_seq(10), check_contiguous(&s, &entries));
    stage_fini(&s);
}

TEST(who_knows_of_another_active_one_speaks_each_2_s_and_at_full_rate_once_it_is_silent)
{
    struct stage s;
    stage_init(&s);
    atomic_store(&s.stats.state, PERSISTER_STANDBY);
    for (int i = 0; i < 100; i++) {
        (void)fake_log_message(s.rig.log, "a", "ann", "m", "hi");
        atomic_store(&s.stats.standby_at_ms, clock_monotonic_ms(&s.rig.clock.source));
        run_for(&s, 100);
    }
    size_t slow = count_said(&s, "heads.1");
    CHECK(slow >= 4 && slow <= 7); /* 10 s: never silent */
    for (int i = 0; i < 100; i++) {
        (void)fake_log_message(s.rig.log, "a", "ann", "m", "hi");
        run_for(&s, 100); /* nobody is heard of any more */
    }
    CHECK(count_said(&s, "heads.1") - slow > 25);
    stage_fini(&s);
}

TEST(the_lag_is_announced_while_the_store_is_away)
{
    struct stage s;
    struct applied applied;
    stage_init(&s);
    (void)fake_log_message(s.rig.log, "a", "ann", "m1", "hi");
    atomic_store(&s.stats.oldest_at_us, clock_wall_us(&s.rig.clock.source));
    atomic_store(&s.stats.applied, log_floor(RIG_GENERATION));
    run_for(&s, 60000);
    CHECK_RC(RC_OK, applied_parse(bytes_of(fake_log_last_said(s.rig.log, "applied.1")), &applied));
    CHECK(applied.has_lag);
    CHECK(applied.lag_ms >= 57000 && applied.lag_ms <= 61000);
    CHECK_U64(1, applied.pending);
    stage_fini(&s);
}
