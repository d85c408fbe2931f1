/* rebuild.h - `parleyctl rebuild`'s second way. */
#ifndef PARLEYCTL_REBUILD_H
#define PARLEYCTL_REBUILD_H

#include <stdbool.h>

#include "ctl.h"

/* Makes the SQLite store of the settings again, from the log, compares, and swaps the files.
 *   accepts_gap  what the log no longer has may be given up
 */
int rebuild_in_place(const struct ctl *ctl, bool accepts_gap);

#endif
