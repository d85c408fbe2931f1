/* loop.c - libuv behind loop.h.
 *
 * All timers of the app share one uv_timer: a uv_timer_t each would be 150 bytes and would need an
 * asynchronous close before its owner may be freed. Tasks share one uv_idle, which is active only
 * while there are some: it keeps the loop from sleeping, and runs before the loop polls.
 */
#include "adapters/uv/loop.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <uv.h>

#include "adapters/uv/timer_heap.h"

enum { SIGNALS_MAX = 8 };

struct signal_watch {
    uv_signal_t handle;
    loop_signal_fn *fn;
    void *arg;
};

struct loop {
    struct timers timers; /* first: the port's pointer is the loop's */
    uv_loop_t uv;
    uv_timer_t alarm;
    uv_idle_t idle;
    struct timer_heap heap;
    struct task *first_task, *last_task;
    uint64_t alarm_at_ms; /* 0: the alarm is off */
    struct signal_watch signals[SIGNALS_MAX];
    size_t signal_count;
    pthread_t thread;
    bool is_running;
    bool is_in_alarm;
    bool is_after_alarm;
};

static struct loop *loop_of(struct timers *timers)
{
    return CONTAINER_OF(timers, struct loop, timers);
}

static void on_alarm(uv_timer_t *handle);

static void set_alarm(struct loop *loop)
{
    if (loop->is_in_alarm)
        return; /* set once at its end */
    struct timer *first = timer_heap_first(&loop->heap);
    uint64_t at_ms = first ? first->due_ms + 1 : 0; /* +1: 0 means off */
    if (at_ms == loop->alarm_at_ms)
        return;
    loop->alarm_at_ms = at_ms;
    if (!first) {
        uv_timer_stop(&loop->alarm);
        return;
    }
    uint64_t now_ms = uv_now(&loop->uv);
    uint64_t delay_ms = first->due_ms > now_ms ? first->due_ms - now_ms : 0;
    /* libuv runs a timer that is started with 0 from its own callback again in the same walk, with
     * the clock standing still. */
    uv_timer_start(&loop->alarm, on_alarm, delay_ms || !loop->is_after_alarm ? delay_ms : 1, 0);
}

/* Runs what was due when it began, so that a timer that starts itself with no delay can't hold the
 * loop. */
static void on_alarm(uv_timer_t *handle)
{
    struct loop *loop = handle->data;
    uint64_t now_ms = uv_now(&loop->uv), started = loop->heap.started;
    struct timer *timer;

    loop->is_in_alarm = true;
    while ((timer = timer_heap_first(&loop->heap)) && timer->order < started &&
           (timer = timer_heap_take_due(&loop->heap, now_ms))) {
        if (timer->repeat_ms) {
            timer->due_ms += timer->repeat_ms;
            if (timer->due_ms <= now_ms)
                timer->due_ms = now_ms + timer->repeat_ms;
            timer_heap_add(&loop->heap, timer);
        }
        timer->run(timer);
    }
    loop->is_in_alarm = false;
    loop->alarm_at_ms = 0;
    loop->is_after_alarm = true;
    set_alarm(loop);
    loop->is_after_alarm = false;
}

static uint64_t now(struct timers *timers)
{
    return uv_now(&loop_of(timers)->uv);
}

static void start(struct timers *timers, struct timer *timer, uint64_t delay_ms, uint32_t repeat_ms)
{
    struct loop *loop = loop_of(timers);
    assert(timer->run);
    assert(loop_is_own_thread(loop));
    timer_heap_remove(&loop->heap, timer);
    timer->due_ms = uv_now(&loop->uv) + delay_ms;
    timer->repeat_ms = repeat_ms;
    timer_heap_add(&loop->heap, timer);
    set_alarm(loop);
}

static void stop(struct timers *timers, struct timer *timer)
{
    struct loop *loop = loop_of(timers);
    assert(loop_is_own_thread(loop));
    timer_heap_remove(&loop->heap, timer);
    set_alarm(loop);
}

/* Runs the tasks that were posted before it began; those that they post wait for the next turn. */
static void on_idle(uv_idle_t *handle)
{
    struct loop *loop = handle->data;
    struct task mark = { 0 };

    mark.prev = loop->last_task;
    *(loop->last_task ? &loop->last_task->next : &loop->first_task) = &mark;
    loop->last_task = &mark;

    struct task *task;
    while ((task = loop->first_task) != &mark) {
        task_cancel(&loop->timers, task);
        task->run(task);
    }
    mark.is_posted = true;
    task_cancel(&loop->timers, &mark);
}

static void post(struct timers *timers, struct task *task)
{
    struct loop *loop = loop_of(timers);
    assert(task->run);
    assert(loop_is_own_thread(loop));
    if (task->is_posted)
        return;
    task->is_posted = true;
    task->next = NULL;
    task->prev = loop->last_task;
    if (loop->last_task)
        loop->last_task->next = task;
    else
        loop->first_task = task;
    loop->last_task = task;
    uv_idle_start(&loop->idle, on_idle); /* does nothing if it is active */
}

static void cancel(struct timers *timers, struct task *task)
{
    struct loop *loop = loop_of(timers);
    assert(loop_is_own_thread(loop));
    if (!task->is_posted)
        return;
    task->is_posted = false;
    if (task->prev)
        task->prev->next = task->next;
    else
        loop->first_task = task->next;
    if (task->next)
        task->next->prev = task->prev;
    else
        loop->last_task = task->prev;
    task->next = task->prev = NULL;
    if (!loop->first_task)
        uv_idle_stop(&loop->idle);
}

static const struct timers_ops timers_ops = {
    .now_ms = now,
    .start = start,
    .stop = stop,
    .post = post,
    .cancel = cancel,
};

struct loop *loop_create(void)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return NULL;
    if (uv_loop_init(&loop->uv) != 0) {
        free(loop);
        return NULL;
    }
    loop->timers.ops = &timers_ops;
    /* A peer that resets its connection must be an error code, not the end of the process. */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)uv_timer_init(&loop->uv, &loop->alarm); /* neither can fail */
    (void)uv_idle_init(&loop->uv, &loop->idle);
    loop->alarm.data = loop->idle.data = loop;
    return loop;
}

void loop_run(struct loop *loop)
{
    loop->thread = pthread_self();
    loop->is_running = true;
    uv_update_time(&loop->uv);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT); /* says whether handles are left: they may be */
    loop->is_running = false;
}

void loop_stop(struct loop *loop)
{
    assert(loop_is_own_thread(loop));
    uv_stop(&loop->uv);
}

struct timers *loop_timers(struct loop *loop)
{
    return &loop->timers;
}

bool loop_is_own_thread(const struct loop *loop)
{
    return !loop->is_running || pthread_equal(loop->thread, pthread_self());
}

static void on_signal(uv_signal_t *handle, int signal_number)
{
    struct signal_watch *watch = handle->data;
    watch->fn(watch->arg, signal_number);
}

enum rc loop_on_signal(struct loop *loop, int signal_number, loop_signal_fn *fn, void *arg)
{
    if (loop->signal_count == SIGNALS_MAX)
        return RC_FULL;
    struct signal_watch *watch = &loop->signals[loop->signal_count];
    if (uv_signal_init(&loop->uv, &watch->handle) != 0)
        return RC_INVALID;
    loop->signal_count++; /* from here on loop_destroy closes it */
    watch->handle.data = watch;
    watch->fn = fn;
    watch->arg = arg;
    uv_unref((uv_handle_t *)&watch->handle);
    return uv_signal_start(&watch->handle, on_signal, signal_number) == 0 ? RC_OK : RC_INVALID;
}

void *loop_handle(struct loop *loop)
{
    return &loop->uv;
}

void loop_destroy(struct loop *loop)
{
    if (!loop)
        return;
    uv_close((uv_handle_t *)&loop->alarm, NULL);
    uv_close((uv_handle_t *)&loop->idle, NULL);
    for (size_t i = 0; i < loop->signal_count; i++)
        uv_close((uv_handle_t *)&loop->signals[i].handle, NULL);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT); /* lets the closed handles finish */
    int left = uv_loop_close(&loop->uv);
    assert(left == 0); /* somebody left a handle on the loop */
    (void)left;
    free(loop);
}
