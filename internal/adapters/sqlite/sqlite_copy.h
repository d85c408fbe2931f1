/* sqlite_copy.h - a store's file as a whole: copied while it is used, examined, and asked whether
 * anybody has it open. For backup and restore; blocking, any thread.
 */
#ifndef ADAPTERS_SQLITE_SQLITE_COPY_H
#define ADAPTERS_SQLITE_SQLITE_COPY_H

#include "base/fault.h"
#include "base/rc.h"

/* Copies the store, as it is at one moment, into a new file of its own (mode 0600, no WAL beside
 * it), synced to the disk. Readers and writers of the store go on meanwhile.
 *   errors  RC_CONFLICT `to` exists; RC_NOT_FOUND no store at `from`; RC_UNAVAILABLE, RC_NOMEM;
 *           then there is no `to`; fault says why
 */
MUST_CHECK enum rc sqlite_copy(const char *from, const char *to, struct fault *fault);

/* Reads every page and index of a store that nobody uses (PRAGMA integrity_check).
 *   errors  RC_INVALID it is damaged, or no store of ours; RC_UNAVAILABLE; fault says what */
MUST_CHECK enum rc sqlite_examine(const char *path, struct fault *fault);

/* Makes one file of the store and its WAL, which can be done only while nobody else has it open.
 *   errors  RC_CONFLICT a process has it open; RC_NOT_FOUND, RC_UNAVAILABLE; fault says which */
MUST_CHECK enum rc sqlite_close_up(const char *path, struct fault *fault);

#endif
