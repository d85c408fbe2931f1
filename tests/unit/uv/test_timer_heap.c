/* The heap against a plain list of the same timers: whatever is added, removed and taken, the order
 * of what comes out is that of due time, then of starting. */
#include "adapters/uv/timer_heap.h"

#include <stdlib.h>

#include "support/check.h"

enum { TIMERS = 500, STEPS = 20000 };

static struct timer timers[TIMERS];

static struct timer *expected_first(void)
{
    struct timer *first = NULL;
    for (size_t i = 0; i < TIMERS; i++) {
        struct timer *t = &timers[i];
        if (t->is_active && (!first || t->due_ms < first->due_ms ||
                             (t->due_ms == first->due_ms && t->order < first->order)))
            first = t;
    }
    return first;
}

TEST(gives_timers_in_the_order_of_their_time_through_random_changes)
{
    struct timer_heap heap = { 0 };
    srandom(7);
    for (int step = 0; step < STEPS; step++) {
        struct timer *t = &timers[random() % TIMERS];
        if (t->is_active) {
            timer_heap_remove(&heap, t);
            CHECK(!t->is_active);
        } else {
            t->due_ms = (uint64_t)(random() % 100);
            timer_heap_add(&heap, t);
        }
        if (step % 7 == 0) {
            struct timer *wanted = expected_first();
            CHECK(timer_heap_first(&heap) == wanted);
            if (wanted)
                CHECK(timer_heap_take_due(&heap, wanted->due_ms) == wanted);
        }
    }
    uint64_t last_ms = 0;
    struct timer *t;
    while ((t = timer_heap_take_due(&heap, 1000))) {
        CHECK(t->due_ms >= last_ms);
        last_ms = t->due_ms;
    }
    CHECK(!expected_first());
}

TEST(takes_nothing_before_its_time)
{
    struct timer_heap heap = { 0 };
    struct timer timer = { .due_ms = 50 };
    timer_heap_add(&heap, &timer);
    CHECK(!timer_heap_take_due(&heap, 49));
    CHECK(timer_heap_take_due(&heap, 50) == &timer);
    timer_heap_remove(&heap, &timer); /* not in it: nothing happens */
    CHECK(!timer_heap_first(&heap));
}

TEST(keeps_the_order_of_starting_among_equals)
{
    struct timer_heap heap = { 0 };
    struct timer equals[64] = { 0 };
    for (size_t i = 0; i < 64; i++)
        timer_heap_add(&heap, &equals[i]);
    for (size_t i = 0; i < 64; i++)
        CHECK(timer_heap_take_due(&heap, 0) == &equals[i]);
}
