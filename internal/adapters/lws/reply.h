/* reply.h - an HTTP answer as bytes: status line, the headers that every answer has, the app's own.
 */
#ifndef ADAPTERS_LWS_REPLY_H
#define ADAPTERS_LWS_REPLY_H

#include "adapters/lws/conn.h"
#include "adapters/lws/guard.h"
#include "base/buf.h"
#include "domain/id.h"

/* Whether no header of it could end its line and begin another. */
bool reply_is_good(const struct http_reply *reply);

/* Makes the bytes of an answer on this connection, with LWS_PRE bytes of room in front.
 *   is_head  leaves the body out, not its length
 *   out      not initialised before; the caller's to free (buf_fini) when true is returned
 *   returns  false if memory is short
 */
bool reply_encode(const struct conn *conn, const struct http_reply *reply, bool is_head,
                  struct buf *out);

/* Writes the problem document (RFC 9457) of a refusal, in the form of wire/problem_json.h. */
void reply_add_problem(struct buf *out, const struct guard_refusal *refusal,
                       const struct id *request_id);

#endif
