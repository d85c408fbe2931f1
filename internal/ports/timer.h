/* timer.h - port: monotonic time, timers and "call me again next turn".
 *
 * Timers and tasks live inside the structs that own them, so that starting one never allocates
 * and never fails. Stopping is always allowed and takes effect at once: no call comes after it.
 *
 * Thread: loop thread only. Calls come from the loop, never from inside timer_start or task_post.
 */
#ifndef PORTS_TIMER_H
#define PORTS_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer;
struct task;

typedef void timer_fn(struct timer *timer);
typedef void task_fn(struct task *task);

/* A one-shot or repeating timer. Set `run` (and zero the rest) before the first start; reach the
 * owner with CONTAINER_OF. The other fields belong to the adapter. */
struct timer {
    timer_fn *run;
    uint64_t due_ms;
    uint64_t order; /* timers due in the same millisecond run in the order they were started */
    uint32_t repeat_ms;
    bool is_active;
    struct timer *child, *next, *prev;
};

/* Work to be done on the next turn of the loop: how a long walk is cut into slices. Zero it and
 * set `run`. */
struct task {
    task_fn *run;
    bool is_posted;
    struct task *next, *prev;
};

struct timers {
    const struct timers_ops *ops;
};

struct timers_ops {
    uint64_t (*now_ms)(struct timers *timers);
    void (*start)(struct timers *timers, struct timer *timer, uint64_t delay_ms,
                  uint32_t repeat_ms);
    void (*stop)(struct timers *timers, struct timer *timer);
    void (*post)(struct timers *timers, struct task *task);
    void (*cancel)(struct timers *timers, struct task *task);
};

/* Monotonic milliseconds, read once a turn of the loop. */
static inline uint64_t timers_now_ms(struct timers *timers)
{
    return timers->ops->now_ms(timers);
}

/* Starts the timer, or starts it anew if it runs.
 *   delay_ms   until the first call; 0 is the next turn
 *   repeat_ms  between further calls; 0 for none. Turns that were missed are not made up for.
 */
static inline void timer_start(struct timers *timers, struct timer *timer, uint64_t delay_ms,
                               uint32_t repeat_ms)
{
    timers->ops->start(timers, timer, delay_ms, repeat_ms);
}

/* Stops the timer. One that does not run is left alone. */
static inline void timer_stop(struct timers *timers, struct timer *timer)
{
    timers->ops->stop(timers, timer);
}

/* Has the task run once on the next turn. One that is posted already stays posted once. */
static inline void task_post(struct timers *timers, struct task *task)
{
    timers->ops->post(timers, task);
}

/* Takes the task back. One that is not posted is left alone. */
static inline void task_cancel(struct timers *timers, struct task *task)
{
    timers->ops->cancel(timers, task);
}

#ifndef CONTAINER_OF
/* The struct of `type` whose `member` is at `ptr`. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#endif

#endif
