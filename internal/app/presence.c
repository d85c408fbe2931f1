/* presence.c - who is here, as clients that ask see it: one key a session in a bucket with a TTL.
 * The keys of those who are connected here are written by presence_own.c.
 *
 * The truth is the bucket: a gateway that is killed stops refreshing and its keys expire. What
 * isn't known is "unknown", never "offline"; chat does not depend on any of this.
 */
#include "app/gateway_state.h"
#include "base/log.h"

#include <stdlib.h>

enum { RETRY_TICKS = 20, CHECK_TICKS = 240, SUBSCRIPTIONS_MAX = 1000 };

struct seen_session {
    struct id session;
    enum presence_status status;
    struct bytes text; /* owned */
    uint64_t revision;
    bool is_gone; /* kept while a list is read, which may be older */
};

/* One user that somebody here looks at. */
struct watched {
    struct gateway *g;
    struct id user;
    uint64_t feed;
    bool is_known; /* the bucket was read since the last boundary */
    struct seen_session *sessions;
    uint32_t session_count;
    int64_t last_seen_us;
    enum presence_status told;
    struct list lookers; /* presence_look.watched_node */
    uint32_t jobs;
};

struct presence_look {
    struct list watched_node;
    struct presence_link *link;
    struct watched *watched;
};

struct presence_link {
    struct conn *conn;
    struct presence_look **looks;
    uint32_t look_count;
};

/* ---- the users that are looked at ---- */

static void status_of(const struct watched *w, struct presence_view *out)
{
    *out = (struct presence_view){ .user = w->user, .last_seen_us = w->last_seen_us };
    out->status = w->is_known ? PRESENCE_OFFLINE : PRESENCE_UNKNOWN;
    for (uint32_t i = 0; i < w->session_count; i++) {
        bool is_better = out->status >= PRESENCE_INVISIBLE || w->sessions[i].status < out->status;
        if (is_better && !w->sessions[i].is_gone) {
            out->status = w->sessions[i].status;
            out->text = w->sessions[i].text;
        }
    }
    if (out->status < PRESENCE_INVISIBLE)
        out->last_seen_us = 0;
}

/* Kept back for who is behind: it hears the next change, and at worst looks again.
 *   but  who is answered with it anyway, or NULL */
static void tell_if_changed(struct watched *w, bool has_new_text, const struct conn *but)
{
    struct presence_view view;
    SCOPED_BUF(out, 1024);
    status_of(w, &view);
    if (view.status == w->told && !has_new_text)
        return;
    w->told = view.status;
    presence_updated_write(&out, &view);
    struct frame *frame = out.has_failed ? NULL : frame_copy(buf_bytes(&out));
    for (struct list *n = w->lookers.next; frame && n != &w->lookers; n = n->next) {
        const struct presence_look *look = LIST_ENTRY(n, struct presence_look, watched_node);
        if (look->link->conn != but)
            conn_send_signal(look->link->conn, frame);
    }
    frame_unref(frame);
}

static struct seen_session *find_session(struct watched *w, const struct id *session)
{
    for (uint32_t i = 0; i < w->session_count; i++)
        if (id_equal(&w->sessions[i].session, session))
            return &w->sessions[i];
    return NULL;
}

static struct seen_session *add_session(struct watched *w, const struct id *session)
{
    struct seen_session *s = find_session(w, session);
    if (s)
        return s;
    struct seen_session *grown = realloc(w->sessions, (w->session_count + 1) * sizeof *grown);
    if (!grown)
        return NULL;
    w->sessions = grown;
    s = &grown[w->session_count++];
    *s = (struct seen_session){ .session = *session };
    return s;
}

static void drop_session(struct watched *w, struct seen_session *s)
{
    free((void *)(uintptr_t)s->text.ptr);
    *s = w->sessions[--w->session_count];
}

static bool take_record(struct watched *w, const struct presence_record *record)
{
    struct seen_session *s = find_session(w, &record->session);
    enum presence_status status;
    struct bytes text;
    int64_t at_us;
    SCOPED_ARENA(arena, 8192);
    if (s && record->revision && record->revision < s->revision)
        return false; /* a late marker of an older value */
    if (record->is_gone) {
        if (s)
            w->last_seen_us = clock_wall_us(w->g->d.clock);
        if (w->jobs && (s || (s = add_session(w, &record->session)))) {
            s->is_gone = true;
            s->revision = record->revision;
        } else if (s) {
            drop_session(w, s);
        }
        return false;
    }
    if (presence_value_parse(record->payload, &arena, &status, &text, &at_us) != RC_OK ||
        status > PRESENCE_DND || !(s = add_session(w, &record->session)))
        return false;
    bool has_new_text = !bytes_equal(s->text, text);
    s->status = status;
    s->is_gone = false;
    s->revision = record->revision;
    if (has_new_text) {
        free((void *)(uintptr_t)s->text.ptr);
        uint8_t *copy = text.len ? malloc(text.len) : NULL;
        if (copy)
            memcpy(copy, text.ptr, text.len);
        s->text = bytes_make(copy, copy ? text.len : 0);
    }
    return has_new_text;
}

void presence_record(struct gateway *g, const struct presence_record *record)
{
    struct watched *w = map_get(&g->watched_users, id_bytes(&record->user));
    bool has_new_text = w && take_record(w, record);
    if (w && w->is_known)
        tell_if_changed(w, has_new_text, NULL);
}

static void watched_release(struct watched *w)
{
    struct gateway *g = w->g;
    if (!list_is_empty(&w->lookers) || w->jobs)
        return;
    if (w->feed)
        g->d.feed->unsubscribe(g->d.feed->self, w->feed);
    (void)map_remove(&g->watched_users, id_bytes(&w->user));
    while (w->session_count)
        drop_session(w, &w->sessions[0]);
    free(w->sessions);
    free(w);
}

static struct watched *watched_hold(struct gateway *g, const struct id *user)
{
    struct watched *w = map_get(&g->watched_users, id_bytes(user));
    if (w)
        return w;
    w = calloc(1, sizeof *w);
    if (!w || map_put(&g->watched_users, id_bytes(user), w) != RC_OK) {
        free(w);
        return NULL;
    }
    w->g = g;
    w->user = *user;
    w->told = PRESENCE_UNKNOWN;
    list_init(&w->lookers);
    w->feed = g->d.feed->watch_presence(g->d.feed->self, user);
    return w;
}

/* ---- reading the bucket ---- */

struct listed {
    struct presence_record record;
    struct listed *next;
};

struct list_job {
    struct gateway_job base;
    struct waiting_request *request; /* NULL: a refresh */
    struct id *users;
    size_t count;
    enum rc rc;
    struct arena arena;
    struct listed *found;
};

static void keep_listed(void *closure, const struct presence_record *record)
{
    struct list_job *j = closure;
    struct listed *item = arena_alloc(&j->arena, sizeof *item);
    if (!item)
        return;
    item->record = *record;
    item->record.payload = arena_copy(&j->arena, record->payload);
    item->next = j->found;
    j->found = item;
}

static void list_run(struct job *job)
{
    struct list_job *j = CONTAINER_OF(job, struct list_job, base.job);
    const struct live_feed *feed = j->base.g->d.feed;
    j->rc = feed->list_presence(feed->self, j->users, j->count, keep_listed, j);
}

static struct conn *answer_list(struct list_job *j)
{
    SCOPED_BUF(out, 1 << 20);
    struct conn *conn = j->request ? request_end(j->request, &out) : NULL;
    if (!conn)
        return NULL;
    buf_add_text(&out, ",\"presence\":[");
    for (size_t i = 0; i < j->count; i++) {
        struct watched *w = map_get(&j->base.g->watched_users, id_bytes(&j->users[i]));
        struct presence_view view = { .user = j->users[i], .status = PRESENCE_UNKNOWN };
        if (w)
            status_of(w, &view);
        if (i)
            buf_add_byte(&out, ',');
        presence_write(&out, &view);
    }
    buf_add_byte(&out, ']');
    conn_answer(conn, &out);
    return conn;
}

/* What was listed is newer than nothing and older than what came meanwhile, by its revision. */
static void take_listed(struct list_job *j)
{
    for (struct listed *item = j->found; item && j->rc == RC_OK; item = item->next) {
        struct watched *w = map_get(&j->base.g->watched_users, id_bytes(&item->record.user));
        if (w)
            (void)take_record(w, &item->record);
    }
}

static void drop_gone(struct watched *w)
{
    for (uint32_t i = w->session_count; i-- > 0;)
        if (w->sessions[i].is_gone)
            drop_session(w, &w->sessions[i]);
}

static void list_ended(struct job *job)
{
    struct list_job *j = CONTAINER_OF(job, struct list_job, base.job);
    struct gateway *g = j->base.g;
    gateway_job_ended(&j->base);
    take_listed(j);
    for (size_t i = 0; i < j->count; i++) {
        struct watched *w = map_get(&g->watched_users, id_bytes(&j->users[i]));
        if (w)
            w->is_known = j->rc == RC_OK;
    }
    const struct conn *answered = answer_list(j);
    for (size_t i = 0; i < j->count; i++) {
        struct watched *w = map_get(&g->watched_users, id_bytes(&j->users[i]));
        if (!w)
            continue;
        tell_if_changed(w, false, answered);
        if (--w->jobs == 0)
            drop_gone(w);
        watched_release(w);
    }
    if (j->rc != RC_OK)
        log_warn_every(5000, "presence.unknown", LOG_RC(j->rc));
    arena_fini(&j->arena);
    free(j->users);
    free(j);
}

static bool list_start(struct gateway *g, struct conn *conn, const struct client_request *r,
                       const struct id *users, size_t count)
{
    struct list_job *j = calloc(1, sizeof *j);
    if (!j)
        return false;
    arena_init(&j->arena, 8 << 20);
    j->users = malloc((count + 1) * sizeof *users);
    j->count = count;
    if (j->users)
        memcpy(j->users, users, count * sizeof *users);
    if (conn)
        j->request = request_keep(conn, r);
    bool is_whole = j->users && (!conn || j->request);
    if (!is_whole || gateway_submit(g, &j->base, list_run, list_ended) != RC_OK) {
        SCOPED_BUF(none, 256);
        if (j->request)
            (void)request_end(j->request, &none);
        free(j->users);
        free(j);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct watched *w = map_get(&g->watched_users, id_bytes(&users[i]));
        if (w)
            w->jobs++;
    }
    return true;
}

/* ---- requests ---- */

static void fail(struct conn *conn, const struct client_request *r, enum error_code code,
                 const char *field, const char *text)
{
    struct error error = { .code = code };
    fault_set(&error.fault, field, "%s", text);
    conn_fail(conn, r->request_id, &error);
}

static bool is_looked_at(const struct presence_link *link, const struct id *user)
{
    for (uint32_t i = 0; i < link->look_count; i++)
        if (id_equal(&link->looks[i]->watched->user, user))
            return true;
    return false;
}

static bool look(struct conn *conn, const struct id *user)
{
    struct presence_link *link = conn->presence;
    if (is_looked_at(link, user))
        return true;
    struct presence_look **grown =
        realloc(link->looks, (link->look_count + 1) * sizeof(struct presence_look *));
    if (grown)
        link->looks = grown;
    struct presence_look *one = grown ? calloc(1, sizeof *one) : NULL;
    struct watched *w = one ? watched_hold(conn->g, user) : NULL;
    if (!w) {
        free(one);
        return false;
    }
    one->link = link;
    one->watched = w;
    list_add_last(&w->lookers, &one->watched_node);
    link->looks[link->look_count++] = one;
    return true;
}

static void unlook(struct presence_link *link, uint32_t at)
{
    struct presence_look *one = link->looks[at];
    struct watched *w = one->watched;
    link->looks[at] = link->looks[--link->look_count];
    list_remove(&one->watched_node);
    free(one);
    watched_release(w);
}

static void subscribe(struct conn *conn, const struct client_request *r)
{
    if (!conn->presence) {
        conn->presence = calloc(1, sizeof *conn->presence);
        if (conn->presence)
            conn->presence->conn = conn;
    }
    if (!conn->presence) {
        fail(conn, r, ERROR_OVERLOADED, "", "Memory is short.");
        return;
    }
    if (conn->presence->look_count + r->user_count > SUBSCRIPTIONS_MAX) {
        fail(conn, r, ERROR_VALIDATION, "userIds", "A connection looks at most at 1000 users.");
        return;
    }
    for (size_t i = 0; i < r->user_count; i++)
        (void)look(conn, &r->users[i]); /* who can't be looked at is answered "unknown" */
    if (!list_start(conn->g, conn, r, r->users, r->user_count))
        fail(conn, r, ERROR_OVERLOADED, "", "The server is busy; try again later.");
}

static void unsubscribe(struct conn *conn, const struct client_request *r)
{
    SCOPED_BUF(out, ANSWER_BYTES);
    for (size_t i = 0; conn->presence && i < r->user_count; i++) {
        for (uint32_t at = 0; at < conn->presence->look_count; at++) {
            if (id_equal(&conn->presence->looks[at]->watched->user, &r->users[i])) {
                unlook(conn->presence, at);
                break;
            }
        }
    }
    answer_ok_begin(&out, r->request_id);
    buf_add_text(&out, ",\"presence\":[]");
    conn_answer(conn, &out);
}

void presence_request(struct conn *conn, const struct client_request *r)
{
    if (r->type == REQUEST_PRESENCE_SET)
        presence_set(conn, r);
    else if (r->type == REQUEST_PRESENCE_SUBSCRIBE)
        subscribe(conn, r);
    else
        unsubscribe(conn, r);
}

/* ---- ends ---- */

void presence_unlook_all(struct conn *conn)
{
    while (conn->presence && conn->presence->look_count)
        unlook(conn->presence, 0);
    if (conn->presence)
        free(conn->presence->looks);
    free(conn->presence);
    conn->presence = NULL;
}

/* Forgets what is known of these users and reads it from the bucket. Nobody is told anything until
 * that is done, and then only what is different from what was told. */
static void look_again(struct gateway *g, bool is_for_all)
{
    size_t at = 0, count = 0;
    struct watched *w;
    struct id users[PRESENCE_USERS_MAX];
    while ((w = map_next(&g->watched_users, &at, NULL)) != NULL) {
        if (w->is_known && !is_for_all)
            continue;
        w->is_known = false;
        while (w->session_count)
            drop_session(w, &w->sessions[0]);
        users[count++] = w->user;
        if (count == PRESENCE_USERS_MAX) {
            (void)list_start(g, NULL, NULL, users, count);
            count = 0;
        }
    }
    if (count)
        (void)list_start(g, NULL, NULL, users, count);
}

/* What could not be read is tried again soon. Everything is each minute: a bucket that was lost or
 * made anew sends no word of those who are gone. */
void presence_looks_check(struct gateway *g)
{
    if (g->ticks % RETRY_TICKS == 0)
        look_again(g, g->ticks % CHECK_TICKS == 0);
}

/* What was missed is read again. */
void presence_looks_boundary(struct gateway *g)
{
    look_again(g, true);
}

void presence_looks_fini(struct gateway *g)
{
    size_t at = 0;
    struct watched *w;
    while ((w = map_next(&g->watched_users, &at, NULL)) != NULL) {
        w->jobs = 0;
        watched_release(w);
        at = 0;
    }
    map_fini(&g->watched_users);
}
