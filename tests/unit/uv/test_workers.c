/* The executor port on real threads: run off the loop, done on it, the bound, order with one
 * worker, and nothing left behind at the end. */
#include "adapters/uv/workers.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "support/check.h"

enum { JOBS = 200 };

struct bench {
    struct loop *loop;
    struct workers *workers;
    pthread_t loop_thread;
    atomic_int run_on_loop;
    atomic_int order_run[JOBS];
    atomic_int runs;
    int dones, wanted;
    int done_off_loop;
    atomic_int gate; /* jobs wait while it is 0 */
};

struct work_item {
    struct job job;
    struct bench *bench;
    int number;
};

static void run(struct job *job)
{
    struct work_item *item = CONTAINER_OF(job, struct work_item, job);
    struct bench *bench = item->bench;
    while (!atomic_load(&bench->gate))
        sched_yield();
    if (pthread_equal(bench->loop_thread, pthread_self()))
        atomic_fetch_add(&bench->run_on_loop, 1);
    atomic_store(&bench->order_run[atomic_fetch_add(&bench->runs, 1)], item->number);
}

static void done(struct job *job)
{
    struct work_item *item = CONTAINER_OF(job, struct work_item, job);
    struct bench *bench = item->bench;
    if (!pthread_equal(bench->loop_thread, pthread_self()))
        bench->done_off_loop++;
    if (++bench->dones == bench->wanted)
        loop_stop(bench->loop);
}

static void start(struct bench *bench, size_t threads, size_t queue_max)
{
    bench->loop = loop_create();
    bench->loop_thread = pthread_self();
    bench->workers = workers_create(
        bench->loop, &(struct workers_options){
                         .name = "test", .thread_count = threads, .queue_max = queue_max });
    CHECK(bench->workers);
}

static void submit_all(struct bench *bench, struct work_item *items, int count)
{
    for (int i = 0; i < count; i++) {
        items[i] = (struct work_item){ { .run = run, .done = done }, bench, i };
        CHECK_RC(RC_OK, executor_submit(workers_executor(bench->workers), &items[i].job));
    }
}

TEST(runs_jobs_on_threads_and_finishes_them_on_the_loop)
{
    static struct work_item items[JOBS];
    struct bench bench = { .wanted = JOBS, .gate = 1 };
    start(&bench, 4, JOBS);
    submit_all(&bench, items, JOBS);
    loop_run(bench.loop);
    CHECK_INT(JOBS, bench.dones);
    CHECK_INT(0, bench.done_off_loop);
    CHECK_INT(0, atomic_load(&bench.run_on_loop));
    workers_destroy(bench.workers);
    loop_destroy(bench.loop);
}

TEST(runs_jobs_in_order_when_there_is_one_thread)
{
    static struct work_item items[JOBS];
    struct bench bench = { .wanted = JOBS, .gate = 1 };
    start(&bench, 1, JOBS);
    submit_all(&bench, items, JOBS);
    loop_run(bench.loop);
    for (int i = 0; i < JOBS; i++)
        CHECK_INT(i, atomic_load(&bench.order_run[i]));
    workers_destroy(bench.workers);
    loop_destroy(bench.loop);
}

TEST(refuses_when_the_queue_is_full_and_takes_again_when_it_is_not)
{
    static struct work_item items[8];
    struct bench bench = { .wanted = 3 };
    start(&bench, 1, 2);
    submit_all(&bench, items, 1);
    while (workers_queued(bench.workers) > 0)
        sched_yield(); /* the thread has taken the first one and waits at the gate */
    items[1] = items[2] = items[3] = items[0];
    CHECK_RC(RC_OK, executor_submit(workers_executor(bench.workers), &items[1].job));
    CHECK_RC(RC_OK, executor_submit(workers_executor(bench.workers), &items[2].job));
    CHECK_RC(RC_FULL, executor_submit(workers_executor(bench.workers), &items[3].job));
    CHECK_INT(0, bench.dones);
    atomic_store(&bench.gate, 1);
    loop_run(bench.loop);
    bench.wanted = 4;
    CHECK_RC(RC_OK, executor_submit(workers_executor(bench.workers), &items[3].job));
    loop_run(bench.loop);
    CHECK_INT(4, bench.dones);
    workers_destroy(bench.workers);
    loop_destroy(bench.loop);
}

/* Whoever is ended after the pool may still be called back, and ask for more. */
TEST(a_stopped_pool_refuses_jobs_and_is_there_until_it_is_destroyed)
{
    static struct work_item items[JOBS + 1];
    struct bench bench = { .wanted = -1, .gate = 1 };
    start(&bench, 2, JOBS);
    submit_all(&bench, items, JOBS);
    workers_stop(bench.workers);
    CHECK_INT(JOBS, bench.dones);
    items[JOBS] = (struct work_item){ { .run = run, .done = done }, &bench, JOBS };
    CHECK_RC(RC_UNAVAILABLE, executor_submit(workers_executor(bench.workers), &items[JOBS].job));
    workers_stop(bench.workers);
    workers_destroy(bench.workers);
    CHECK_INT(JOBS, bench.dones);
    loop_destroy(bench.loop);
}

TEST(finishes_what_is_queued_when_it_ends)
{
    static struct work_item items[JOBS];
    struct bench bench = { .wanted = -1, .gate = 1 };
    start(&bench, 2, JOBS);
    submit_all(&bench, items, JOBS);
    workers_destroy(bench.workers);
    CHECK_INT(JOBS, bench.dones);
    loop_destroy(bench.loop);
}
