/* room.c - a conversation that somebody here follows: how it is joined, kept and let go.
 *
 * Joining: into the table, SUB, flush, read the head from the leader, serve. What falls between the
 * SUB and the head in a cluster is named by the next heads announcement and repaired (room_need).
 */
#include "app/gateway_state.h"

#include "base/log.h"

#include <stdlib.h>

enum { IDLE_MS = 60000, VIEW_BYTES_MAX = 64 << 20 };

struct join_job {
    struct gateway_job base;
    struct room *room;
    enum rc rc;
    struct conversation conversation;
    uint64_t last_seq;
    bool is_guessed; /* the store is away, and the log doesn't know what it is */
};

static void join_start(struct room *room);

static void join_later(struct timer *timer)
{
    join_start(CONTAINER_OF(timer, struct room, retry));
}

static void join_run(struct job *job)
{
    struct join_job *j = CONTAINER_OF(job, struct join_job, base.job);
    struct room *room = j->room; /* id and p never change; nothing else is touched here */
    struct conversation_view view;
    SCOPED_ARENA(arena, VIEW_BYTES_MAX);
    j->rc = view_open(&j->base.g->reading, &room->id, &arena, &view);
    if (j->rc == RC_OK) {
        j->conversation = view.conversation;
        j->conversation.name = bytes_of("");
        j->last_seq =
            view.head > view.conversation.last_seq ? view.head : view.conversation.last_seq;
        j->is_guessed = view.is_store_away && !view.conversation.created_seq;
    }
}

static void take_facts(struct room *room, const struct join_job *j)
{
    room->is_known = true;
    room->is_guessed = j->is_guessed;
    room->type = j->conversation.type;
    room->history = j->conversation.history;
    room->deleted_seq = j->conversation.deleted_seq;
}

static void ask_again_ended(struct job *job)
{
    struct join_job *j = CONTAINER_OF(job, struct join_job, base.job);
    gateway_job_ended(&j->base);
    j->room->is_asking = false;
    if (j->rc == RC_OK && !j->is_guessed && j->last_seq >= j->room->facts_seq)
        take_facts(j->room, j);
    free(j);
}

/* Until the store is back, and tells what the conversation is. */
static void ask_again(struct room *room)
{
    struct join_job *j = calloc(1, sizeof *j);
    if (!j)
        return; /* the next tick tries again */
    j->room = room;
    room->is_asking = gateway_submit(room->g, &j->base, join_run, ask_again_ended) == RC_OK;
    if (!room->is_asking)
        free(j);
}

static void join_ended(struct job *job)
{
    struct join_job *j = CONTAINER_OF(job, struct join_job, base.job);
    struct room *room = j->room;
    gateway_job_ended(&j->base);
    if (j->rc == RC_OK) {
        take_facts(room, j);
        room->last_seq = room->loaded_seq = j->last_seq;
        room_join_done(room);
    } else if (j->rc == RC_NOT_FOUND) {
        room_join_done(room); /* nothing there yet: its first event will say what it is */
    } else {
        log_warn_every(1000, "room.join_failed", LOG_RC(j->rc));
        timer_start(room->g->d.timers, &room->retry, 250, 0);
    }
    free(j);
}

void room_join_again(struct room *room)
{
    room->retry.run = join_later;
    join_start(room);
}

static void join_flushed(void *closure, enum rc rc)
{
    struct room *room = closure;
    struct join_job *j = rc == RC_OK ? calloc(1, sizeof *j) : NULL;
    if (j) {
        j->room = room;
        if (gateway_submit(room->g, &j->base, join_run, join_ended) == RC_OK)
            return;
        free(j);
    }
    timer_start(room->g->d.timers, &room->retry, 100, 0);
}

static void join_start(struct room *room)
{
    const struct live_feed *feed = room->g->d.feed;
    if (!room->feed)
        room->feed = feed->subscribe(feed->self, room->p, &room->id);
    if (!room->feed || feed->flush(feed->self, join_flushed, room) != RC_OK)
        timer_start(room->g->d.timers, &room->retry, 100, 0);
}

struct room *room_find(struct gateway *g, const struct id *id)
{
    return map_get(&g->rooms, id_bytes(id));
}

static void room_init(struct room *room, struct gateway *g, const struct id *id)
{
    *room = (struct room){ .g = g, .id = *id, .state = ROOM_JOINING };
    room->p = subject_partition(id, g->d.partitions);
    room->retry.run = join_later;
    list_init(&room->unknown_node);
    list_init(&room->ring_node);
    list_init(&room->stash);
    list_init(&room->places);
    list_init(&room->dirty_node);
    fetches_init(room);
    room->idle_since_ms = now_ms(g);
}

struct room *room_hold(struct gateway *g, const struct id *id)
{
    struct room *room = room_find(g, id);
    if (room)
        return room;
    room = malloc(sizeof *room);
    if (!room)
        return NULL;
    room_init(room, g, id);
    if (map_put(&g->rooms, id_bytes(id), room) != RC_OK) {
        free(room);
        return NULL;
    }
    g->stats.rooms++;
    g->parts[room->p].has_newcomers = true;
    join_start(room);
    return room;
}

bool room_is_behind(const struct room *room)
{
    return room->repair_to > room->last_seq;
}

/* ---- the ring ---- */

int room_ring_find(const struct room *room, uint64_t sent)
{
    int low = 0,
        high = (int)room->ring_count; /* the first entry with seq > sent is in [low, high] */
    while (low < high) {
        int middle = (low + high) / 2;
        if (room_ring_at(room, middle)->seq > sent)
            high = middle;
        else
            low = middle + 1;
    }
    if (low == (int)room->ring_count || room_ring_at(room, low)->prev > sent)
        return -1;
    return low;
}

static void drop_oldest(struct room *room)
{
    struct ring_entry *entry = &room->ring[room->ring_head];
    size_t bytes = entry->frame->len + sizeof *entry + sizeof(struct frame);
    frame_unref(entry->frame);
    room->ring_head = (room->ring_head + 1) % room->ring_cap;
    room->ring_count--;
    room->ring_bytes -= bytes;
    room->g->ring_bytes -= bytes;
}

void room_clear_ring(struct room *room)
{
    while (room->ring_count)
        drop_oldest(room);
    free(room->ring);
    room->ring = NULL;
    room->ring_cap = room->ring_head = 0;
    list_remove(&room->ring_node);
}

static bool grow_ring(struct room *room)
{
    uint32_t cap = room->ring_cap ? room->ring_cap * 2 : 8;
    struct ring_entry *ring = malloc(cap * sizeof *ring);
    if (!ring)
        return false;
    for (uint32_t i = 0; i < room->ring_count; i++)
        ring[i] = *room_ring_at(room, (int)i);
    free(room->ring);
    room->ring = ring;
    room->ring_head = 0;
    room->ring_cap = cap;
    return true;
}

void room_push_ring(struct room *room, const struct event *event, struct frame *frame)
{
    struct gateway *g = room->g;
    size_t bytes = frame->len + sizeof(struct ring_entry) + sizeof(struct frame);
    while (room->ring_count && room->ring_bytes + bytes > g->d.limits.ring_bytes_room)
        drop_oldest(room);
    if (room->ring_count == room->ring_cap && !grow_ring(room)) {
        frame_unref(frame); /* memory is short: subs will read it from the log */
        return;
    }
    uint32_t at = (room->ring_head + room->ring_count++) % room->ring_cap;
    room->ring[at] = (struct ring_entry){ event->seq, event->prev, frame };
    room->ring_bytes += bytes;
    g->ring_bytes += bytes;
    list_remove(&room->ring_node);
    list_add_last(&g->rings, &room->ring_node);
    rings_trim(g);
}

void rings_trim(struct gateway *g)
{
    while (g->ring_bytes > g->d.limits.ring_bytes_total && !list_is_empty(&g->rings))
        room_clear_ring(LIST_ENTRY(g->rings.next, struct room, ring_node));
}

/* ---- letting go ---- */

void room_release_if_idle(struct room *room, int64_t now)
{
    bool is_used = room->sub_count || !list_is_empty(&room->places) || room->watchers_waiting ||
                   room->state != ROOM_LIVE || fetches_are_in_use(room) || room->is_asking;
    fetches_expire(room, now);
    if (room->is_guessed && !room->is_asking && room->state == ROOM_LIVE)
        ask_again(room);
    if (is_used)
        room->idle_since_ms = 0;
    else if (!room->idle_since_ms)
        room->idle_since_ms = now;
    else if (now - room->idle_since_ms > IDLE_MS)
        room_destroy(room);
}

void room_clear_stash(struct room *room)
{
    while (!list_is_empty(&room->stash)) {
        struct stashed *s = LIST_ENTRY(room->stash.next, struct stashed, node);
        list_remove(&s->node);
        free(s);
    }
    room->stash_count = 0;
}

void room_destroy(struct room *room)
{
    struct gateway *g = room->g;
    if (room->feed)
        g->d.feed->unsubscribe(g->d.feed->self, room->feed);
    timer_stop(g->d.timers, &room->retry);
    room->repair_to = 0;
    partitions_room_moved(room);
    while (room->sub_count)
        sub_destroy(room->subs[room->sub_count - 1]);
    fetches_destroy(room);
    room_clear_stash(room);
    room_clear_ring(room);
    list_remove(&room->dirty_node);
    list_remove(&room->unknown_node);
    (void)map_remove(&g->rooms, id_bytes(&room->id));
    g->stats.rooms--;
    free(room->changes);
    free(room->subs);
    free(room);
}
