/* probe.h - what nats.c doesn't tell of a server: its version, and its monitoring pages.
 *
 * A nats-server greets each connection with an INFO line before any login (docs.nats.io, client
 * protocol); /jsz of its monitoring port says whether it syncs before it answers. Blocking, with
 * time limits; never the loop thread.
 */
#ifndef ADAPTERS_NATS_PROBE_H
#define ADAPTERS_NATS_PROBE_H

#include "base/arena.h"

/* The JSON of the INFO line, in the arena. errors: RC_UNAVAILABLE, RC_TIMEOUT, RC_NOMEM */
MUST_CHECK enum rc probe_info(const char *host, const char *port, struct arena *arena,
                              struct bytes *out_json);

/* GET base_url + path (http:// only), the body of a 200 in the arena.
 * errors: RC_INVALID not such a URL, RC_UNAVAILABLE, RC_TIMEOUT, RC_NOMEM */
MUST_CHECK enum rc probe_http(const char *base_url, const char *path, struct arena *arena,
                              struct bytes *out_body);

#endif
