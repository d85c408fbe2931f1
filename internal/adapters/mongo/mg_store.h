/* mg_store.h - what the files of the MongoDB store share: the store, calls handed out, lists. */
#ifndef ADAPTERS_MONGO_MG_STORE_H
#define ADAPTERS_MONGO_MG_STORE_H

#include "adapters/mongo/mg_call.h"
#include "adapters/mongo/mg_doc.h"
#include "adapters/mongo/mongo_store.h"

struct mongo_store {
    mongoc_client_pool_t *pool;
    char *database;
    bool makes_indexes;
    struct mg_health health;
    pthread_mutex_t check_lock;
    _Atomic bool is_checked; /* indexes and version were found right */
    _Atomic bool is_wrong;   /* they were found wrong: why says what; under check_lock */
    char why[192];
    int64_t next_check_ms; /* under check_lock */
    struct message_store messages;
    struct directory_store directory;
    struct account_store accounts;
};

/* Takes a connection, and looks at the server if nobody has yet. RC_UNAVAILABLE: none is free, the
 * server can't be looked at, or was found wrong. */
MUST_CHECK enum rc mg_begin(struct mongo_store *store, struct mg_call *out_call);
/* Gives it back, and passes the code through. */
enum rc mg_end(struct mongo_store *store, struct mg_call *call, enum rc rc);
/* The same, but for those who look at the server themselves. */
MUST_CHECK enum rc mg_begin_unchecked(struct mongo_store *store, struct mg_call *out_call);

/* mg_schema.c. errors as in mongo_store.h; they write the fault. */
MUST_CHECK enum rc mg_schema_init(struct mg_call *call, struct fault *fault);
MUST_CHECK enum rc mg_schema_check(struct mg_call *call, struct fault *fault);
MUST_CHECK enum rc mg_schema_has_ttl(struct mg_call *call, bool *out_has_ttl);

/* Parts of filters: {name: {"$gt": after, "$lte": until}}; {name: {"$in": [texts or seqs]}}. */
void mg_put_range(bson_t *filter, const char *name, uint64_t after, uint64_t until);
void mg_put_text_range(bson_t *filter, const char *name, const char *after_op, const char *after,
                       const char *until_op, const char *until);
void mg_put_seqs_in(bson_t *filter, const char *name, const uint64_t *seqs, size_t count);
/* texts: `count` NUL-terminated texts, each `stride` bytes after the one before. */
void mg_put_texts_in(bson_t *filter, const char *name, const char *texts, size_t stride,
                     size_t count);
/* Options of a find: sort by one or two fields (second may be NULL), 1 or -1; limit 0: none. */
void mg_put_order(bson_t *opts, const char *first, const char *second, int way, size_t limit);

/* A list that grows in an arena, to at most `limit` (0: only the arena bounds it). Growth moves. */
struct mg_list {
    struct arena *arena;
    size_t item_bytes, limit;
    void *items;
    size_t count, cap;
};
void *mg_list_add(struct mg_list *list); /* zeroed; NULL when the arena or the list is full */

/* Whether the text is in it, ASCII letters of either case being the same. */
bool mg_contains(struct bytes in, struct bytes text);

/* A document that isn't one of ours was met: counts it, passes the code through. */
enum rc mg_document(struct mg_call *call, enum rc rc);

/* The first document that matches, as an event. RC_NOT_FOUND. order: options of the find, or NULL.
 */
MUST_CHECK enum rc mg_one_event(struct mg_call *call, const bson_t *filter, const bson_t *opts,
                                struct arena *arena, struct mg_event *out);
MUST_CHECK enum rc mg_event_at(struct mg_call *call, const struct id *conversation, uint64_t seq,
                               struct arena *arena, struct mg_event *out);

/* The ports' functions, by file. */
enum rc mg_apply(void *self, const struct store_batch *batch, struct applied_result *results);

void mg_progress_init(struct mongo_store *store);
void mg_messages_init(struct mongo_store *store);
void mg_lookups_init(struct mongo_store *store);
void mg_listing_init(struct mongo_store *store);
void mg_directory_init(struct mongo_store *store);
void mg_accounts_init(struct mongo_store *store);
void mg_sessions_init(struct mongo_store *store);

/* mg_progress.c, within a call */
MUST_CHECK enum rc mg_read_applied(struct mg_call *call, uint32_t generation, uint32_t partition,
                                   uint64_t *out_applied, uint64_t *out_emitted);
MUST_CHECK enum rc mg_move_applied(struct mg_call *call, const struct store_batch *batch);

/* mg_rows.c: what edits, deletions and pins made of messages that were read; events read too. */
MUST_CHECK enum rc mg_fill_rows(struct mg_call *call, const struct id *conversation,
                                struct arena *arena, struct message_row *rows, size_t count);
/* Which of the seqs are deleted, or count for one that is: is_deleted[i]. */
MUST_CHECK enum rc mg_find_deleted(struct mg_call *call, const struct id *conversation,
                                   const uint64_t *seqs, size_t count, bool *is_deleted);
/* Where an event carries no prev: the row before it. Events ascending or not. */
MUST_CHECK enum rc mg_fill_prev(struct mg_call *call, const struct id *conversation,
                                struct event *event);

#endif
