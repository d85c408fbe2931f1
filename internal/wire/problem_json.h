/* problem_json.h - an error as REST answers it: RFC 9457, application/problem+json.
 *
 * The members of the error object that sockets carry too (code, status, message, retryable,
 * retryAfterMs, field, requestId; docs/PROTOCOL.md, "Errors") stand beside those of the RFC (type,
 * title, status, detail, instance).
 */
#ifndef WIRE_PROBLEM_JSON_H
#define WIRE_PROBLEM_JSON_H

#include "base/buf.h"
#include "domain/error.h"

/* Writes a whole problem document.
 *   request_id  a UUID; instance is urn:uuid:<request_id>, so that a user's report names the log
 *               lines of that very request. Empty: no instance, requestId is null
 */
void problem_write(struct buf *out, const struct error *error, struct bytes request_id);

#endif
