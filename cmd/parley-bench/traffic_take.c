/* traffic_take.c - sending, answers, deliveries.
 *
 * A message without an answer, because the connection was lost or nothing came for 10 s, is sent
 * again by the same user with the same clientMessageId and retry:true, as PROTOCOL asks of a
 * client. An error that is definite ends it; "timeout" means: ask again.
 */
#include "traffic_take.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_LIMIT_NS (10 * 1000000000ull)
#define RETRY_NS 200000000ull
#define BODY_BYTES 128

static void message_text(const struct traffic *t, size_t n, char *out)
{
    int used =
        snprintf(out, BODY_BYTES + 1, "%s message %zu of the bench, padded: ", t->options->run, n);
    for (int i = used; i < BODY_BYTES; i++)
        out[i] = (char)('a' + (n + (size_t)i) % 26);
    out[BODY_BYTES] = 0;
}

static void remember_open(struct sender *sender, uint32_t n)
{
    sender->open = xgrow(sender->open, &sender->cap, sender->len + 1, sizeof *sender->open);
    sender->open[sender->len++] = n;
}

static void forget_open(struct sender *sender, uint32_t n)
{
    for (size_t i = 0; i < sender->len; i++)
        if (sender->open[i] == n) {
            sender->open[i] = sender->open[--sender->len];
            return;
        }
}

void traffic_send(struct traffic *t, size_t n)
{
    static struct sbuf frame;
    struct message *m = &t->messages[n];
    struct client *client = &t->crowd.clients[m->sender];
    char text[BODY_BYTES + 1], id[80];
    message_text(t, n, text);
    snprintf(id, sizeof id, "%s-%zu", t->options->run, n);
    if (m->attempts++ == 0) {
        m->row.who = who_of(bytes_of(client->id), bytes_of(id));
        m->row.what = hash_bytes(HASH_START, bytes_of(text));
        m->first_sent_ns = now_ns();
        remember_open(&t->senders[m->sender], (uint32_t)n);
    }
    m->retry_ns = now_ns() + ANSWER_LIMIT_NS;
    frame.len = 0;
    sbuf_printf(&frame,
                "{\"type\":\"message.send\",\"id\":\"%zu\",\"conversationId\":\"%s\","
                "\"clientMessageId\":\"%s\",\"text\":\"%s\"",
                n, t->rooms[m->room].id, id, text);
    if (m->attempts > 1)
        sbuf_printf(&frame, ",\"retry\":true,\"firstTriedMs\":%" PRIu64,
                    (now_ns() - m->first_sent_ns) / 1000000);
    sbuf_puts(&frame, "}");
    client_send(client, &frame);
}

static size_t number_after_dash(struct bytes id)
{
    size_t value = 0, from = id.len;
    while (from && id.ptr[from - 1] >= '0' && id.ptr[from - 1] <= '9')
        from--;
    for (size_t i = from; i < id.len; i++)
        value = value * 10 + (size_t)(id.ptr[i] - '0');
    return from < id.len ? value : SIZE_MAX;
}

static void take_ok(struct traffic *t, struct message *m, const struct event *ev)
{
    m->row.seq = ev->seq;
    t->acked++;
    t->duplicates += ev->duplicate;
    hist_add(&t->ack, now_ns() - m->intended_ns);
    book_ack(&t->rooms[m->room].book, &t->crowd.swarm.tally, &m->row);
}

static bool is_worth_retrying(struct bytes code)
{
    return bytes_is(code, "timeout") || bytes_is(code, "unavailable") ||
           bytes_is(code, "overloaded") || bytes_is(code, "rate_limited");
}

static void on_answer(struct client *client, const struct event *ev, bool is_ok)
{
    struct traffic *t = client->extra;
    size_t n = number_after_dash(ev->id);
    if (n >= t->sent || t->messages[n].is_answered || t->messages[n].sender != client->number)
        return; /* the answer to an earlier attempt came after all */
    struct message *m = &t->messages[n];
    if (!is_ok) {
        struct bytes code = scan_field(ev->error, "code");
        t->errors++;
        snprintf(t->last_error, sizeof t->last_error, "%.*s", BYTES_ARG(ev->error));
        if (is_worth_retrying(code)) {
            m->retry_ns = now_ns() + RETRY_NS; /* the sweep sends it again */
            return;
        }
    }
    m->is_answered = true;
    t->answered++;
    forget_open(&t->senders[client->number], (uint32_t)n);
    if (is_ok)
        take_ok(t, m, ev);
}

static void on_event(struct client *client, const struct event *ev, struct trail *trail)
{
    struct traffic *t = client->extra;
    (void)trail;
    if (!bytes_is(ev->type, "message.new"))
        return;
    t->deliveries++;
    size_t n = number_after_dash(ev->client_message_id);
    if (n >= t->sent)
        return; /* the checker will call it unknown */
    uint64_t intended = t->messages[n].intended_ns;
    bool was_away = client->opened_ns > intended || client->awake_ns > intended;
    hist_add(was_away ? &t->recovered : &t->delivery, now_ns() - intended);
}

static void on_ready(struct client *client)
{
    struct traffic *t = client->extra;
    struct sender *sender = &t->senders[client->number];
    for (size_t i = 0; i < sender->len; i++)
        traffic_send(t, sender->open[i]);
}

void traffic_sweep(void *owner)
{
    struct traffic *t = owner;
    uint64_t now = now_ns();
    for (size_t s = 0; s < t->crowd.count; s++) {
        if (t->crowd.clients[s].state != CLIENT_READY)
            continue;
        for (size_t i = 0; i < t->senders[s].len; i++) {
            struct message *m = &t->messages[t->senders[s].open[i]];
            if (now >= m->retry_ns)
                traffic_send(t, t->senders[s].open[i]);
        }
    }
    timer_set(t->crowd.loop, &t->sweep, now + RETRY_NS / 2);
}

const struct client_hooks traffic_hooks = {
    .on_ready = on_ready,
    .on_event = on_event,
    .on_answer = on_answer,
};
