/* rest_auth_steps.c - the steps of calls that hash, and errands; declared in rest_auth.h. */
#include "app/rest_auth.h"

#include <stdlib.h>

#include "ports/timer.h"

static void wipe(struct bytes text)
{
    if (text.len)
        explicit_bzero((void *)(uintptr_t)text.ptr, text.len); /* the call's own copies */
}

void rest_auth_wipe(struct rest_call *call)
{
    if (!call->auth)
        return;
    wipe(call->body);
    wipe(call->auth->body.password);
    wipe(call->auth->body.new_password);
    account_call_wipe(&call->auth->account);
    free(call->auth->errand); /* one that wasn't begun */
    call->auth->errand = NULL;
}

/* NULL: the pool has ended, and the process is about to. */
static enum rc submit_to(struct executor *executor, struct job *job)
{
    return executor ? executor_submit(executor, job) : RC_UNAVAILABLE;
}

static void run_errand(struct job *job)
{
    struct rest_errand *errand = CONTAINER_OF(job, struct rest_errand, job);
    if (errand->is_reset)
        account_reset_mail(errand->accounts, bytes_of(errand->key), &errand->range);
    else
        account_email_mail(errand->accounts, &errand->user, bytes_of(errand->email),
                           bytes_of(errand->key));
}

static void on_errand_done(struct job *job)
{
    free(CONTAINER_OF(job, struct rest_errand, job));
}

/* An errand that finds no room fails the call, the same for every address. */
static void begin_errand(struct rest_call *call)
{
    struct rest_errand *errand = call->auth->errand;
    if (!errand || call->error.code != ERROR_NONE)
        return;
    errand->job = (struct job){ .run = run_errand, .done = on_errand_done };
    enum rc rc = submit_to(errand->accounts->errands, &errand->job);
    if (rc == RC_OK)
        call->auth->errand = NULL;
    else
        call->error.code = error_from_rc(rc, false);
}

static void on_ended(struct job *job)
{
    struct rest_call *call = CONTAINER_OF(job, struct rest_call, job);
    begin_errand(call);
    rest_finish_call(call);
}

static void run_end(struct job *job)
{
    struct rest_call *call = CONTAINER_OF(job, struct rest_call, job);
    call->error.code = call->auth->end(call);
    call->error.retry_after_ms = call->auth->account.retry_after_ms;
}

/* A guess that couldn't be judged is given back, which may block: on a worker. */
static void run_give_up(struct job *job)
{
    struct rest_call *call = CONTAINER_OF(job, struct rest_call, job);
    account_give_up(&call->auth->account);
}

/* The workers' queue holds tens of thousands: when it is full, or they are stopping, the ladder
 * keeps the guess. */
static void submit(struct rest_call *call, job_fn *run)
{
    call->job = (struct job){ .run = run, .done = on_ended };
    enum rc rc = executor_submit(call->options->executor, &call->job);
    if (rc == RC_OK)
        return;
    if (call->error.code == ERROR_NONE)
        call->error.code = error_from_rc(rc, false);
    rest_finish_call(call);
}

static void run_judge(struct job *job)
{
    struct rest_call *call = CONTAINER_OF(job, struct rest_call, job);
    call->auth->judge(&call->auth->account);
}

static void on_judged(struct job *job)
{
    submit(CONTAINER_OF(job, struct rest_call, job), run_end);
}

bool rest_auth_go_on(struct rest_call *call)
{
    if (!call->auth)
        return false;
    call->error.retry_after_ms = call->auth->account.retry_after_ms;
    begin_errand(call);
    if (!call->auth->judge || call->error.code != ERROR_NONE)
        return false;
    call->job = (struct job){ .run = run_judge, .done = on_judged };
    enum rc rc = submit_to(call->auth->account.accounts->pool, &call->job);
    if (rc != RC_OK) {
        call->error.code = error_from_rc(rc, false);
        submit(call, run_give_up);
    }
    return true;
}
