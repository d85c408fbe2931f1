/* The marks applied and emitted, and the scan. */
#include "contract/store/samples.h"

#include <inttypes.h>
#include <stdio.h>

static const uint64_t base = 1ULL << 40; /* generation 1 */

static uint64_t applied_of(struct bench *b, uint32_t generation, uint32_t partition)
{
    uint64_t seq;
    CHECK_RC(RC_OK, b->m->applied(b->m->self, generation, partition, &seq));
    return seq;
}

static uint64_t emitted_of(struct bench *b, uint32_t generation, uint32_t partition)
{
    uint64_t seq;
    CHECK_RC(RC_OK, b->m->emitted(b->m->self, generation, partition, &seq));
    return seq;
}

static uint64_t apply_run(struct bench *b, uint64_t from, uint64_t to)
{
    struct store_batch batch = { .generation = 1, .partition = 2, .from = from, .to = to };
    CHECK_RC(RC_OK, b->m->apply(b->m->self, &batch, NULL));
    return applied_of(b, 1, 2);
}

TEST(nothing_applied_is_the_place_before_a_generation)
{
    SCOPED_BENCH(b);
    CHECK_U64(base, applied_of(&b, 1, 0));
    CHECK_U64(3 * base, applied_of(&b, 3, 7));
    CHECK_U64(0, applied_of(&b, 0, 0));
    CHECK_U64(base, emitted_of(&b, 1, 0));
}

TEST(applied_moves_over_a_run_that_begins_right_after_it)
{
    SCOPED_BENCH(b);
    CHECK_U64(base + 10, apply_run(&b, base + 1, base + 10));
    CHECK_U64(base + 11, apply_run(&b, base + 11, base + 11));
}

TEST(applied_does_not_move_over_a_hole)
{
    SCOPED_BENCH(b);
    CHECK_U64(base, apply_run(&b, base + 2, base + 10));
    CHECK_U64(base + 1, apply_run(&b, base + 1, base + 1));
    CHECK_U64(base + 10, apply_run(&b, base + 2, base + 10));
}

TEST(applied_moves_over_the_rest_of_a_run_that_begins_within)
{
    SCOPED_BENCH(b);
    (void)apply_run(&b, base + 1, base + 10);
    CHECK_U64(base + 15, apply_run(&b, base + 5, base + 15));
}

TEST(applied_never_moves_back)
{
    SCOPED_BENCH(b);
    (void)apply_run(&b, base + 1, base + 10);
    CHECK_U64(base + 10, apply_run(&b, base + 1, base + 5));
    CHECK_U64(base + 10, apply_run(&b, base + 1, base + 10));
    CHECK_U64(base + 10, apply_run(&b, 0, 0));
}

TEST(a_batch_without_a_run_keeps_its_events_and_moves_nothing)
{
    SCOPED_BENCH(b);
    APPLY(&b, a_message(base + 1, "ann", "c1", "x"));
    CHECK_U64(base, applied_of(&b, 1, 0));
    CHECK(messages_of(&b, "room")[0]);
}

TEST(partitions_and_generations_have_marks_of_their_own)
{
    SCOPED_BENCH(b);
    (void)apply_run(&b, base + 1, base + 10);
    CHECK_U64(base, applied_of(&b, 1, 1));
    CHECK_U64(2 * base, applied_of(&b, 2, 2));
}

TEST(emitted_moves_up_only_and_apart_from_applied)
{
    SCOPED_BENCH(b);
    CHECK_RC(RC_OK, b.m->set_emitted(b.m->self, 1, 2, base + 7));
    CHECK_RC(RC_OK, b.m->set_emitted(b.m->self, 1, 2, base + 3));
    CHECK_U64(base + 7, emitted_of(&b, 1, 2));
    CHECK_U64(base, applied_of(&b, 1, 2));
    CHECK_U64(base, emitted_of(&b, 1, 3));
    store_fixture_reopen(b.fixture);
    b.m = store_fixture_messages(b.fixture);
    CHECK_U64(base + 7, emitted_of(&b, 1, 2));
}

struct scanned {
    char text[512];
    size_t left;
};

static bool add_scanned(void *closure, uint64_t seq, const struct id *conversation,
                        enum event_kind kind)
{
    struct scanned *s = closure;
    size_t len = strlen(s->text);
    (void)snprintf(s->text + len, sizeof s->text - len, " %" PRIu64 "%c%s", seq,
                   event_kind_op(kind), conversation->text);
    return --s->left > 0;
}

static const char *scan_of(struct bench *b, uint32_t partition, uint64_t after, uint64_t until,
                           size_t most)
{
    static struct scanned s;
    s = (struct scanned){ .left = most };
    CHECK_RC(RC_OK, b->m->scan(b->m->self, partition, after, until, add_scanned, &s));
    return s.text;
}

static void apply_in(struct bench *b, uint32_t partition, struct event event)
{
    struct store_batch batch = { .partition = partition, .events = &event, .event_count = 1 };
    CHECK_RC(RC_OK, b->m->apply(b->m->self, &batch, NULL));
}

TEST(a_scan_gives_a_partition_in_order_until_it_is_told_to_stop)
{
    SCOPED_BENCH(b);
    apply_in(&b, 1, in("hall", a_void(9, "refused")));
    apply_in(&b, 1, a_message(5, "ann", "c1", "x"));
    apply_in(&b, 1, a_message(7, "ann", "c1", "x"));
    apply_in(&b, 1, in("hall", a_message(6, "ann", "c1", "x")));
    apply_in(&b, 2, in("attic", a_message(8, "ann", "c1", "x")));
    CHECK_STR(" 5mroom 6mhall 7"
              "0room 9"
              "0hall",
              scan_of(&b, 1, 0, UINT64_MAX, 99));
    CHECK_STR(" 6mhall 7"
              "0room",
              scan_of(&b, 1, 5, 7, 99));
    CHECK_STR(" 5mroom 6mhall", scan_of(&b, 1, 0, UINT64_MAX, 2));
    CHECK_STR(" 8mattic", scan_of(&b, 2, 0, UINT64_MAX, 99));
    CHECK_STR("", scan_of(&b, 3, 0, UINT64_MAX, 99));
}

TEST(a_store_that_is_there_answers_a_ping)
{
    SCOPED_BENCH(b);
    CHECK_RC(RC_OK, b.m->ping(b.m->self));
}
