/* presence_own.c - the sessions that are connected here: their keys in the presence bucket.
 *
 * A session has one key, `<userId>.<sessionId>`, whoever holds it: two sockets here, or sockets at
 * several gateways. So gateways tell each other what they do with a key, by a signal to those that
 * hold a connection of that user (live.<p>.s.<userId>; nobody else hears it):
 *
 *   opened   as a socket's events begin to flow: nobody purges, and whoever knows a status that was
 * chosen answers `set` set      a status was chosen: all gateways put that one, or the key would go
 * back and forth closed   the last socket here is gone: whoever has another one answers `held`, and
 * the key stays gone     nobody did for LEAVE_MS, the key was purged: who has a socket after all
 * puts it again
 *
 * A signal that is lost costs at most one refresh (REFRESH_MS) with a wrong status.
 * A page that is loaded anew closes and opens within LEAVE_MS, and nobody sees it go.
 */
#include "app/gateway_state.h"
#include "base/encode.h"

#include <stdlib.h>

enum {
    REFRESH_MS = 30000,
    SPREAD_MS = 10000,
    LEAVE_MS = 500,
    KEY_CHARS_MAX = 2 * (ID_CHARS_MAX + 1)
};

/* A session whose last socket here has closed; its key is purged when it is due. */
struct leaving {
    struct list node; /* in g->leaving_list, in the order of due_ms */
    struct roster *roster;
    struct id session;
    int64_t due_ms;
};

/* ---- the others ---- */

static void tell(struct gateway *g, const struct id *user, const struct presence_note *note)
{
    const struct live_feed *feed = g->d.feed;
    SCOPED_BUF(out, 1024);
    presence_note_write(&out, note);
    if (!out.has_failed)
        (void)feed->signal(feed->self, subject_partition(user, g->d.partitions), user,
                           buf_bytes(&out));
}

static void tell_word(struct gateway *g, const struct id *user, const struct id *session,
                      enum presence_word word)
{
    const struct presence_note note = { .word = word, .session = *session, .from = g->self };
    tell(g, user, &note);
}

static void tell_status(const struct conn *conn)
{
    const struct presence_note note = { .word = PRESENCE_SET,
                                        .session = conn->session,
                                        .from = conn->g->self,
                                        .status = conn->status,
                                        .text = conn->status_text };
    tell(conn->g, &conn->roster->user, &note);
}

/* ---- the key ---- */

static void put(struct conn *conn)
{
    const struct live_feed *feed = conn->g->d.feed;
    SCOPED_BUF(out, 1024);
    if (conn->status == PRESENCE_INVISIBLE) {
        (void)feed->end_presence(feed->self, &conn->roster->user, &conn->session);
        conn->has_key = false;
        return;
    }
    presence_value_write(&out, conn->status, conn->status_text, clock_wall_us(conn->g->d.clock));
    /* Away: the next refresh says it again. */
    (void)feed->put_presence(feed->self, &conn->roster->user, &conn->session, buf_bytes(&out));
    conn->has_key = true;
}

static void take_status(struct conn *conn, enum presence_status status, struct bytes text)
{
    uint8_t *copy = text.len ? malloc(text.len) : NULL;
    if (copy)
        memcpy(copy, text.ptr, text.len);
    free((void *)(uintptr_t)conn->status_text.ptr);
    conn->status_text = bytes_make(copy, copy ? text.len : 0);
    conn->status = status;
    conn->has_set_status = true;
}

/* The next socket of that session after `after` (NULL: the first) that is open here. */
static struct conn *next_of(const struct roster *roster, const struct id *session,
                            const struct conn *after)
{
    const struct list *head = &roster->conns;
    for (struct list *n = after ? after->roster_node.next : head->next; n != head; n = n->next) {
        struct conn *conn = LIST_ENTRY(n, struct conn, roster_node);
        if (conn->state != CONN_CLOSING && conn->is_open && id_equal(&conn->session, session))
            return conn;
    }
    return NULL;
}

static struct conn *another_of(const struct conn *conn)
{
    struct conn *first = next_of(conn->roster, &conn->session, NULL);
    return first == conn ? next_of(conn->roster, &conn->session, conn) : first;
}

void presence_opened(struct conn *conn)
{
    const struct conn *other = another_of(conn);
    conn->status = PRESENCE_ONLINE; /* told with the next tick, so that a storm of opens is cheap */
    conn->presence_due_ms = now_ms(conn->g);
    if (other && other->has_set_status)
        take_status(conn, other->status, other->status_text);
}

void presence_started(struct conn *conn)
{
    if (conn->is_session_told || !conn->roster->feed)
        return; /* the others' answers come on the user's feed; the tick tries again */
    conn->is_session_told = true;
    conn->has_key = conn->status != PRESENCE_INVISIBLE; /* whoever would purge it lets it be */
    tell_word(conn->g, &conn->roster->user, &conn->session, PRESENCE_OPENED);
}

void presence_tick(struct conn *conn, int64_t now)
{
    if (now < conn->presence_due_ms || !conn->is_open || conn->state == CONN_CLOSING ||
        !conn->roster->feed)
        return;
    conn->presence_due_ms = now + REFRESH_MS;
    presence_started(conn);
    if (conn->status != PRESENCE_INVISIBLE)
        put(conn);
}

void presence_set(struct conn *conn, const struct client_request *r)
{
    SCOPED_BUF(out, ANSWER_BYTES);
    take_status(conn, r->status, r->text);
    for (struct conn *other = next_of(conn->roster, &conn->session, NULL); other;
         other = next_of(conn->roster, &conn->session, other))
        if (other != conn)
            take_status(other, r->status, r->text);
    put(conn);
    tell_status(conn);
    answer_ok_begin(&out, r->request_id);
    conn_answer(conn, &out);
}

/* The bucket may be a new one: my sessions are put again, spread. */
void presence_boundary(struct gateway *g)
{
    size_t at = 0;
    struct roster *roster;
    int64_t now = now_ms(g);
    while ((roster = map_next(&g->rosters, &at, NULL)) != NULL)
        for (struct list *n = roster->conns.next; n != &roster->conns; n = n->next)
            LIST_ENTRY(n, struct conn, roster_node)->presence_due_ms =
                now + (int64_t)(fnv1a32(id_bytes(&roster->user)) % SPREAD_MS);
    presence_looks_boundary(g);
}

/* ---- leaving ---- */

static struct bytes key_of(char out[KEY_CHARS_MAX], const struct id *user, const struct id *session)
{
    int len = snprintf(out, KEY_CHARS_MAX, "%s.%s", user->text, session->text);
    return bytes_make(out, (size_t)len);
}

static void purge(struct gateway *g, const struct id *user, const struct id *session)
{
    const struct live_feed *feed = g->d.feed;
    (void)feed->end_presence(feed->self, user, session);
    tell_word(g, user, session, PRESENCE_GONE);
}

/* May free the roster, if no socket is left. */
static void forget_leaving(struct roster *roster, const struct id *session)
{
    char key[KEY_CHARS_MAX];
    struct leaving *l = map_remove(&roster->g->leaving, key_of(key, &roster->user, session));
    if (!l)
        return;
    list_remove(&l->node);
    free(l);
    roster->leaving--;
    roster_release_if_idle(roster);
}

/* A draining gateway has no time to wait: whoever else holds the session puts it again. */
static void leave(struct roster *roster, const struct id *session)
{
    struct gateway *g = roster->g;
    char key[KEY_CHARS_MAX];
    struct leaving *l = g->is_draining ? NULL : calloc(1, sizeof *l);
    if (!l || map_put(&g->leaving, key_of(key, &roster->user, session), l) != RC_OK) {
        free(l);
        purge(g, &roster->user, session);
        return;
    }
    *l = (struct leaving){ .roster = roster, .session = *session, .due_ms = now_ms(g) + LEAVE_MS };
    list_add_last(&g->leaving_list, &l->node);
    roster->leaving++; /* it stays, and with it its feed, on which the others answer */
    tell_word(g, &roster->user, session, PRESENCE_CLOSED);
}

static void end_due(struct leaving *l)
{
    struct roster *roster = l->roster;
    struct id session = l->session;
    struct conn *holder = next_of(roster, &session, NULL);
    if (holder)
        holder->has_key = true; /* it came back meanwhile */
    else
        purge(roster->g, &roster->user, &session);
    forget_leaving(roster, &session);
}

void presence_check(struct gateway *g)
{
    int64_t now = now_ms(g);
    while (!list_is_empty(&g->leaving_list)) {
        struct leaving *l = LIST_ENTRY(g->leaving_list.next, struct leaving, node);
        if (!g->is_draining && now < l->due_ms)
            break;
        end_due(l);
    }
    presence_looks_check(g);
}

void presence_clear(struct conn *conn)
{
    struct conn *other = another_of(conn);
    char key[KEY_CHARS_MAX];
    bool is_leaving =
        map_get(&conn->g->leaving, key_of(key, &conn->roster->user, &conn->session)) != NULL;
    if (conn->has_key && other)
        other->has_key = true;
    else if (conn->has_key && conn->is_open && !is_leaving)
        leave(conn->roster, &conn->session);
    presence_unlook_all(conn);
    free((void *)(uintptr_t)conn->status_text.ptr);
    conn->status_text = (struct bytes){ NULL, 0 };
}

/* ---- what the others say ---- */

static void adopt(const struct roster *roster, const struct presence_note *note)
{
    struct conn *first = next_of(roster, &note->session, NULL);
    bool is_new =
        first && (first->status != note->status || !bytes_equal(first->status_text, note->text));
    for (struct conn *conn = first; conn; conn = next_of(roster, &note->session, conn))
        take_status(conn, note->status, note->text);
    if (is_new)
        put(first); /* a put of the old one may have crossed the word of the new */
}

static void take_note(struct roster *roster, const struct presence_note *note)
{
    struct gateway *g = roster->g;
    struct conn *holder = next_of(roster, &note->session, NULL);
    switch (note->word) {
    case PRESENCE_OPENED:
        if (holder && holder->has_set_status)
            tell_status(holder);
        forget_leaving(roster, &note->session);
        break;
    case PRESENCE_CLOSED:
        if (holder) {
            holder->has_key = true;
            tell_word(g, &roster->user, &note->session, PRESENCE_HELD);
        }
        break;
    case PRESENCE_HELD:
        forget_leaving(roster, &note->session);
        break;
    case PRESENCE_GONE:
        if (holder && holder->status != PRESENCE_INVISIBLE)
            put(holder);
        break;
    case PRESENCE_SET:
        adopt(roster, note);
        break;
    }
}

bool presence_signal(struct gateway *g, const struct id *user, struct bytes json)
{
    struct roster *roster = map_get(&g->rosters, id_bytes(user));
    struct presence_note note;
    SCOPED_ARENA(arena, 8192);
    if (!roster || presence_note_parse(json, &arena, &note) != RC_OK)
        return false;
    if (!id_equal(&note.from, &g->self))
        take_note(roster, &note);
    return true;
}

void presence_fini(struct gateway *g)
{
    while (!list_is_empty(&g->leaving_list)) {
        struct leaving *l = LIST_ENTRY(g->leaving_list.next, struct leaving, node);
        list_remove(&l->node);
        free(l);
    }
    map_fini(&g->leaving);
    presence_looks_fini(g);
}
