/* store.h - the store that store.url names, whichever adapter that is: the one place where they are
 * told apart. */
#ifndef CMD_STORE_STORE_H
#define CMD_STORE_STORE_H

#include "base/fault.h"
#include "ports/account_store.h"
#include "ports/directory_store.h"
#include "ports/message_store.h"

struct store; /* opaque */
struct mongo_store;

struct store_options {
    const char *url;      /* "sqlite:FILE", "mongodb://…"; borrowed */
    uint32_t readers_max; /* of a SQLite file; 0: its default */
    bool is_server;       /* indexes that are missing are made, and a server that is away is waited
                             for; else it must answer, and is changed by `store init` alone */
};

/* Opens it. A SQLite file's folder is made if it is missing.
 *   fault   on failure: field "store.url" and what is wrong, never a part of the URL
 *   errors  RC_INVALID, RC_UNAVAILABLE, RC_NOMEM; RC_NOT_FOUND: a MongoDB that holds no store, and
 *           is_server is false */
MUST_CHECK enum rc store_open(const struct store_options *options, struct store **out_store,
                              struct fault *fault);

const struct message_store *store_messages(const struct store *store);
const struct directory_store *store_directory(const struct store *store);
const struct account_store *store_accounts(const struct store *store);

/* The MongoDB store behind it, NULL if it isn't one. */
struct mongo_store *store_mongo(const struct store *store);

struct store_state {
    uint64_t errors;     /* failed calls */
    bool is_corrupt;     /* a SQLite file is damaged */
    bool is_wrong;       /* indexes or version of a MongoDB aren't ours */
    const char *trouble; /* what is wrong until a person mends it, NULL: nothing; static storage */
};
void store_state(const struct store *store, struct store_state *out_state);

/* Writes one log line about the server, when it answers for the first time; true when that is done.
 * Blocking: a worker thread. */
bool store_log_facts(const struct store *store);

/* NULL is fine. */
void store_close(struct store *store);

#endif
