/* typing.c - who is typing where: signals, never kept. */
#include "app/gateway_state.h"

#include <stdlib.h>

enum { TYPING_MAX = 16 };

struct typing {
    uint32_t count;
    struct id conversations[TYPING_MAX];
};

static void say(struct conn *conn, const struct id *conversation, bool is_start)
{
    const struct live_feed *feed = conn->g->d.feed;
    SCOPED_BUF(out, 512);
    typing_write(&out, is_start, conversation, &conn->roster->user);
    /* A lost signal is worth nothing: others drop it after 6 s. */
    (void)feed->signal(feed->self, subject_partition(conversation, conn->g->d.partitions),
                       conversation, buf_bytes(&out));
}

static int find(const struct typing *typing, const struct id *conversation)
{
    for (uint32_t i = 0; typing && i < typing->count; i++)
        if (id_equal(&typing->conversations[i], conversation))
            return (int)i;
    return -1;
}

/* Whether others may still hear of this user there. */
static bool is_member(const struct conn *conn, const struct id *conversation)
{
    const struct room *room = room_find(conn->g, conversation);
    const struct place *place = room ? roster_place(conn->roster, room) : NULL;
    return place && place_is_active(place);
}

static void stop(struct conn *conn, const struct id *conversation)
{
    int at = find(conn->typing, conversation);
    if (at < 0)
        return;
    struct id stopped = conn->typing->conversations[at];
    conn->typing->conversations[at] = conn->typing->conversations[--conn->typing->count];
    if (is_member(conn, &stopped)) /* else others drop it after 6 s */
        say(conn, &stopped, false);
}

static bool start(struct conn *conn, const struct id *conversation)
{
    if (!conn->typing)
        conn->typing = calloc(1, sizeof *conn->typing);
    if (!conn->typing)
        return false;
    if (find(conn->typing, conversation) < 0) {
        if (conn->typing->count == TYPING_MAX)
            stop(conn, &conn->typing->conversations[0]);
        conn->typing->conversations[conn->typing->count++] = *conversation;
    }
    say(conn, conversation, true);
    return true;
}

void typing_request(struct conn *conn, const struct client_request *r)
{
    struct room *room = room_find(conn->g, &r->conversation);
    const struct place *place = room ? roster_place(conn->roster, room) : NULL;
    struct error error = { .code = ERROR_NOT_FOUND };
    if (!place || !place_is_active(place)) {
        conn_fail(conn, r->request_id, &error);
        return;
    }
    if (place->m.role == ROLE_READER) {
        error.code = ERROR_READ_ONLY;
        conn_fail(conn, r->request_id, &error);
        return;
    }
    conn_settled(conn); /* no answer in the good case */
    if (r->type == REQUEST_TYPING_STOP)
        stop(conn, &r->conversation);
    else
        (void)start(conn, &r->conversation);
}

void typing_stopped_by_send(struct gateway *g, const struct id *user, const struct id *conversation)
{
    const struct roster *roster = map_get(&g->rosters, id_bytes(user));
    if (!roster)
        return;
    for (struct list *n = roster->conns.next; n != &roster->conns; n = n->next)
        stop(LIST_ENTRY(n, struct conn, roster_node), conversation);
}

void typing_clear(struct conn *conn)
{
    while (conn->typing && conn->typing->count) {
        struct id conversation = conn->typing->conversations[0];
        stop(conn, &conversation);
    }
    free(conn->typing);
    conn->typing = NULL;
}
