/* link.c - the WebSocket side: sending, messages, heartbeats, closing. */
#include "adapters/lws/server.h"

#include <assert.h>
#include <stdlib.h>

static_assert(FRAME_HEADROOM >= LWS_PRE, "a frame has room for the library's header");

#define REASON(text) bytes_make(text, sizeof text - 1)

static struct ws_server *server_of(struct client_links *links)
{
    return CONTAINER_OF(links, struct ws_server, links);
}

static struct conn *find_open(struct client_links *links, struct link_id id)
{
    struct conn *conn = conn_find(server_of(links), id);
    bool is_open = conn && conn->phase == CONN_LINK && !conn->is_in_close_list && !conn->is_dead &&
                   !conn->is_peer_closing;
    return is_open ? conn : NULL;
}

static enum rc send_frame(struct client_links *links, struct link_id id, struct frame *frame)
{
    struct conn *conn = find_open(links, id);
    if (!conn)
        return RC_NOT_FOUND;
    struct ws_server *server = conn->server;
    if (conn->is_blocked) {
        server->stats.sends_blocked++;
        conn->is_writable_wanted = true;
        return RC_FULL;
    }
    if (lws_write(conn->wsi, frame->data, frame->len, LWS_WRITE_TEXT) < 0) {
        conn_close_later(conn, 0, (struct bytes){ 0 });
        return RC_NOT_FOUND;
    }
    /* What the kernel did not take was copied by the library, which calls back once it is out. */
    conn->is_blocked = lws_partial_buffered(conn->wsi);
    server->stats.frames_out++;
    server->stats.bytes_out += frame->len;
    return RC_OK;
}

static void want_writable(struct client_links *links, struct link_id id)
{
    struct conn *conn = find_open(links, id);
    if (!conn)
        return;
    conn->is_writable_wanted = true;
    lws_callback_on_writable(conn->wsi);
}

static void close_link(struct client_links *links, struct link_id id, uint16_t code,
                       struct bytes reason)
{
    struct conn *conn = find_open(links, id);
    if (conn)
        conn_close_later(conn, code ? code : CLOSE_NORMAL, reason);
}

static void pause_link(struct client_links *links, struct link_id id)
{
    struct conn *conn = find_open(links, id);
    if (conn)
        conn_set_reading(conn, false);
}

static void resume_link(struct client_links *links, struct link_id id)
{
    struct conn *conn = find_open(links, id);
    if (!conn || !conn->is_reading_off)
        return;
    conn->last_rx_ms = server_now_ms(conn->server); /* its pongs could not be read until now */
    conn_set_reading(conn, true);
}

const struct client_links_ops ws_links_ops = {
    .send = send_frame,
    .want_writable = want_writable,
    .close = close_link,
    .pause = pause_link,
    .resume = resume_link,
};

void ws_link_opened(struct conn *conn)
{
    struct ws_server *server = conn->server;
    const struct ws_server_options *options = &server->options;

    server->stats.upgrades++;
    server->stats.links++;
    server->link_sockets++;
    conn->phase = CONN_LINK;
    conn->last_rx_ms = server_now_ms(server);
    /* Spread over the second half of the first period: a storm of connects must not become a storm
     * of pings each 30 seconds. */
    uint32_t half_ms = options->heartbeat_ms / 2;
    uint32_t spread_ms = half_ms ? (conn->id.index * 2654435761u) % (half_ms + 1) : 0;
    conn_set_due(conn, conn->last_rx_ms + options->heartbeat_ms - spread_ms);
    if (conn->close_code) {
        char *reason = conn->close_reason;
        conn->close_reason = NULL;
        conn_close_later(conn, conn->close_code, bytes_of(reason));
        free(reason);
        return;
    }
    server->clients.on_open(server->clients.app, conn->id, conn->user);
}

void ws_link_tell_closed(struct conn *conn)
{
    struct ws_server *server = conn->server;
    if (conn->phase == CONN_LINK) {
        conn->phase = CONN_CLOSING;
        server->stats.links--;
    }
    free(conn->message);
    conn->message = NULL;
    conn->message_len = conn->message_cap = 0;
    if (!conn->is_app_told)
        return;
    conn->is_app_told = false;
    server->clients.on_close(server->clients.app, conn->id, conn->user);
    conn->user = NULL;
}

/* Appends a piece, growing by doubling up to the limit. */
static bool keep_piece(struct conn *conn, const uint8_t *piece, size_t len)
{
    uint32_t bytes_max = conn->server->options.frame_bytes_max;
    size_t need = conn->message_len + len;
    if (need > conn->message_cap) {
        size_t cap = conn->message_cap ? conn->message_cap : 2 * RX_BYTES;
        while (cap < need)
            cap *= 2;
        if (cap > bytes_max)
            cap = bytes_max;
        uint8_t *grown = realloc(conn->message, cap);
        if (!grown)
            return false;
        conn->message = grown;
        conn->message_cap = (uint32_t)cap;
    }
    if (len)
        memcpy(conn->message + conn->message_len, piece, len);
    conn->message_len += (uint32_t)len;
    return true;
}

static void deliver(struct conn *conn, struct bytes text)
{
    struct ws_server *server = conn->server;
    server->stats.frames_in++;
    server->stats.bytes_in += text.len;
    server->clients.on_message(server->clients.app, conn->id, conn->user, text);
}

static void refuse_message(struct conn *conn, enum close_code code, struct bytes reason)
{
    conn->is_discarding = true;
    conn_close_later(conn, (uint16_t)code, reason);
}

void ws_link_received(struct conn *conn, const uint8_t *piece, size_t len)
{
    bool is_last = lws_is_final_fragment(conn->wsi) && !lws_remaining_packet_payload(conn->wsi);

    conn->last_rx_ms = server_now_ms(conn->server);
    if (conn->phase != CONN_LINK || conn->is_in_close_list || conn->is_discarding ||
        conn->is_peer_closing)
        return;
    if (lws_frame_is_binary(conn->wsi)) {
        refuse_message(conn, CLOSE_UNSUPPORTED, REASON("binary_frame"));
        return;
    }
    if (conn->message_len + len + lws_remaining_packet_payload(conn->wsi) >
        conn->server->options.frame_bytes_max) {
        refuse_message(conn, CLOSE_TOO_LARGE, REASON("frame_too_large"));
        return;
    }
    if (is_last && conn->message_len == 0) {
        deliver(conn, bytes_make(piece, len)); /* the usual case: nothing is copied */
        return;
    }
    if (!keep_piece(conn, piece, len)) {
        refuse_message(conn, CLOSE_OVERLOADED, REASON("out_of_memory"));
        return;
    }
    if (!is_last)
        return;
    uint8_t *message = conn->message;
    struct bytes text = bytes_make(message, conn->message_len);
    conn->message = NULL; /* an idle socket keeps no buffer */
    conn->message_len = conn->message_cap = 0;
    /* A ping may have come between the pieces. The library sends its pong when the socket is
     * writable; what the app answers at once would overtake it. */
    conn->is_blocked = true;
    lws_callback_on_writable(conn->wsi);
    deliver(conn, text);
    free(message);
}

void ws_link_peer_closes(struct conn *conn)
{
    conn->is_peer_closing = true;
}

/* A ping has one byte, because the library hides pongs without any from its user. */
static bool send_ping(struct conn *conn)
{
    uint8_t ping[LWS_PRE + 1] = { 0 };
    ping[LWS_PRE] = 'p';
    if (lws_write(conn->wsi, ping + LWS_PRE, 1, LWS_WRITE_PING) < 0)
        return false;
    conn->is_blocked = lws_partial_buffered(conn->wsi);
    return true;
}

/* Two steps take turns: a ping is due, and the answer to a ping is due. Whatever came in since the
 * ping counts as life. */
void ws_link_beat(struct conn *conn, uint64_t now_ms)
{
    const struct ws_server_options *options = &conn->server->options;
    bool is_silent =
        conn->is_ping_open && conn->last_rx_ms < conn->pinged_ms && !conn->is_reading_off;

    /* A ping can't overtake bytes that wait, so a slow reader isn't asked. One to which nothing got
     * out during a whole period is dead. */
    if (is_silent || (conn->is_blocked && conn->is_stuck)) {
        conn->server->stats.heartbeats_missed++;
        conn_close_later(conn, CLOSE_HEARTBEAT, REASON("heartbeat_missed"));
        return;
    }
    if (conn->is_ping_open) {
        conn->is_ping_open = false;
        conn_set_due(conn, conn->pinged_ms + options->heartbeat_ms);
        return;
    }
    if (conn->is_blocked) {
        conn->is_stuck = true; /* until something gets out */
        conn_set_due(conn, now_ms + options->heartbeat_ms);
        return;
    }
    if (!send_ping(conn)) {
        conn_close_later(conn, 0, (struct bytes){ 0 });
        return;
    }
    conn->is_ping_open = true;
    conn->pinged_ms = now_ms;
    conn_set_due(conn, now_ms + options->pong_ms);
}

void ws_link_writable(struct conn *conn)
{
    struct ws_server *server = conn->server;
    conn->is_blocked = lws_partial_buffered(conn->wsi);
    conn->is_stuck = false;
    if (conn->is_blocked)
        return;
    if (conn->phase == CONN_CLOSING) {
        if (!conn->is_close_sent && !conn->is_in_close_list) {
            uint16_t code = conn->close_code;
            conn->close_code = 0; /* conn_close_later keeps the first code otherwise */
            conn_close_later(conn, code, (struct bytes){ 0 });
        }
        return;
    }
    if (conn->phase != CONN_LINK || !conn->is_writable_wanted || conn->is_in_close_list ||
        conn->is_peer_closing)
        return;
    conn->is_writable_wanted = false;
    server->clients.on_writable(server->clients.app, conn->id, conn->user);
}
