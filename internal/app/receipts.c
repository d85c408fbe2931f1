/* receipts.c - delivered watermarks of a device: message.ack to the RECEIPTS stream.
 *
 * Keyed by conversation, user and session, since the stream keeps the last of each; monotonic here,
 * so the last one is the highest. For each key one publish is under way at most and the newest
 * watermark waits behind it; of all keys together RECEIPTS_FLYING_MAX, so that a storm of acks
 * takes a bounded part of the publisher's slots and sends always find one. What fails is tried
 * again with the tick, with whatever is newest then.
 *
 *   waiting  newest > stored, nothing under way; in g->receipts_waiting
 *   flying   a publish is under way; in no list
 *   idle     newest == stored; in g->receipts_idle, oldest first: remembered so that the watermark
 *            doesn't go back when the device connects again, until the room is needed
 */
#include "app/gateway_state.h"

#include <stdlib.h>

enum { RECEIPTS_FLYING_MAX = 64 };

struct receipt {
    struct list node;
    struct gateway *g;
    uint32_t p;
    uint64_t newest, flying, stored;
    char subject[]; /* the key, too */
};

static bool publish(struct receipt *r);

static void pump(struct gateway *g)
{
    while (g->receipts_flying < RECEIPTS_FLYING_MAX && !list_is_empty(&g->receipts_waiting))
        if (!publish(LIST_ENTRY(g->receipts_waiting.next, struct receipt, node)))
            return;
}

static void settled(struct receipt *r)
{
    bool is_waiting = r->newest > r->stored;
    list_add_last(is_waiting ? &r->g->receipts_waiting : &r->g->receipts_idle, &r->node);
}

static void published(void *closure, const struct publish_result *result)
{
    struct receipt *r = closure;
    struct gateway *g = r->g;
    bool is_stored = result->outcome == PUBLISH_STORED || result->outcome == PUBLISH_DUPLICATE;
    g->receipts_flying--;
    if (is_stored)
        r->stored = r->flying;
    r->flying = 0;
    settled(r);
    if (is_stored)
        pump(g); /* after a failure the tick does */
}

static bool publish(struct receipt *r)
{
    struct gateway *g = r->g;
    SCOPED_BUF(payload, 64);
    buf_add_format(&payload, "{\"delivered\":%llu}", (unsigned long long)r->newest);
    const struct publish_request request = {
        .partition = r->p,
        .subject = r->subject,
        .payload = buf_bytes(&payload),
        .timeout_ms = g->d.limits.publish_timeout_ms,
    };
    if (payload.has_failed || g->d.log->publish(g->d.log->self, &request, published, r) != RC_OK)
        return false;
    list_remove(&r->node);
    r->flying = r->newest;
    g->receipts_flying++;
    return true;
}

static void drop(struct receipt *r)
{
    list_remove(&r->node);
    (void)map_remove(&r->g->receipts, bytes_of(r->subject));
    free(r);
}

static struct receipt *make(struct gateway *g, uint32_t p, const char *subject)
{
    size_t len = strlen(subject);
    if (g->receipts.count >= g->d.limits.receipts_kept && !list_is_empty(&g->receipts_idle))
        drop(LIST_ENTRY(g->receipts_idle.next, struct receipt, node));
    if (g->receipts.count >= g->d.limits.receipts_kept)
        return NULL;
    struct receipt *r = calloc(1, sizeof *r + len + 1);
    if (!r || map_put(&g->receipts, bytes_of(subject), r) != RC_OK) {
        free(r);
        return NULL;
    }
    r->g = g;
    r->p = p;
    memcpy(r->subject, subject, len);
    list_init(&r->node);
    return r;
}

/* Takes a watermark; false: there is no room for one more device. */
static bool keep(struct conn *conn, const struct room *room, uint64_t seq)
{
    struct gateway *g = conn->g;
    char subject[SUBJECT_CHARS_MAX + 128];
    (void)snprintf(subject, sizeof subject, "receipt.%u.%s.%s.%s", room->p, room->id.text,
                   conn->roster->user.text, conn->session.text);
    struct receipt *r = map_get(&g->receipts, bytes_of(subject));
    if (!r)
        r = make(g, room->p, subject);
    if (!r)
        return false;
    bool is_queued = r->flying || r->newest > r->stored; /* it keeps its place */
    if (seq > r->newest)
        r->newest = seq;
    if (!is_queued) {
        list_remove(&r->node);
        settled(r);
    }
    pump(g);
    return true;
}

void receipt_request(struct conn *conn, const struct client_request *request)
{
    struct room *room = room_find(conn->g, &request->conversation);
    struct sub *sub = room ? conn_sub(conn, room) : NULL;
    struct error error = { .code = ERROR_NOT_FOUND };
    if (!sub || sub->is_watch) {
        conn_fail(conn, request->request_id, &error);
        return;
    }
    uint64_t seq = request->seq > sub->sent_seq ? sub->sent_seq : request->seq; /* it was sent */
    if (seq > sub->acked_seq && !keep(conn, room, seq)) {
        error.code = ERROR_OVERLOADED; /* a later ack says it again, and more */
        conn_fail(conn, request->request_id, &error);
        return;
    }
    conn_settled(conn); /* no answer in the good case */
    if (seq > sub->acked_seq)
        sub->acked_seq = seq;
}

void receipts_tick(struct gateway *g)
{
    pump(g);
}

void receipts_fini(struct gateway *g)
{
    size_t at = 0;
    struct receipt *r;
    while ((r = map_next(&g->receipts, &at, NULL)) != NULL)
        free(r);
    map_fini(&g->receipts);
}
