/* announcer.h - tells the gateways what the log holds: heads.<p>, and how far the store is.
 *
 * The republished copies of events may be lost, the last one of a conversation without a trace. So
 * each announcement names every conversation and user that got a record in (from, to], with its
 * last seq: each 200 ms when something came, each 2 s when not. `from` is the `to` of the one
 * before: a listener that sees a hole between two has missed one.
 *
 * The heads come from a headers-only reader of the stream's tail and need neither the store nor the
 * right to persist, so they go on while the store is away. EVERY living persister announces for
 * every partition: no choice of a speaker can then go wrong, and to hear the same twice is harmless
 * (listeners take what reaches past what they know). Only one that knows of another active one (it
 * was refused as a second within 3 s) speaks each 2 s instead of each 200 ms.
 *
 * Thread: one, which may block; it is the only one that uses `log`.
 */
#ifndef APP_ANNOUNCER_H
#define APP_ANNOUNCER_H

#include "app/persister_stats.h"
#include "ports/log_consumer.h"

enum { ANNOUNCE_BUSY_MS = 200, ANNOUNCE_QUIET_MS = 2000, ANNOUNCE_STANDBY_MS = 3000 };

/* Entries in one announcement: about 100 bytes each stay well below NATS's payload of 256 KB. */
enum { ANNOUNCE_ENTRIES_MAX = 1000 };

/* A first announcement reaches back so far, so that a restart leaves no hole. */
enum { ANNOUNCE_REACH_BACK = 4096 };

struct announcer_options {
    const struct log_consumer *log; /* borrowed, as all below; not the persister's own */
    const struct clock_source *clock;
    struct persister_stats *stats;
    uint32_t partition, generation;
};

struct announcer; /* opaque */

/* returns  the caller's (announcer_destroy); NULL if memory is short */
struct announcer *announcer_create(const struct announcer_options *options);

/* One turn, at most ANNOUNCE_BUSY_MS of waiting. Returns how long to wait before the next one. */
int64_t announcer_turn(struct announcer *announcer);

void announcer_destroy(struct announcer *announcer);

/* Publishes applied.<p> as the stats have it. */
void announce_applied(const struct log_consumer *log, const struct clock_source *clock,
                      const struct persister_stats *stats, uint32_t partition, uint32_t generation);

#endif
