/* loop.h - one epoll set and a heap of timers.
 *
 * Thread: everything runs on the one thread that calls loop_run.
 */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;

/* Called when a watched descriptor is ready. */
typedef void watch_fn(void *owner, uint32_t events);
typedef void timer_fn(void *owner);

struct watch {
    watch_fn *on_ready;
    void *owner;
};

/* Lives in its owner; zeroed is idle. */
struct timer {
    uint64_t due_ns;
    timer_fn *on_due;
    void *owner;
    size_t place; /* in the heap, from 1; 0 when idle */
};

struct loop *loop_create(void);
void loop_destroy(struct loop *loop);

/* Runs until loop_stop, or until the monotonic time end_ns (0: no end). */
void loop_run(struct loop *loop, uint64_t end_ns);
void loop_stop(struct loop *loop);

/* The time of this turn. */
uint64_t loop_now(const struct loop *loop);

/* Watches fd for events (EPOLLIN …) on behalf of watch, which must outlive the registration. */
void loop_add(struct loop *loop, int fd, uint32_t events, struct watch *watch);
void loop_change(struct loop *loop, int fd, uint32_t events, struct watch *watch);
void loop_remove(struct loop *loop, int fd);

/* Sets (or moves) a timer. */
void timer_set(struct loop *loop, struct timer *timer, uint64_t due_ns);
void timer_clear(struct loop *loop, struct timer *timer);

#endif
