/* timer_heap.h - the timers of one loop, earliest first.
 *
 * A pairing heap of the timers themselves: no memory of its own, so adding can't fail; adding is
 * O(1), taking the first O(log n) amortised, removing any likewise. Knows nothing of libuv, so a
 * fake clock may use it too.
 *
 * Thread: one at a time.
 */
#ifndef ADAPTERS_UV_TIMER_HEAP_H
#define ADAPTERS_UV_TIMER_HEAP_H

#include "ports/timer.h"

struct timer_heap {
    struct timer *root;
    uint64_t started; /* how many were ever added: the tie-break of equal times */
};

/* Adds a timer that is not in a heap, with due_ms set. */
void timer_heap_add(struct timer_heap *heap, struct timer *timer);

/* Takes a timer out. One that is not in the heap (is_active false) is left alone. */
void timer_heap_remove(struct timer_heap *heap, struct timer *timer);

/* The earliest timer, still in the heap; NULL if there is none. */
static inline struct timer *timer_heap_first(const struct timer_heap *heap)
{
    return heap->root;
}

/* Takes out and returns the earliest timer due at or before now_ms, NULL if there is none. */
struct timer *timer_heap_take_due(struct timer_heap *heap, uint64_t now_ms);

#endif
