/* watch.c - public channels that a connection follows without being a member. */
#include "app/gateway_state.h"

#include <stdlib.h>

static struct watch *find(const struct conn *conn, const struct id *id)
{
    for (uint32_t i = 0; i < conn->watch_count; i++)
        if (id_equal(&conn->watches[i].conversation, id))
            return &conn->watches[i];
    return NULL;
}

static void answer_watched(struct conn *conn, struct watch *watch, uint64_t last_seq)
{
    SCOPED_BUF(out, ANSWER_BYTES);
    answer_ok_begin(&out, watch->request_id);
    buf_add_format(&out, ",\"lastSeq\":%llu", (unsigned long long)last_seq);
    conn_answer(conn, &out);
    free((void *)(uintptr_t)watch->request_id.ptr);
    watch->request_id = (struct bytes){ NULL, 0 };
    watch->is_waiting = false;
}

static void remove_watch(struct conn *conn, struct watch *watch)
{
    if (watch->sub && watch->sub->is_watch)
        sub_destroy(watch->sub);
    free((void *)(uintptr_t)watch->request_id.ptr);
    *watch = conn->watches[--conn->watch_count];
}

static void refuse(struct conn *conn, struct watch *watch, enum error_code code)
{
    const struct error error = { .code = code };
    conn_fail(conn, watch->request_id, &error);
    remove_watch(conn, watch);
}

/* The room's facts are known: begin, or say why not. */
static void settle(struct conn *conn, struct watch *watch, struct room *room)
{
    if (!room->is_known && list_is_empty(&room->unknown_node))
        list_add_last(&room->g->unknown, &room->unknown_node); /* not here: it is in use */
    if (!room->is_known || (room->type != CONVERSATION_CHANNEL && !conn_sub(conn, room))) {
        refuse(conn, watch, ERROR_NOT_FOUND);
    } else if (room->deleted_seq) {
        refuse(conn, watch, ERROR_GONE);
    } else {
        struct sub *sub = conn_sub(conn, room);
        if (!sub) {
            sub = sub_create(conn, room, room->last_seq);
            if (!sub) {
                refuse(conn, watch, ERROR_OVERLOADED);
                return;
            }
            sub->is_watch = true;
        }
        watch->sub = sub;
        answer_watched(conn, watch, room->last_seq);
    }
}

void watch_begin(struct conn *conn, const struct client_request *r)
{
    struct error error = { .code = ERROR_VALIDATION };
    struct watch *watch = find(conn, &r->conversation);
    struct watch *grown = NULL;
    if (watch) {
        error.code = ERROR_CONFLICT;
        fault_set(&error.fault, "conversationId", "It is watched already.");
    } else if (conn->watch_count >= conn->g->d.limits.watches) {
        fault_set(&error.fault, "conversationId", "A connection watches at most %zu channels.",
                  conn->g->d.limits.watches);
    } else {
        grown = realloc(conn->watches, (conn->watch_count + 1) * sizeof *grown);
        error.code = ERROR_OVERLOADED;
    }
    struct room *room = grown ? room_hold(conn->g, &r->conversation) : NULL;
    if (grown)
        conn->watches = grown;
    if (!room) {
        conn_fail(conn, r->request_id, &error);
        return;
    }
    watch = &conn->watches[conn->watch_count++];
    *watch = (struct watch){ .conversation = r->conversation, .is_waiting = true };
    if (r->request_id.ptr) {
        uint8_t *copy = malloc(r->request_id.len + 1);
        if (copy)
            memcpy(copy, r->request_id.ptr, r->request_id.len);
        watch->request_id = bytes_make(copy, copy ? r->request_id.len : 0);
    }
    if (room->state != ROOM_JOINING)
        settle(conn, watch, room);
    else
        room->watchers_waiting++;
}

void watch_end(struct conn *conn, const struct client_request *r)
{
    struct watch *watch = find(conn, &r->conversation);
    const struct room *room = room_find(conn->g, &r->conversation);
    SCOPED_BUF(out, ANSWER_BYTES);
    if (watch && watch->is_waiting)
        refuse(conn, watch, ERROR_CONFLICT); /* taken back before it began */
    else if (watch)
        remove_watch(conn, watch);
    answer_ok_begin(&out, r->request_id);
    buf_add_format(&out, ",\"lastSeq\":%llu", (unsigned long long)(room ? room->last_seq : 0));
    conn_answer(conn, &out);
}

void watches_room_live(struct room *room)
{
    size_t at = 0;
    struct roster *roster;
    if (room->watchers_waiting == 0)
        return;
    room->watchers_waiting = 0;
    while ((roster = map_next(&room->g->rosters, &at, NULL)) != NULL) {
        struct list *n = roster->conns.next;
        for (; n != &roster->conns; n = n->next) {
            struct conn *conn = LIST_ENTRY(n, struct conn, roster_node);
            struct watch *watch = find(conn, &room->id);
            if (watch && watch->is_waiting && conn->state != CONN_CLOSING)
                settle(conn, watch, room);
        }
    }
}

void watches_end_in(struct room *room, uint64_t at_seq)
{
    for (uint32_t i = 0; i < room->sub_count; i++)
        if (room->subs[i]->is_watch)
            room->subs[i]->until_seq = at_seq;
}

void watches_clear(struct conn *conn)
{
    while (conn->watch_count)
        remove_watch(conn, &conn->watches[0]);
    free(conn->watches);
    conn->watches = NULL;
}

/* What isn't there costs a room and a SUB only until the next tick, not for a minute. */
void watches_tick(struct gateway *g, int64_t now)
{
    struct list *node;
    while ((node = list_take_first(&g->unknown)) != NULL) {
        struct room *room = LIST_ENTRY(node, struct room, unknown_node);
        room->idle_since_ms = now - INT32_MAX;
        room_release_if_idle(room, now);
    }
}
