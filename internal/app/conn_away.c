/* conn_away.c - a connection whose conversations can't be read, since the store is away.
 *
 * Who is a member of what is known from the store, and from the log beyond it; without the store
 * nothing may be concluded. Sends go on, and so do the events of whoever was connected before. Who
 * comes now would hear nothing and not know why, so after PATIENCE_MS it is told:
 *
 *   a sync with an id is refused with `unavailable`: nothing flows until a later one
 *   others (no sync, ?cursor=) get an error with id null, once; events begin when the store is back
 */
#include "app/gateway_state.h"

#include <stdlib.h>

enum { PATIENCE_MS = 3000, RETRY_AFTER_MS = 2000 };

static struct error error_away(void)
{
    struct error error = { .code = ERROR_UNAVAILABLE, .retry_after_ms = RETRY_AFTER_MS };
    fault_set(&error.fault, "", "Your conversations can't be read now; no events come of them.");
    return error;
}

static void tell(struct conn *conn)
{
    struct error error = error_away();
    SCOPED_BUF(out, 4096);
    answer_error(&out, (struct bytes){ NULL, 0 }, &error);
    conn_send_buf(conn, &out);
}

/* Back to where it was before it said sync; the cursor that it gave is given up with it. */
static void refuse_sync(struct conn *conn)
{
    struct sync_wait *sync = conn->sync;
    struct error error = error_away();
    conn->sync = NULL;
    conn->has_synced = false;
    conn->state = CONN_HELD;
    cursor_of_gateway(conn->g, conn->start);
    conn_fail(conn, sync->request_id, &error);
    free(sync);
}

static void tell_away(struct conn *conn)
{
    if (conn->state != CONN_FLOWING || !conn->start)
        return; /* all of its conversations are known */
    bool can_refuse = conn->sync && conn->sync->request_id.ptr;
    if (can_refuse && conn->roster->state == ROSTER_LOADING) {
        refuse_sync(conn);
    } else if (!conn->is_told_away) {
        conn->is_told_away = true;
        tell(conn);
    }
}

void roster_is_away(struct roster *roster)
{
    int64_t now = now_ms(roster->g);
    if (!roster->away_since_ms)
        roster->away_since_ms = now;
    struct list *n = roster->conns.next;
    while (now - roster->away_since_ms >= PATIENCE_MS && n != &roster->conns) {
        struct conn *conn = LIST_ENTRY(n, struct conn, roster_node);
        n = n->next; /* telling may close it, which frees it later */
        tell_away(conn);
    }
}

void roster_is_back(struct roster *roster)
{
    roster->away_since_ms = 0;
    for (struct list *n = roster->conns.next; n != &roster->conns; n = n->next)
        LIST_ENTRY(n, struct conn, roster_node)->is_told_away = false;
}
