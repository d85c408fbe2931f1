/* clock.h - time as a value that tests can set.
 *
 * Two clocks: monotonic milliseconds for all waiting and limits, wall-clock microseconds since the
 * Unix epoch for what people read. Order never comes from either (docs/ARCHITECTURE.md).
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/bytes.h"

struct clock_source {
    int64_t (*monotonic_ms)(void *self);
    int64_t (*wall_us)(void *self);
    void *self;
};

/* The machine's own clocks. Any thread. */
const struct clock_source *clock_system(void);

static inline int64_t clock_monotonic_ms(const struct clock_source *c)
{
    return c->monotonic_ms(c->self);
}

static inline int64_t clock_wall_us(const struct clock_source *c)
{
    return c->wall_us(c->self);
}

enum { RFC3339_CHARS = 25 }; /* "2026-01-02T03:04:05.678Z" and its NUL */

/* Writes the time in UTC with milliseconds (RFC 3339), NUL-terminated. */
void rfc3339_write(int64_t wall_us, char out[RFC3339_CHARS]);

/* Reads RFC 3339 with up to nine fraction digits, "Z" or an offset. Any valid form of nats-server's
 * Nats-Time-Stamp and of a client. Returns false if it is not one. */
bool rfc3339_read(struct bytes text, int64_t *out_wall_us);

#endif
