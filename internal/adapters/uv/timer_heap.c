/* timer_heap.c - a pairing heap over struct timer.
 *
 * Each node links its first child, its next sibling, and `prev`: the sibling before it, or the
 * parent for a first child. Invariant: no child is due before its parent.
 */
#include "adapters/uv/timer_heap.h"

#include <assert.h>

static bool comes_before(const struct timer *a, const struct timer *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

/* Makes one heap of two roots (each without siblings); either may be NULL. */
static struct timer *meld(struct timer *a, struct timer *b)
{
    if (!a || !b)
        return a ? a : b;
    if (comes_before(b, a)) {
        struct timer *t = a;
        a = b;
        b = t;
    }
    b->prev = a;
    b->next = a->child;
    if (a->child)
        a->child->prev = b;
    a->child = b;
    return a;
}

/* Pairs the siblings from the left, then melds the pairs from the right: the two passes that give
 * the heap its O(log n). `prev` serves as the stack of pairs. */
static struct timer *meld_siblings(struct timer *first)
{
    struct timer *pairs = NULL, *root = NULL;
    while (first) {
        struct timer *a = first, *b = a->next;
        first = b ? b->next : NULL;
        a->next = a->prev = NULL;
        if (b)
            b->next = b->prev = NULL;
        struct timer *pair = meld(a, b);
        pair->prev = pairs;
        pairs = pair;
    }
    while (pairs) {
        struct timer *rest = pairs->prev;
        pairs->prev = NULL;
        root = meld(root, pairs);
        pairs = rest;
    }
    return root;
}

void timer_heap_add(struct timer_heap *heap, struct timer *timer)
{
    assert(!timer->is_active);
    timer->order = heap->started++;
    timer->child = timer->next = timer->prev = NULL;
    timer->is_active = true;
    heap->root = meld(heap->root, timer);
}

void timer_heap_remove(struct timer_heap *heap, struct timer *timer)
{
    if (!timer->is_active)
        return;
    struct timer *rest = meld_siblings(timer->child);
    if (timer == heap->root) {
        heap->root = rest;
    } else {
        if (timer->prev->child == timer)
            timer->prev->child = timer->next;
        else
            timer->prev->next = timer->next;
        if (timer->next)
            timer->next->prev = timer->prev;
        heap->root = meld(heap->root, rest);
    }
    timer->child = timer->next = timer->prev = NULL;
    timer->is_active = false;
}

struct timer *timer_heap_take_due(struct timer_heap *heap, uint64_t now_ms)
{
    struct timer *first = heap->root;
    if (!first || first->due_ms > now_ms)
        return NULL;
    timer_heap_remove(heap, first);
    return first;
}
