/* mongo_store.h - both stores in a MongoDB database: for more than one host.
 *
 * Only operations are used that real MongoDB and both stand-ins of the tests do alike: bulk
 * inserts, guarded updates by key, finds by key and range. No transactions: apply() is a row of
 * writes, each of which may be repeated and may come in any order; mg_apply.c says why that ends
 * well.
 *
 * Settings by the URI: credentials, TLS, replica set, pool size. What it doesn't say is set:
 * w=majority and j=true, readConcern majority, serverSelectionTimeoutMS=3000,
 * socketTimeoutMS=10000, connectTimeoutMS=3000, waitQueueTimeoutMS=5000, appName parley.
 *
 * How it fails: no answer, a full disk, a fail-over, no rights: RC_UNAVAILABLE, and the whole call
 * may be made again. A server that is away when the store is opened is no error: it is looked at
 * when it answers. Indexes or documents that are not ours: RC_UNAVAILABLE from every call, and
 * mongo_store_state says so.
 *
 * Thread: any number of workers; each call takes a connection of the pool for itself.
 */
#ifndef ADAPTERS_MONGO_STORE_H
#define ADAPTERS_MONGO_STORE_H

#include "base/fault.h"
#include "ports/account_store.h"
#include "ports/directory_store.h"
#include "ports/message_store.h"

struct mongo_store; /* opaque */

struct mongo_store_options {
    const char *url;    /* mongodb://… or mongodb+srv://… with a database's name; copied */
    bool makes_indexes; /* those that are missing are made, where the login may */
    bool must_answer;   /* a server that is away is an error */
};

/* Whether the URL is one of this adapter. */
bool mongo_store_is_url(const char *url);

/* Opens the pool, and looks at the server's indexes and version if it answers.
 *   fault   on failure: field "store.url" and what is wrong, never a part of the URL; may be NULL
 *   errors  RC_INVALID the URL, the login, an index, or a store of a newer version;
 *           RC_NOT_FOUND the database holds no store, and none was to be made; RC_UNAVAILABLE it
 * must answer, and doesn't; RC_NOMEM
 */
MUST_CHECK enum rc mongo_store_open(const struct mongo_store_options *options,
                                    struct mongo_store **out_store, struct fault *fault);

/* The ports; valid until close. */
const struct message_store *mongo_store_messages(struct mongo_store *store);
const struct directory_store *mongo_store_directory(struct mongo_store *store);
const struct account_store *mongo_store_accounts(struct mongo_store *store);

/* Makes the indexes that are missing (a TTL index where the server takes one).
 * errors as of open, with the same fault */
MUST_CHECK enum rc mongo_store_init(struct mongo_store *store, struct fault *fault);

/* Whether every index is there as it should be. RC_INVALID: the fault names the first that isn't;
 * RC_NOT_FOUND: the database holds no store. */
MUST_CHECK enum rc mongo_store_check(struct mongo_store *store, struct fault *fault);

/* Removes every document of the store's collections, messages and users alike. */
MUST_CHECK enum rc mongo_store_clear(struct mongo_store *store);

/* What the server says of itself. */
struct mongo_store_facts {
    char version[32]; /* buildInfo */
    char set[64];     /* the replica set's name; empty without one */
    bool is_sharded;
    bool is_standalone; /* neither: nothing is majority-committed there */
    bool has_ttl;       /* expired requests are removed by the server, too */
};
MUST_CHECK enum rc mongo_store_facts(struct mongo_store *store, struct mongo_store_facts *out);

/* What went wrong so far, for metrics and readiness. */
struct mongo_store_state {
    uint64_t errors_away;     /* nobody answered: selection, connection, time-out */
    uint64_t errors_server;   /* the server said no */
    uint64_t errors_concern;  /* stored, but not yet by a majority: outcome unknown */
    uint64_t errors_document; /* a document that isn't of ours */
    bool is_wrong;            /* indexes or version are not ours: see why */
    char why[192];
    char last_error[96]; /* domain and code; no text of the server's */
};
void mongo_store_state(struct mongo_store *store, struct mongo_store_state *out_state);

/* Closes all connections; no call may be under way. NULL is fine. */
void mongo_store_close(struct mongo_store *store);

#endif
