/* fetch.c - catching up: blocks of a conversation's events read for subs that the ring can't serve.
 *
 * However many subs wait in a room, and however far apart they are, one read at a time is under way
 * for it, from the place of the one that has waited longest. Each sub that the block has something
 * for is served from it, and the block stays for some seconds for those that come after: a thousand
 * stalled readers of one room, or ten thousand members who come back at once, cost as many reads as
 * what they missed has blocks.
 *
 * Bounds: a room keeps ROOM_BLOCKS_MAX blocks, the gateway as many bytes of them as of rings; what
 * was used longest ago goes first. A turn of the loop serves SERVE_A_TURN subs.
 */
#include "app/gateway_state.h"
#include "app/log_page.h"
#include "base/log.h"

#include <stdlib.h>

enum {
    FETCH_EVENTS = 1001, /* one more than a sync may bring */
    FETCH_EVENTS_LEAST = 4,
    FETCH_BYTES_MAX = 64 << 20,
    ROOM_BLOCKS_MAX = 4,
    BLOCK_KEEP_MS = 5000,
    FETCH_RETRY_MS = 500,
    FETCH_SOON_MS = 50,
    SERVE_A_TURN = 32,
};

/* Events of one conversation, chained from `after` on. */
struct block {
    struct list room_node;    /* in room->blocks */
    struct list gateway_node; /* in g->blocks, the one that was used longest ago first */
    struct gateway *g;
    uint64_t after;
    struct ring_entry *entries;
    size_t count, bytes;
    int64_t used_ms;
};

/* The read that is under way for a room. */
struct fetch {
    struct gateway_job base;
    struct room *room; /* loop thread only; NULL: the room is gone, the job isn't */
    struct id conversation;
    uint64_t after;
    uint64_t until; /* exists: the conversation's last seq when the job began */
    enum rc rc;
    struct block *block; /* the worker's until the job has ended */
};

static void fetch_next(struct room *room);

/* ---- blocks ---- */

static void block_free(struct block *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->count; i++)
        frame_unref(b->entries[i].frame);
    free(b->entries);
    free(b);
}

static void block_drop(struct block *b)
{
    list_remove(&b->room_node);
    list_remove(&b->gateway_node);
    b->g->block_bytes -= b->bytes;
    block_free(b);
}

static void block_use(struct block *b)
{
    b->used_ms = now_ms(b->g);
    list_remove(&b->gateway_node);
    list_add_last(&b->g->blocks, &b->gateway_node);
}

static struct block *block_of(struct list *room_node)
{
    return LIST_ENTRY(room_node, struct block, room_node);
}

static void trim_room(struct room *room)
{
    size_t count = 0;
    struct block *oldest = NULL;
    for (struct list *n = room->blocks.next; n != &room->blocks; n = n->next, count++)
        if (!oldest || block_of(n)->used_ms < oldest->used_ms)
            oldest = block_of(n);
    if (count >= ROOM_BLOCKS_MAX)
        block_drop(oldest);
}

/* The newest one stays whatever its size, or nobody would ever be served from it. */
static void trim_gateway(struct gateway *g)
{
    while (g->block_bytes > g->d.limits.ring_bytes_total && g->blocks.next != g->blocks.prev)
        block_drop(LIST_ENTRY(g->blocks.next, struct block, gateway_node));
}

static void block_keep(struct room *room, struct block *b)
{
    struct gateway *g = room->g;
    trim_room(room);
    list_add_last(&room->blocks, &b->room_node);
    list_add_last(&g->blocks, &b->gateway_node);
    b->used_ms = now_ms(g);
    g->block_bytes += b->bytes;
    trim_gateway(g);
}

static bool block_has_next(const struct block *b, uint64_t sent)
{
    return b->after <= sent && b->entries[b->count - 1].seq > sent;
}

const struct ring_entry *fetch_find(struct room *room, uint64_t sent, size_t *out_left)
{
    for (struct list *n = room->blocks.next; n != &room->blocks; n = n->next) {
        struct block *b = block_of(n);
        if (!block_has_next(b, sent))
            continue;
        size_t low = 0, high = b->count;
        while (low < high) {
            size_t middle = (low + high) / 2;
            if (b->entries[middle].seq > sent)
                high = middle;
            else
                low = middle + 1;
        }
        block_use(b);
        *out_left = b->count - low;
        return &b->entries[low];
    }
    return NULL;
}

/* ---- the read, on a worker ---- */

/* Between what the store has and where the log begins there is a hole, and what is asked for lies
 * in it: waiting brings nothing back. While the store is away nothing may be concluded. */
static bool is_lost(const struct fetch *f, uint32_t p)
{
    const struct gateway_deps *d = &f->base.g->d;
    struct log_state state;
    uint64_t applied;
    return d->log->state(d->log->self, p, &state) == RC_OK &&
           d->store->applied(d->store->self, d->generation, p, &applied) == RC_OK &&
           applied + 1 < state.first_seq && f->after + 1 < state.first_seq;
}

/* The log by itself: a view is refused while the store is so far behind that its tail is too long,
 * but all of it is there. Answers `otherwise` when the log can't help; RC_NOT_FOUND: nobody can. */
static enum rc read_log(const struct fetch *f, size_t limit, struct arena *arena, enum rc otherwise,
                        struct event **out, size_t *out_count)
{
    const struct gateway *g = f->base.g;
    uint32_t p = subject_partition(&f->conversation, g->d.partitions);
    const struct log_range range = { p, 'c', &f->conversation, f->after, f->until, limit };
    enum rc rc = log_page_read(g->d.log, &range, arena, out, out_count);
    if (rc == RC_NOT_FOUND && is_lost(f, p))
        return RC_NOT_FOUND;
    return rc == RC_OK || rc == RC_NOMEM ? rc : otherwise;
}

static enum rc read_events(const struct fetch *f, size_t limit, struct arena *arena,
                           struct event **out, size_t *out_count)
{
    struct conversation_view view;
    enum rc rc = view_open(&f->base.g->reading, &f->conversation, arena, &view);
    if (rc == RC_OK)
        rc = view_events(&view, f->after, limit, out, out_count);
    if (rc == RC_UNAVAILABLE)
        rc = read_log(f, limit, arena, rc, out, out_count);
    return rc;
}

static struct block *make_block(const struct fetch *f, const struct event *events, size_t count)
{
    struct block *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    *b = (struct block){ .g = f->base.g, .after = f->after };
    list_init(&b->room_node);
    list_init(&b->gateway_node);
    b->entries = calloc(count, sizeof *b->entries);
    for (size_t i = 0; b->entries && i < count; i++) {
        struct frame *frame = event_frame(&events[i]);
        if (!frame)
            break;
        b->entries[b->count++] = (struct ring_entry){ events[i].seq, events[i].prev, frame };
        b->bytes += frame->len + sizeof *b->entries + sizeof *frame;
    }
    if (b->count)
        return b;
    block_free(b);
    return NULL;
}

/* Events may be large: as many are read as there is room for. */
static void fetch_run(struct job *job)
{
    struct fetch *f = CONTAINER_OF(job, struct fetch, base.job);
    f->rc = RC_NOMEM;
    for (size_t limit = FETCH_EVENTS; limit >= FETCH_EVENTS_LEAST && f->rc == RC_NOMEM;
         limit /= 4) {
        SCOPED_ARENA(arena, FETCH_BYTES_MAX);
        struct event *events = NULL;
        size_t count = 0;
        f->rc = read_events(f, limit, &arena, &events, &count);
        if (f->rc == RC_OK && count) {
            f->block = make_block(f, events, count);
            f->rc = f->block ? RC_OK : RC_NOMEM;
        }
    }
}

/* ---- who waits, and who is served ---- */

static struct sub *sub_of(struct list *fetch_node)
{
    return LIST_ENTRY(fetch_node, struct sub, fetch_node);
}

static void serve_soon(struct sub *sub)
{
    struct room *room = sub->room;
    list_remove(&sub->fetch_node);
    list_add_last(&room->served, &sub->fetch_node);
    if (list_is_empty(&room->serve_node))
        list_add_last(&room->g->serving, &room->serve_node);
    task_post(room->g->d.timers, &room->g->serve_task);
}

/* Serves some of one room; then the next room has its turn. */
void serve_run(struct task *task)
{
    struct gateway *g = CONTAINER_OF(task, struct gateway, serve_task);
    if (list_is_empty(&g->serving))
        return; /* the room has gone meanwhile */
    struct room *room = LIST_ENTRY(g->serving.next, struct room, serve_node);
    for (int i = 0; i < SERVE_A_TURN && !list_is_empty(&room->served); i++) {
        struct sub *sub = sub_of(room->served.next);
        list_remove(&sub->fetch_node);
        sub_advance(sub);
    }
    list_remove(&room->serve_node);
    if (!list_is_empty(&room->served))
        list_add_last(&g->serving, &room->serve_node);
    else
        fetch_next(room);
    if (!list_is_empty(&g->serving))
        task_post(g->d.timers, &g->serve_task);
}

/* Moves on those for whom the block has something. */
static void serve_covered(struct room *room, const struct block *b)
{
    struct list *n = room->waiting.next;
    while (n != &room->waiting) {
        struct sub *sub = sub_of(n);
        n = n->next;
        if (block_has_next(b, sub->sent_seq))
            serve_soon(sub);
    }
}

/* What follows this place can't be had: those that stand there begin anew. Who asked for it by a
 * cursor came too late for it. */
static void reset_waiting_at(struct room *room, uint64_t after)
{
    struct list *n = room->waiting.next;
    while (n != &room->waiting) {
        struct sub *sub = sub_of(n);
        n = n->next;
        if (sub->sent_seq != after)
            continue;
        sub_reset(sub, sub->conn->sync ? "expired" : "gap");
        serve_soon(sub);
    }
}

static void fetch_later(struct timer *timer)
{
    fetch_next(CONTAINER_OF(timer, struct room, fetch_retry));
}

static void try_again_in(struct room *room, int64_t ms)
{
    room->fetch_retry.run = fetch_later;
    timer_start(room->g->d.timers, &room->fetch_retry, ms, 0);
}

static void take_result(struct room *room, struct fetch *f)
{
    if (f->rc == RC_NOT_FOUND) {
        reset_waiting_at(room, f->after);
    } else if (f->rc != RC_OK) {
        try_again_in(room,
                     FETCH_RETRY_MS); /* store and log are away, or behind: until they aren't */
    } else if (!f->block) {
        try_again_in(room, FETCH_SOON_MS); /* it exists, and isn't to be seen yet */
    } else {
        block_keep(room, f->block);
        serve_covered(room, f->block);
    }
}

static void fetch_ended(struct job *job)
{
    struct fetch *f = CONTAINER_OF(job, struct fetch, base.job);
    struct room *room = f->room;
    gateway_job_ended(&f->base);
    if (room) {
        room->fetching = NULL;
        take_result(room, f);
        fetch_next(room);
    } else {
        block_free(f->block);
    }
    free(f);
}

/* Begins a read if somebody waits and none is under way. What was read last is handed out first: a
 * newer block may take its place. */
static void fetch_next(struct room *room)
{
    if (room->fetching || room->fetch_retry.is_active || list_is_empty(&room->waiting) ||
        !list_is_empty(&room->served))
        return;
    struct fetch *f = calloc(1, sizeof *f);
    if (f) {
        f->room = room;
        f->conversation = room->id;
        f->after = sub_of(room->waiting.next)->sent_seq;
        f->until = room->last_seq;
        if (gateway_submit(room->g, &f->base, fetch_run, fetch_ended) == RC_OK) {
            room->fetching = f;
            room->g->stats.catch_ups++;
            return;
        }
        free(f);
    }
    try_again_in(room, FETCH_SOON_MS);
}

void fetch_for(struct sub *sub)
{
    list_remove(&sub->fetch_node);
    list_add_last(&sub->room->waiting, &sub->fetch_node);
    fetch_next(sub->room);
}

/* ---- with the room ---- */

void fetches_init(struct room *room)
{
    list_init(&room->blocks);
    list_init(&room->waiting);
    list_init(&room->served);
    list_init(&room->serve_node);
}

bool fetches_are_in_use(const struct room *room)
{
    return room->fetching || !list_is_empty(&room->blocks) || !list_is_empty(&room->waiting) ||
           !list_is_empty(&room->serve_node);
}

void fetches_expire(struct room *room, int64_t now)
{
    struct list *n = room->blocks.next;
    while (n != &room->blocks) {
        struct block *b = block_of(n);
        n = n->next;
        if (now - b->used_ms > BLOCK_KEEP_MS)
            block_drop(b);
    }
}

void fetches_destroy(struct room *room)
{
    timer_stop(room->g->d.timers, &room->fetch_retry);
    while (!list_is_empty(&room->waiting))
        list_remove(room->waiting.next);
    while (!list_is_empty(&room->served))
        list_remove(room->served.next);
    list_remove(&room->serve_node);
    while (!list_is_empty(&room->blocks))
        block_drop(block_of(room->blocks.next));
    if (room->fetching)
        room->fetching->room = NULL;
}
