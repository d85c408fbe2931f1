/* Three instances, and whatever may go wrong, in an order that a seed makes: calls that fail, lost
 * acknowledgements, instances killed, or overtaken in the middle of a commit, garbage, doubles.
 *
 * After every step: what is acknowledged is in the store, and applied has not gone back. Now and
 * then: the store has every event up to applied, each once. When all is well again for a while: the
 * store has everything, every garbage has its void and its dead letter and nothing else has one,
 * every double is withdrawn once, every member event has woken its user, nothing is left to be
 * acked.
 *
 * PARLEY_SEED=N runs that one seed; PARLEY_SEEDS=N so many of them (300).
 */
#include "persister_rig.h"

#include <stdio.h>
#include <stdlib.h>

enum { STEPS = 250, SEEDS = 300, ROOMS = 3 };

static const char *const rooms[ROOMS] = { "room5", "room9", "room12" };

struct run {
    struct rig rig;
    uint64_t seed, random;
    uint64_t applied;
    size_t garbage, members, doubles;
    int messages;
    int instance; /* whose turn it is */
};

static uint64_t at_seed;
static struct run *current; /* for the hook inside a commit */

static uint64_t roll(struct run *r, uint64_t sides)
{
    r->random = r->random * 6364136223846793005u + 1442695040888963407u;
    return (r->random >> 33) % sides;
}

static void write_something(struct run *r)
{
    const char *room = rooms[roll(r, ROOMS)];
    char id[24];
    uint64_t what = roll(r, 20);
    if (r->rig.log->count > FAKE_RECORDS_MAX / 2 || r->rig.log->letter_count > FAKE_LETTERS_MAX - 8)
        return;
    if (what == 0) {
        (void)fake_log_add(r->rig.log, 'c', room, 'm', "garbage");
        r->garbage++;
    } else if (what == 1) {
        (void)snprintf(id, sizeof id, "user_%zu", ++r->members);
        (void)fake_log_member(r->rig.log, room, id);
    } else if (what <= 3) { /* a late double, right after its first or much later */
        (void)snprintf(id, sizeof id, "d%zu", ++r->doubles);
        (void)fake_log_message(r->rig.log, room, "ann", id, "twice");
        for (uint64_t n = roll(r, 4); n > 0; n--)
            write_something(r);
        (void)fake_log_message(r->rig.log, room, "ann", id, "twice");
    } else {
        (void)snprintf(id, sizeof id, "m%d", ++r->messages);
        (void)fake_log_message(r->rig.log, room, "ann", id, "hi");
    }
}

static enum rc some_failure(struct run *r)
{
    static const enum rc ways[] = { RC_UNAVAILABLE, RC_TIMEOUT, RC_FULL, RC_NOMEM };
    return roll(r, 3) > 0 ? RC_OK : ways[roll(r, COUNT_OF(ways))];
}

static void break_or_mend(struct run *r)
{
    static const enum publish_outcome outcomes[] = { PUBLISH_STORED, PUBLISH_STORED, PUBLISH_FULL,
                                                     PUBLISH_UNKNOWN };
    struct fake_log *log = r->rig.log;
    enum rc *const places[] = { &log->fetch_rc,   &log->read_run_rc, &log->state_rc,
                                &log->publish_rc, &log->announce_rc, &log->dead_letter_rc,
                                &r->rig.apply_rc };
    *places[roll(r, COUNT_OF(places))] = some_failure(r);
    log->loses_acks = roll(r, 4) == 0;
    log->publish_outcome = outcomes[roll(r, COUNT_OF(outcomes))];
    r->rig.apply_takes_ms = roll(r, 10) == 0 ? 3500 : 0;
    if (roll(r, 6) == 0)
        mem_store_set_away(r->rig.mem, roll(r, 2) == 0);
}

/* In the middle of one instance's commit: time passes, and another one takes over. */
static void overtake(struct rig *rig)
{
    struct run *r = current;
    int other = 1 + (int)roll(r, 3);
    fake_clock_advance(&rig->clock, (int64_t)roll(r, 60000));
    write_something(r);
    if (other != r->instance) /* the one that stands in its commit can't turn meanwhile */
        (void)rig_turn(rig, other);
}

static void take_step(struct run *r)
{
    int instance = 1 + (int)roll(r, 3);
    switch (roll(r, 8)) {
    case 0:
    case 1:
        write_something(r);
        break;
    case 2:
        break_or_mend(r);
        break;
    case 3:
        fake_clock_advance(&r->rig.clock, (int64_t)roll(r, roll(r, 4) ? 3000 : 60000));
        break;
    case 4:
        if (roll(r, 4) == 0)
            rig_kill(&r->rig, instance);
        break;
    default:
        r->instance = instance;
        (void)rig_turn(&r->rig, instance);
        break;
    }
}

static uint64_t applied_now(struct run *r)
{
    uint64_t seq = r->applied + log_floor(RIG_GENERATION);
    (void)r->rig.inner->applied(r->rig.inner->self, RIG_GENERATION, RIG_PARTITION, &seq);
    return seq - log_floor(RIG_GENERATION);
}

static void check_step(struct run *r)
{
    uint64_t applied = applied_now(r);
    CHECK(applied >= r->applied);
    r->applied = applied;
    for (size_t i = 0; i < r->rig.log->count; i++) {
        enum fake_place place = r->rig.log->records[i].place;
        if (place == FAKE_ACKED || place == FAKE_TERMINATED)
            CHECK(r->rig.log->records[i].record.seq <= rig_seq(applied));
    }
}

/* Every event of the log up to applied is in the store, and none beyond the log. */
static void check_store(struct run *r)
{
    size_t wanted = 0, found = 0;
    if (r->rig.inner->ping(r->rig.inner->self) != RC_OK)
        return;
    for (size_t i = 0; i < r->applied; i++)
        wanted += r->rig.log->records[i].record.kind == 'c';
    for (int n = 0; n < ROOMS; n++)
        found += rig_stored(&r->rig, rooms[n]);
    CHECK(found >= wanted);
    CHECK(found <= r->rig.log->count);
}

static void heal(struct run *r)
{
    struct fake_log *log = r->rig.log;
    log->fetch_rc = log->read_run_rc = log->state_rc = log->publish_rc = RC_OK;
    log->announce_rc = log->dead_letter_rc = r->rig.apply_rc = RC_OK;
    log->publish_outcome = PUBLISH_STORED;
    log->loses_acks = false;
    r->rig.apply_takes_ms = 0;
    r->rig.before_apply = NULL;
    mem_store_set_away(r->rig.mem, false);
    for (int i = 0; i < 60; i++) {
        rig_run(&r->rig, 1 + i % 3, 1);
        fake_clock_advance(&r->rig.clock, 3000);
        check_step(r);
    }
    rig_kill(&r->rig, 2);
    rig_kill(&r->rig, 3);
    fake_clock_advance(&r->rig.clock, 60000);
    rig_run(&r->rig, 1, 60);
    persister_flush(r->rig.persisters[1]);
}

static void check_end(struct run *r)
{
    struct fake_log *log = r->rig.log;
    size_t events = 0, stored = 0, withdrawals = 0, feeds = log->published_elsewhere;
    for (size_t i = 0; i < log->count; i++) {
        const struct log_record *record = &log->records[i].record;
        events += record->kind == 'c';
        withdrawals += record->op == 'w';
        feeds += record->kind == 'u';
        if (strcmp(log->records[i].payload, "garbage") == 0)
            CHECK_INT(EVENT_VOID, rig_kind_at(&r->rig, record->owner.text, record->seq, NULL));
    }
    for (int n = 0; n < ROOMS; n++)
        stored += rig_stored(&r->rig, rooms[n]);
    CHECK_U64(log->count, rig_applied(&r->rig));
    CHECK_U64(log->count, rig_emitted(&r->rig));
    CHECK_SIZE(events, stored);
    CHECK_SIZE(r->doubles, withdrawals);
    CHECK(feeds >= r->members); /* those of other partitions can't be told apart when repeated */
    CHECK_SIZE(log->count, fake_log_count(log, FAKE_ACKED) + fake_log_count(log, FAKE_TERMINATED));
    CHECK(log->letter_count >= r->garbage);
    for (size_t i = 0; i < log->letter_count; i++)
        CHECK_STR("garbage", fake_log_at(log, log->letters[i].seq)->payload);
}

static void run_seed(uint64_t seed)
{
    struct run r = { .seed = seed, .random = seed * 2654435761u + 1 };
    rig_init(&r.rig);
    current = &r;
    for (int i = 0; i < STEPS; i++) {
        if (roll(&r, 12) == 0)
            r.rig.before_apply = overtake;
        take_step(&r);
        check_step(&r);
        if (i % 50 == 49)
            check_store(&r);
    }
    heal(&r);
    check_end(&r);
    rig_fini(&r.rig);
}

/* Says which seed it was, however the test ended. */
__attribute__((destructor)) static void say_seed(void)
{
    (void)printf("last seed: PARLEY_SEED=%llu\n", (unsigned long long)at_seed);
}

TEST(whatever_fails_in_whatever_order_nothing_is_lost_or_doubled)
{
    const char *one = getenv("PARLEY_SEED"), *many = getenv("PARLEY_SEEDS");
    uint64_t first = 1, count = SEEDS;
    if (many)
        CHECK(bytes_to_u64(bytes_of(many), 1000000, &count));
    if (one) {
        CHECK(bytes_to_u64(bytes_of(one), UINT64_MAX, &first));
        count = 1;
    }
    for (uint64_t seed = first; seed < first + count; seed++) {
        at_seed = seed;
        run_seed(seed);
    }
}
