/* sq_directory.c - users and remembered requests. */
#include "adapters/sqlite/sq_store.h"

enum { SWEEP_ROWS_MAX = 1000 };

static const struct id no_id;

static enum rc put_user(struct sq_conn *conn, const struct user *user, bool only_if_new,
                        int64_t now_us, bool *out_is_new)
{
    int changes;
    struct sq_query q = sq_begin(conn, SQL_USER_ADD);
    sq_put_id(&q, &user->id);
    sq_put_text(&q, user->name);
    sq_put_int(&q, now_us);
    TRY(sq_run_changes(&q, &changes));
    *out_is_new = changes > 0;
    if (changes || only_if_new)
        return RC_OK;
    q = sq_begin(conn, SQL_USER_RENAME);
    sq_put_id(&q, &user->id);
    sq_put_text(&q, user->name);
    sq_put_int(&q, now_us);
    return sq_run(&q);
}

static enum rc put_users(void *self, const struct user *users, size_t count, bool only_if_new,
                         int64_t now_us, bool *is_new)
{
    struct sq_conn *conn;
    bool *news = calloc(count + 1, sizeof *news);
    if (!news)
        return RC_NOMEM;
    enum rc rc = sq_write_begin(self, &conn);
    if (rc == RC_OK) {
        for (size_t i = 0; i < count && rc == RC_OK; i++)
            rc = put_user(conn, &users[i], only_if_new, now_us, &news[i]);
        rc = sq_write_end(self, rc);
    }
    if (rc == RC_OK && is_new && count)
        memcpy(is_new, news, count * sizeof *news);
    free(news);
    return rc;
}

static void get_user(struct sq_query *q, struct arena *arena, struct user *out)
{
    out->id = sq_get_id(q);
    out->name = sq_get_text(q, arena);
    out->created_at_us = sq_get_int(q);
    out->updated_at_us = sq_get_int(q);
    out->is_deleted = sq_get_int(q) != 0;
}

static enum rc read_user(struct sq_conn *conn, const struct id *id, struct arena *arena,
                         struct user *out)
{
    struct user user = { 0 };
    enum rc rc;
    struct sq_query q = sq_begin(conn, SQL_USER_GET);
    sq_put_id(&q, id);
    if (!sq_one(&q, &rc))
        return rc;
    get_user(&q, arena, &user);
    TRY(sq_end(&q));
    *out = user;
    return RC_OK;
}

static enum rc user(void *self, const struct id *id, struct arena *arena, struct user *out)
{
    struct sq_conn *conn;
    TRY(sq_read_begin(self, &conn));
    return sq_read_end(self, conn, read_user(conn, id, arena, out));
}

static enum rc read_users(struct sq_conn *conn, struct bytes query, const struct id *after,
                          struct sq_list *list)
{
    struct sq_query q = sq_begin(conn, SQL_USERS);
    sq_put_id(&q, after ? after : &no_id);
    sq_put_text(&q, query);
    sq_put_seq(&q, list->limit);
    while (sq_next(&q)) {
        struct user *item = sq_list_add(list);
        if (!item)
            return sq_end_full(&q);
        get_user(&q, list->arena, item);
    }
    return sq_end(&q);
}

static enum rc users(void *self, struct bytes query, const struct id *after, size_t limit,
                     struct arena *arena, struct user **out, size_t *out_count)
{
    struct sq_list list = { .arena = arena, .item_bytes = sizeof **out, .limit = limit };
    struct sq_conn *conn;
    TRY(sq_read_begin(self, &conn));
    TRY(sq_read_end(self, conn, read_users(conn, query, after, &list)));
    *out = list.items;
    *out_count = list.count;
    return RC_OK;
}

static enum rc erase_user(void *self, const struct id *id, int64_t now_us)
{
    struct sq_conn *conn;
    TRY(sq_write_begin(self, &conn));
    struct sq_query q = sq_begin(conn, SQL_USER_ERASE);
    sq_put_id(&q, id);
    sq_put_int(&q, now_us);
    return sq_write_end(self, sq_run(&q));
}

static enum rc read_request(struct sq_conn *conn, const struct id *user_id, struct bytes key,
                            int64_t now_us, struct arena *arena, uint8_t out_hash[16],
                            int *out_status, struct bytes *out_body)
{
    uint8_t hash[16];
    enum rc rc;
    struct sq_query q = sq_begin(conn, SQL_REQUEST_GET);
    sq_put_id(&q, user_id);
    sq_put_text(&q, key);
    sq_put_int(&q, now_us);
    if (!sq_one(&q, &rc))
        return rc;
    sq_get_blob(&q, hash, sizeof hash);
    int status = (int)sq_get_int(&q);
    struct bytes body = sq_get_text(&q, arena);
    TRY(sq_end(&q));
    memcpy(out_hash, hash, sizeof hash);
    *out_status = status;
    *out_body = body;
    return RC_OK;
}

static enum rc find_request(void *self, const struct id *user_id, struct bytes key, int64_t now_us,
                            struct arena *arena, uint8_t out_hash[16], int *out_status,
                            struct bytes *out_body)
{
    struct sq_conn *conn;
    TRY(sq_read_begin(self, &conn));
    return sq_read_end(
        self, conn,
        read_request(conn, user_id, key, now_us, arena, out_hash, out_status, out_body));
}

static enum rc put_request(void *self, const struct id *user_id, struct bytes key,
                           const uint8_t hash[16], int status, struct bytes body, int64_t now_us)
{
    struct sq_conn *conn;
    TRY(sq_write_begin(self, &conn));
    struct sq_query q = sq_begin(conn, SQL_REQUEST_PUT);
    sq_put_id(&q, user_id);
    sq_put_text(&q, key);
    sq_put_blob(&q, hash, 16);
    sq_put_int(&q, status);
    sq_put_text(&q, body);
    sq_put_int(&q, now_us + REQUEST_KEPT_US);
    sq_put_int(&q, now_us);
    return sq_write_end(self, sq_run(&q));
}

static enum rc sweep(void *self, int64_t now_us)
{
    struct sq_conn *conn;
    TRY(sq_write_begin(self, &conn));
    struct sq_query q = sq_begin(conn, SQL_REQUEST_SWEEP);
    sq_put_int(&q, now_us);
    sq_put_int(&q, SWEEP_ROWS_MAX);
    return sq_write_end(self, sq_run(&q));
}

void sq_directory_init(struct sqlite_store *store)
{
    store->directory = (struct directory_store){
        .self = store,
        .put_users = put_users,
        .user = user,
        .users = users,
        .erase_user = erase_user,
        .find_request = find_request,
        .put_request = put_request,
        .sweep = sweep,
    };
}
