/* workers.h - a bounded pool of threads: the executor port on real threads.
 *
 * libuv's own pool is shared with its file and DNS work and has no bound on its queue, so blocking
 * work of ours has threads of its own. A pool with one thread runs its jobs in order: that is how a
 * store gets its single writer.
 */
#ifndef ADAPTERS_UV_WORKERS_H
#define ADAPTERS_UV_WORKERS_H

#include <stddef.h>

#include "adapters/uv/loop.h"
#include "ports/executor.h"

struct workers;

struct workers_options {
    const char *name;    /* of the threads, at most 15 characters; borrowed, static */
    size_t thread_count; /* 1 to 64 */
    size_t queue_max;    /* jobs waiting for a thread; more than zero */
};

/* Starts the threads; all signals are blocked in them.
 *   returns  a pool the caller owns (workers_destroy); NULL if memory or threads are short
 */
struct workers *workers_create(struct loop *loop, const struct workers_options *options);

/* The port. Lives as long as the pool. */
struct executor *workers_executor(struct workers *workers);

/* Jobs waiting for a thread. Loop thread; a moment's view. */
size_t workers_queued(struct workers *workers);

/* Refuses new jobs from now on, lets the threads finish every queued one, waits for them
 * (blocking), calls the `done` of all. The port stays, and answers RC_UNAVAILABLE. Loop thread, or
 * after loop_run. A second time, or NULL, is fine. */
void workers_stop(struct workers *workers);

/* workers_stop, then frees the pool. Whoever may submit is gone by then. NULL is fine. */
void workers_destroy(struct workers *workers);

#endif
