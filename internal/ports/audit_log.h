/* audit_log.h - port: what was done to accounts and sessions, by whom, for people who look later.
 *
 * Events go to a stream of their own. They hold ids, names of outcomes and a network, and never a
 * password, a token, a whole address or a text that a client chose.
 *
 * Writing never blocks and never fails its caller: past a bound, events are dropped and counted
 * (metric chat_audit_dropped_total, and a log line).
 */
#ifndef PORTS_AUDIT_LOG_H
#define PORTS_AUDIT_LOG_H

#include "domain/audit_event.h"

struct audit_log {
    void *self;
    /* Copies the event; it is stored in a moment. Any thread. */
    void (*write)(void *self, const struct audit_event *event);
};

static inline void audit_write(const struct audit_log *log, const struct audit_event *event)
{
    if (log && log->write)
        log->write(log->self, event);
}

#endif
