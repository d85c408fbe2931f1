/* log_page.h - a conversation's events read from the log alone, chained like everybody else's.
 *
 * For the times when there is no view: the leader can't be asked, or the store is so far behind
 * that its tail is too long. Thread: a worker.
 */
#ifndef APP_LOG_PAGE_H
#define APP_LOG_PAGE_H

#include "base/arena.h"
#include "domain/event.h"
#include "ports/event_log.h"

/* Reads what follows `after`, up to `until`, at most limit events, prev filled in.
 *   range     as event_log.read takes it; records_max is the limit
 *   out       in the arena, borrowed texts too; count may be 0
 *   errors    RC_UNAVAILABLE the log can't be read now, or doesn't tell what came before the first
 *             one; RC_NOT_FOUND, RC_TIMEOUT as event_log.read; RC_NOMEM not even one fits
 */
MUST_CHECK enum rc log_page_read(const struct event_log *log, const struct log_range *range,
                                 struct arena *arena, struct event **out, size_t *out_count);

#endif
