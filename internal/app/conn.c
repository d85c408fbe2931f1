/* conn.c - one socket: its handshake, its beginning, its end.
 *
 *   CONN_HELD     hello was said; no event flows until `sync` or, without one, sync_wait_ms
 *   CONN_FLOWING  a sub for each conversation, made as the conversations become known here
 *   CONN_CLOSING  closed by us; the adapter's on_close will free it
 */
#include "app/gateway_parts.h"

#include "app/command.h"
#include "base/log.h"
#include "wire/problem_json.h"
#include "wire/revocation_json.h"

#include <stdlib.h>

enum { STORM_OPENS_A_TICK = 250, STORM_WAIT_MS = 2000, STARTS_A_TICK = 1000 };

void conn_close(struct conn *conn, uint16_t code, const char *reason)
{
    if (conn->state == CONN_CLOSING)
        return;
    conn->state = CONN_CLOSING;
    list_remove(&conn->held_node);
    link_close(conn->g->links, conn->link, code, bytes_of(reason));
}

/* ---- the handshake ---- */

static struct bytes param(const struct upgrade_request *r, const char *name)
{
    struct bytes value = { NULL, 0 };
    (void)http_param(r->params, r->param_count, name, &value);
    return value;
}

static bool is_listed(const struct gateway *g, struct bytes origin)
{
    const char *const *list = g->d.limits.allowed_origins;
    for (; list && *list; list++)
        if (bytes_is(origin, *list))
            return true;
    return false;
}

static bool is_any_listed(const struct gateway *g)
{
    return is_listed(g, bytes_of("*"));
}

/* A page may open a socket from an allowed origin or from this very host; programs have none. "*"
 * allows pages that bring a token of their own: cookies, which the browser adds by itself, still
 * need the origin by name (token_of). */
static bool is_origin_allowed(const struct gateway *g, const struct upgrade_request *r)
{
    return r->origin.len == 0 || is_any_listed(g) || is_listed(g, r->origin) ||
           origin_is_host(r->origin, r->host);
}

static struct bytes bearer_of(const struct upgrade_request *r)
{
    if (r->authorization.len > 7 &&
        strncasecmp((const char *)r->authorization.ptr, "bearer ", 7) == 0)
        return bytes_make(r->authorization.ptr + 7, r->authorization.len - 7);
    return (struct bytes){ NULL, 0 };
}

static struct bytes token_of(const struct gateway *g, const struct upgrade_request *r)
{
    struct bytes token = bearer_of(r);
    if (token.len)
        return token;
    token = param(r, "token");
    if (token.len && g->d.limits.allows_query_token)
        return token;
    token = (struct bytes){ NULL, 0 };
    if (r->origin.len && (is_listed(g, r->origin) || origin_is_host(r->origin, r->host)))
        (void)http_cookie(r->cookie, "__Host-parley-access", &token);
    return token;
}

/* By the first of: header, ticket, ?token=, cookie. out_ticket: len 0 unless a ticket it was. */
static enum token_error authenticate(struct gateway *g, const struct upgrade_request *r,
                                     struct identity *out_who, struct id *out_ticket)
{
    struct bytes ticket = param(r, "ticket");
    out_ticket->len = 0;
    if (ticket.len && bearer_of(r).len == 0)
        return ticket_read(g, ticket, out_who, out_ticket);
    return token_verify(g->d.verifier, token_of(g, r), clock_wall_us(g->d.clock) / 1000000,
                        out_who);
}

/* As REST says it, to the member. */
static void refuse(const struct gateway *g, struct upgrade_decision *d, enum error_code code,
                   struct buf *body)
{
    const struct error_info *info = error_info(code);
    struct error error = { .code = code, .retry_after_ms = info->is_retryable ? 1000 : 0 };
    if (code == ERROR_FORBIDDEN)
        fault_set(&error.fault, "Origin", "Pages of this origin may not open a socket here.");
    d->request_id = id_make(g->d.clock);
    problem_write(body, &error, id_bytes(&d->request_id));
    d->http_status = (uint16_t)info->status;
    d->body = buf_bytes(body);
    d->retry_after_s = info->is_retryable ? 1 : 0;
}

static struct conn *conn_create(struct gateway *g, struct link_id link, const struct identity *who)
{
    struct roster *roster = roster_hold(g, &who->user);
    struct conn *conn = roster ? calloc(1, sizeof *conn) : NULL;
    if (!conn) {
        if (roster)
            roster_release_if_idle(roster);
        return NULL;
    }
    conn->g = g;
    conn->link = link;
    conn->roster = roster;
    conn->session = who->session;
    conn->connection = id_make(g->d.clock);
    conn->token_session = who->session;
    conn->expires_s = who->expires_s;
    conn->issued_s = who->issued_s;
    conn->roles = who->roles;
    list_init(&conn->held_node);
    list_init(&conn->flush_node);
    list_init(&conn->lagging);
    list_init(&conn->waits);
    list_init(&conn->lane);
    list_add_last(&roster->conns, &conn->roster_node);
    roster->conn_count++;
    g->stats.connections++;
    return conn;
}

static void keep_start(struct conn *conn, const struct cursor *start)
{
    if (!conn->start)
        conn->start = malloc(sizeof *conn->start);
    if (conn->start)
        *conn->start = *start;
    else
        conn_close(conn, CLOSE_OVERLOADED, "no_memory");
}

static void keep_cursor_param(struct conn *conn, struct bytes text)
{
    struct cursor cursor;
    if (text.len && cursor_read(text, &cursor) == RC_OK)
        keep_start(conn, &cursor);
    else
        conn->has_bad_cursor = text.len > 0;
}

void conn_upgrade(void *app, struct link_id link, const struct upgrade_request *r,
                  struct upgrade_decision *d)
{
    struct gateway *g = app;
    struct identity who;
    SCOPED_BUF(body, sizeof g->refusal - 1);
    const char *why;
    if (!bytes_is(r->path, "/v1/ws")) {
        refuse(g, d, ERROR_NOT_FOUND, &body);
    } else if (!is_origin_allowed(g, r)) {
        refuse(g, d, ERROR_FORBIDDEN, &body);
    } else if (g->is_draining || !gateway_is_ready(g, &why)) {
        refuse(g, d, ERROR_UNAVAILABLE, &body);
    } else {
        struct id ticket;
        enum token_error error = authenticate(g, r, &who, &ticket);
        const struct roster *roster =
            error == TOKEN_OK ? map_get(&g->rosters, id_bytes(&who.user)) : NULL;
        if (error != TOKEN_OK) {
            g->stats.refused_auth++;
            d->close_code = CLOSE_POLICY;
            d->close_reason = bytes_of(token_error_name(error));
        } else if (roster && roster->conn_count >= g->d.limits.connections_per_user) {
            d->close_code = CLOSE_TOO_MANY_LINKS;
            d->close_reason = bytes_of("too_many_connections");
        } else {
            struct conn *conn = conn_create(g, link, &who);
            d->user = conn;
            if (conn && ticket.len)
                ticket_claim(conn, &ticket);
            if (conn)
                keep_cursor_param(conn, param(r, "cursor"));
            else
                refuse(g, d, ERROR_OVERLOADED, &body);
            (void)gateway_saw_identity(g, &who);
        }
    }
    if (d->http_status) { /* the decision's body must outlive this frame */
        (void)snprintf(g->refusal, sizeof g->refusal, "%.*s", BYTES_ARG(d->body));
        d->body = bytes_of(g->refusal);
    }
}

/* ---- hello ---- */

static void say_hello(struct conn *conn)
{
    const struct gateway *g = conn->g;
    struct cursor cursor;
    char text[CURSOR_TEXT_MAX + 1];
    SCOPED_BUF(out, 4096);
    cursor_of_gateway(g, &cursor);
    const struct hello hello = {
        .connection = &conn->connection,
        .session = &conn->session,
        .user = &conn->roster->user,
        .wall_us = clock_wall_us(g->d.clock),
        .heartbeat_ms = g->d.limits.heartbeat_ms,
        .frame_bytes = g->d.limits.frame_bytes,
        .message_bytes = g->d.limits.message_bytes,
        .inflight = g->d.limits.inflight,
        .watches = g->d.limits.watches,
        .cursor = bytes_make(text, cursor_write(&cursor, text)),
    };
    hello_write(&out, &hello);
    conn_send_buf(conn, &out);
    conn_flush(conn);
    keep_start(conn, &cursor); /* without a sync the flow starts where hello said */
}

void conn_begin(struct conn *conn)
{
    struct gateway *g = conn->g;
    struct cursor given;
    bool has_given = conn->start != NULL;
    if (has_given)
        given = *conn->start;
    conn->is_open = true;
    conn->opened_ms = conn->cursor_ms = now_ms(g);
    g->stats.opened++;
    list_add_last(&g->held, &conn->held_node);
    say_hello(conn);
    presence_opened(conn);
    if (has_given) /* ?cursor= stands for a sync as the first frame */
        conn_sync(conn, (struct bytes){ NULL, 0 }, &given);
    else if (conn->has_bad_cursor)
        conn_refuse_cursor(conn, (struct bytes){ NULL, 0 });
}

void conn_opened(void *app, struct link_id link, void *user)
{
    struct conn *conn = user;
    (void)app, (void)link;
    if (!ticket_holds_open(conn))
        conn_begin(conn);
}

/* ---- the flow ---- */

void conn_start_flow(struct conn *conn, const struct cursor *start)
{
    if (conn->state != CONN_HELD)
        return;
    if (start)
        keep_start(conn, start);
    if (conn->state == CONN_CLOSING)
        return;
    conn->state = CONN_FLOWING;
    list_remove(&conn->held_node);
    if (conn->roster->state == ROSTER_LOADING && !conn->roster->is_loading)
        roster_load(conn->roster); /* not before: a storm of handshakes comes first */
    presence_started(conn);
    conn_attach(conn);
}

/* A watch began later than what this member has yet to get: the part between is to be paged in. */
static void say_skipped(struct conn *conn, const struct sub *sub)
{
    SCOPED_BUF(out, 512);
    sync_reset_write(&out, &sub->room->id, "gap", sub->sent_seq);
    conn->g->stats.resets++;
    if (conn->sync)
        conn->sync->resets++;
    conn_send_buf(conn, &out);
}

static bool attach_place(struct conn *conn, const struct place *place)
{
    struct sub *sub = conn_sub(conn, place->room);
    uint64_t sent = place->m.joined_seq ? place->m.joined_seq - 1 : 0;
    if (sub && !sub->is_watch)
        return true;
    if (conn->start && place_is_covered(place, conn->start) &&
        conn->start->safe[place->room->p] > sent)
        sent = conn->start->safe[place->room->p];
    if (sub) { /* watched first, member now: the same sub goes on */
        sub->is_watch = false;
        if (sub->sent_seq > sent && place->room->last_seq > sent)
            say_skipped(conn, sub);
        return conn->state == CONN_FLOWING;
    }
    sub = sub_create(conn, place->room, sent);
    if (!sub) {
        conn_close(conn, CLOSE_OVERLOADED, "no_memory");
        return false;
    }
    sub_advance(sub);
    return conn->state == CONN_FLOWING;
}

static void say_left(struct conn *conn)
{
    const struct roster *roster = conn->roster;
    for (uint32_t i = 0; conn->sync && i < roster->left_count; i++) {
        const struct left_conversation *left = &roster->left[i];
        uint32_t p = subject_partition(&left->conversation, conn->g->d.partitions);
        SCOPED_BUF(out, 512);
        const struct room *room = room_find(conn->g, &left->conversation);
        const struct place *place = room ? roster_place(roster, room) : NULL;
        bool is_told = (place && place->m.is_member) || (room && conn_sub(conn, room));
        if (is_told || left->removed_seq <= conn->start->safe[p])
            continue;
        sync_reset_write(&out, &left->conversation, "removed", left->removed_seq);
        conn->sync->resets++;
        conn_send_buf(conn, &out);
    }
}

/* Once every membership is known, nothing is left that starts from the cursor. */
static void end_start(struct conn *conn)
{
    if (conn->roster->unsettled || !conn->start)
        return;
    say_left(conn);
    free(conn->start);
    conn->start = NULL;
    conn_caught_up(conn);
}

void conn_attach(struct conn *conn)
{
    const struct roster *roster = conn->roster;
    if (conn->state != CONN_FLOWING || roster->state != ROSTER_READY)
        return;
    for (uint32_t i = 0; i < roster->place_count; i++) {
        const struct place *place = roster->places[i];
        if (place_is_active(place) && !attach_place(conn, place))
            return;
    }
    end_start(conn);
}

void conn_attach_one(struct conn *conn, const struct place *place)
{
    if (conn->state != CONN_FLOWING || conn->roster->state != ROSTER_READY)
        return;
    if (place_is_active(place) && !attach_place(conn, place))
        return;
    end_start(conn);
}

/* ---- sync ---- */

void conn_sync(struct conn *conn, struct bytes request_id, const struct cursor *cursor)
{
    struct gateway *g = conn->g;
    struct sync_wait *sync = calloc(1, sizeof *sync + request_id.len + 1);
    SCOPED_BUF(out, 256);
    if (!sync) {
        conn_close(conn, CLOSE_OVERLOADED, "no_memory");
        return;
    }
    if (request_id.ptr) {
        memcpy(sync + 1, request_id.ptr, request_id.len);
        sync->request_id = bytes_make(sync + 1, request_id.len);
    }
    conn->sync = sync;
    conn->has_synced = true;
    g->stats.syncs++;
    bool is_ours =
        cursor && cursor->generation == g->d.generation && cursor->partitions == g->d.partitions;
    sync->has_recovered = is_ours || !cursor;
    if (cursor && !is_ours) {
        sync->resets++;
        g->stats.resets++;
        sync_reset_write(&out, NULL, "generation", 0);
        conn_send_buf(conn, &out);
    }
    conn_start_flow(conn, is_ours ? cursor : NULL);
}

void conn_caught_up(struct conn *conn)
{
    struct sync_wait *sync = conn->sync;
    struct cursor cursor;
    char text[CURSOR_TEXT_MAX + 1];
    if (!sync || conn->start || !list_is_empty(&conn->lagging) || conn->state != CONN_FLOWING)
        return;
    if (!cursor_of_conn(conn, &cursor))
        return; /* the next attach or catch-up asks again */
    conn->sync = NULL;
    SCOPED_BUF(out, 2048);
    answer_ok_begin(&out, sync->request_id);
    buf_add_format(&out, ",\"recovered\":%s,\"events\":%llu,\"resets\":%llu,\"cursor\":\"%.*s\"",
                   sync->has_recovered ? "true" : "false", (unsigned long long)sync->events,
                   (unsigned long long)sync->resets, (int)cursor_write(&cursor, text), text);
    conn->cursor_ms = now_ms(conn->g);
    if (sync->request_id.ptr) {
        conn_answer(conn, &out);
    } else {
        answer_end(&out);
        conn_send_buf(conn, &out);
    }
    free(sync);
}

/* ---- the clock ---- */

static void close_if_slow(struct conn *conn, int64_t now)
{
    int64_t limit = conn->g->d.limits.slow_close_ms;
    bool is_stuck = conn->out_count && conn->is_blocked && now - conn->progress_ms > limit;
    bool is_behind = conn->behind_ms && now - conn->behind_ms > limit && !conn->sync;
    if (is_stuck || is_behind) {
        conn->g->stats.closed_slow++;
        conn_close(conn, CLOSE_TOO_SLOW, "too_slow");
    }
}

/* While handshakes come in by the thousand, reading for those that are open can wait a little. */
static bool is_storm(struct gateway *g)
{
    uint64_t opened = g->stats.opened - g->opened_seen;
    g->opened_seen = g->stats.opened;
    return opened > STORM_OPENS_A_TICK;
}

static void start_held(struct gateway *g, int64_t now)
{
    int64_t wait_ms = g->d.limits.sync_wait_ms;
    if (is_storm(g))
        wait_ms += STORM_WAIT_MS;
    for (int i = 0; i < STARTS_A_TICK && !list_is_empty(&g->held); i++) {
        struct conn *conn = LIST_ENTRY(g->held.next, struct conn, held_node);
        if (now - conn->opened_ms < wait_ms)
            break; /* in the order of opening */
        conn_start_flow(conn, NULL);
        list_remove(&conn->held_node);
        presence_tick(conn, now);
    }
}

void conns_tick(struct gateway *g, int64_t now)
{
    int64_t wall_s = clock_wall_us(g->d.clock) / 1000000;
    size_t at = 0;
    struct roster *roster;
    start_held(g, now);
    if (g->ticks % 4)
        return;
    while ((roster = map_next(&g->rosters, &at, NULL)) != NULL) {
        struct list *n = roster->conns.next;
        while (n != &roster->conns) {
            struct conn *conn = LIST_ENTRY(n, struct conn, roster_node);
            n = n->next;
            if (conn->state == CONN_CLOSING)
                continue;
            presence_tick(conn, now);
            if (conn->expires_s <= wall_s)
                conn_close(conn, CLOSE_TOKEN_EXPIRED, "token_expired");
            else
                close_if_slow(conn, now);
            if (conn->sync)
                conn_caught_up(conn);
        }
    }
}

/* ---- revoked ---- */

static bool is_meant(const struct conn *conn, const struct revocation *r)
{
    const struct id *user = &conn->roster->user;
    return revocation_means(r, user, &conn->session, conn->issued_s) ||
           revocation_means(r, user, &conn->token_session, conn->issued_s);
}

void gateway_revoke(struct gateway *g, const struct revocation *revocation)
{
    struct roster *roster = map_get(&g->rosters, id_bytes(&revocation->user));
    struct list *n = roster ? roster->conns.next : NULL;
    while (n && n != &roster->conns) {
        struct conn *conn = LIST_ENTRY(n, struct conn, roster_node);
        SCOPED_BUF(out, 512);
        n = n->next;
        if (conn->state == CONN_CLOSING || !is_meant(conn, revocation))
            continue;
        session_revoked_write(&out, &conn->session, revocation->reason);
        if (conn->is_open) {
            conn_send_buf(conn, &out);
            conn_flush(conn);
        }
        g->stats.closed_revoked++;
        conn_close(conn, CLOSE_REVOKED, "session_revoked");
    }
}

/* ---- the end ---- */

void conn_writable(void *app, struct link_id link, void *user)
{
    struct gateway *g = app;
    struct conn *conn = user;
    (void)link;
    conn->is_blocked = false;
    list_remove(&conn->flush_node);
    list_add_last(&g->flush, &conn->flush_node);
    task_post(g->d.timers, &g->flush_task);
}

void conn_message(void *app, struct link_id link, void *user, struct bytes text)
{
    (void)app, (void)link;
    if (!ticket_holds_message(user, text))
        requests_take(user, text);
}

void conn_closed(void *app, struct link_id link, void *user)
{
    struct gateway *g = app;
    struct conn *conn = user;
    struct roster *roster = conn->roster;
    (void)link;
    conn->state = CONN_CLOSING;
    ticket_forget(conn);
    typing_clear(conn);
    presence_clear(conn);
    watches_clear(conn);
    requests_forget(conn);
    lane_forget(&conn->lane);
    while (conn->sub_count)
        sub_destroy(conn->subs[conn->sub_count - 1]);
    outbox_clear(conn);
    list_remove(&conn->held_node);
    list_remove(&conn->flush_node);
    list_remove(&conn->roster_node);
    roster->conn_count--;
    g->stats.connections--;
    free(conn->subs);
    free(conn->start);
    free(conn->sync);
    free(conn);
    roster_release_if_idle(roster);
}
