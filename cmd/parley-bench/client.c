/* client.c - one user's socket. */
#include "client.h"

#include <stdlib.h>
#include <string.h>

#define CONNECT_LIMIT_NS (30 * 1000000000ull)

static const struct ws_events socket_events;
static void on_timer(void *owner);

void swarm_init(struct swarm *swarm, struct loop *loop, const char *ws_url, uint64_t seed)
{
    *swarm = (struct swarm){ .loop = loop,
                             .backoff_min_ns = 1000000000ull,
                             .backoff_max_ns = 16000000000ull,
                             .rng = { seed },
                             .has_sync = true,
                             .uses_cursor = true,
                             .keeps_rows = true };
    endpoint_parse(ws_url, &swarm->to);
}

void client_init(struct client *client, struct swarm *swarm, unsigned number, const char *id,
                 const char *token)
{
    *client = (struct client){ .swarm = swarm, .number = number, .id = id, .token = token };
    client->comes_back = true;
    client->timer = (struct timer){ .on_due = on_timer, .owner = client };
    ws_init(&client->ws, swarm->loop, &socket_events, client);
}

uint64_t key_of(struct bytes conversation_id)
{
    return hash_bytes(HASH_START, conversation_id);
}

uint64_t who_of(struct bytes sender, struct bytes client_message_id)
{
    return hash_bytes(hash_bytes(HASH_START, sender), client_message_id);
}

uint64_t what_of(struct bytes text, struct bytes kind, struct bytes metadata)
{
    uint64_t what = scan_hash(HASH_START, text);
    if (kind.len && !bytes_is(kind, "text"))
        what = hash_bytes(what, kind);
    if (metadata.len && !bytes_is(metadata, "null"))
        what = hash_bytes(what, metadata);
    return what;
}

struct row row_of(const struct event *ev)
{
    struct row row = { .seq = ev->seq };
    if (bytes_is(ev->type, "message.new")) {
        row.who = who_of(ev->sender, ev->client_message_id);
        row.what = what_of(ev->text, ev->kind, ev->metadata);
    } else if (!bytes_is(ev->type, "event.void")) {
        row.what = hash_bytes(hash_bytes(HASH_START, ev->type), ev->user_id);
    }
    return row;
}

static void arm(struct client *client, uint64_t delay_ns)
{
    timer_set(client->swarm->loop, &client->timer, loop_now(client->swarm->loop) + delay_ns);
}

static void each_trail(struct client *client, void (*act)(struct trail *))
{
    if (client->first)
        act(client->first);
    for (size_t i = 0; i < client->trails.cap; i++)
        if (client->trails.keys[i])
            act(client->trails.values[i]);
}

void client_forget(struct client *client)
{
    each_trail(client, trail_forget);
    free(client->cursor);
    client->cursor = NULL;
}

void client_start(struct client *client)
{
    ws_close(&client->ws);
    client->state = CLIENT_CONNECTING;
    client->opened_ns = now_ns();
    client->swarm->connects++;
    each_trail(client, trail_reconnected);
    ws_open(&client->ws, &client->swarm->to, client->number / 20000 + client->number % 8,
            client->token);
    arm(client, CONNECT_LIMIT_NS);
}

void client_start_in(struct client *client, uint64_t delay_ns)
{
    client->state = CLIENT_WAITING;
    arm(client, delay_ns);
}

void client_stop(struct client *client)
{
    client->state = CLIENT_DOWN;
    timer_clear(client->swarm->loop, &client->timer);
    ws_close(&client->ws);
}

static void free_trail(struct trail *trail)
{
    trail_fini(trail);
    free(trail);
}

void client_fini(struct client *client)
{
    client_stop(client);
    each_trail(client, free_trail);
    hmap_fini(&client->trails);
    client->first = NULL;
    free(client->cursor);
    client->cursor = NULL;
}

void client_cut(struct client *client, uint64_t away_ns)
{
    client->swarm->cut++;
    ws_cut(&client->ws);
    client_start_in(client, away_ns);
}

void client_send(struct client *client, struct sbuf *request)
{
    ws_send(&client->ws, bytes_make(request->ptr, request->len));
}

struct trail *client_trail(struct client *client, uint64_t key)
{
    if (client->first_key == key)
        return client->first;
    struct trail *trail = hmap_get(&client->trails, key);
    if (trail)
        return trail;
    trail = xcalloc(1, sizeof *trail);
    trail->keeps_rows = client->swarm->keeps_rows;
    if (!client->first) {
        client->first = trail;
        client->first_key = key;
    } else {
        hmap_put(&client->trails, key, trail);
    }
    return trail;
}

/* Waits 1, 2, 4, 8, 16 s with full jitter (PROTOCOL, Cursor), or as the run's options say. */
static void come_back(struct client *client)
{
    struct swarm *swarm = client->swarm;
    unsigned shift = client->attempts < 10 ? client->attempts : 10;
    uint64_t limit = swarm->backoff_min_ns << shift;
    if (limit > swarm->backoff_max_ns)
        limit = swarm->backoff_max_ns;
    client->attempts++;
    uint64_t now = loop_now(swarm->loop), wait = 1 + rng_below(&swarm->rng, limit);
    if (client->not_before_ns > now)
        wait += client->not_before_ns - now;
    client_start_in(client, wait);
}

static void on_close(void *owner, unsigned code, struct bytes reason)
{
    struct client *client = owner;
    struct swarm *swarm = client->swarm;
    bool was_ready = client->state == CLIENT_READY;
    swarm->closes += was_ready;
    swarm->failures += !was_ready;
    snprintf(swarm->last_failure, sizeof swarm->last_failure, "%s: code %u, %.*s", client->id, code,
             BYTES_ARG(reason));
    client->state = CLIENT_DOWN;
    timer_clear(swarm->loop, &client->timer);
    if (swarm->hooks.on_down)
        swarm->hooks.on_down(client, code, reason);
    if (client->comes_back && client->state == CLIENT_DOWN)
        come_back(client);
}

static void on_timer(void *owner)
{
    struct client *client = owner;
    if (client->state == CLIENT_WAITING) {
        client_start(client);
        return;
    }
    if (client->state != CLIENT_CONNECTING)
        return;
    ws_cut(&client->ws);
    on_close(client, 0, bytes_of("no hello in time"));
}

static void on_open(void *owner)
{
    struct client *client = owner;
    if (!client->swarm->has_sync)
        return;
    struct sbuf frame = { 0 };
    sbuf_puts(&frame, "{\"type\":\"sync\",\"id\":\"sync\"");
    if (client->cursor && client->swarm->uses_cursor)
        sbuf_printf(&frame, ",\"cursor\":\"%s\"", client->cursor);
    sbuf_puts(&frame, "}");
    client->sync_ns = now_ns();
    client_send(client, &frame);
    sbuf_free(&frame);
}

static void keep_cursor(struct client *client, struct bytes cursor)
{
    if (cursor.len == 0)
        return;
    free(client->cursor);
    client->cursor = xstrndup((const char *)cursor.ptr, cursor.len);
}

static void become_ready(struct client *client)
{
    client->state = CLIENT_READY;
    client->attempts = 0;
    timer_clear(client->swarm->loop, &client->timer);
    if (client->swarm->hooks.on_ready)
        client->swarm->hooks.on_ready(client);
    client->was_ready = true;
}

static void take_hello(struct client *client, const struct event *ev)
{
    struct swarm *swarm = client->swarm;
    hist_add(&swarm->connect, now_ns() - client->opened_ns);
    if (!client->cursor)
        keep_cursor(client, ev->cursor);
    if (!swarm->has_sync)
        become_ready(client);
}

static void take_synced(struct client *client, const struct event *ev, bool is_ok)
{
    struct swarm *swarm = client->swarm;
    if (!is_ok) {
        snprintf(swarm->last_failure, sizeof swarm->last_failure, "sync refused: %.*s",
                 BYTES_ARG(ev->error));
        ws_cut(&client->ws);
        on_close(client, 0, bytes_of(swarm->last_failure));
        return;
    }
    keep_cursor(client, ev->cursor);
    if (client->was_ready) {
        hist_add(&swarm->resume, now_ns() - client->opened_ns);
        swarm->resumed_events += ev->events;
        swarm->recovered += ev->recovered;
        swarm->not_recovered += !ev->recovered;
    }
    become_ready(client);
}

static void take_event(struct client *client, const struct event *ev)
{
    struct trail *trail = client_trail(client, key_of(ev->conversation));
    struct row row = row_of(ev);
    if (!trail_see(trail, &client->swarm->tally, ev->prev, &row))
        return;
    if (bytes_is(ev->type, "message.withdrawn"))
        trail_withdraw(trail, &client->swarm->tally, ev->target_seq);
    if (client->swarm->hooks.on_event)
        client->swarm->hooks.on_event(client, ev, trail);
    if (bytes_is(ev->type, "member.removed") && bytes_is(ev->user_id, client->id))
        trail_forget(trail);
}

static void reset_one(struct client *client, struct bytes conversation)
{
    trail_reset(client_trail(client, key_of(conversation)), &client->swarm->tally);
}

static void take_reset(struct client *client, const struct event *ev)
{
    if (ev->conversation.len) {
        reset_one(client, ev->conversation);
        return;
    }
    if (client->first)
        trail_reset(client->first, &client->swarm->tally);
    for (size_t i = 0; i < client->trails.cap; i++)
        if (client->trails.keys[i])
            trail_reset(client->trails.values[i], &client->swarm->tally);
}

static void take_object(struct client *client, const struct event *ev)
{
    bool is_ok = bytes_is(ev->type, "ok");
    if (is_ok || bytes_is(ev->type, "error")) {
        if (bytes_is(ev->id, "sync"))
            take_synced(client, ev, is_ok);
        else if (client->swarm->hooks.on_answer)
            client->swarm->hooks.on_answer(client, ev, is_ok);
    } else if (ev->has_seq && ev->has_prev) {
        take_event(client, ev);
    } else if (bytes_is(ev->type, "hello")) {
        take_hello(client, ev);
    } else if (bytes_is(ev->type, "cursor")) {
        keep_cursor(client, ev->cursor);
    } else if (bytes_is(ev->type, "sync.reset")) {
        take_reset(client, ev);
    } else if (bytes_is(ev->type, "goodbye")) {
        client->swarm->goodbyes++;
        client->not_before_ns = now_ns() + ev->retry_after_ms * 1000000;
    }
}

static void on_text(void *owner, struct bytes text)
{
    struct client *client = owner;
    uint32_t epoch = client->ws.epoch;
    while (text.len && client->ws.epoch == epoch) {
        const uint8_t *end = memchr(text.ptr, '\n', text.len);
        size_t len = end ? (size_t)(end - text.ptr) : text.len;
        struct bytes line = bytes_make(text.ptr, len);
        struct event ev;
        if (client->swarm->hooks.on_line)
            client->swarm->hooks.on_line(client, line);
        if (scan_event(line, &ev))
            take_object(client, &ev);
        else
            client->swarm->tally.malformed += len > 0;
        size_t used = end ? len + 1 : len;
        text = bytes_make(text.ptr + used, text.len - used);
    }
}

static const struct ws_events socket_events = { on_open, on_text, on_close };
