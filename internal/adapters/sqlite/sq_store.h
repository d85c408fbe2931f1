/* sq_store.h - what the files of the SQLite store share: connections handed out, rows as values. */
#ifndef ADAPTERS_SQLITE_SQ_STORE_H
#define ADAPTERS_SQLITE_SQ_STORE_H

#include "adapters/sqlite/sq_conn.h"
#include "adapters/sqlite/sqlite_store.h"

enum { READERS_MAX = 64, PARTITIONS_MAX = 1024, SEQ_BITS = 53 };

struct sqlite_store {
    char *path;
    struct sq_health health;
    pthread_mutex_t write_lock;
    struct sq_conn writer; /* under write_lock */
    pthread_mutex_t pool_lock;
    pthread_cond_t pool_cond;
    struct sq_conn *idle[READERS_MAX]; /* under pool_lock, as the counts; the last used is first */
    uint32_t idle_count, open_count, readers_max;
    struct sq_conn readers[READERS_MAX];
    struct message_store messages;
    struct directory_store directory;
    struct account_store accounts;
};

/* A transaction of the writer: begin takes the lock, end commits when rc is RC_OK (else rolls
 * back), gives the lock back, and returns rc or why the commit failed. */
MUST_CHECK enum rc sq_write_begin(struct sqlite_store *store, struct sq_conn **out_conn);
MUST_CHECK enum rc sq_write_end(struct sqlite_store *store, enum rc rc);

/* One snapshot of the data on a connection of one's own. */
MUST_CHECK enum rc sq_read_begin(struct sqlite_store *store, struct sq_conn **out_conn);
MUST_CHECK enum rc sq_read_end(struct sqlite_store *store, struct sq_conn *conn, enum rc rc);

/* Rows as values; text in the arena. The conversation's id isn't in an event's row. */
void sq_get_event(struct sq_query *q, const struct id *conversation, struct arena *arena,
                  struct event *out);
void sq_get_message(struct sq_query *q, const struct id *conversation, struct arena *arena,
                    struct message_row *out);
void sq_get_conversation(struct sq_query *q, struct arena *arena, int64_t *out_no,
                         struct conversation *out);
void sq_get_membership(struct sq_query *q, struct membership *out);
enum event_kind sq_get_kind(struct sq_query *q);

/* The conversation's number; RC_NOT_FOUND. */
MUST_CHECK enum rc sq_conversation_no(struct sq_conn *conn, const struct id *id, int64_t *out_no);

/* A list that grows in an arena while rows come, to at most `limit`. Items are moved by growth. */
struct sq_list {
    struct arena *arena;
    size_t item_bytes, limit;
    void *items;
    size_t count, cap;
};
void *sq_list_add(struct sq_list *list); /* zeroed; NULL when the arena is full */

/* The ports' functions, by file. */
enum rc sq_apply(void *self, const struct store_batch *batch, struct applied_result *results);
enum rc sq_applied(void *self, uint32_t generation, uint32_t partition, uint64_t *out_seq);
enum rc sq_emitted(void *self, uint32_t generation, uint32_t partition, uint64_t *out_seq);
enum rc sq_set_emitted(void *self, uint32_t generation, uint32_t partition, uint64_t seq);

enum rc sq_events(void *self, const struct id *conversation, uint64_t after, uint64_t until,
                  size_t limit, struct arena *arena, struct event **out, size_t *out_count);
enum rc sq_messages(void *self, const struct message_query *query, struct arena *arena,
                    struct message_row **out, size_t *out_count);
enum rc sq_message(void *self, const struct id *conversation, uint64_t seq, struct arena *arena,
                   struct message_row *out);
enum rc sq_message_by_client_id(void *self, const struct id *conversation, const struct id *sender,
                                const struct id *client_id, struct arena *arena,
                                struct message_row *out);
enum rc sq_event_by_client_id(void *self, const struct id *conversation, char op,
                              const struct id *actor, const struct id *client_id,
                              struct arena *arena, struct event *out);
enum rc sq_scan(void *self, uint32_t partition, uint64_t after, uint64_t until,
                bool (*each)(void *closure, uint64_t seq, const struct id *conversation,
                             enum event_kind kind),
                void *closure);

enum rc sq_conversation(void *self, const struct id *id, struct arena *arena,
                        struct conversation *out);
enum rc sq_membership(void *self, const struct id *conversation, const struct id *user,
                      struct membership *out);
enum rc sq_members(void *self, const struct id *conversation, const struct id *after, size_t limit,
                   struct arena *arena, struct membership **out, size_t *out_count);
enum rc sq_conversations_of(void *self, const struct id *user, const struct id *after, size_t limit,
                            bool is_brief, struct arena *arena, struct conversation_item **out,
                            size_t *out_count);
enum rc sq_channels(void *self, struct bytes query, const struct id *after, size_t limit,
                    struct arena *arena, struct conversation **out, size_t *out_count);
enum rc sq_user_feed(void *self, const struct id *user, uint64_t after, size_t limit,
                     struct arena *arena, struct user_feed_entry **out, size_t *out_count);

/* Fills in the directory's functions (sq_directory.c). */
void sq_directory_init(struct sqlite_store *store);
/* The same of accounts (sq_accounts.c, sq_sessions.c). */
void sq_accounts_init(struct sqlite_store *store);
void sq_sessions_init(struct sqlite_store *store);

#endif
