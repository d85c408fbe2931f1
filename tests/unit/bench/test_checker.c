/* test_checker.c - every kind of harm done to a faithful record is seen, and none is made up.
 *
 * How: a book and a trail of the same COUNT messages agree; then each test does one harm (a row
 * left out, doubled, swapped, moved, altered) at every place in turn, and asks for the count that
 * names it.
 */
#include "support/check.h"

#include "checker.h"
#include "util.h"

#define COUNT 12

static struct row message(uint64_t n)
{
    return (struct row){ .seq = 100 + n * 3, .who = 1000 + n, .what = 7000 + n };
}

static uint64_t prev_of(uint64_t n)
{
    return n ? message(n - 1).seq : 0;
}

struct world {
    struct book book;
    struct trail trail;
    struct tally tally;
};

static void world_init(struct world *w)
{
    *w = (struct world){ .book.is_ordered = true, .trail.keeps_rows = true };
    for (uint64_t n = 0; n < COUNT; n++) {
        struct row row = message(n);
        book_ack(&w->book, &w->tally, &row);
    }
}

static void see(struct world *w, uint64_t prev, struct row row)
{
    (void)trail_see(&w->trail, &w->tally, prev, &row);
}

static void see_from_to(struct world *w, uint64_t from, uint64_t to)
{
    for (uint64_t n = from; n < to; n++)
        see(w, prev_of(n), message(n));
}

static void compare(struct world *w)
{
    book_compare(&w->book, &w->trail, 0, &w->tally, "test", NULL);
}

static void world_fini(struct world *w)
{
    book_fini(&w->book);
    trail_fini(&w->trail);
}

TEST(a_faithful_record_has_nothing_wrong)
{
    struct world w;
    world_init(&w);
    see_from_to(&w, 0, COUNT);
    compare(&w);
    CHECK_U64(0, tally_bad(&w.tally));
    CHECK_SIZE(COUNT, w.trail.len);
    world_fini(&w);
}

TEST(a_dropped_delivery_is_lost_wherever_it_was)
{
    for (uint64_t gone = 0; gone < COUNT; gone++) {
        struct world w;
        world_init(&w);
        see_from_to(&w, 0, gone);
        see_from_to(&w, gone + 1, COUNT);
        compare(&w);
        CHECK_U64(1, w.tally.lost);
        /* The first and the last leave no gap behind: only the book knows. */
        CHECK_U64(gone > 0 && gone + 1 < COUNT, w.tally.broken_chain);
        world_fini(&w);
    }
}

TEST(a_delivery_that_comes_twice_on_a_connection_is_doubled)
{
    for (uint64_t twice = 0; twice < COUNT; twice++) {
        struct world w;
        world_init(&w);
        see_from_to(&w, 0, twice + 1);
        see(&w, prev_of(twice), message(twice));
        see_from_to(&w, twice + 1, COUNT);
        compare(&w);
        CHECK_U64(1, w.tally.doubled);
        CHECK_U64(1, tally_bad(&w.tally));
        world_fini(&w);
    }
}

TEST(two_swapped_deliveries_are_out_of_order)
{
    for (uint64_t n = 0; n + 1 < COUNT; n++) {
        struct world w;
        world_init(&w);
        see_from_to(&w, 0, n);
        see(&w, prev_of(n + 1), message(n + 1));
        see(&w, prev_of(n), message(n));
        see_from_to(&w, n + 2, COUNT);
        compare(&w);
        CHECK_U64(1, w.tally.out_of_order);
        world_fini(&w);
    }
}

TEST(texts_shifted_by_one_are_changed)
{
    struct world w;
    world_init(&w);
    for (uint64_t n = 0; n < COUNT; n++) {
        struct row row = message(n);
        row.what = message(n + 1).what;
        see(&w, prev_of(n), row);
    }
    compare(&w);
    CHECK_U64(COUNT, w.tally.changed);
    world_fini(&w);
}

TEST(rows_shifted_to_the_next_number_are_changed_and_lost)
{
    struct world w;
    world_init(&w);
    for (uint64_t n = 0; n + 1 < COUNT; n++) {
        struct row row = message(n);
        row.seq = message(n + 1).seq;
        see(&w, prev_of(n + 1), row);
    }
    compare(&w);
    CHECK_U64(COUNT - 1, w.tally.changed);
    CHECK_U64(1, w.tally.lost);
    world_fini(&w);
}

TEST(one_message_under_two_numbers_is_doubled)
{
    for (uint64_t n = 0; n < COUNT; n++) {
        struct world w;
        world_init(&w);
        see_from_to(&w, 0, COUNT);
        struct row again = message(n);
        again.seq = message(COUNT).seq;
        see(&w, prev_of(COUNT), again);
        compare(&w);
        CHECK_U64(1, w.tally.doubled);
        CHECK_U64(1, tally_bad(&w.tally));
        world_fini(&w);
    }
}

TEST(a_double_that_was_withdrawn_is_allowed)
{
    struct world w;
    world_init(&w);
    see_from_to(&w, 0, COUNT);
    struct row again = message(4);
    again.seq = message(COUNT).seq;
    see(&w, prev_of(COUNT), again);
    trail_withdraw(&w.trail, &w.tally, again.seq);
    compare(&w);
    CHECK_U64(0, tally_bad(&w.tally));
    CHECK_U64(1, w.tally.withdrawn);
    world_fini(&w);
}

TEST(a_withdrawn_original_is_lost)
{
    struct world w;
    world_init(&w);
    see_from_to(&w, 0, COUNT);
    trail_withdraw(&w.trail, &w.tally, message(4).seq);
    compare(&w);
    CHECK_U64(1, w.tally.lost);
    world_fini(&w);
}

TEST(a_message_nobody_sent_is_unknown)
{
    struct world w;
    world_init(&w);
    see_from_to(&w, 0, COUNT);
    see(&w, prev_of(COUNT), message(COUNT));
    compare(&w);
    CHECK_U64(1, w.tally.unknown);
    world_fini(&w);
}

TEST(a_message_of_unknown_outcome_may_be_there_once_or_not_at_all)
{
    for (int copies = 0; copies < 3; copies++) {
        struct world w;
        world_init(&w);
        book_open(&w.book, message(COUNT).who, message(COUNT).what);
        see_from_to(&w, 0, COUNT);
        for (uint64_t i = 0; i < (uint64_t)copies; i++) {
            struct row row = message(COUNT);
            row.seq += i * 3;
            see(&w, prev_of(COUNT + i), row);
        }
        compare(&w);
        CHECK_U64(copies > 0, w.tally.unconfirmed);
        CHECK_U64(copies > 1, w.tally.doubled);
        CHECK_U64(copies > 1, tally_bad(&w.tally));
        world_fini(&w);
    }
}

TEST(a_wrong_prev_breaks_the_chain)
{
    for (uint64_t n = 0; n < COUNT; n++) {
        struct world w;
        world_init(&w);
        see_from_to(&w, 0, n);
        see(&w, n ? prev_of(n) - 1 : message(n).seq, message(n));
        see_from_to(&w, n + 1, COUNT);
        CHECK_U64(1, w.tally.broken_chain);
        world_fini(&w);
    }
}

TEST(repeats_after_a_resume_are_allowed_and_dropped)
{
    struct world w;
    world_init(&w);
    see_from_to(&w, 0, 8);
    trail_reconnected(&w.trail);
    see_from_to(&w, 5, COUNT);
    compare(&w);
    CHECK_U64(0, tally_bad(&w.tally));
    CHECK_U64(3, w.tally.repeats);
    CHECK_SIZE(COUNT, w.trail.len);
    world_fini(&w);
}

TEST(a_repeat_twice_on_the_new_connection_is_doubled)
{
    struct world w;
    world_init(&w);
    see_from_to(&w, 0, 8);
    trail_reconnected(&w.trail);
    see_from_to(&w, 5, 7);
    see_from_to(&w, 6, COUNT);
    CHECK_U64(1, w.tally.doubled);
    world_fini(&w);
}

TEST(a_repeat_with_another_text_is_changed)
{
    struct world w;
    world_init(&w);
    see_from_to(&w, 0, 8);
    trail_reconnected(&w.trail);
    struct row row = message(7);
    row.what++;
    see(&w, prev_of(7), row);
    CHECK_U64(1, w.tally.changed);
    world_fini(&w);
}

TEST(a_gap_at_the_resume_breaks_the_chain)
{
    struct world w;
    world_init(&w);
    see_from_to(&w, 0, 5);
    trail_reconnected(&w.trail);
    see_from_to(&w, 6, COUNT);
    compare(&w);
    CHECK_U64(1, w.tally.broken_chain);
    CHECK_U64(1, w.tally.lost);
    world_fini(&w);
}

TEST(a_reset_leaves_a_hole_that_has_to_be_filled)
{
    for (int is_filled = 0; is_filled < 2; is_filled++) {
        struct world w;
        world_init(&w);
        see_from_to(&w, 0, 3);
        trail_reconnected(&w.trail);
        trail_reset(&w.trail, &w.tally);
        see_from_to(&w, 8, COUNT);
        CHECK_SIZE(1, w.trail.hole_count);
        CHECK_U64(message(2).seq, w.trail.holes[0].after);
        CHECK_U64(message(8).seq, w.trail.holes[0].before);
        for (uint64_t n = 3; n < 8 && is_filled; n++) {
            struct row row = message(n);
            trail_fill(&w.trail, &row);
        }
        compare(&w);
        CHECK_U64(is_filled ? 0 : 5, w.tally.lost);
        CHECK_U64(0, w.tally.broken_chain);
        world_fini(&w);
    }
}

TEST(a_resume_may_repeat_what_a_reset_left_out)
{
    struct world w;
    world_init(&w);
    see_from_to(&w, 0, 3);
    trail_reset(&w.trail, &w.tally);
    see_from_to(&w, 8, 10);
    trail_reconnected(&w.trail);
    see_from_to(&w, 3, COUNT); /* the cursor was older than the reset */
    compare(&w);
    CHECK_U64(0, tally_bad(&w.tally));
    CHECK_SIZE(COUNT, w.trail.len);
    world_fini(&w);
}

TEST(an_event_that_shows_up_at_the_resume_only_was_missing_before)
{
    struct world w;
    world_init(&w);
    see_from_to(&w, 0, 5);
    see(&w, message(4).seq, message(6)); /* as if the chain had been right */
    trail_reconnected(&w.trail);
    see_from_to(&w, 5, COUNT);
    CHECK_U64(1, w.tally.out_of_order);
    world_fini(&w);
}

TEST(acks_that_fall_contradict_the_order_of_sending)
{
    struct world w;
    world_init(&w);
    struct row row = message(3);
    row.who = 5555;
    row.seq++;
    book_ack(&w.book, &w.tally, &row);
    CHECK_U64(1, w.tally.out_of_order);
    world_fini(&w);
}

TEST(two_acks_with_one_number_are_doubled)
{
    struct world w;
    world_init(&w);
    struct row row = message(3);
    row.who = 5555;
    book_ack(&w.book, &w.tally, &row);
    see_from_to(&w, 0, COUNT);
    compare(&w);
    CHECK_U64(1, w.tally.doubled);
    world_fini(&w);
}

TEST(what_came_before_the_start_is_not_asked_for)
{
    struct world w;
    world_init(&w);
    see_from_to(&w, 4, COUNT);
    book_compare(&w.book, &w.trail, message(4).seq, &w.tally, "test", NULL);
    CHECK_U64(0, tally_bad(&w.tally));
    world_fini(&w);
}

TEST(two_observers_with_other_rows_are_different)
{
    for (uint64_t n = 0; n < COUNT; n++) {
        for (int harm = 0; harm < 3; harm++) {
            struct world a, b;
            world_init(&a);
            world_init(&b);
            see_from_to(&a, 0, COUNT);
            see_from_to(&b, 0, COUNT);
            if (harm == 0)
                b.trail.rows[n].what++;
            if (harm == 1)
                b.trail.rows[n].seq++;
            if (harm == 2)
                b.trail.rows[n].who = 0;
            struct tally tally = { 0 };
            trail_compare(&a.trail, &b.trail, 0, 1000000, &tally, "test", NULL);
            CHECK_U64(harm == 1 ? 2 : 1, tally.different);
            world_fini(&a);
            world_fini(&b);
        }
    }
}

TEST(two_observers_are_compared_within_bounds_only)
{
    struct world a, b;
    struct tally tally = { 0 };
    world_init(&a);
    world_init(&b);
    see_from_to(&a, 0, COUNT);
    see_from_to(&b, 3, 7);
    trail_compare(&a.trail, &b.trail, message(3).seq, message(6).seq, &tally, "test", NULL);
    CHECK_U64(0, tally.different);
    trail_compare(&a.trail, &b.trail, message(3).seq, message(7).seq, &tally, "test", NULL);
    CHECK_U64(1, tally.different);
    world_fini(&a);
    world_fini(&b);
}
