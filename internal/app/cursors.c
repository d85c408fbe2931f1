/* cursors.c - what a cursor may say.
 *
 * For each partition: verified_to, held back below the first event that the connection has not been
 * sent. All that a cursor covers stands before it in the same outbox.
 */
#include "app/gateway_state.h"

void cursor_of_gateway(const struct gateway *g, struct cursor *out)
{
    out->generation = g->d.generation;
    out->partitions = g->d.partitions;
    for (uint32_t p = 0; p < g->d.partitions; p++)
        out->safe[p] = g->parts[p].verified_to;
}

bool cursor_of_conn(const struct conn *conn, struct cursor *out)
{
    if (conn->start || conn->roster->state != ROSTER_READY ||
        conn->roster->need_seq > conn->roster->feed_seq)
        return false; /* some conversation has not begun to flow */
    for (uint32_t i = 0; i < conn->roster->place_count; i++) {
        const struct place *place = conn->roster->places[i];
        if (!place->is_settled || place->room->state == ROOM_JOINING)
            return false;
    }
    cursor_of_gateway(conn->g, out);
    for (uint32_t i = 0; i < conn->sub_count; i++) {
        const struct sub *sub = conn->subs[i];
        uint64_t *safe = &out->safe[sub->room->p];
        bool is_behind = sub->sent_seq < sub->room->last_seq;
        if (is_behind && !sub->is_watch && sub->sent_seq < *safe)
            *safe = sub->sent_seq;
    }
    return true;
}
