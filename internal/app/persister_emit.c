/* persister_emit.c - what a persisted event sets in motion: wake-ups of users, withdrawals.
 *
 * Every side effect has a message id made of the event that causes it, so making it twice within
 * the window leaves one, and later it does no harm. They follow the mark `emitted`, which lags
 * behind `applied` when the log takes nothing: persisting goes on meanwhile, and what is due is
 * derived again from the log later.
 */
#include "app/persister_parts.h"
#include "app/record.h"
#include "base/rc.h"
#include "wire/event_json.h"
#include "wire/subjects.h"

#include <inttypes.h>
#include <stdio.h>

enum { EMIT_TIMEOUT_MS = 5000, EMIT_WRITE_EVERY_MS = 2000, SEQ_CHARS = 21 };

/* Of one event at most one side effect. */
struct outgoing {
    char subject[SUBJECT_CHARS_MAX];
    char msg_id[MSG_ID_CHARS + 1];
    char op[2], schema[8];
    struct id cause; /* the seq that causes it, as a client id */
    struct publish_header headers[3];
};

struct emission {
    struct publish_request *requests;
    struct outgoing *outgoing;
    struct publish_result *results;
    size_t count;
    size_t withdrawal_count;
};

static struct id id_of_seq(uint64_t seq)
{
    struct id id;
    id.len = (uint8_t)snprintf(id.text, sizeof id.text, "%" PRIu64, seq);
    return id;
}

/* Fills the next place of the emission. payload: in the arena. */
static void add_request(struct emission *e, uint32_t p, char kind, const struct id *owner, char op,
                        struct bytes payload)
{
    struct outgoing *out = &e->outgoing[e->count];
    out->op[0] = op;
    (void)snprintf(out->schema, sizeof out->schema, "%d", PARLEY_SCHEMA_VERSION);
    (void)subject_chat(out->subject, p, (enum subject_kind)kind, owner);
    out->headers[0] = (struct publish_header){ HEADER_OP, bytes_of(out->op) };
    out->headers[1] = (struct publish_header){ HEADER_SCHEMA, bytes_of(out->schema) };
    out->headers[2] = (struct publish_header){ HEADER_CLIENT_ID, id_bytes(&out->cause) };
    e->requests[e->count] = (struct publish_request){ .partition = p,
                                                      .subject = out->subject,
                                                      .msg_id = out->msg_id,
                                                      .payload = payload,
                                                      .headers = out->headers,
                                                      .header_count = 3,
                                                      .timeout_ms = EMIT_TIMEOUT_MS };
    e->count++;
}

/* The same record that the gateway publishes after its PubAck, under the same message id. */
static enum rc add_feed(struct persister *p, struct emission *e, const struct event *event,
                        struct arena *arena)
{
    SCOPED_BUF(json, 512);
    const struct user_feed_record record = { .conversation = event->conversation,
                                             .seq = event->seq };
    struct outgoing *out = &e->outgoing[e->count];
    out->cause = id_of_seq(event->seq);
    msg_id_write(out->msg_id, 'f', &event->conversation, &event->user, &out->cause);
    user_feed_write(&json, &record);
    struct bytes payload = arena_copy(arena, buf_bytes(&json));
    if (json.has_failed || !payload.ptr)
        return RC_NOMEM;
    add_request(e, subject_partition(&event->user, p->o.partitions), SUBJECT_USER, &event->user,
                'f', payload);
    return RC_OK;
}

static enum rc add_withdrawal(struct persister *p, struct emission *e, const struct event *event,
                              uint64_t double_seq, uint64_t first_seq, struct arena *arena)
{
    SCOPED_BUF(json, 1024);
    const struct event withdrawal = { .kind = EVENT_MESSAGE_WITHDRAWN,
                                      .conversation = event->conversation,
                                      .target_seq = double_seq,
                                      .of_seq = first_seq };
    struct outgoing *out = &e->outgoing[e->count];
    out->cause = id_of_seq(double_seq);
    msg_id_write(out->msg_id, 'w', &event->conversation, &event->actor, &out->cause);
    event_write(&json, &withdrawal, bytes_make(NULL, 0));
    struct bytes payload = arena_copy(arena, buf_bytes(&json));
    if (json.has_failed || !payload.ptr)
        return RC_NOMEM;
    add_request(e, p->o.partition, SUBJECT_CONVERSATION, &event->conversation, 'w', payload);
    e->withdrawal_count++;
    return RC_OK;
}

static enum rc add_effects_of(struct persister *p, struct emission *e, const struct event *event,
                              const struct applied_result *result, struct arena *arena)
{
    switch (event->kind) {
    case EVENT_MEMBER_ADDED:
    case EVENT_MEMBER_REMOVED:
    case EVENT_MEMBER_UPDATED:
        return add_feed(p, e, event, arena);
    case EVENT_MESSAGE_NEW:
        if (result->as == APPLIED_DOUBLE)
            return add_withdrawal(p, e, event, event->seq, result->of_seq, arena);
        if (result->as == APPLIED_DISPLACED)
            return add_withdrawal(p, e, event, result->of_seq, event->seq, arena);
        return RC_OK;
    case EVENT_MESSAGE_EDITED:
    case EVENT_MESSAGE_DELETED:
    case EVENT_MESSAGE_PINNED:
    case EVENT_MESSAGE_UNPINNED:
    case EVENT_MESSAGE_WITHDRAWN:
    case EVENT_REACTION_ADDED:
    case EVENT_REACTION_REMOVED:
    case EVENT_CONVERSATION_CREATED:
    case EVENT_CONVERSATION_UPDATED:
    case EVENT_CONVERSATION_DELETED:
    case EVENT_VOID:
    case EVENT_KIND_COUNT:
        return RC_OK;
    }
    return RC_OK;
}

/* RC_OK: each is in the log, or can never be (a too large one is nobody's fault but ours). */
static enum rc publish_all(struct persister *p, const struct emission *e)
{
    const struct log_consumer *log = p->o.log;
    if (e->count == 0)
        return RC_OK;
    TRY(log->publish(log->self, e->requests, e->count, e->results));
    for (size_t i = 0; i < e->count; i++) {
        enum publish_outcome outcome = e->results[i].outcome;
        if (outcome == PUBLISH_TOO_LARGE)
            log_error("persister.emit_too_large", LOG_UINT("partition", p->o.partition));
        else if (outcome != PUBLISH_STORED && outcome != PUBLISH_DUPLICATE)
            return outcome == PUBLISH_FULL ? RC_FULL : RC_UNAVAILABLE;
    }
    atomic_fetch_add(&p->o.stats->feeds_published, e->count - e->withdrawal_count);
    atomic_fetch_add(&p->o.stats->withdrawals, e->withdrawal_count);
    return RC_OK;
}

static void move_mark(struct persister *p, uint64_t to, bool is_now)
{
    p->emitted = to;
    p->is_emit_dirty = true;
    atomic_store(&p->o.stats->emitted, to);
    emit_write_mark(p, is_now);
}

static void put_off(struct persister *p, enum rc rc)
{
    int64_t delay_ms = retry_delay_ms(&p->random, p->emit_attempts++);
    p->emit_retry_at_ms = clock_monotonic_ms(p->o.clock) + delay_ms;
    atomic_fetch_add(&p->o.stats->emit_errors, 1);
    log_warn_every(10000, "persister.emit_put_off", LOG_UINT("partition", p->o.partition),
                   LOG_RC(rc), LOG_INT("delay_ms", delay_ms));
}

static bool has_effects(const struct run *run, size_t at)
{
    enum event_kind kind = run->events[at].kind;
    enum applied_as as = run->results[at].as;
    return kind == EVENT_MEMBER_ADDED || kind == EVENT_MEMBER_REMOVED ||
           kind == EVENT_MEMBER_UPDATED || as == APPLIED_DOUBLE || as == APPLIED_DISPLACED;
}

/* Another instance may have moved the mark while this one stood still, longer than message ids are
 * remembered: asked only when there is something to publish. */
static enum rc refresh_mark(struct persister *p, const struct run *run)
{
    const struct message_store *store = p->o.store;
    uint64_t emitted;
    size_t at = 0;
    while (at < run->event_count && !has_effects(run, at))
        at++;
    if (at == run->event_count)
        return RC_OK;
    TRY(store->emitted(store->self, p->o.generation, p->o.partition, &emitted));
    if (emitted > p->emitted)
        p->emitted = emitted;
    return RC_OK;
}

/* The side effects of what is above the mark in this run, up to `to`. */
static void emit_events(struct persister *p, const struct run *run, uint64_t to)
{
    SCOPED_ARENA(arena, RUN_ARENA_BYTES_MAX);
    size_t room = run->event_count + 1;
    struct emission e = { .requests = arena_alloc(&arena, room * sizeof *e.requests),
                          .outgoing = arena_alloc(&arena, room * sizeof *e.outgoing),
                          .results = arena_alloc(&arena, room * sizeof *e.results) };
    enum rc rc = e.requests && e.outgoing && e.results ? RC_OK : RC_NOMEM;
    if (rc == RC_OK)
        rc = refresh_mark(p, run);
    for (size_t i = 0; i < run->event_count && rc == RC_OK; i++)
        if (run->events[i].seq > p->emitted && run->events[i].seq <= to)
            rc = add_effects_of(p, &e, &run->events[i], &run->results[i], &arena);
    if (rc == RC_OK)
        rc = publish_all(p, &e);
    if (rc != RC_OK) {
        put_off(p, rc);
        return;
    }
    p->emit_attempts = 0;
    if (to > p->emitted)
        move_mark(p, to, e.count > 0);
}

void run_emit(struct persister *p, const struct run *run)
{
    uint64_t to = run->to < p->applied ? run->to : p->applied;
    if (to <= p->emitted)
        return;
    if (p->o.emits_nothing)
        move_mark(p, to, false);
    else if (p->emitted + 1 >= run->from) /* else what was before it is still due: emit_catch_up */
        emit_events(p, run, to);
}

/* A store call each would take longer than the partition is ours without a fetch, and the next
 * holder would begin with the same. Of what is refused (then as now: a void stands there) nothing
 * is asked for; its neighbours are halved down to it. */
static enum rc ask_some(struct persister *p, struct event *messages, struct applied_result *results,
                        size_t count)
{
    const struct message_store *store = p->o.store;
    const struct store_batch batch = { .generation = p->o.generation,
                                       .partition = p->o.partition,
                                       .events = messages,
                                       .event_count = count };
    if (count == 0)
        return RC_OK;
    enum rc rc = store->apply(store->self, &batch, results);
    if (rc != RC_INVALID && rc != RC_CONFLICT)
        return rc;
    if (count == 1) {
        results[0] = (struct applied_result){ APPLIED_AGAIN, 0 };
        return RC_OK;
    }
    TRY(ask_some(p, messages, results, count / 2));
    return ask_some(p, messages + count / 2, results + count / 2, count - count / 2);
}

/* Asks the store again what became of the messages: doubles are doubles however often applied. */
static enum rc ask_results(struct persister *p, struct run *run, struct arena *arena)
{
    struct event *messages = arena_alloc(arena, (run->event_count + 1) * sizeof *messages);
    struct applied_result *results = arena_alloc(arena, (run->event_count + 1) * sizeof *results);
    size_t count = 0, at = 0;
    if (!messages || !results)
        return RC_NOMEM;
    for (size_t i = 0; i < run->event_count; i++)
        if (run->events[i].kind == EVENT_MESSAGE_NEW)
            messages[count++] = run->events[i];
    TRY(ask_some(p, messages, results, count));
    for (size_t i = 0; i < run->event_count; i++)
        run->results[i] = run->events[i].kind == EVENT_MESSAGE_NEW
                              ? results[at++]
                              : (struct applied_result){ APPLIED_AGAIN, 0 };
    return RC_OK;
}

static enum rc emit_part(struct persister *p)
{
    SCOPED_ARENA(arena, RUN_ARENA_BYTES_MAX);
    struct run run;
    enum rc rc = run_read(p, p->emitted + 1, p->applied, &arena, &run);
    if (rc == RC_NOT_FOUND) { /* older than the log: nobody waits for a wake-up of a week ago */
        log_warn("persister.emit_skipped", LOG_UINT("partition", p->o.partition),
                 LOG_UINT("from", p->emitted + 1), LOG_UINT("to", p->applied));
        move_mark(p, p->applied, true);
        return RC_OK;
    }
    TRY(rc);
    run.events = arena_alloc(&arena, (run.count + 1) * sizeof *run.events);
    run.results = arena_alloc(&arena, (run.count + 1) * sizeof *run.results);
    if (!run.events || !run.results)
        return RC_NOMEM;
    for (size_t i = 0; i < run.count; i++)
        if (run.records[i]->kind == SUBJECT_CONVERSATION && run.records[i]->owner.len > 0)
            run.events[run.event_count++] = record_to_event(run.records[i], &arena);
    TRY(ask_results(p, &run, &arena));
    emit_events(p, &run, run.to);
    return RC_OK;
}

void emit_catch_up(struct persister *p)
{
    if (!p->is_placed || p->o.emits_nothing || p->emitted >= p->applied)
        return;
    if (clock_monotonic_ms(p->o.clock) < p->emit_retry_at_ms)
        return;
    enum rc rc = emit_part(p);
    if (rc != RC_OK)
        put_off(p, rc);
}

void emit_write_mark(struct persister *p, bool is_now)
{
    const struct message_store *store = p->o.store;
    int64_t at_ms = clock_monotonic_ms(p->o.clock);
    if (!p->is_emit_dirty || (!is_now && at_ms < p->emit_write_at_ms))
        return;
    p->emit_write_at_ms = at_ms + EMIT_WRITE_EVERY_MS;
    if (store->set_emitted(store->self, p->o.generation, p->o.partition, p->emitted) == RC_OK)
        p->is_emit_dirty = false; /* else the next time; until then the effects may come twice */
}
