/* sqlite_rebuild.h - a store's file without what came from the log, and two files compared. For
 * `parleyctl rebuild --in-place`; blocking, any thread, on files that nobody else uses.
 */
#ifndef ADAPTERS_SQLITE_SQLITE_REBUILD_H
#define ADAPTERS_SQLITE_SQLITE_REBUILD_H

#include <stdint.h>

#include "base/fault.h"
#include "base/rc.h"

/* Empties every table that is projected from the log, in one transaction. Users, remembered
 * requests and whatever else isn't in the log stay.
 *   errors  RC_INVALID it is no store of ours; RC_UNAVAILABLE; fault says why */
MUST_CHECK enum rc sqlite_forget_log(const char *path, struct fault *fault);

/* Events that one file has and the other hasn't, by (partition, seq); those of both whose
 * conversation, kind, ids or payload differ; and whether the lists of members are the same. */
struct sqlite_difference {
    uint64_t only_old, only_new, different, members;
};

/*   errors  RC_UNAVAILABLE; fault says why */
MUST_CHECK enum rc sqlite_compare(const char *old_path, const char *new_path,
                                  struct sqlite_difference *out, struct fault *fault);

#endif
