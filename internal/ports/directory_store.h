/* directory_store.h - users and remembered requests. Blocking; worker threads. Errors as in
 * message_store.h. */
#ifndef PORTS_DIRECTORY_STORE_H
#define PORTS_DIRECTORY_STORE_H

#include "base/arena.h"
#include "domain/id.h"

enum { USER_NAME_BYTES_MAX = 128 };

#define REQUEST_KEPT_US (24LL * 3600 * 1000000)

struct user {
    struct id id;
    struct bytes name;
    int64_t created_at_us, updated_at_us;
    bool is_deleted;
};

struct directory_store {
    void *self;
    /* Makes users, or changes the name of those that exist; is_new[i] (may be NULL) says which.
     * With only_if_new an existing one keeps its name; a deleted one has none and gets none. One
     * transaction. Only id and name are read; created_at_us is now_us of the making, updated_at_us
     * of the making or the last new name. */
    enum rc (*put_users)(void *self, const struct user *users, size_t count, bool only_if_new,
                         int64_t now_us, bool *is_new);
    enum rc (*user)(void *self, const struct id *id, struct arena *arena,
                    struct user *out); /* RC_NOT_FOUND; a deleted one is found, and says so */
    /* Users whose id or name contains the text (case-insensitive ASCII), by id after `after` (may
     * be NULL); without the deleted ones. An empty text finds all. */
    enum rc (*users)(void *self, struct bytes query, const struct id *after, size_t limit,
                     struct arena *arena, struct user **out, size_t *out_count);
    /* The user is deleted: the name goes, the id stays taken. Unknown or deleted already: fine. */
    enum rc (*erase_user)(void *self, const struct id *id, int64_t now_us);
    /* Idempotency-Key: remembers status and body of the first answer for 24 h (REQUEST_KEPT_US); a
     * second put within them changes nothing. A key belongs to its user.
     * find: RC_NOT_FOUND, also when expired; the hash tells whether it is the same request. */
    enum rc (*find_request)(void *self, const struct id *user, struct bytes key, int64_t now_us,
                            struct arena *arena, uint8_t out_hash[16], int *out_status,
                            struct bytes *out_body);
    enum rc (*put_request)(void *self, const struct id *user, struct bytes key,
                           const uint8_t hash[16], int status, struct bytes body, int64_t now_us);
    enum rc (*sweep)(void *self, int64_t now_us); /* removes what has expired, a bounded number */
};

#endif
