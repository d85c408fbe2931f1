/* mg_call.h - one call to the server from begin to end: a connection, writes in bulk, finds.
 *
 * What a write did is read from writeErrors[] by index and from nothing else: counts and texts
 * differ between servers. An error without writeErrors, or one of the write concern, says nothing
 * of any document: RC_UNAVAILABLE, and the caller tries the whole again.
 *
 * Thread: a call belongs to one thread.
 */
#ifndef ADAPTERS_MONGO_MG_CALL_H
#define ADAPTERS_MONGO_MG_CALL_H

#include "base/bytes.h"
#include "base/fault.h"
#include "base/rc.h"

#include <mongoc/mongoc.h>
#include <pthread.h>
#include <stdatomic.h>

enum mg_collection {
    MG_EVENTS,
    MG_FACTS,
    MG_OPERATIONS,
    MG_MARKS,
    MG_LINKS,
    MG_CONVERSATIONS,
    MG_MEMBERSHIPS,
    MG_FEED,
    MG_PARTITIONS,
    MG_USERS,
    MG_REQUESTS,
    MG_ACCOUNTS,
    MG_NAMES,
    MG_SESSIONS,
    MG_MAILED,
    MG_META,
    MG_COLLECTION_COUNT,
};
const char *mg_collection_name(enum mg_collection collection);

/* Errors of all calls of a store. */
struct mg_health {
    _Atomic uint64_t away, server, concern, document;
    pthread_mutex_t lock;
    char last_error[96]; /* under lock */
};

struct mg_call {
    mongoc_client_t *client;
    const char *database;
    struct mg_health *health;
    bool was_denied; /* the last error was about rights */
};

/* What an error of libmongoc means to a caller; counts it. */
enum rc mg_rc(struct mg_call *call, const bson_error_t *error);

/* A document on the stack, freed with its block. */
#define SCOPED_DOC(name) bson_t name __attribute__((cleanup(bson_destroy))) = BSON_INITIALIZER

/* A command on the store's database. out_reply may be NULL, else it is the caller's to destroy, in
 * every case. */
MUST_CHECK enum rc mg_command(struct mg_call *call, const char *database, const bson_t *command,
                              bson_t *out_reply);

/* ---- writes: unordered, in commands of at most 500 inserts or 50 updates, and 8 MiB ----
 *
 * Inserts may meet keys that are taken, updates may not: FerretDB ends an update command at its
 * first error, and names another index. So nothing is ever upserted: see mg_put_one. */

struct mg_writes {
    struct mg_call *call;
    enum mg_collection collection;
    mongoc_bulk_operation_t *bulk;
    size_t sent, waiting, waiting_bytes, most;
    bool is_updating;
    bool *is_taken; /* [i]: the i-th insert met a key that is there already (11000) */
    size_t taken_count;
    enum rc rc;
};

/* Begins writes to a collection, `most` at most. */
void mg_writes_begin(struct mg_writes *w, struct mg_call *call, enum mg_collection collection,
                     size_t most);
/* Inserts, or updates of one document each; never both in the same writes. */
void mg_insert(struct mg_writes *w, const bson_t *doc);
void mg_update(struct mg_writes *w, const bson_t *selector, const bson_t *update);
/* Sends what waits. RC_OK: each write was done, or is_taken says that its key was there. */
MUST_CHECK enum rc mg_writes_end(struct mg_writes *w);
void mg_writes_fini(struct mg_writes *w);
#define SCOPED_WRITES(name) struct mg_writes name __attribute__((cleanup(mg_writes_fini))) = { 0 }

/* ---- documents that are put: inserted, and those that were there are updated ----
 *
 * An update whose selector doesn't match, because its guard is behind, changes nothing and is well.
 */

struct mg_puts {
    struct mg_call *call;
    enum mg_collection collection;
    struct mg_put *puts;
    size_t count, most;
    bool has_failed; /* more were put than announced, or memory is short */
};
void mg_puts_begin(struct mg_puts *p, struct mg_call *call, enum mg_collection collection,
                   size_t most);
/* All are copied. */
void mg_put_one(struct mg_puts *p, const bson_t *doc, const bson_t *selector, const bson_t *update);
MUST_CHECK enum rc mg_puts_end(struct mg_puts *p);
void mg_puts_fini(struct mg_puts *p);
#define SCOPED_PUTS(name) struct mg_puts name __attribute__((cleanup(mg_puts_fini))) = { 0 }

/* An update of one document, with the number of those that matched; may be NULL. */
MUST_CHECK enum rc mg_update_one(struct mg_call *call, enum mg_collection collection,
                                 const bson_t *selector, const bson_t *update,
                                 int64_t *out_matched);

/* ---- finds ---- */

struct mg_find {
    struct mg_call *call;
    mongoc_collection_t *collection;
    mongoc_cursor_t *cursor;
};
/* Begins a find; opts as of mongoc_collection_find_with_opts. */
struct mg_find mg_find(struct mg_call *call, enum mg_collection collection, const bson_t *filter,
                       const bson_t *opts);
/* The next document, valid until the next call. false: no more, or an error. */
bool mg_next(struct mg_find *find, const bson_t **out_doc);
/* Ends it: RC_OK, or what went wrong on the way. Twice is fine. */
MUST_CHECK enum rc mg_find_end(struct mg_find *find);
/* Ends it with a code of the caller's own. */
enum rc mg_find_stop(struct mg_find *find, enum rc rc);

#endif
