/* executor.h - port: blocking work (a store, password hashing, a signature) off the loop thread.
 *
 * A job is embedded in the struct that holds its input and output, so that submitting allocates
 * nothing. From submit until `done` the struct belongs to the executor and the job's `run`.
 */
#ifndef PORTS_EXECUTOR_H
#define PORTS_EXECUTOR_H

#include "base/rc.h"

struct job;
typedef void job_fn(struct job *job);

struct job {
    job_fn *run;  /* on a worker thread; may block */
    job_fn *done; /* on the loop thread, once, after run; may free the job */
    struct job *next;
};

struct executor {
    const struct executor_ops *ops;
};

struct executor_ops {
    enum rc (*submit)(struct executor *executor, struct job *job);
};

/* Queues the job. Jobs start in the order they were submitted; with one worker they also end so.
 *   job     run and done set; borrowed until done is called. done never comes inside this call
 *   errors  RC_FULL the queue is at its bound, RC_UNAVAILABLE the executor is stopping; either
 *           way done will not be called
 *   thread  loop thread
 */
static inline MUST_CHECK enum rc executor_submit(struct executor *executor, struct job *job)
{
    return executor->ops->submit(executor, job);
}

#endif
