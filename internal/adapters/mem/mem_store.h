/* mem_store.h - both stores in plain memory: the reference for the others, and for unit tests.
 *
 * It keeps the set of events as applied and derives everything from it when asked, so the order of
 * applying can't matter. Reads walk a whole conversation: for tests, not for service.
 *
 * Thread: any; one mutex around everything.
 */
#ifndef ADAPTERS_MEM_STORE_H
#define ADAPTERS_MEM_STORE_H

#include "ports/account_store.h"
#include "ports/directory_store.h"
#include "ports/message_store.h"

struct mem_store; /* opaque */

enum {
    MEM_STORE_EVENTS_MAX = 1000000
}; /* beyond it apply answers RC_UNAVAILABLE, as a full disk */

struct mem_store *mem_store_create(void);
const struct message_store *mem_store_messages(struct mem_store *store);
const struct directory_store *mem_store_directory(struct mem_store *store);
const struct account_store *mem_store_accounts(struct mem_store *store);
void mem_store_destroy(struct mem_store *store);

/* Away: every call answers RC_UNAVAILABLE and changes nothing, until it is back. */
void mem_store_set_away(struct mem_store *store, bool is_away);

/* The nth call from now (1: the next one) answers `code` and changes nothing; 0 takes it back. */
void mem_store_fail_call(struct mem_store *store, uint64_t nth, enum rc code);

/* Calls of either port so far, failed ones included. */
uint64_t mem_store_calls(struct mem_store *store);

#endif
