/* mailbox.c - a lock-free stack that the loop takes whole and turns around.
 *
 * 1. `posted` is a stack written by any thread; the loop swaps it for NULL and reverses it into
 *    `due`, which only the loop touches.
 * 2. Who pushes onto an empty stack wakes the loop. The loop empties the stack after the wake-up
 *    began, so a letter is never left without a wake-up.
 * 3. `count` is raised before the push and lowered when a letter is run: it is the bound.
 */
#include "adapters/uv/mailbox.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <uv.h>

enum { TURN_BUDGET = 256 };

struct mailbox {
    uv_async_t wake;
    _Atomic(struct mail *) posted;
    atomic_size_t count;
    atomic_bool is_closed;
    size_t letters_max;
    size_t turn_budget;
    struct mail *due, *due_last;
};

static void take_posted(struct mailbox *box)
{
    struct mail *newest = atomic_exchange_explicit(&box->posted, NULL, memory_order_acquire);
    struct mail *oldest = NULL, *last = newest;
    while (newest) {
        struct mail *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    if (!oldest)
        return;
    if (box->due)
        box->due_last->next = oldest;
    else
        box->due = oldest;
    box->due_last = last;
}

static void run_due(struct mailbox *box, size_t budget)
{
    while (box->due && budget-- > 0) {
        struct mail *mail = box->due;
        box->due = mail->next;
        atomic_fetch_sub_explicit(&box->count, 1, memory_order_relaxed);
        mail->run(mail);
    }
}

static void on_wake(uv_async_t *handle)
{
    struct mailbox *box = handle->data;
    take_posted(box);
    run_due(box, box->turn_budget);
    if (box->due)
        uv_async_send(&box->wake); /* the rest on the next turn, after sockets and timers */
}

struct mailbox *mailbox_create(struct loop *loop, const struct mailbox_options *options)
{
    assert(options->letters_max > 0);
    struct mailbox *box = calloc(1, sizeof *box);
    if (!box)
        return NULL;
    box->letters_max = options->letters_max;
    box->turn_budget = options->turn_budget ? options->turn_budget : TURN_BUDGET;
    if (uv_async_init(loop_handle(loop), &box->wake, on_wake) != 0) {
        free(box);
        return NULL;
    }
    box->wake.data = box;
    return box;
}

enum rc mailbox_post(struct mailbox *box, struct mail *mail)
{
    assert(mail->run);
    if (atomic_load_explicit(&box->is_closed, memory_order_acquire))
        return RC_UNAVAILABLE;
    if (atomic_fetch_add_explicit(&box->count, 1, memory_order_relaxed) >= box->letters_max) {
        atomic_fetch_sub_explicit(&box->count, 1, memory_order_relaxed);
        return RC_FULL;
    }
    struct mail *head = atomic_load_explicit(&box->posted, memory_order_relaxed);
    do {
        mail->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&box->posted, &head, mail, memory_order_release,
                                                    memory_order_relaxed));
    if (!head)
        uv_async_send(&box->wake);
    return RC_OK;
}

size_t mailbox_count(const struct mailbox *box)
{
    return atomic_load_explicit(&box->count, memory_order_relaxed);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void mailbox_destroy(struct mailbox *box)
{
    if (!box)
        return;
    atomic_store_explicit(&box->is_closed, true, memory_order_release);
    do {
        take_posted(box);
        run_due(box, SIZE_MAX);
    } while (atomic_load_explicit(&box->posted, memory_order_relaxed));
    uv_close((uv_handle_t *)&box->wake, on_closed);
}
