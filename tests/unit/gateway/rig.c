#include "unit/gateway/rig.h"

#include <stdlib.h>

struct id id_of(const char *text)
{
    struct id id = { .len = 0 };
    CHECK(id_read(bytes_of(text), &id));
    return id;
}

uint32_t rig_partition(const char *owner)
{
    struct id id = id_of(owner);
    return subject_partition(&id, RIG_PARTITIONS);
}

/* ---- timers and tasks ---- */

static uint64_t timers_now(struct timers *timers)
{
    struct rig *r = CONTAINER_OF(timers, struct rig, timers);
    return (uint64_t)clock_monotonic_ms(&r->clock.source);
}

static void timers_start(struct timers *timers, struct timer *timer, uint64_t delay_ms,
                         uint32_t repeat_ms)
{
    struct rig *r = CONTAINER_OF(timers, struct rig, timers);
    timer_heap_remove(&r->heap, timer);
    timer->due_ms = timers_now(timers) + delay_ms;
    timer->repeat_ms = repeat_ms;
    timer_heap_add(&r->heap, timer);
}

static void timers_stop(struct timers *timers, struct timer *timer)
{
    timer_heap_remove(&CONTAINER_OF(timers, struct rig, timers)->heap, timer);
}

static void timers_post(struct timers *timers, struct task *task)
{
    struct rig *r = CONTAINER_OF(timers, struct rig, timers);
    if (task->is_posted)
        return;
    task->is_posted = true;
    task->next = NULL;
    task->prev = r->last_task;
    if (r->last_task)
        r->last_task->next = task;
    else
        r->first_task = task;
    r->last_task = task;
}

static void timers_cancel(struct timers *timers, struct task *task)
{
    struct rig *r = CONTAINER_OF(timers, struct rig, timers);
    if (!task->is_posted)
        return;
    *(task->prev ? &task->prev->next : &r->first_task) = task->next;
    *(task->next ? &task->next->prev : &r->last_task) = task->prev;
    task->is_posted = false;
    task->next = task->prev = NULL;
}

static const struct timers_ops timer_ops = { timers_now, timers_start, timers_stop, timers_post,
                                             timers_cancel };

static bool run_timers(struct rig *r)
{
    uint64_t now = timers_now(&r->timers);
    struct timer *timer;
    bool any = false;
    while ((timer = timer_heap_take_due(&r->heap, now)) != NULL) {
        if (timer->repeat_ms) {
            timer->due_ms = now + timer->repeat_ms;
            timer_heap_add(&r->heap, timer);
        }
        timer->run(timer);
        any = true;
    }
    return any;
}

/* What was posted before this turn; what is posted by it waits for the next one. */
static bool run_tasks(struct rig *r)
{
    struct task *last = r->last_task;
    bool any = false, is_last = false;
    while (last && !is_last && r->first_task) {
        struct task *task = r->first_task;
        is_last = task == last;
        timers_cancel(&r->timers, task);
        task->run(task);
        any = true;
    }
    return any;
}

/* ---- jobs ---- */

static enum rc submit(struct executor *executor, struct job *job)
{
    struct rig *r = CONTAINER_OF(executor, struct rig, executor);
    if (++r->submits == r->refuse_submit_at)
        return RC_FULL;
    job->next = NULL;
    if (r->last_job)
        r->last_job->next = job;
    else
        r->jobs = job;
    r->last_job = job;
    r->job_count++;
    return RC_OK;
}

static const struct executor_ops executor_ops = { submit };

bool rig_job_run(struct rig *r)
{
    struct job *job = r->jobs;
    if (!job)
        return false;
    r->jobs = job->next;
    if (!r->jobs)
        r->last_job = NULL;
    job->run(job);
    job->next = NULL;
    if (r->last_ended)
        r->last_ended->next = job;
    else
        r->ended = job;
    r->last_ended = job;
    return true;
}

bool rig_job_done(struct rig *r)
{
    struct job *job = r->ended;
    if (!job)
        return false;
    r->ended = job->next;
    if (!r->ended)
        r->last_ended = NULL;
    r->job_count--;
    job->done(job);
    return true;
}

/* ---- turns ---- */

bool rig_turn(struct rig *r)
{
    bool any = rig_log_turn(r);
    any |= run_timers(r);
    any |= run_tasks(r);
    any |= rig_links_turn(r);
    return any;
}

void rig_settle(struct rig *r)
{
    int turns = 0;
    for (bool any = true; any;) {
        any = rig_turn(r);
        while (r->auto_jobs && (rig_job_run(r) || rig_job_done(r)))
            any = true;
        CHECK(++turns < 100000); /* something spins */
    }
}

void rig_advance(struct rig *r, int64_t ms)
{
    while (ms > 0) {
        int64_t step = ms < 50 ? ms : 50;
        fake_clock_advance(&r->clock, step);
        ms -= step;
        rig_settle(r);
    }
}

/* ---- tokens: "user", "user:session", "user+service", "expired", "bad" ---- */

static enum token_error verify(struct token_verifier *self, struct bytes token, int64_t now_s,
                               struct identity *out)
{
    struct identity who = { .roles = USER_ROLE_USER, .expires_s = now_s + 3600 };
    char text[128];
    (void)self;
    if (token.len == 0)
        return TOKEN_MISSING;
    (void)snprintf(text, sizeof text, "%.*s", BYTES_ARG(token));
    if (strcmp(text, "expired") == 0)
        return TOKEN_EXPIRED;
    if (strcmp(text, "bad") == 0)
        return TOKEN_INVALID;
    char *session = strchr(text, ':'), *role = strchr(text, '+');
    if (session)
        *session++ = 0;
    if (role) {
        *role = 0;
        who.roles |= USER_ROLE_SERVICE;
    }
    who.user = id_of(text);
    who.session = id_of(session ? session : "s1");
    (void)snprintf(who.name, sizeof who.name, "%s", text);
    *out = who;
    return TOKEN_OK;
}

/* ---- begin and end ---- */

static void default_limits(struct gateway_limits *l)
{
    *l = (struct gateway_limits){
        .frame_bytes = 65536,
        .message_bytes = 16384,
        .inflight = 64,
        .outbox_bytes = 262144,
        .ring_bytes_room = 1 << 20,
        .ring_bytes_total = 64 << 20,
        .connections_per_user = 100,
        .watches = 50,
        .budgets_kept = 50000,
        .receipts_kept = 50000,
        .heartbeat_ms = 30000,
        .slow_close_ms = 30000,
        .sync_wait_ms = 1000,
        .publish_timeout_ms = 5000,
        .log_max_age_ms = 7LL * 24 * 3600 * 1000,
        .late_retry_ms = 60000,
        .send_per_s = 1e6,
        .send_burst = 1e6,
        .other_per_s = 1e6,
        .other_burst = 1e6,
        .allows_query_token = true,
    };
}

struct rig *rig_create_bare(void)
{
    struct rig *r = calloc(1, sizeof *r);
    CHECK(r != NULL);
    fake_clock_init(&r->clock);
    r->timers.ops = &timer_ops;
    r->executor.ops = &executor_ops;
    r->auto_jobs = true;
    r->verifier.verify = verify;
    r->mem = mem_store_create();
    r->store = *mem_store_messages(r->mem);
    r->directory = *mem_store_directory(r->mem);
    default_limits(&r->limits);
    rig_log_init(r);
    return r;
}

void rig_start(struct rig *r, int index)
{
    struct rig_node *node = &r->nodes[index];
    node->rig = r;
    node->index = index;
    rig_feed_init(node);
    const struct gateway_deps deps = {
        .log = &r->log,
        .feed = &node->feed,
        .store = &r->store,
        .directory = &r->directory,
        .executor = &r->executor,
        .timers = &r->timers,
        .clock = &r->clock.source,
        .verifier = &r->verifier,
        .partitions = RIG_PARTITIONS,
        .generation = RIG_GENERATION,
        .limits = r->limits,
    };
    node->g = gateway_create(&deps);
    CHECK(node->g != NULL);
    rig_links_init(node);
    node->sink = gateway_sink(node->g);
    node->events = gateway_feed_events(node->g);
    gateway_set_links(node->g, &node->links);
    gateway_set_log_state(node->g, true, NULL);
    rig_link_up(r, index, true);
    for (uint32_t p = 0; p < RIG_PARTITIONS; p++) /* its first announcement: nothing is open */
        rig_heads_of(r, p, r->streams[p].announced, r->streams[p].announced, index);
}

struct rig *rig_create(void)
{
    struct rig *r = rig_create_bare();
    rig_start(r, 0);
    return r;
}

struct gateway *rig_gateway(struct rig *r, int node)
{
    return r->nodes[node].g;
}

void rig_destroy(struct rig *r)
{
    r->auto_jobs = true;
    r->is_log_away = false;
    r->refuse_submit_at = 0;
    r->fail_log_at = 0;
    mem_store_set_away(r->mem, false);
    for (int i = 0; i < RIG_NODES; i++)
        r->nodes[i].is_flush_held = false;
    r->are_acks_held = false;
    rig_links_fini(r);
    rig_settle(r);
    for (int i = 0; i < RIG_NODES; i++) {
        if (!r->nodes[i].g)
            continue;
        CHECK(gateway_is_quiet(r->nodes[i].g));
        gateway_destroy(r->nodes[i].g);
    }
    rig_log_fini(r);
    mem_store_destroy(r->mem);
    free(r);
}
