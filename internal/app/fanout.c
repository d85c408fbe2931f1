/* fanout.c - from a conversation's ring to the connections that follow it.
 *
 * A room with news is dirty. The task walks dirty rooms in slices, in turn, so that a room of ten
 * thousand doesn't stall the others; each sub is given everything that the ring has after its
 * sent_seq, whether that is one event or ten.
 */
#include "app/gateway_state.h"

#include <stdlib.h>

enum { SLICE_SUBS = 256, TURN_SUBS = 1024 };

void room_set_dirty(struct room *room)
{
    if (room->sub_count == 0)
        return;
    if (room->is_dirty) {
        room->fan_again = true;
        return;
    }
    room->is_dirty = true;
    room->fan_again = false;
    room->fan_at = 0;
    list_add_last(&room->g->dirty, &room->dirty_node);
    task_post(room->g->d.timers, &room->g->fan_task);
}

static void set_lagging(struct sub *sub)
{
    if (sub->is_lagging)
        return;
    sub->is_lagging = true;
    list_add_last(&sub->conn->lagging, &sub->lag_node);
}

static void end_lagging(struct sub *sub)
{
    struct conn *conn = sub->conn;
    if (!sub->is_lagging)
        return;
    sub->is_lagging = false;
    list_remove(&sub->lag_node);
    list_remove(&sub->fetch_node);
    if (list_is_empty(&conn->lagging)) {
        conn->behind_ms = 0;
        conn_caught_up(conn);
    }
}

/* Sends one event if the outbox has room for it. */
static bool deliver(struct sub *sub, uint64_t seq, struct frame *frame)
{
    struct conn *conn = sub->conn;
    if (!conn_has_room(conn, frame->len)) {
        set_lagging(sub);
        if (!conn->behind_ms)
            conn->behind_ms = now_ms(conn->g);
        return false;
    }
    sub->sent_seq = seq;
    conn->has_events_queued = true;
    conn->g->stats.delivered++;
    if (conn->sync)
        conn->sync->events++;
    conn_send(conn, frame_ref(frame));
    return conn->state != CONN_CLOSING;
}

static bool has_more(const struct sub *sub)
{
    return sub->sent_seq < sub->room->last_seq && sub->sent_seq < sub->until_seq;
}

void sub_reset(struct sub *sub, const char *reason)
{
    SCOPED_BUF(out, 512);
    sync_reset_write(&out, &sub->room->id, reason, sub->room->last_seq);
    sub->conn->g->stats.resets++;
    if (sub->conn->sync)
        sub->conn->sync->resets++;
    sub->sent_seq = sub->room->last_seq;
    conn_send_buf(sub->conn, &out);
}

void sub_release(struct sub *sub, const struct membership *m)
{
    bool may_read = !m || m->is_member; /* a watch has no membership */
    sub->is_held = false;
    sub_reset(sub, may_read ? sub->room->reset_reason : "removed");
    sub->until_seq = may_read ? UINT64_MAX : sub->sent_seq; /* then the next walk takes it away */
    if (m && m->is_member && sub->sent_seq < m->joined_seq - 1)
        sub->sent_seq = m->joined_seq - 1; /* read ahead of the room: an end may lie between */
    if (may_read)
        sub_advance(sub);
}

void sub_advance(struct sub *sub)
{
    struct room *room = sub->room;
    if (sub->is_held)
        return;
    while (has_more(sub)) {
        size_t left = 0;
        int at = room_ring_find(room, sub->sent_seq);
        const struct ring_entry *entry =
            at >= 0 ? room_ring_at(room, at) : fetch_find(room, sub->sent_seq, &left);
        if (at >= 0)
            left = room->ring_count - (uint32_t)at;
        if (entry && sub->conn->sync && left > SYNC_EVENTS_MAX) {
            sub_reset(sub, "too_many");
            continue;
        }
        if (!entry) {
            set_lagging(sub);
            fetch_for(sub);
            return;
        }
        if (!deliver(sub, entry->seq, entry->frame))
            return;
    }
    if (sub->is_lagging && sub->sent_seq >= sub->until_seq)
        room_set_dirty(room); /* it has seen its end: the walk takes it away */
    end_lagging(sub);
}

/* A member who has left goes on watching what is watched too, if it is a public channel. */
static bool goes_on_watching(struct sub *sub)
{
    const struct room *room = sub->room;
    const struct conn *conn = sub->conn;
    if (sub->is_watch || room->type != CONVERSATION_CHANNEL || room->deleted_seq)
        return false;
    for (uint32_t i = 0; i < conn->watch_count; i++) {
        if (conn->watches[i].sub == sub) {
            sub->is_watch = true;
            sub->until_seq = UINT64_MAX;
            return true;
        }
    }
    return false;
}

/* Walks some subs of one room; returns how many. */
static uint32_t fan_slice(struct room *room)
{
    uint32_t visited = 0;
    while (room->fan_at < room->sub_count && visited < SLICE_SUBS) {
        struct sub *sub = room->subs[room->fan_at++];
        visited++;
        if (sub->is_held)
            continue;
        if (!sub->is_lagging)
            sub_advance(sub);
        if (sub->sent_seq >= sub->until_seq && goes_on_watching(sub)) {
            sub_advance(sub);
        } else if (sub->sent_seq >= sub->until_seq) {
            sub_destroy(sub); /* the last one moves into its place */
            room->fan_at--;
        }
    }
    return visited;
}

void fan_run(struct task *task)
{
    struct gateway *g = CONTAINER_OF(task, struct gateway, fan_task);
    uint32_t visited = 0;
    while (!list_is_empty(&g->dirty) && visited < TURN_SUBS) {
        struct room *room = LIST_ENTRY(g->dirty.next, struct room, dirty_node);
        visited += fan_slice(room) + 1;
        list_remove(&room->dirty_node);
        if (room->fan_at < room->sub_count || room->fan_again) {
            if (room->fan_at >= room->sub_count) {
                room->fan_at = 0;
                room->fan_again = false;
            }
            list_add_last(&g->dirty, &room->dirty_node);
        } else {
            room->is_dirty = false;
        }
    }
    if (!list_is_empty(&g->dirty))
        task_post(g->d.timers, &g->fan_task);
}

static bool make_room_for_one(struct sub ***subs, uint32_t count, uint32_t *cap)
{
    if (count < *cap)
        return true;
    uint32_t grown_cap = *cap ? *cap * 2 : 2;
    struct sub **grown = realloc(*subs, grown_cap * sizeof(struct sub *));
    if (!grown)
        return false;
    *subs = grown;
    *cap = grown_cap;
    return true;
}

struct sub *sub_create(struct conn *conn, struct room *room, uint64_t sent_seq)
{
    struct sub *sub = calloc(1, sizeof *sub);
    if (!sub || !make_room_for_one(&room->subs, room->sub_count, &room->sub_cap) ||
        !make_room_for_one(&conn->subs, conn->sub_count, &conn->sub_cap)) {
        free(sub);
        return NULL;
    }
    *sub = (struct sub){ .conn = conn,
                         .room = room,
                         .sent_seq = sent_seq,
                         .until_seq = UINT64_MAX,
                         .room_index = room->sub_count };
    list_init(&sub->lag_node);
    list_init(&sub->fetch_node);
    room->subs[room->sub_count++] = sub;
    conn->subs[conn->sub_count++] = sub;
    room->idle_since_ms = 0;
    return sub;
}

void sub_destroy(struct sub *sub)
{
    struct room *room = sub->room;
    struct conn *conn = sub->conn;
    struct sub *last = room->subs[--room->sub_count];
    room->subs[sub->room_index] = last;
    last->room_index = sub->room_index;
    if (room->is_dirty && sub->room_index < room->fan_at)
        room->fan_again = true; /* the last one moved to where the walk has been */
    for (uint32_t i = 0; i < conn->sub_count; i++) {
        if (conn->subs[i] == sub) {
            conn->subs[i] = conn->subs[--conn->sub_count];
            break;
        }
    }
    for (uint32_t i = 0; i < conn->watch_count; i++)
        if (conn->watches[i].sub == sub)
            conn->watches[i].sub = NULL;
    list_remove(&sub->lag_node);
    list_remove(&sub->fetch_node);
    if (list_is_empty(&conn->lagging))
        conn->behind_ms = 0;
    free(sub);
}

struct sub *conn_sub(const struct conn *conn, const struct room *room)
{
    for (uint32_t i = 0; i < conn->sub_count; i++)
        if (conn->subs[i]->room == room)
            return conn->subs[i];
    return NULL;
}
