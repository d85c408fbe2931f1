/* conn.c - the table of sockets: chunks that never move, so that pointers stay good. */
#include "adapters/lws/server.h"

#include <assert.h>
#include <stdlib.h>

struct conn *conn_find(struct ws_server *server, struct link_id id)
{
    if (id.generation == 0 || id.index >= server->conn_count)
        return NULL;
    struct conn *conn = &server->chunks[id.index / CONN_CHUNK][id.index % CONN_CHUNK];
    return conn->id.generation == id.generation && conn->server ? conn : NULL;
}

static bool add_chunk(struct ws_server *server)
{
    uint32_t chunk = server->conn_count / CONN_CHUNK;
    if (chunk == CONN_CHUNKS_MAX)
        return false;
    struct conn *conns = calloc(CONN_CHUNK, sizeof *conns);
    if (!conns)
        return false;
    server->chunks[chunk] = conns;
    for (uint32_t i = CONN_CHUNK; i-- > 0;) {
        conns[i].id = (struct link_id){ .index = server->conn_count + i, .generation = 0 };
        conns[i].next_closing = server->free_conns;
        server->free_conns = &conns[i];
    }
    server->conn_count += CONN_CHUNK;
    return true;
}

struct conn *conn_take(struct ws_server *server)
{
    if (!server->free_conns && !add_chunk(server))
        return NULL;
    struct conn *conn = server->free_conns;
    struct link_id id = conn->id;
    server->free_conns = conn->next_closing;
    memset(conn, 0, sizeof *conn);
    conn->id.index = id.index;
    conn->id.generation = id.generation + 1 ? id.generation + 1 : 1;
    conn->server = server;
    list_init(&conn->in_wheel);
    server->stats.connections++;
    return conn;
}

static void leave_close_list(struct conn *conn)
{
    struct ws_server *server = conn->server;
    struct conn *before = NULL;
    if (!conn->is_in_close_list)
        return;
    for (struct conn *at = server->first_closing; at; before = at, at = at->next_closing) {
        if (at != conn)
            continue;
        if (before)
            before->next_closing = at->next_closing;
        else
            server->first_closing = at->next_closing;
        if (server->last_closing == at)
            server->last_closing = before;
        break;
    }
    conn->is_in_close_list = false;
}

void conn_release(struct conn *conn)
{
    struct ws_server *server = conn->server;
    assert(server);
    assert(!conn->is_app_told);
    list_remove(&conn->in_wheel);
    leave_close_list(conn);
    listener_forget_address(conn);
    exchange_free(conn->exchange);
    free(conn->message);
    free(conn->close_reason);
    conn->exchange = NULL;
    conn->message = NULL;
    conn->close_reason = NULL;
    conn->server = NULL;
    conn->wsi = NULL;
    conn->next_closing = server->free_conns;
    server->free_conns = conn;
    server->stats.connections--;
}

void conn_table_fini(struct ws_server *server)
{
    assert(server->stats.connections == 0);
    for (uint32_t i = 0; i < server->conn_count / CONN_CHUNK; i++)
        free(server->chunks[i]);
    server->conn_count = 0;
    server->free_conns = NULL;
}

bool conn_each(struct ws_server *server, uint32_t *at, bool (*fn)(struct conn *conn, void *arg),
               void *arg)
{
    while (*at < server->conn_count) {
        struct conn *conn = &server->chunks[*at / CONN_CHUNK][*at % CONN_CHUNK];
        ++*at;
        if (conn->server && !fn(conn, arg))
            return false;
    }
    return true;
}

void conn_set_due(struct conn *conn, uint64_t due_ms)
{
    struct ws_server *server = conn->server;
    list_remove(&conn->in_wheel);
    conn->due_ms = due_ms;
    if (due_ms == UINT64_MAX)
        return;
    /* A slot that the wheel has passed already would wait for a whole round. */
    uint64_t slot_ms = due_ms > server->wheel_ms ? due_ms : server->wheel_ms;
    list_add_last(&server->wheel[slot_ms / WHEEL_TICK_MS % WHEEL_SLOTS], &conn->in_wheel);
}

void conn_enter(struct conn *conn, enum conn_phase phase, uint32_t timeout_ms)
{
    conn->phase = (uint8_t)phase;
    conn_set_due(conn, timeout_ms ? server_now_ms(conn->server) + timeout_ms : UINT64_MAX);
}

void conn_set_reading(struct conn *conn, bool is_on)
{
    if (conn->is_dead || conn->is_reading_off == !is_on)
        return;
    conn->is_reading_off = !is_on;
    (void)lws_rx_flow_control(conn->wsi, is_on); /* fails only with the socket, which then closes */
}

void conn_close_later(struct conn *conn, uint16_t code, struct bytes reason)
{
    struct ws_server *server = conn->server;
    if (conn->is_in_close_list || conn->is_close_sent || conn->is_dead)
        return;
    if (conn->phase == CONN_CLOSING && conn->close_code)
        return;
    conn->close_code = code;
    if (code && reason.len) {
        size_t len = reason.len < 123 ? reason.len : 123;
        free(conn->close_reason);
        conn->close_reason = calloc(1, len + 1); /* without memory: a close without words */
        if (conn->close_reason)
            memcpy(conn->close_reason, reason.ptr, len);
    }
    conn->is_in_close_list = true;
    conn->next_closing = NULL;
    if (server->last_closing)
        server->last_closing->next_closing = conn;
    else
        server->first_closing = conn;
    server->last_closing = conn;
    task_post(server->timers, &server->close_task);
}
