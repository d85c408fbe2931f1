/* callback.c - the library's callback: translation only.
 *
 * There is one protocol for everything. The library puts an upgrade without a subprotocol on
 * protocols[0], which is also where HTTP goes; making that one the WebSocket protocol too, with no
 * session memory of the library's, lets clients leave the subprotocol out safely.
 */
#include "adapters/lws/server.h"

/* The socket is gone for all purposes; only its memory is still there. */
static void bury(struct conn *conn)
{
    if (conn->is_dead)
        return;
    conn->is_dead = true;
    conn_set_due(conn, UINT64_MAX);
    ws_link_tell_closed(conn);
}

int server_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len)
{
    struct conn *conn = wsi ? lws_get_opaque_user_data(wsi) : NULL;
    (void)user;
    if (!conn)
        return 0; /* the library's own sockets, vhost and protocol events */
    conn->wsi = wsi;

    switch ((int)reason) {
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return http_on_upgrade(conn);
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        return conn->phase == CONN_UPGRADING ? 0 : -1;
    case LWS_CALLBACK_ESTABLISHED:
        ws_link_opened(conn);
        return 0;
    case LWS_CALLBACK_RECEIVE:
        ws_link_received(conn, in, len);
        return 0;
    case LWS_CALLBACK_RECEIVE_PONG:
        conn->last_rx_ms = server_now_ms(conn->server);
        return 0;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        ws_link_peer_closes(conn);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        ws_link_writable(conn);
        return 0;

    case LWS_CALLBACK_HTTP:
        return http_on_request(conn);
    case LWS_CALLBACK_HTTP_BODY:
        return http_on_body(conn, in, len);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return http_on_body_end(conn);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return http_on_writable(conn);
    case LWS_CALLBACK_RAW_RX:
        return http_on_garbage(conn, in, len);

    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_CLOSED_HTTP:
    case LWS_CALLBACK_RAW_CLOSE:
        bury(conn);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        bury(conn);
        lws_set_opaque_user_data(wsi, NULL);
        if (conn->phase == CONN_LINK || conn->phase == CONN_CLOSING)
            conn->server->link_sockets--;
        conn_release(conn);
        return 0;
    default:
        return 0;
    }
}
