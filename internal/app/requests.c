/* requests.c - what a client asks on its socket: cut apart, limited, dispatched, answered. */
#include "app/gateway_parts.h"

#include "app/command.h"

#include <stdlib.h>

enum { BAD_MAX = 20, BAD_WINDOW_MS = 10000, REQUEST_ARENA_BYTES = 1 << 20 };

/* A request whose answer comes later. The connection may end before. */
struct waiting_request {
    struct list node;  /* in conn->waits */
    struct conn *conn; /* NULL: it has ended */
    enum request_type type;
    struct bytes request_id; /* behind the struct; ptr NULL: none */
};

/* ---- answers ---- */

void conn_answer(struct conn *conn, struct buf *answer)
{
    answer_end(answer);
    conn_send_buf(conn, answer);
    conn_settled(conn);
}

void conn_settled(struct conn *conn)
{
    if (conn->in_flight > 0)
        conn->in_flight--;
    if (conn->is_paused && conn->in_flight <= conn->g->d.limits.inflight / 2) {
        conn->is_paused = false;
        link_resume(conn->g->links, conn->link);
    }
}

void conn_fail(struct conn *conn, struct bytes request_id, const struct error *error)
{
    SCOPED_BUF(out, 4096);
    answer_error(&out, request_id, error);
    out.len--; /* conn_answer closes the object */
    conn_answer(conn, &out);
}

void conn_bad_request(struct conn *conn)
{
    int64_t now = now_ms(conn->g);
    if (now - conn->bad_since_ms > BAD_WINDOW_MS) {
        conn->bad_since_ms = now;
        conn->bad_count = 0;
    }
    if (++conn->bad_count > BAD_MAX) {
        conn->g->stats.closed_bad++;
        conn_close(conn, CLOSE_TOO_MANY_BAD, "too_many_bad_requests");
    }
}

static void answer_plain_ok(struct conn *conn, struct bytes request_id)
{
    SCOPED_BUF(out, ANSWER_BYTES);
    answer_ok_begin(&out, request_id);
    conn_answer(conn, &out);
}

/* ---- requests that become commands ---- */

static void write_result(struct buf *out, const struct waiting_request *w,
                         const struct command_result *result)
{
    answer_ok_begin(out, w->request_id);
    if (w->type == REQUEST_JOIN || w->type == REQUEST_LEAVE)
        return;
    buf_add_format(out, ",\"seq\":%llu,\"duplicate\":%s", (unsigned long long)result->seq,
                   result->is_duplicate ? "true" : "false");
    if (result->at_us) {
        char at[RFC3339_CHARS];
        rfc3339_write(result->at_us, at);
        buf_add_format(out, ",\"at\":\"%s\"", at);
    }
}

static void command_done(void *closure, const struct command_result *result)
{
    struct waiting_request *w = closure;
    list_remove(&w->node);
    if (w->conn && result->error.code != ERROR_NONE) {
        conn_fail(w->conn, w->request_id, &result->error);
    } else if (w->conn) {
        SCOPED_BUF(out, 1024);
        write_result(&out, w, result);
        conn_answer(w->conn, &out);
    }
    free(w);
}

void requests_forget(struct conn *conn)
{
    while (!list_is_empty(&conn->waits)) {
        struct waiting_request *w = LIST_ENTRY(conn->waits.next, struct waiting_request, node);
        list_remove(&w->node);
        w->conn = NULL;
    }
}

struct waiting_request *request_keep(struct conn *conn, const struct client_request *r)
{
    struct waiting_request *w = calloc(1, sizeof *w + r->request_id.len + 1);
    if (!w)
        return NULL;
    w->conn = conn;
    w->type = r->type;
    if (r->request_id.ptr) {
        memcpy(w + 1, r->request_id.ptr, r->request_id.len);
        w->request_id = bytes_make(w + 1, r->request_id.len);
    }
    list_add_last(&conn->waits, &w->node);
    return w;
}

struct conn *request_end(struct waiting_request *w, struct buf *out_ok)
{
    struct conn *conn = w->conn;
    list_remove(&w->node);
    if (conn)
        answer_ok_begin(out_ok, w->request_id);
    free(w);
    return conn;
}

static enum command_kind command_of(enum request_type type)
{
    switch (type) {
    case REQUEST_EDIT:
        return COMMAND_EDIT;
    case REQUEST_DELETE:
        return COMMAND_DELETE;
    case REQUEST_JOIN:
        return COMMAND_JOIN;
    case REQUEST_LEAVE:
        return COMMAND_LEAVE;
    default:
        return COMMAND_SEND;
    }
}

static void submit(struct conn *conn, const struct client_request *r)
{
    const struct command command = {
        .kind = command_of(r->type),
        .actor = { conn->roster->user, conn->roles },
        .conversation = r->conversation,
        .client_id = r->client_id,
        .target_seq = r->seq,
        .reply_to = r->reply_to,
        .thread_of = r->thread_of,
        .content = r->content,
        .lane = &conn->lane,
        .is_retry = r->is_retry,
        .has_first_tried = r->has_first_tried,
        .first_tried_ms = r->first_tried_ms,
    };
    struct waiting_request *w = request_keep(conn, r);
    if (!w) {
        const struct error error = { .code = ERROR_OVERLOADED };
        conn_fail(conn, r->request_id, &error);
        return;
    }
    command_submit(conn->g, &command, command_done, w);
}

/* ---- the others ---- */

/* After a refused one nothing flows until a good one. */
void conn_refuse_cursor(struct conn *conn, struct bytes request_id)
{
    struct error error = { .code = ERROR_VALIDATION };
    fault_set(&error.fault, "cursor", "cursor must be one that the server made.");
    list_remove(&conn->held_node);
    conn_fail(conn, request_id, &error);
}

static void take_sync(struct conn *conn, const struct client_request *r)
{
    struct cursor cursor;
    struct error error = { .code = ERROR_CONFLICT };
    if (conn->state != CONN_HELD || conn->has_synced) {
        fault_set(&error.fault, "", "A connection syncs once, before its events flow.");
        conn_fail(conn, r->request_id, &error);
        return;
    }
    if (r->cursor.ptr && cursor_read(r->cursor, &cursor) != RC_OK) {
        conn_refuse_cursor(conn, r->request_id);
        conn_bad_request(conn);
        return;
    }
    conn_sync(conn, r->request_id, r->cursor.ptr ? &cursor : NULL);
    if (!r->request_id.ptr)
        conn_settled(conn); /* what is sent at the end is no answer that somebody waits for */
}

static void take_refresh(struct conn *conn, const struct client_request *r)
{
    struct gateway *g = conn->g;
    struct identity who;
    struct error error = { .code = ERROR_UNAUTHENTICATED };
    enum token_error result =
        token_verify(g->d.verifier, r->token, clock_wall_us(g->d.clock) / 1000000, &who);
    if (result == TOKEN_EXPIRED)
        error.code = ERROR_TOKEN_EXPIRED;
    if (result == TOKEN_OK && id_equal(&who.user, &conn->roster->user)) {
        conn->token_session = who.session;
        conn->expires_s = who.expires_s;
        conn->issued_s = who.issued_s;
        conn->roles = who.roles;
        answer_plain_ok(conn, r->request_id);
        return;
    }
    fault_set(&error.fault, "token", "A valid access token of the same user is needed.");
    conn_fail(conn, r->request_id, &error);
}

static void take_ping(struct conn *conn, const struct client_request *r)
{
    SCOPED_BUF(out, ANSWER_BYTES);
    answer_pong(&out, r->request_id, clock_wall_us(conn->g->d.clock));
    out.len--;
    conn_answer(conn, &out);
}

static void dispatch(struct conn *conn, const struct client_request *r)
{
    switch (r->type) {
    case REQUEST_PING:
        take_ping(conn, r);
        break;
    case REQUEST_SYNC:
        take_sync(conn, r);
        break;
    case REQUEST_SEND:
    case REQUEST_EDIT:
    case REQUEST_DELETE:
    case REQUEST_JOIN:
    case REQUEST_LEAVE:
        submit(conn, r);
        break;
    case REQUEST_ACK:
        receipt_request(conn, r);
        break;
    case REQUEST_TYPING_START:
    case REQUEST_TYPING_STOP:
        typing_request(conn, r);
        break;
    case REQUEST_PRESENCE_SET:
    case REQUEST_PRESENCE_SUBSCRIBE:
    case REQUEST_PRESENCE_UNSUBSCRIBE:
        presence_request(conn, r);
        break;
    case REQUEST_WATCH:
        watch_begin(conn, r);
        break;
    case REQUEST_UNWATCH:
        watch_end(conn, r);
        break;
    case REQUEST_AUTH_REFRESH:
        take_refresh(conn, r);
        break;
    case REQUEST_TYPE_COUNT:
        break;
    }
}

/* Requests without an answer in the good case are not held against the limit. */
static void begin(struct conn *conn)
{
    if (++conn->in_flight >= conn->g->d.limits.inflight && !conn->is_paused) {
        conn->is_paused = true;
        link_pause(conn->g->links, conn->link);
    }
}

static void take_line(struct conn *conn, struct bytes line)
{
    struct gateway *g = conn->g;
    struct client_request request;
    struct error error = { .code = ERROR_VALIDATION };
    SCOPED_ARENA(arena, REQUEST_ARENA_BYTES);
    enum rc rc =
        client_request_parse(line, g->d.limits.message_bytes, &arena, &request, &error.fault);
    bool is_send = request.type == REQUEST_SEND;
    begin(conn);
    bool is_admitted =
        user_may(g, &conn->roster->user, conn->roles, is_send, &error.retry_after_ms);
    if (request.type == REQUEST_SYNC && (!is_admitted || rc != RC_OK))
        list_remove(&conn->held_node); /* refused as in conn_refuse_cursor */
    if (!is_admitted) {
        error.code = ERROR_RATE_LIMITED;
        error.fault = (struct fault){ 0 };
        conn_fail(conn, request.request_id, &error);
    } else if (rc == RC_INVALID && error.fault.is_size) {
        error.code = ERROR_PAYLOAD_TOO_LARGE; /* an honest mistake, unlike nonsense */
        conn_fail(conn, request.request_id, &error);
    } else if (rc != RC_OK) {
        error.code = rc == RC_NOMEM ? ERROR_OVERLOADED : ERROR_VALIDATION;
        conn_fail(conn, request.request_id, &error);
        conn_bad_request(conn);
    } else {
        dispatch(conn, &request);
    }
}

void requests_take(struct conn *conn, struct bytes frame)
{
    struct bytes line;
    while (conn->state != CONN_CLOSING && frame_next_line(&frame, &line))
        take_line(conn, line);
}
