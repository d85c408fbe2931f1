/* workers.c - a queue under a mutex, and a mailbox for the way back.
 *
 * The mailbox can't be full: it has room for every job that may be queued or running, and a job
 * counts as one of these until its `done` has been called.
 */
#include "adapters/uv/workers.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "adapters/uv/mailbox.h"

enum { THREADS_MAX = 64 };

/* A job on its way back. Jobs that are running or done at one time are fewer than the slots. */
struct finished {
    struct mail mail;
    struct job *job;
    struct workers *workers;
    struct finished *next_free;
};

struct workers {
    struct executor executor; /* first: the port's pointer is the pool's */
    struct loop *loop;
    struct mailbox *box;
    pthread_mutex_t lock;
    pthread_cond_t has_job;
    struct job *first, *last; /* under lock */
    size_t queued;            /* under lock */
    bool is_stopping;         /* under lock */
    size_t queue_max;
    size_t open; /* submitted, done not yet called; loop thread only */
    struct finished *finished;
    struct finished *free_finished; /* under lock */
    pthread_t threads[THREADS_MAX];
    size_t thread_count;
    size_t thread_goal;
};

static void on_finished(struct mail *mail)
{
    struct finished *finished = CONTAINER_OF(mail, struct finished, mail);
    struct workers *workers = finished->workers;
    struct job *job = finished->job;

    pthread_mutex_lock(&workers->lock);
    finished->next_free = workers->free_finished;
    workers->free_finished = finished;
    pthread_mutex_unlock(&workers->lock);
    workers->open--;
    job->done(job);
}

/* Waits for a job, and takes the slot for its way back with it. NULL: the pool is stopping. */
static struct finished *take_job(struct workers *workers)
{
    struct finished *finished = NULL;
    pthread_mutex_lock(&workers->lock);
    while (!workers->first && !workers->is_stopping)
        pthread_cond_wait(&workers->has_job, &workers->lock);
    if (workers->first) {
        finished = workers->free_finished;
        assert(finished);
        workers->free_finished = finished->next_free;
        finished->job = workers->first;
        workers->first = finished->job->next;
        if (!workers->first)
            workers->last = NULL;
        workers->queued--;
    }
    pthread_mutex_unlock(&workers->lock);
    return finished;
}

static void *work(void *arg)
{
    struct workers *workers = arg;
    struct finished *finished;
    while ((finished = take_job(workers))) {
        finished->job->run(finished->job);
        enum rc code = mailbox_post(workers->box, &finished->mail);
        assert(code == RC_OK);
        (void)code;
    }
    return NULL;
}

static enum rc submit(struct executor *executor, struct job *job)
{
    struct workers *workers = CONTAINER_OF(executor, struct workers, executor);
    enum rc code = RC_OK;
    assert(job->run && job->done);
    assert(loop_is_own_thread(workers->loop));

    pthread_mutex_lock(&workers->lock);
    if (workers->is_stopping) {
        code = RC_UNAVAILABLE;
    } else if (workers->queued >= workers->queue_max ||
               workers->open >= workers->queue_max + workers->thread_goal) {
        code = RC_FULL;
    } else {
        job->next = NULL;
        *(workers->last ? &workers->last->next : &workers->first) = job;
        workers->last = job;
        workers->queued++;
        workers->open++;
        pthread_cond_signal(&workers->has_job);
    }
    pthread_mutex_unlock(&workers->lock);
    return code;
}

static const struct executor_ops workers_ops = { .submit = submit };

static bool start_threads(struct workers *workers, const char *name)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals belong to the loop thread */
    while (workers->thread_count < workers->thread_goal) {
        pthread_t *thread = &workers->threads[workers->thread_count];
        if (pthread_create(thread, NULL, work, workers) != 0)
            break;
        if (name)
            (void)pthread_setname_np(*thread, name); /* too long a name is no reason to fail */
        workers->thread_count++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return workers->thread_count == workers->thread_goal;
}

struct workers *workers_create(struct loop *loop, const struct workers_options *options)
{
    assert(options->thread_count > 0 && options->thread_count <= THREADS_MAX);
    assert(options->queue_max > 0);
    size_t slots = options->queue_max + options->thread_count;
    struct workers *workers = calloc(1, sizeof *workers);
    if (!workers)
        return NULL;
    workers->executor.ops = &workers_ops;
    workers->loop = loop;
    workers->queue_max = options->queue_max;
    workers->thread_goal = options->thread_count;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->has_job, NULL);
    workers->box = mailbox_create(loop, &(struct mailbox_options){ .letters_max = slots });
    workers->finished = calloc(slots, sizeof *workers->finished);
    for (size_t i = 0; workers->finished && i < slots; i++) {
        struct finished *finished = &workers->finished[i];
        finished->mail.run = on_finished;
        finished->workers = workers;
        finished->next_free = workers->free_finished;
        workers->free_finished = finished;
    }
    if (!workers->box || !workers->finished || !start_threads(workers, options->name)) {
        workers_destroy(workers);
        return NULL;
    }
    return workers;
}

struct executor *workers_executor(struct workers *workers)
{
    return &workers->executor;
}

size_t workers_queued(struct workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    size_t queued = workers->queued;
    pthread_mutex_unlock(&workers->lock);
    return queued;
}

void workers_stop(struct workers *workers)
{
    if (!workers)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->is_stopping = true;
    pthread_cond_broadcast(&workers->has_job);
    pthread_mutex_unlock(&workers->lock);
    for (size_t i = 0; i < workers->thread_count; i++)
        pthread_join(workers->threads[i], NULL);
    workers->thread_count = 0;
    mailbox_destroy(workers->box); /* runs the letters that are left */
    workers->box = NULL;
    assert(workers->open == 0);
}

void workers_destroy(struct workers *workers)
{
    if (!workers)
        return;
    workers_stop(workers);
    pthread_cond_destroy(&workers->has_job);
    pthread_mutex_destroy(&workers->lock);
    free(workers->finished);
    free(workers);
}
