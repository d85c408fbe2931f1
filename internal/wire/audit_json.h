/* audit_json.h - an audit event as the stream AUDIT keeps it.
 *
 *     {"id":"…","at":"2026-01-02T03:04:05.678Z","kind":"login","outcome":"failure",
 *      "reason":"wrong_password","actor":"user","by":"…"?,"subject":"…"?,"session":"…"?,
 *      "network":"203.0.113.0/24"?,"roles":["user"]?}
 */
#ifndef WIRE_AUDIT_JSON_H
#define WIRE_AUDIT_JSON_H

#include "base/buf.h"
#include "domain/audit_event.h"

enum { AUDIT_JSON_BYTES_MAX = 1024 };

/* id: of this event, the same on every try to store it. */
void audit_event_write(struct buf *out, const struct audit_event *event, const struct id *id);

#endif
