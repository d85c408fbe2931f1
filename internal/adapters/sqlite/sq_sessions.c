/* sq_sessions.c - sessions and mailed secrets: ports/account_store.h. */
#include "adapters/sqlite/sq_store.h"

enum { SWEEP_ROWS_MAX = 1000 };

static const struct id no_id;

static enum rc add_session(void *self, const struct session *s)
{
    struct sq_conn *conn;
    TRY(sq_write_begin(self, &conn));
    struct sq_query q = sq_begin(conn, SQL_SESSION_ADD);
    sq_put_id(&q, &s->id);
    sq_put_id(&q, &s->user);
    sq_put_text(&q, s->device);
    sq_put_text(&q, s->device_id);
    sq_put_text(&q, s->range);
    sq_put_int(&q, s->created_at_us);
    sq_put_int(&q, s->seen_at_us);
    sq_put_int(&q, s->expires_at_us);
    sq_put_int(&q, s->ends_at_us);
    sq_put_blob(&q, s->family, sizeof s->family);
    sq_put_blob(&q, s->refresh, sizeof s->refresh);
    sq_put_blob(&q, s->previous, sizeof s->previous);
    sq_put_blob(&q, s->salt, sizeof s->salt);
    sq_put_int(&q, s->turned_at_us);
    return sq_write_end(self, sq_run(&q));
}

static void get_session(struct sq_query *q, struct arena *arena, struct session *out)
{
    out->id = sq_get_id(q);
    out->user = sq_get_id(q);
    out->device = sq_get_text(q, arena);
    out->device_id = sq_get_text(q, arena);
    out->range = sq_get_text(q, arena);
    out->created_at_us = sq_get_int(q);
    out->seen_at_us = sq_get_int(q);
    out->expires_at_us = sq_get_int(q);
    out->ends_at_us = sq_get_int(q);
    sq_get_blob(q, out->family, sizeof out->family);
    sq_get_blob(q, out->refresh, sizeof out->refresh);
    sq_get_blob(q, out->previous, sizeof out->previous);
    sq_get_blob(q, out->salt, sizeof out->salt);
    out->turned_at_us = sq_get_int(q);
}

static enum rc read_session(struct sq_conn *conn, const struct id *id, struct arena *arena,
                            struct session *out)
{
    struct session found = { .turned_at_us = 0 };
    enum rc rc;
    struct sq_query q = sq_begin(conn, SQL_SESSION_GET);
    sq_put_id(&q, id);
    if (!sq_one(&q, &rc))
        return rc;
    get_session(&q, arena, &found);
    TRY(sq_end(&q));
    *out = found;
    return RC_OK;
}

static enum rc session(void *self, const struct id *id, struct arena *arena, struct session *out)
{
    struct sq_conn *conn;
    TRY(sq_read_begin(self, &conn));
    return sq_read_end(self, conn, read_session(conn, id, arena, out));
}

static enum rc read_sessions(struct sq_conn *conn, const struct id *user, int64_t now_us,
                             struct sq_list *list)
{
    struct sq_query q = sq_begin(conn, SQL_SESSIONS_OF);
    sq_put_id(&q, user);
    sq_put_int(&q, now_us);
    sq_put_seq(&q, list->limit);
    while (sq_next(&q)) {
        struct session *item = sq_list_add(list);
        if (!item)
            return sq_end_full(&q);
        get_session(&q, list->arena, item);
    }
    return sq_end(&q);
}

static enum rc sessions_of(void *self, const struct id *user, int64_t now_us, size_t limit,
                           struct arena *arena, struct session **out, size_t *out_count)
{
    struct sq_list list = { .arena = arena, .item_bytes = sizeof **out, .limit = limit };
    struct sq_conn *conn;
    TRY(sq_read_begin(self, &conn));
    TRY(sq_read_end(self, conn, read_sessions(conn, user, now_us, &list)));
    *out = list.items;
    *out_count = list.count;
    return RC_OK;
}

static enum rc turn_session(void *self, const uint8_t expected[SECRET_HASH_BYTES],
                            const struct session *turned)
{
    struct sq_conn *conn;
    int changes = 0;
    TRY(sq_write_begin(self, &conn));
    struct sq_query q = sq_begin(conn, SQL_SESSION_TURN);
    sq_put_id(&q, &turned->id);
    sq_put_blob(&q, expected, SECRET_HASH_BYTES);
    sq_put_blob(&q, turned->refresh, sizeof turned->refresh);
    sq_put_blob(&q, turned->previous, sizeof turned->previous);
    sq_put_blob(&q, turned->salt, sizeof turned->salt);
    sq_put_int(&q, turned->turned_at_us);
    sq_put_int(&q, turned->seen_at_us);
    sq_put_int(&q, turned->expires_at_us);
    sq_put_text(&q, turned->range);
    TRY(sq_write_end(self, sq_run_changes(&q, &changes)));
    return changes ? RC_OK : RC_CONFLICT;
}

static enum rc end_session(void *self, const struct id *user, const struct id *id)
{
    struct sq_conn *conn;
    int changes = 0;
    TRY(sq_write_begin(self, &conn));
    struct sq_query q = sq_begin(conn, SQL_SESSION_END);
    sq_put_id(&q, id);
    sq_put_id(&q, user);
    TRY(sq_write_end(self, sq_run_changes(&q, &changes)));
    return changes ? RC_OK : RC_NOT_FOUND;
}

static enum rc end_sessions(void *self, const struct id *user, const struct id *spared)
{
    struct sq_conn *conn;
    TRY(sq_write_begin(self, &conn));
    struct sq_query q = sq_begin(conn, SQL_SESSIONS_END);
    sq_put_id(&q, user);
    sq_put_id(&q, spared ? spared : &no_id);
    return sq_write_end(self, sq_run(&q));
}

/* ---- mailed secrets ---- */

static enum rc put_mailed(void *self, const struct mailed_secret *secret)
{
    struct sq_conn *conn;
    TRY(sq_write_begin(self, &conn));
    struct sq_query q = sq_begin(conn, SQL_MAILED_PUT);
    sq_put_int(&q, secret->use);
    sq_put_id(&q, &secret->user);
    sq_put_blob(&q, secret->hash, sizeof secret->hash);
    sq_put_text(&q, secret->email);
    sq_put_text(&q, secret->email_key);
    sq_put_int(&q, secret->expires_at_us);
    return sq_write_end(self, sq_run(&q));
}

static enum rc take_locked(struct sq_conn *conn, int64_t now_us, struct arena *arena,
                           struct mailed_secret *secret)
{
    enum rc rc;
    struct sq_query q = sq_begin(conn, SQL_MAILED_GET);
    sq_put_int(&q, secret->use);
    sq_put_blob(&q, secret->hash, sizeof secret->hash);
    sq_put_int(&q, now_us);
    if (!sq_one(&q, &rc))
        return rc;
    secret->user = sq_get_id(&q);
    secret->email = sq_get_text(&q, arena);
    secret->email_key = sq_get_text(&q, arena);
    secret->expires_at_us = sq_get_int(&q);
    TRY(sq_end(&q));
    q = sq_begin(conn, SQL_MAILED_REMOVE);
    sq_put_int(&q, secret->use);
    sq_put_blob(&q, secret->hash, sizeof secret->hash);
    return sq_run(&q);
}

static enum rc take_mailed(void *self, enum mailed_use use, const uint8_t hash[SECRET_HASH_BYTES],
                           int64_t now_us, struct arena *arena, struct mailed_secret *out)
{
    struct mailed_secret secret = { .use = use };
    struct sq_conn *conn;
    memcpy(secret.hash, hash, sizeof secret.hash);
    TRY(sq_write_begin(self, &conn));
    TRY(sq_write_end(self, take_locked(conn, now_us, arena, &secret)));
    *out = secret;
    return RC_OK;
}

/* ---- the sweep ---- */

static enum rc sweep_rows(struct sq_conn *conn, enum sq_sql sql, int64_t now_us)
{
    struct sq_query q = sq_begin(conn, sql);
    sq_put_int(&q, now_us);
    sq_put_int(&q, SWEEP_ROWS_MAX);
    return sq_run(&q);
}

static enum rc sweep(void *self, int64_t now_us)
{
    struct sq_conn *conn;
    TRY(sq_write_begin(self, &conn));
    enum rc rc = sweep_rows(conn, SQL_SESSION_SWEEP, now_us);
    if (rc == RC_OK)
        rc = sweep_rows(conn, SQL_MAILED_SWEEP, now_us);
    return sq_write_end(self, rc);
}

void sq_sessions_init(struct sqlite_store *store)
{
    struct account_store *port = &store->accounts;
    port->add_session = add_session;
    port->session = session;
    port->sessions_of = sessions_of;
    port->turn_session = turn_session;
    port->end_session = end_session;
    port->end_sessions = end_sessions;
    port->put_mailed = put_mailed;
    port->take_mailed = take_mailed;
    port->sweep = sweep;
}
