/* loop.c - epoll and a binary heap of timers. */
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "util.h"

#define EVENTS_PER_TURN 512

struct loop {
    int epoll_fd;
    bool is_stopped;
    uint64_t now;
    struct timer **heap; /* from 1 */
    size_t heap_len, heap_cap;
};

struct loop *loop_create(void)
{
    struct loop *loop = xcalloc(1, sizeof *loop);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        die("epoll_create1 failed");
    loop->now = now_ns();
    return loop;
}

void loop_destroy(struct loop *loop)
{
    close(loop->epoll_fd);
    free(loop->heap);
    free(loop);
}

void loop_stop(struct loop *loop)
{
    loop->is_stopped = true;
}

uint64_t loop_now(const struct loop *loop)
{
    return loop->now;
}

void loop_add(struct loop *loop, int fd, uint32_t events, struct watch *watch)
{
    struct epoll_event ev = { .events = events, .data.ptr = watch };
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0)
        die("epoll_ctl failed: error %d", errno);
}

void loop_change(struct loop *loop, int fd, uint32_t events, struct watch *watch)
{
    struct epoll_event ev = { .events = events, .data.ptr = watch };
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, fd, &ev) != 0)
        die("epoll_ctl failed: error %d", errno);
}

void loop_remove(struct loop *loop, int fd)
{
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL); /* the fd is closed next anyway */
}

static void place(struct loop *loop, struct timer *timer, size_t at)
{
    loop->heap[at] = timer;
    timer->place = at;
}

static void sift_up(struct loop *loop, struct timer *timer, size_t at)
{
    while (at > 1 && loop->heap[at / 2]->due_ns > timer->due_ns) {
        place(loop, loop->heap[at / 2], at);
        at /= 2;
    }
    place(loop, timer, at);
}

static void sift_down(struct loop *loop, struct timer *timer, size_t at)
{
    for (;;) {
        size_t child = at * 2;
        if (child > loop->heap_len)
            break;
        if (child < loop->heap_len && loop->heap[child + 1]->due_ns < loop->heap[child]->due_ns)
            child++;
        if (loop->heap[child]->due_ns >= timer->due_ns)
            break;
        place(loop, loop->heap[child], at);
        at = child;
    }
    place(loop, timer, at);
}

void timer_clear(struct loop *loop, struct timer *timer)
{
    size_t at = timer->place;
    if (at == 0)
        return;
    timer->place = 0;
    struct timer *last = loop->heap[loop->heap_len--];
    if (last == timer)
        return;
    if (at > 1 && loop->heap[at / 2]->due_ns > last->due_ns)
        sift_up(loop, last, at);
    else
        sift_down(loop, last, at);
}

void timer_set(struct loop *loop, struct timer *timer, uint64_t due_ns)
{
    timer_clear(loop, timer);
    timer->due_ns = due_ns;
    loop->heap = xgrow(loop->heap, &loop->heap_cap, loop->heap_len + 2, sizeof(struct timer *));
    sift_up(loop, timer, ++loop->heap_len);
}

static void run_due(struct loop *loop)
{
    while (loop->heap_len && loop->heap[1]->due_ns <= loop->now && !loop->is_stopped) {
        struct timer *timer = loop->heap[1];
        timer_clear(loop, timer);
        timer->on_due(timer->owner);
    }
}

/* To the nanosecond: sends are scheduled more finely than a millisecond, and a late one would
 * count as the server's latency. */
static struct timespec wait_time(const struct loop *loop, uint64_t end_ns)
{
    uint64_t next = loop->now + 1000000000u;
    if (loop->heap_len && loop->heap[1]->due_ns < next)
        next = loop->heap[1]->due_ns;
    if (end_ns && end_ns < next)
        next = end_ns;
    uint64_t wait = next > loop->now ? next - loop->now : 0;
    return (struct timespec){ (time_t)(wait / 1000000000u), (long)(wait % 1000000000u) };
}

void loop_run(struct loop *loop, uint64_t end_ns)
{
    struct epoll_event events[EVENTS_PER_TURN];
    loop->is_stopped = false;
    loop->now = now_ns();
    while (!loop->is_stopped && (end_ns == 0 || loop->now < end_ns)) {
        struct timespec wait = wait_time(loop, end_ns);
        int count = epoll_pwait2(loop->epoll_fd, events, EVENTS_PER_TURN, &wait, NULL);
        if (count < 0 && errno != EINTR)
            die("epoll_wait failed: error %d", errno);
        loop->now = now_ns();
        for (int i = 0; i < count; i++) {
            struct watch *watch = events[i].data.ptr;
            watch->on_ready(watch->owner, events[i].events);
        }
        run_due(loop);
    }
}
