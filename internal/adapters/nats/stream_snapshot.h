/* stream_snapshot.h - a stream as a file, and back: JetStream's own snapshot and restore
 * ($JS.API.STREAM.SNAPSHOT and RESTORE), which `nats stream backup` uses too; the bytes are the
 * same.
 *
 * Blocking; any thread but the loop's. The snapshot is of one moment; writers go on meanwhile.
 */
#ifndef ADAPTERS_NATS_STREAM_SNAPSHOT_H
#define ADAPTERS_NATS_STREAM_SNAPSHOT_H

#include "adapters/nats/nats_link.h"

/* Takes a part of the snapshot, in order. What it answers but RC_OK ends the work. */
typedef enum rc snapshot_write_fn(void *closure, struct bytes part);

/* Gives the next part: at most `room` bytes to `into`; *out_len 0 at the end. */
typedef enum rc snapshot_read_fn(void *closure, uint8_t *into, size_t room, size_t *out_len);

/* Reads a stream, its consumers included.
 *   out_meta  the server's answer, JSON with "config" and "state": what restore wants; in the arena
 *   errors    RC_NOT_FOUND no such stream; RC_UNAVAILABLE, RC_TIMEOUT, RC_NOMEM, what write
 *             answered; fault says what the server said. What was written is then of no use.
 */
MUST_CHECK enum rc stream_snapshot_save(struct nats_link *link, const char *stream,
                                        snapshot_write_fn *write, void *closure,
                                        struct arena *arena, struct bytes *out_meta,
                                        struct fault *fault);

/* Makes a stream of a snapshot. There may be none of its name.
 *   meta    JSON {"config":…,"state":…}; a config that differs from the snapshot's is taken
 *   errors  RC_CONFLICT the server refuses it (fault says why), RC_UNAVAILABLE, RC_TIMEOUT,
 * RC_NOMEM, what read answered. The server then keeps nothing of it.
 */
MUST_CHECK enum rc stream_snapshot_restore(struct nats_link *link, const char *stream,
                                           struct bytes meta, snapshot_read_fn *read, void *closure,
                                           struct fault *fault);

#endif
