/* mem_parts.h - what the files of the memory store share. */
#ifndef ADAPTERS_MEM_PARTS_H
#define ADAPTERS_MEM_PARTS_H

#include "adapters/mem/mem_room.h"
#include "adapters/mem/mem_store.h"

#include <pthread.h>

struct mem_partition {
    uint32_t generation, partition;
    uint64_t applied, emitted;
};

struct mem_request {
    struct id user;
    struct bytes key, body;
    uint8_t hash[16];
    int status;
    int64_t expires_at_us;
};

struct mem_store {
    pthread_mutex_t lock;   /* everything below */
    struct arena kept;      /* text of events and names: given back only with the store */
    struct mem_room *rooms; /* by id */
    size_t room_count, event_count;
    struct mem_partition *partitions;
    size_t partition_count;
    struct user_feed_entry *feed; /* one a (user, conversation) */
    size_t feed_count;
    struct user *users; /* by id */
    size_t user_count;
    struct mem_request *requests;
    size_t request_count;
    struct account *accounts; /* by username_key */
    size_t account_count;
    struct session *sessions;
    size_t session_count;
    struct mailed_secret *mailed;
    size_t mailed_count;
    bool is_away;
    uint64_t calls, fail_at; /* fail_at: the value of calls at which to fail; 0: never */
    enum rc fail_code;
    struct message_store messages;
    struct directory_store directory;
    struct account_store accounts_port;
};

/* Begins a call: takes the lock, and fails it if a test wants so (the lock is given back then). */
MUST_CHECK enum rc mem_begin(struct mem_store *store);
/* Ends a call with its code. */
enum rc mem_end(struct mem_store *store, enum rc rc);

/* A copy of the array with room for one more at `at`; the old one is freed. NULL: memory is short.
 */
void *mem_insert(void *items, size_t item_bytes, size_t *count, size_t at);

/* strcmp over ids: the order of all lists. NULL is before everything. */
int mem_compare_ids(const struct id *a, const struct id *b);

/* Whether the text is in it, ASCII letters of either case being the same. */
bool mem_contains(struct bytes in, struct bytes text);

MUST_CHECK enum rc mem_keep(struct mem_store *store, struct bytes text, struct bytes *out);
MUST_CHECK enum rc mem_copy(struct arena *arena, struct bytes *text); /* in place */
MUST_CHECK enum rc mem_copy_event(struct arena *arena, struct event *event);

/* Takes the item out of the array. */
void mem_remove(void *items, size_t item_bytes, size_t *count, size_t at);

struct mem_room *mem_find_room(const struct mem_store *store, const struct id *id);

void mem_apply_init(struct mem_store *store);
void mem_reading_init(struct mem_store *store);
void mem_listing_init(struct mem_store *store);
void mem_directory_init(struct mem_store *store);
void mem_accounts_init(struct mem_store *store);
void mem_sessions_init(struct mem_store *store);
/* Sessions and mailed secrets of a user. */
void mem_drop_of_user(struct mem_store *store, const struct id *user);

#endif
