/* sqlite_store.h - both stores in one SQLite file: the default where one host is enough.
 *
 * WAL with synchronous=FULL, so that what apply() answered survives a power cut. One connection
 * writes, under a mutex; readers have connections of their own and never wait for it. Several
 * processes may open the same file on one host, not over a network file system.
 *
 * How it fails: busy, disk full and I/O errors roll back and answer RC_UNAVAILABLE, and the next
 * call tries again. A damaged file is different: from then on every call answers RC_UNAVAILABLE and
 * sqlite_store_state says so, until someone restores it.
 */
#ifndef ADAPTERS_SQLITE_STORE_H
#define ADAPTERS_SQLITE_STORE_H

#include "base/fault.h"
#include "ports/account_store.h"
#include "ports/directory_store.h"
#include "ports/message_store.h"

struct sqlite_store; /* opaque */

struct sqlite_store_options {
    const char *path;     /* the file; made with mode 0600 if missing, its folder must be there */
    uint32_t readers_max; /* connections for reading, opened on demand; 0: 8 */
};

/* The path in a store URL of the form "sqlite:/var/lib/parley/parley.db" (or "sqlite:relative"),
 * within the argument; NULL if it is not one. */
const char *sqlite_store_path(const char *url);

/* Opens the file, and brings its tables to this program's version.
 *   fault   on failure: field "store.url" and what is wrong; may be NULL
 *   errors  RC_INVALID no database, or of a newer version; RC_UNAVAILABLE can't be opened, locked,
 *           or WAL isn't to be had; RC_NOMEM
 */
MUST_CHECK enum rc sqlite_store_open(const struct sqlite_store_options *options,
                                     struct sqlite_store **out_store, struct fault *fault);

/* The two ports; valid until close. Any worker thread. */
const struct message_store *sqlite_store_messages(struct sqlite_store *store);
const struct directory_store *sqlite_store_directory(struct sqlite_store *store);
const struct account_store *sqlite_store_accounts(struct sqlite_store *store);

/* What went wrong so far, for metrics and readiness. */
struct sqlite_store_state {
    uint64_t errors_full, errors_io, errors_busy, errors_other;
    bool is_corrupt;     /* SQLite found the file damaged */
    char last_error[96]; /* SQLite's text of the last error; no data in it; empty if none */
};
void sqlite_store_state(struct sqlite_store *store, struct sqlite_store_state *out_state);

/* Closes all connections; no call may be under way. NULL is fine. */
void sqlite_store_close(struct sqlite_store *store);

#endif
