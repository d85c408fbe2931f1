/* record.h - what a record of the log says, as an event.
 *
 * The one place where a stored record turns into an event: persisters, gateways and tools read the
 * same bytes to the same end, so that a void stands at the same seq for all of them.
 */
#ifndef APP_RECORD_H
#define APP_RECORD_H

#include "base/fault.h"
#include "ports/event_log.h"

#define VOID_UNPARSEABLE "unparseable"
#define VOID_REFUSED "refused"

/* Reads a record of kind 'c': payload parsed, seq, prev, at and hash taken from the record. Text is
 * in the arena, the payload stays borrowed from the record.
 *   out_event  written in every case: the event, or the void that stands in its place. A void keeps
 *              actor, client id and hash where the headers have them, so that a retry of what was
 *              acknowledged is still recognised
 *   errors     RC_INVALID garbage: no JSON, no known type, another conversation than its subject,
 *              another operation than its header (fault says what); RC_NOMEM says nothing of it
 */
MUST_CHECK enum rc record_decode(const struct log_record *record, struct arena *arena,
                                 struct event *out_event, struct fault *fault);

/* The same for readers who show what they have: garbage is its void. */
struct event record_to_event(const struct log_record *record, struct arena *arena);

/* A void in the place of that record. reason: static storage. */
struct event record_void(const struct log_record *record, const char *reason);

#endif
