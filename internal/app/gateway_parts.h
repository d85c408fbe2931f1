/* gateway_parts.h - what conn.c, requests.c and gateway.c call of each other. */
#ifndef APP_GATEWAY_PARTS_H
#define APP_GATEWAY_PARTS_H

#include "app/gateway_state.h"

/* conn.c: the sink of the sockets adapter */
void conn_upgrade(void *app, struct link_id link, const struct upgrade_request *request,
                  struct upgrade_decision *decision);
void conn_opened(void *app, struct link_id link, void *user);
void conn_message(void *app, struct link_id link, void *user, struct bytes text);
void conn_writable(void *app, struct link_id link, void *user);
void conn_closed(void *app, struct link_id link, void *user);
/* Begins the flow at a cursor (NULL: now) and answers once nothing is missing. */
void conn_refuse_cursor(struct conn *conn, struct bytes request_id);
void conn_sync(struct conn *conn, struct bytes request_id, const struct cursor *cursor);

/* requests.c: answers that are still to come have nobody to go to any more */
void requests_forget(struct conn *conn);

#endif
