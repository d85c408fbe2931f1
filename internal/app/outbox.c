/* outbox.c - what waits for one socket, and how it gets there.
 *
 * Frames are queued by reference; at the end of the turn everything that waits for a connection
 * goes out, in one WebSocket frame with newlines between when it is more than one, so that a client
 * that is behind costs one write for many events and a lone event is never delayed.
 */
#include "app/gateway_state.h"

#include <stdlib.h>

enum { COALESCE_BYTES = 16384 };

/* One that is larger than the whole limit goes alone, or it would never go. */
bool conn_has_room(const struct conn *conn, size_t len)
{
    return conn->out_count == 0 || conn->out_bytes + len <= conn->g->d.limits.outbox_bytes;
}

static bool grow(struct conn *conn)
{
    uint32_t cap = conn->out_cap ? conn->out_cap * 2 : 4;
    struct frame **frames = malloc(cap * sizeof(struct frame *));
    if (!frames)
        return false;
    for (uint32_t i = 0; i < conn->out_count; i++)
        frames[i] = conn->outbox[(conn->out_head + i) % conn->out_cap];
    free(conn->outbox);
    conn->outbox = frames;
    conn->out_head = 0;
    conn->out_cap = cap;
    return true;
}

void conn_send(struct conn *conn, struct frame *frame)
{
    struct gateway *g = conn->g;
    if (conn->state == CONN_CLOSING || !conn->is_open) {
        frame_unref(frame);
        return;
    }
    if (!frame || (conn->out_count == conn->out_cap && !grow(conn))) {
        frame_unref(frame); /* a silent hole otherwise: it comes back and syncs */
        conn_close(conn, CLOSE_OVERLOADED, "no_memory");
        return;
    }
    if (conn->out_count == 0)
        conn->progress_ms = now_ms(g);
    conn->outbox[(conn->out_head + conn->out_count++) % conn->out_cap] = frame;
    conn->out_bytes += frame->len;
    g->stats.outbox_bytes += frame->len;
    if (list_is_empty(&conn->flush_node) && !conn->is_blocked) {
        list_add_last(&g->flush, &conn->flush_node);
        task_post(g->d.timers, &g->flush_task);
    }
    /* Answers have no other way than the outbox, so they may pass its limit, up to double. */
    if (conn->out_bytes > 2 * g->d.limits.outbox_bytes + 65536) {
        g->stats.closed_slow++;
        conn_close(conn, CLOSE_TOO_SLOW, "too_slow");
    }
}

void conn_send_buf(struct conn *conn, const struct buf *buf)
{
    conn_send(conn, buf->has_failed ? NULL : frame_copy(buf_bytes(buf)));
}

void conn_send_signal(struct conn *conn, struct frame *frame)
{
    struct gateway *g = conn->g;
    if (conn->is_blocked || conn->out_bytes * 2 > g->d.limits.outbox_bytes) {
        g->stats.signals_dropped++;
        return;
    }
    g->stats.signals++;
    conn_send(conn, frame_ref(frame));
}

static struct frame *out_at(const struct conn *conn, uint32_t i)
{
    return conn->outbox[(conn->out_head + i) % conn->out_cap];
}

static void pop(struct conn *conn, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct frame *frame = out_at(conn, 0);
        conn->out_bytes -= frame->len;
        conn->g->stats.outbox_bytes -= frame->len;
        conn->out_head = (conn->out_head + 1) % conn->out_cap;
        conn->out_count--;
        frame_unref(frame);
    }
    if (conn->out_count == 0) { /* an idle connection holds no queue */
        free(conn->outbox);
        conn->outbox = NULL;
        conn->out_cap = conn->out_head = 0;
    }
}

/* How many of the frames in front go into one. */
static uint32_t fit(const struct conn *conn, size_t *out_bytes)
{
    uint32_t n = 0;
    size_t bytes = 0;
    while (n < conn->out_count && (n == 0 || bytes + out_at(conn, n)->len + 1 <= COALESCE_BYTES))
        bytes += out_at(conn, n++)->len + 1;
    *out_bytes = bytes - 1;
    return n;
}

static struct frame *join(const struct conn *conn, uint32_t n, size_t bytes)
{
    struct frame *joined = frame_create(bytes);
    uint8_t *at = joined ? joined->data : NULL;
    for (uint32_t i = 0; joined && i < n; i++) {
        const struct frame *frame = out_at(conn, i);
        if (i)
            *at++ = '\n';
        memcpy(at, frame->data, frame->len);
        at += frame->len;
    }
    return joined;
}

static enum rc send_some(struct conn *conn)
{
    size_t bytes;
    uint32_t n = fit(conn, &bytes);
    struct frame *frame = n == 1 ? frame_ref(out_at(conn, 0)) : join(conn, n, bytes);
    if (!frame) {
        link_want_writable(conn->g->links, conn->link); /* tried again later */
        return RC_FULL;
    }
    enum rc rc = link_send(conn->g->links, conn->link, frame);
    frame_unref(frame);
    if (rc == RC_OK)
        pop(conn, n);
    return rc;
}

/* A cursor rides on a frame that carries events anyway, at most each 5 s. */
static void add_cursor(struct conn *conn, int64_t now)
{
    struct cursor cursor;
    char text[CURSOR_TEXT_MAX + 1];
    if (!conn->has_events_queued || now - conn->cursor_ms < 5000 || conn->state != CONN_FLOWING ||
        !cursor_of_conn(conn, &cursor))
        return;
    SCOPED_BUF(out, CURSOR_TEXT_MAX + 64);
    cursor_frame_write(&out, bytes_make(text, cursor_write(&cursor, text)));
    conn->cursor_ms = now;
    conn_send_buf(conn, &out);
}

void conn_flush(struct conn *conn)
{
    int64_t now = now_ms(conn->g);
    list_remove(&conn->flush_node);
    if (conn->state == CONN_CLOSING)
        return;
    add_cursor(conn, now);
    list_remove(&conn->flush_node); /* the cursor may have put it there again */
    while (conn->out_count) {
        enum rc rc = send_some(conn);
        if (rc != RC_OK) {
            conn->is_blocked = rc == RC_FULL;
            if (rc != RC_FULL)
                outbox_clear(conn);
            return;
        }
        conn->progress_ms = now;
    }
    conn->has_events_queued = false;
}

/* Feeds what lags once half of the room is free again. */
static void pump(struct conn *conn)
{
    if (conn->is_blocked || conn->out_bytes * 2 > conn->g->d.limits.outbox_bytes)
        return;
    for (uint32_t i = 0; i < conn->sub_count && conn->state == CONN_FLOWING; i++) {
        struct sub *sub = conn->subs[i];
        if (sub->is_lagging && list_is_empty(&sub->fetch_node))
            sub_advance(sub);
    }
}

void flush_run(struct task *task)
{
    struct gateway *g = CONTAINER_OF(task, struct gateway, flush_task);
    struct list turn; /* what is queued from here on waits for the next turn */
    list_init(&turn);
    while (!list_is_empty(&g->flush)) {
        struct list *node = g->flush.next;
        list_remove(node);
        list_add_last(&turn, node);
    }
    while (!list_is_empty(&turn)) {
        struct conn *conn = LIST_ENTRY(turn.next, struct conn, flush_node);
        conn_flush(conn);
        if (!list_is_empty(&conn->lagging))
            pump(conn);
    }
}

void outbox_clear(struct conn *conn)
{
    pop(conn, conn->out_count);
    list_remove(&conn->flush_node);
}
