/* revocation_json.h - a revocation as the bucket REVOKED keeps it, and as a client hears of it.
 *
 *     {"kind":"session","user":"…","session":"…","reason":"logout","until":1767323045}
 *     {"kind":"user","user":"…","before":1767323045678,"spared":"…"?,"reason":"ban","until":…}
 */
#ifndef WIRE_REVOCATION_JSON_H
#define WIRE_REVOCATION_JSON_H

#include "base/buf.h"
#include "base/rc.h"
#include "domain/revocation.h"

void revocation_write(struct buf *out, const struct revocation *revocation);

/* errors: RC_INVALID, also for what this version doesn't know */
MUST_CHECK enum rc revocation_parse(struct bytes json, struct revocation *out);

/* {"type":"session.revoked","sessionId":"…","reason":"logout"} */
void session_revoked_write(struct buf *out, const struct id *session,
                           enum revocation_reason reason);

#endif
