/* replay_send.c - speaks for everybody: one op of each thread in flight.
 *
 * A speaker's socket is opened when it has something to say. At most open_max are open: an idle one
 * makes room, and one with nothing left to say is closed at once. An op whose answer doesn't come,
 * because the server died or the line was cut, is sent again with the same clientMessageId and
 * retry:true until it is answered.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay.h"

#define ACTION_METADATA "{\"action\":true}"
#define ANSWER_LIMIT_NS (10 * 1000000000ull)

static void step(struct thread *thread);

static struct speaker *speaker_of(struct thread *thread)
{
    return &thread->replay->speakers[thread->ops[thread->next].user];
}

static void idle_remove(struct replay *r, struct speaker *s)
{
    if (!s->is_idle)
        return;
    *(s->older ? &s->older->newer : &r->oldest_idle) = s->newer;
    *(s->newer ? &s->newer->older : &r->newest_idle) = s->older;
    s->is_idle = false;
    s->newer = s->older = NULL;
}

static void idle_add(struct replay *r, struct speaker *s)
{
    s->older = r->newest_idle;
    s->newer = NULL;
    *(r->newest_idle ? &r->newest_idle->newer : &r->oldest_idle) = s;
    r->newest_idle = s;
    s->is_idle = true;
}

static void close_speaker(struct replay *r, struct speaker *s)
{
    idle_remove(r, s);
    client_stop(&s->client);
    client_forget(&s->client); /* the next socket starts from now: no cursor, no chain */
    s->is_open = false;
    s->client.was_ready = false;
    r->open_count--;
}

static void open_speaker(struct replay *r, struct speaker *s)
{
    if (r->open_count >= r->open_max && r->oldest_idle)
        close_speaker(r, r->oldest_idle);
    s->is_open = true;
    r->open_count++;
    client_start(&s->client);
}

static void write_message(const struct thread *thread, const struct op *op, struct sbuf *out)
{
    sbuf_printf(out, ",\"clientMessageId\":\"%s-%zu\",\"text\":\"", thread->id, thread->next);
    sbuf_add(out, op->text.ptr, op->text.len);
    sbuf_puts(out, op->kind == OP_ACTION ? "\",\"metadata\":" ACTION_METADATA : "\"");
    if (thread->attempts > 1)
        sbuf_printf(out, ",\"retry\":true,\"firstTriedMs\":%" PRIu64,
                    (now_ns() - thread->first_sent_ns) / 1000000);
}

/* Sends the present op; its speaker is ready. */
static void transmit(struct thread *thread)
{
    static const char *const types[] = { "message.send", "message.send", "conversation.join",
                                         "conversation.leave" };
    static struct sbuf frame;
    struct replay *r = thread->replay;
    const struct op *op = &thread->ops[thread->next];
    if (thread->attempts++ == 0)
        thread->first_sent_ns = now_ns();
    else
        r->retries++;
    thread->is_in_flight = true;
    thread->serial++;
    frame.len = 0;
    sbuf_printf(&frame, "{\"type\":\"%s\",\"id\":\"%td.%" PRIu64 "\",\"conversationId\":\"%s\"",
                types[op->kind], thread - r->threads, thread->serial, thread->id);
    if (op->kind == OP_MESSAGE || op->kind == OP_ACTION)
        write_message(thread, op, &frame);
    sbuf_puts(&frame, "}");
    client_send(&speaker_of(thread)->client, &frame);
    timer_set(r->crowd.loop, &thread->timer, now_ns() + ANSWER_LIMIT_NS);
}

static void begin(struct thread *thread)
{
    struct replay *r = thread->replay;
    struct speaker *s = speaker_of(thread);
    thread->is_waiting = false;
    thread->peer = s->threads;
    s->threads = thread;
    idle_remove(r, s);
    if (!s->is_open)
        open_speaker(r, s);
    else if (s->client.state == CLIENT_READY)
        transmit(thread);
}

static void on_timer(void *owner)
{
    struct thread *thread = owner;
    if (thread->is_waiting)
        begin(thread);
    else if (!thread->is_done && speaker_of(thread)->client.state == CLIENT_READY)
        transmit(thread); /* else: when the socket is back */
}

/* Takes up the present op, or ends the thread. With --rate, ops begin that far apart. */
static void step(struct thread *thread)
{
    struct replay *r = thread->replay;
    uint64_t now = now_ns();
    if (thread->next == thread->op_count) {
        thread->is_done = true;
        r->threads_done++;
        return;
    }
    thread->attempts = 0;
    if (r->options->rate <= 0) {
        begin(thread);
        return;
    }
    if (r->pace_ns < now)
        r->pace_ns = now;
    thread->is_waiting = true;
    timer_set(r->crowd.loop, &thread->timer, r->pace_ns);
    r->pace_ns += (uint64_t)(1e9 / r->options->rate);
}

static void unlink_thread(struct speaker *s, struct thread *thread)
{
    struct thread **at = &s->threads;
    while (*at && *at != thread)
        at = &(*at)->peer;
    if (*at)
        *at = thread->peer;
}

static void finish_op(struct thread *thread)
{
    struct replay *r = thread->replay;
    struct speaker *s = speaker_of(thread);
    timer_clear(r->crowd.loop, &thread->timer);
    thread->is_in_flight = false;
    unlink_thread(s, thread);
    s->remaining--;
    r->ops_done++;
    thread->next++;
    step(thread);
    if (!s->threads && s->is_open && s->remaining == 0)
        close_speaker(r, s);
    else if (!s->threads && s->is_open && !s->is_idle)
        idle_add(r, s);
    replay_cut_some(r);
}

static struct row op_row(const struct thread *thread)
{
    const struct op *op = &thread->ops[thread->next];
    char id[96];
    snprintf(id, sizeof id, "%s-%zu", thread->id, thread->next);
    const char *user = thread->replay->people.list[op->user].id;
    bool is_action = op->kind == OP_ACTION;
    return (struct row){ .who = who_of(bytes_of(user), bytes_of(id)),
                         .what = what_of(op->text, bytes_of("text"),
                                         bytes_of(is_action ? ACTION_METADATA : NULL)) };
}

/* A join or leave that changed something. One that was so already is answered with what made it so.
 */
static void book_member(struct thread *thread, const struct event *ev)
{
    const struct op *op = &thread->ops[thread->next];
    const char *type = op->kind == OP_JOIN ? "member.added" : "member.removed";
    const char *user = thread->replay->people.list[op->user].id;
    if (!ev->has_seq || ev->seq <= thread->book.last)
        return;
    struct row row = { .seq = ev->seq,
                       .what = hash_bytes(hash_bytes(HASH_START, bytes_of(type)), bytes_of(user)) };
    book_ack(&thread->book, &thread->replay->speaking.tally, &row);
}

static void take_ok(struct thread *thread, const struct event *ev)
{
    struct replay *r = thread->replay;
    const struct op *op = &thread->ops[thread->next];
    if (op->kind == OP_JOIN || op->kind == OP_LEAVE) {
        book_member(thread, ev);
        return;
    }
    struct row row = op_row(thread);
    row.seq = ev->seq;
    book_ack(&thread->book, &r->speaking.tally, &row);
    r->messages_acked++;
    r->duplicates += ev->duplicate;
    hist_add(&r->ack, now_ns() - thread->first_sent_ns);
}

static bool is_passing(struct bytes code)
{
    return bytes_is(code, "timeout") || bytes_is(code, "unavailable") ||
           bytes_is(code, "overloaded") || bytes_is(code, "rate_limited") ||
           bytes_is(code, "storage_full");
}

/* The thread that an answer is for; NULL when an earlier attempt was meant. */
static struct thread *thread_of(struct replay *r, struct bytes id)
{
    char text[48];
    size_t t;
    uint64_t serial;
    snprintf(text, sizeof text, "%.*s", BYTES_ARG(id));
    if (sscanf(text, "%zu.%" SCNu64, &t, &serial) != 2 || t >= r->thread_count)
        return NULL;
    struct thread *thread = &r->threads[t];
    return thread->is_in_flight && thread->serial == serial ? thread : NULL;
}

/* A leave that was sent again because its answer was lost: gone already is what was wanted. */
static bool is_done_already(const struct thread *thread, struct bytes code)
{
    return thread->attempts > 1 && thread->ops[thread->next].kind == OP_LEAVE &&
           (bytes_is(code, "conversation.not_member") || bytes_is(code, "not_found"));
}

static void take_error(struct thread *thread, const struct event *ev)
{
    struct replay *r = thread->replay;
    struct bytes code = scan_field(ev->error, "code");
    if (is_done_already(thread, code)) {
        finish_op(thread);
        return;
    }
    struct event error;
    bool knows_when = scan_event(ev->error, &error) && error.retry_after_ms;
    snprintf(r->last_error, sizeof r->last_error, "%.*s", BYTES_ARG(ev->error));
    r->errors++;
    if (is_passing(code)) {
        uint64_t wait_ms = knows_when ? error.retry_after_ms : 200;
        timer_set(r->crowd.loop, &thread->timer, now_ns() + wait_ms * 1000000);
        return;
    }
    r->refused++;
    if (r->refused <= 5)
        fprintf(stderr, "refused, op %zu of %s: %s\n", thread->next, thread->id, r->last_error);
    finish_op(thread);
}

static void on_answer(struct client *client, const struct event *ev, bool is_ok)
{
    struct replay *r = client->extra;
    struct thread *thread = thread_of(r, ev->id);
    if (!thread || &speaker_of(thread)->client != client)
        return;
    if (!is_ok) {
        take_error(thread, ev);
        return;
    }
    take_ok(thread, ev);
    finish_op(thread);
}

static void on_ready(struct client *client)
{
    struct replay *r = client->extra;
    struct speaker *s = &r->speakers[client->number];
    for (struct thread *thread = s->threads; thread; thread = thread->peer)
        transmit(thread);
}

static void on_down(struct client *client, unsigned code, struct bytes reason)
{
    struct replay *r = client->extra;
    struct speaker *s = &r->speakers[client->number];
    (void)code, (void)reason; /* kept by client.c as the last failure */
    client->comes_back = s->threads != NULL;
    if (client->comes_back)
        return;
    idle_remove(r, s);
    client_forget(client);
    client->was_ready = false;
    s->is_open = false;
    r->open_count--;
}

void replay_send_init(struct replay *r)
{
    swarm_init(&r->speaking, r->crowd.loop, r->options->ws_url, (uint64_t)r->options->seed + 1);
    r->speaking.hooks =
        (struct client_hooks){ .on_ready = on_ready, .on_answer = on_answer, .on_down = on_down };
    r->speaking.keeps_rows = false;
    r->speaking.backoff_min_ns = r->crowd.swarm.backoff_min_ns;
    r->speaking.backoff_max_ns = r->crowd.swarm.backoff_max_ns;
    r->open_max = (size_t)r->options->open_max;
    if (r->open_max <= r->thread_count)
        r->open_max = r->thread_count + 1;
    for (size_t u = 0; u < r->people.count; u++) {
        client_init(&r->speakers[u].client, &r->speaking, (unsigned)u, r->people.list[u].id,
                    r->people.list[u].token);
        r->speakers[u].client.extra = r;
    }
    for (size_t t = 0; t < r->thread_count; t++)
        r->threads[t].timer = (struct timer){ .on_due = on_timer, .owner = &r->threads[t] };
}

void replay_send_start(struct replay *r)
{
    r->start_ns = now_ns();
    for (size_t t = 0; t < r->thread_count; t++)
        step(&r->threads[t]);
}

void replay_send_stop(struct replay *r)
{
    for (size_t t = 0; t < r->thread_count; t++) {
        struct thread *thread = &r->threads[t];
        timer_clear(r->crowd.loop, &thread->timer);
        if (thread->is_done || thread->attempts == 0)
            continue;
        struct row row = op_row(thread);
        if (thread->ops[thread->next].kind <= OP_ACTION)
            book_open(&thread->book, row.who, row.what);
    }
    for (size_t u = 0; u < r->people.count; u++)
        client_fini(&r->speakers[u].client);
}
