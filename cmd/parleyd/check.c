/* check.c - are the streams and the servers as streams/ and nats-server.conf say?
 *
 * Asked at start, after each reconnect (another server may answer, and streams in memory are gone
 * after a restart: they are made anew first) and every 10 s. Until the first answer, and after one
 * that says no, the gateway isn't ready and publishes nothing.
 *
 * No answer is neither: while a cluster elects a leader nothing can be asked, and what was right
 * before stays so for a while. Publishes that the log can't take meanwhile are held or say so by
 * themselves. What /readyz says doesn't wait: the leader of each stream is asked twice a second,
 * and while one is silent a send might be, too: so it says that within 2 s.
 */
#include "server.h"

enum { PERIOD_MS = 10000, RETRY_MS = 1000, DOUBT_MS = 15000, PROBE_MS = 500, SILENCE_MS = 1200 };

static bool is_note(enum stream_finding_kind kind)
{
    return kind == STREAM_STRONGER || kind == STREAM_SKEWED || kind == STREAM_UNSEEN;
}

static void say_why(struct stream_watch *w, const struct stream_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct stream_finding *f = &report->findings[i];
        if (is_note(f->kind) || (f->kind == STREAM_UNPROVEN && report->has_fault))
            continue;
        if (strncmp(f->field, "metadata.parley.", 16) == 0) {
            (void)snprintf(w->why, sizeof w->why,
                           "%.40s is of another generation: %.30s is %.20s there, %.20s in the "
                           "settings",
                           f->item, f->field + 9, f->found, f->wanted);
            return;
        }
        (void)snprintf(w->why, sizeof w->why, "%.60s: %.20s %.30s wanted %.30s found %.90s",
                       f->item, stream_finding_kind_name(f->kind), f->field, f->wanted, f->found);
        return;
    }
}

/* A log that ends before what the store has was lost or set back: it would give numbers twice.
 * While the store is away nobody can tell, and sends go on. */
static bool is_log_behind(struct stream_watch *w, const struct server *s)
{
    const struct message_store *store = store_messages(s->store);
    const struct event_log *log = &s->log_port;
    for (uint32_t p = 0; p < (uint32_t)s->config->streams.partitions; p++) {
        struct log_state state;
        uint64_t applied;
        /* The store first: it follows the log. */
        if (store->applied(store->self, (uint32_t)s->config->streams.generation, p, &applied) !=
                RC_OK ||
            log->state(log->self, p, &state) != RC_OK || applied <= state.last_seq ||
            state.last_seq == 0)
            continue;
        (void)snprintf(
            w->why, sizeof w->why,
            "stream CHAT_%u ends at %llu, but the store has %llu: it was lost or set back; "
            "parleyctl streams renew",
            p, (unsigned long long)state.last_seq, (unsigned long long)applied);
        return true;
    }
    return false;
}

/* What is on the servers' pages, if they can't be read now: a single server that was never left is
 * the one that was seen to sync. Otherwise that is no answer, and what was right stays so for a
 * while only (judge). */
static bool is_proven(struct stream_watch *w, const struct server *s,
                      const struct stream_report *report)
{
    uint32_t epoch = nats_link_epoch(w->link);
    bool is_single = !strchr(s->config->nats.url, ',');
    if (report->is_ready)
        w->proven_epoch = epoch;
    return report->is_ready || report->has_fault || (is_single && w->proven_epoch == epoch);
}

static void check_run(struct job *job)
{
    struct stream_watch *w = CONTAINER_OF(job, struct stream_watch, job);
    struct server *s = CONTAINER_OF(w, struct server, streams);
    struct stream_report made = { 0 }, report = { 0 };
    const struct stream_apply_options memory = { .is_memory_only = true };
    w->has_answer = false;
    (void)snprintf(w->why, sizeof w->why, "JetStream does not answer, or has no leader");
    if (nats_link_wait(w->link, 2000) != RC_OK)
        return;
    if (streams_apply(w->set, w->link, &memory, &made) == RC_OK)
        stream_report_fini(&made);
    if (streams_check(w->set, w->link, s->config->nats.monitor_url, s->config->nats.require_sync,
                      &report) != RC_OK)
        return;
    w->has_answer = is_proven(w, s, &report);
    w->is_answer_right = w->has_answer && !report.has_fault;
    say_why(w, &report);
    stream_report_fini(&report);
    if (w->is_answer_right && is_log_behind(w, s))
        w->is_answer_right = false;
}

/* What to make of the last try. */
static void judge(struct server *s)
{
    struct stream_watch *w = &s->streams;
    int64_t now_ms = (int64_t)timers_now_ms(loop_timers(s->loop));
    if (w->has_answer)
        w->doubt_ms = 0;
    else if (!w->doubt_ms)
        w->doubt_ms = now_ms;
    if (w->is_right && w->doubt_ms && now_ms - w->doubt_ms < DOUBT_MS)
        return;
    w->is_right = w->has_answer && w->is_answer_right;
    if (!w->is_right)
        log_warn_every(10000, "streams.not_right", LOG_STR("why", w->why));
    gateway_set_log_state(s->gateway, w->is_right, w->is_right ? NULL : w->why);
}

/* ---- do the leaders answer? ---- */

static void probe_run(struct job *job)
{
    struct stream_watch *w = CONTAINER_OF(job, struct stream_watch, probe);
    struct server *s = CONTAINER_OF(w, struct server, streams);
    uint32_t partition = 0;
    enum rc rc =
        streams_probe(w->link, (uint32_t)s->config->streams.partitions, SILENCE_MS, &partition);
    w->silent = rc == RC_OK ? -1 : (int)partition;
}

static void probe_ended(struct job *job)
{
    struct stream_watch *w = CONTAINER_OF(job, struct stream_watch, probe);
    struct server *s = CONTAINER_OF(w, struct server, streams);
    if (w->silent >= 0 && !w->silence[0])
        log_warn("streams.no_leader", LOG_INT("partition", w->silent));
    w->probe_began_ms = 0;
    w->silence[0] = 0;
    if (w->silent >= 0)
        (void)snprintf(w->silence, sizeof w->silence, "the leader of CHAT_%d does not answer",
                       w->silent);
    timer_start(loop_timers(s->loop), &w->probe_timer, PROBE_MS, 0);
}

static void probe(struct timer *timer)
{
    struct stream_watch *w = CONTAINER_OF(timer, struct stream_watch, probe_timer);
    struct server *s = CONTAINER_OF(w, struct server, streams);
    w->probe.run = probe_run;
    w->probe.done = probe_ended;
    w->probe_began_ms = (int64_t)timers_now_ms(loop_timers(s->loop));
    if (executor_submit(workers_executor(s->workers), &w->probe) != RC_OK)
        timer_start(loop_timers(s->loop), timer, PROBE_MS, 0);
}

const char *stream_watch_silence(const struct server *s)
{
    const struct stream_watch *w = &s->streams;
    int64_t now_ms = (int64_t)timers_now_ms(loop_timers(s->loop));
    if (w->silence[0])
        return w->silence;
    /* It waits behind other work: so does everything that reads. */
    bool is_late = w->probe_began_ms && now_ms - w->probe_began_ms > SILENCE_MS + PROBE_MS;
    return is_late ? "the workers do not keep up" : NULL;
}

/* ---- the whole check ---- */

static void check_start(struct server *s);

static void check_ended(struct job *job)
{
    struct stream_watch *w = CONTAINER_OF(job, struct stream_watch, job);
    struct server *s = CONTAINER_OF(w, struct server, streams);
    bool is_well = w->has_answer && w->is_answer_right;
    w->is_running = false;
    judge(s);
    if (w->is_asked_again)
        check_start(s);
    else
        timer_start(loop_timers(s->loop), &w->timer, is_well ? PERIOD_MS : RETRY_MS, 0);
}

static void check_start(struct server *s)
{
    struct stream_watch *w = &s->streams;
    w->is_asked_again = w->is_running;
    if (w->is_running)
        return;
    w->job.run = check_run;
    w->job.done = check_ended;
    if (executor_submit(workers_executor(s->workers), &w->job) == RC_OK)
        w->is_running = true;
    else
        timer_start(loop_timers(s->loop), &w->timer, RETRY_MS, 0);
}

static void check_timer(struct timer *timer)
{
    check_start(CONTAINER_OF(timer, struct server, streams.timer));
}

static void on_link(void *closure, bool is_up)
{
    if (is_up)
        check_start(closure);
}

bool stream_watch_start(struct server *s)
{
    struct stream_watch *w = &s->streams;
    struct fault fault = { 0 };
    const struct stream_vars vars = { (uint32_t)s->config->streams.partitions,
                                      (uint32_t)s->config->streams.generation,
                                      (uint32_t)s->config->streams.replicas, 0 };
    enum rc rc = streams_load(s->config->streams.dir, &vars, &w->set, &fault);
    if (rc != RC_OK) {
        log_error("streams.not_read", LOG_RC(rc), LOG_STR("setting", "streams.dir"),
                  LOG_STR("file", fault.field), LOG_STR("why", fault.text));
        return false;
    }
    if (!s->config->nats.require_sync)
        log_warn("nats.sync_not_required", LOG_STR("setting", "nats.require_sync"),
                 LOG_STR("then", "what was acknowledged may be lost with the power"));
    gateway_set_log_max_age(s->gateway, streams_chat_max_age_ms(w->set));
    w->link = s->read_link;
    w->timer.run = check_timer;
    w->probe_timer.run = probe;
    timer_start(loop_timers(s->loop), &w->probe_timer, PROBE_MS, 0);
    w->listener = (struct nats_link_listener){ .closure = s, .on_link = on_link };
    nats_link_listen(s->log_link, &w->listener);
    check_start(s);
    return true;
}

void stream_watch_stop(struct server *s)
{
    if (!s->streams.set)
        return;
    timer_stop(loop_timers(s->loop), &s->streams.timer);
    timer_stop(loop_timers(s->loop), &s->streams.probe_timer);
    nats_link_unlisten(&s->streams.listener);
}
