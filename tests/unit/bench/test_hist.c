/* test_hist.c - quantiles are within a bucket's width of the truth, for small and large values. */
#include "support/check.h"

#include <stdlib.h>

#include "hist.h"
#include "loop.h"
#include "util.h"

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

TEST(quantiles_are_within_two_per_cent)
{
    static struct hist hist;
    static uint64_t values[20000];
    struct rng rng = { 42 };
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        values[i] = rng_next(&rng) >> (24 + rng_below(&rng, 30));
        hist_add(&hist, values[i]);
    }
    qsort(values, COUNT_OF(values), sizeof values[0], by_value);
    for (int percent = 1; percent < 100; percent++) {
        double truth = (double)values[COUNT_OF(values) * (size_t)percent / 100] / 1e6;
        double got = hist_ms(&hist, percent / 100.0);
        CHECK(got >= truth * 0.98 && got <= truth * 1.02 + 1e-6);
    }
    CHECK_U64(COUNT_OF(values), hist.count);
    CHECK(hist_ms(&hist, 1) == (double)values[COUNT_OF(values) - 1] / 1e6);
}

TEST(an_empty_histogram_says_zero)
{
    static struct hist hist;
    CHECK(hist_ms(&hist, 0.5) == 0 && hist_mean_ms(&hist) == 0);
}

struct fired {
    struct timer timer;
    struct loop *loop;
    uint64_t *order, *count;
    uint64_t number;
};

static void on_due(void *owner)
{
    struct fired *f = owner;
    f->order[(*f->count)++] = f->number;
}

TEST(timers_come_in_the_order_of_their_moments_and_cleared_ones_never)
{
    enum { TIMERS = 500 };
    static struct fired timers[TIMERS];
    static uint64_t order[TIMERS];
    uint64_t count = 0, start = now_ns();
    struct loop *loop = loop_create();
    struct rng rng = { 7 };
    for (uint64_t i = 0; i < TIMERS; i++) {
        timers[i] = (struct fired){ .loop = loop, .order = order, .count = &count, .number = i };
        timers[i].timer = (struct timer){ .on_due = on_due, .owner = &timers[i] };
        timer_set(loop, &timers[i].timer, start + rng_below(&rng, 5000000));
    }
    for (uint64_t i = 0; i < TIMERS; i += 5)
        timer_clear(loop, &timers[i].timer);
    for (uint64_t i = 1; i < TIMERS; i += 5)
        timer_set(loop, &timers[i].timer, start + rng_below(&rng, 5000000));
    loop_run(loop, start + 20000000);
    CHECK_U64(TIMERS - TIMERS / 5, count);
    for (uint64_t i = 1; i < count; i++)
        CHECK(timers[order[i - 1]].timer.due_ns <= timers[order[i]].timer.due_ns);
    for (uint64_t i = 0; i < count; i++)
        CHECK(order[i] % 5 != 0);
    loop_destroy(loop);
}
