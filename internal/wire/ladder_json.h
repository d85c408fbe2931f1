/* ladder_json.h - a ladder as the bucket ATTEMPTS keeps it, and the key it is under.
 *
 *     {"failures":5,"failed":1767323045678,"until":1767323105678,"good":0}   wall clock, ms
 */
#ifndef WIRE_LADDER_JSON_H
#define WIRE_LADDER_JSON_H

#include "base/buf.h"
#include "base/rc.h"
#include "domain/ladder.h"

enum { LADDER_KEY_CHARS = 22, LADDER_JSON_BYTES_MAX = 160 };

void ladder_write(struct buf *out, const struct ladder *ladder);

/* errors: RC_INVALID */
MUST_CHECK enum rc ladder_parse(struct bytes json, struct ladder *out);

/* The key of (use, account, network; empty for all networks): a hash, since an account may be an
 * e-mail address, and people read buckets. */
void ladder_key(unsigned use, struct bytes account, const char *network,
                char out[LADDER_KEY_CHARS + 1]);

#endif
