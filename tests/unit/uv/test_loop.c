/* Timers, tasks and signals on a real loop. Times are waited for, but only orders and lower bounds
 * are checked. */
#include "adapters/uv/loop.h"

#include <signal.h>
#include <unistd.h>

#include "support/check.h"

struct probe {
    struct loop *loop;
    struct timer a, b;
    struct task task, other;
    char log[64];
    size_t len;
    int count;
};

static void note(struct probe *probe, char what)
{
    if (probe->len < sizeof probe->log - 1)
        probe->log[probe->len++] = what;
}

static void on_a(struct timer *timer)
{
    note(CONTAINER_OF(timer, struct probe, a), 'a');
}

static void on_b_stops(struct timer *timer)
{
    struct probe *probe = CONTAINER_OF(timer, struct probe, b);
    note(probe, 'b');
    loop_stop(probe->loop);
}

TEST(runs_timers_by_their_time_whatever_order_they_started_in)
{
    struct probe probe = { .loop = loop_create(),
                           .a = { .run = on_a },
                           .b = { .run = on_b_stops } };
    struct timers *timers = loop_timers(probe.loop);
    uint64_t began_ms = timers_now_ms(timers);
    timer_start(timers, &probe.b, 30, 0);
    timer_start(timers, &probe.a, 10, 0);
    loop_run(probe.loop);
    CHECK_STR("ab", probe.log);
    CHECK(timers_now_ms(timers) - began_ms >= 30);
    loop_destroy(probe.loop);
}

static void on_a_third_time(struct timer *timer)
{
    struct probe *probe = CONTAINER_OF(timer, struct probe, a);
    note(probe, 'a');
    if (++probe->count == 3) {
        timer_stop(loop_timers(probe->loop), timer);
        timer_start(loop_timers(probe->loop), &probe->b, 20, 0);
    }
}

TEST(repeats_a_timer_until_it_is_stopped_from_inside)
{
    struct probe probe = { .loop = loop_create(),
                           .a = { .run = on_a_third_time },
                           .b = { .run = on_b_stops } };
    timer_start(loop_timers(probe.loop), &probe.a, 1, 5);
    loop_run(probe.loop);
    CHECK_STR("aaab", probe.log);
    loop_destroy(probe.loop);
}

TEST(forgets_a_stopped_timer_and_restarts_a_running_one)
{
    struct probe probe = { .loop = loop_create(),
                           .a = { .run = on_a },
                           .b = { .run = on_b_stops } };
    struct timers *timers = loop_timers(probe.loop);
    timer_start(timers, &probe.a, 1, 0);
    timer_stop(timers, &probe.a);
    timer_stop(timers, &probe.a);
    timer_start(timers, &probe.b, 10000, 0);
    timer_start(timers, &probe.b, 10, 0);
    loop_run(probe.loop);
    CHECK_STR("b", probe.log);
    loop_destroy(probe.loop);
}

static void on_a_now_again(struct timer *timer)
{
    struct probe *probe = CONTAINER_OF(timer, struct probe, a);
    note(probe, 'a');
    timer_start(loop_timers(probe->loop), timer, 0, 0);
}

TEST(lets_others_run_beside_a_timer_that_restarts_itself_at_once)
{
    struct probe probe = { .loop = loop_create(),
                           .a = { .run = on_a_now_again },
                           .b = { .run = on_b_stops } };
    timer_start(loop_timers(probe.loop), &probe.a, 0, 0);
    timer_start(loop_timers(probe.loop), &probe.b, 5, 0);
    loop_run(probe.loop);
    CHECK(probe.log[0] == 'a');
    loop_destroy(probe.loop);
}

static void on_task(struct task *task)
{
    struct probe *probe = CONTAINER_OF(task, struct probe, task);
    note(probe, 't');
    if (++probe->count < 3)
        task_post(loop_timers(probe->loop), task); /* the next slice */
    else
        loop_stop(probe->loop);
}

static void on_other(struct task *task)
{
    note(CONTAINER_OF(task, struct probe, other), 'o');
}

TEST(runs_a_posted_task_once_a_turn)
{
    struct probe probe = { .loop = loop_create(),
                           .task = { .run = on_task },
                           .other = { .run = on_other } };
    struct timers *timers = loop_timers(probe.loop);
    task_post(timers, &probe.task);
    task_post(timers, &probe.task);
    task_post(timers, &probe.other);
    CHECK_SIZE(0, probe.len); /* never inside the call */
    loop_run(probe.loop);
    CHECK_STR("tott", probe.log);
    loop_destroy(probe.loop);
}

TEST(takes_a_posted_task_back)
{
    struct probe probe = {
        .loop = loop_create(), .task = { .run = on_task }, .other = { .run = on_other }, .count = 2
    };
    struct timers *timers = loop_timers(probe.loop);
    task_post(timers, &probe.other);
    task_post(timers, &probe.task);
    task_cancel(timers, &probe.other);
    task_cancel(timers, &probe.other);
    loop_run(probe.loop);
    CHECK_STR("t", probe.log);
    loop_destroy(probe.loop);
}

static void on_signal(void *arg, int signal_number)
{
    struct probe *probe = arg;
    CHECK_INT(SIGUSR1, signal_number);
    note(probe, 's');
    loop_stop(probe->loop);
}

static void on_a_raises(struct timer *timer)
{
    (void)timer;
    kill(getpid(), SIGPIPE); /* ignored */
    kill(getpid(), SIGUSR1);
}

TEST(hands_signals_to_the_loop)
{
    struct probe probe = { .loop = loop_create(),
                           .a = { .run = on_a_raises },
                           .b = { .run = on_b_stops } };
    CHECK_RC(RC_OK, loop_on_signal(probe.loop, SIGUSR1, on_signal, &probe));
    CHECK_RC(RC_INVALID, loop_on_signal(probe.loop, SIGKILL, on_signal, &probe));
    timer_start(loop_timers(probe.loop), &probe.a, 1, 0);
    /* Waiting for signals alone keeps no loop going, and libuv 1.45 and later runs timers last. */
    timer_start(loop_timers(probe.loop), &probe.b, 10000, 0);
    loop_run(probe.loop);
    CHECK_STR("s", probe.log);
    loop_destroy(probe.loop);
}
