#include "adapters/sqlite/sq_conn.h"

#include <stdio.h>

enum { BUSY_TIMEOUT_MS = 5000, BUSY_PAUSE_MS = 10, WAL_BYTES_KEPT = 64 << 20 };

/* What a code means to the caller; what isn't listed is RC_UNAVAILABLE. */
static const struct {
    int code;
    enum rc rc;
    size_t counter; /* in struct sq_health */
} code_map[] = {
    { SQLITE_FULL, RC_UNAVAILABLE, offsetof(struct sq_health, full) },
    { SQLITE_IOERR, RC_UNAVAILABLE, offsetof(struct sq_health, io) },
    { SQLITE_CANTOPEN, RC_UNAVAILABLE, offsetof(struct sq_health, io) },
    { SQLITE_READONLY, RC_UNAVAILABLE, offsetof(struct sq_health, io) },
    { SQLITE_BUSY, RC_UNAVAILABLE, offsetof(struct sq_health, busy) },
    { SQLITE_LOCKED, RC_UNAVAILABLE, offsetof(struct sq_health, busy) },
    { SQLITE_CONSTRAINT, RC_INVALID, offsetof(struct sq_health, other) },
    { SQLITE_TOOBIG, RC_INVALID, offsetof(struct sq_health, other) },
    { SQLITE_CORRUPT, RC_UNAVAILABLE, offsetof(struct sq_health, other) },
    { SQLITE_NOTADB, RC_UNAVAILABLE, offsetof(struct sq_health, other) },
};

enum rc sq_rc(struct sq_conn *conn, int code)
{
    struct sq_health *health = conn->health;
    int primary = code & 0xff;
    size_t counter = offsetof(struct sq_health, other);
    enum rc rc = RC_UNAVAILABLE;

    if (primary == SQLITE_OK || primary == SQLITE_ROW || primary == SQLITE_DONE)
        return RC_OK;
    if (primary == SQLITE_NOMEM)
        return RC_NOMEM; /* mostly the caller's arena: nothing that is wrong with the store */
    for (size_t i = 0; i < COUNT_OF(code_map); i++) {
        if (code_map[i].code != primary)
            continue;
        rc = code_map[i].rc;
        counter = code_map[i].counter;
    }
    atomic_fetch_add((_Atomic uint64_t *)((char *)health + counter), 1);
    if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB)
        atomic_store(&health->is_corrupt, true);
    (void)pthread_mutex_lock(&health->lock);
    (void)snprintf(health->last_error, sizeof health->last_error, "%s (%d)", sqlite3_errstr(code),
                   code);
    (void)pthread_mutex_unlock(&health->lock);
    return rc;
}

enum rc sq_exec(struct sq_conn *conn, const char *sql)
{
    return sq_rc(conn, sqlite3_exec(conn->db, sql, NULL, NULL, NULL));
}

static int ask_for_wal(struct sq_conn *conn, bool *out_is_wal)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(conn->db, "PRAGMA journal_mode=WAL", -1, &stmt, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(stmt);
    if (code == SQLITE_ROW)
        *out_is_wal = strcmp((const char *)sqlite3_column_text(stmt, 0), "wal") == 0;
    (void)sqlite3_finalize(stmt); /* tells the same code again */
    return code;
}

/* WAL can be refused without an error (some file systems), so the answer is read back. When two
 * processes open a new file at once, the switch is refused as busy at once, whatever the busy
 * time-out is: hence the tries. */
static enum rc use_wal(struct sq_conn *conn)
{
    const struct timespec pause = { 0, BUSY_PAUSE_MS * 1000000L };
    bool is_wal = false;
    int code = ask_for_wal(conn, &is_wal);
    for (int waited_ms = 0; (code & 0xff) == SQLITE_BUSY && waited_ms < BUSY_TIMEOUT_MS;
         waited_ms += BUSY_PAUSE_MS) {
        (void)nanosleep(&pause, NULL); /* a shorter pause is harmless */
        code = ask_for_wal(conn, &is_wal);
    }
    TRY(sq_rc(conn, code));
    return is_wal ? RC_OK : RC_UNAVAILABLE;
}

static enum rc set_up(struct sq_conn *conn, const char *path)
{
    char text[64];
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    TRY(sq_rc(conn, sqlite3_open_v2(path, &conn->db, flags, NULL)));
    TRY(sq_rc(conn, sqlite3_busy_timeout(conn->db, BUSY_TIMEOUT_MS)));
    (void)sqlite3_db_config(conn->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)snprintf(text, sizeof text, "PRAGMA journal_size_limit=%d", WAL_BYTES_KEPT);
    TRY(sq_exec(conn, "PRAGMA trusted_schema=OFF"));
    TRY(use_wal(conn));
    TRY(sq_exec(conn, "PRAGMA synchronous=FULL"));
    TRY(sq_exec(conn, "PRAGMA foreign_keys=ON"));
    TRY(sq_exec(conn, "PRAGMA cache_size=-4096"));        /* KiB; the kernel has the pages anyway */
    TRY(sq_exec(conn, "PRAGMA wal_autocheckpoint=4000")); /* 16 MB: a batch of 500 is about 1 MB */
    return sq_exec(conn, text);
}

enum rc sq_conn_open(struct sq_conn *conn, const char *path, struct sq_health *health)
{
    *conn = (struct sq_conn){ .health = health };
    enum rc rc = set_up(conn, path);
    if (rc != RC_OK)
        sq_conn_close(conn);
    return rc;
}

void sq_conn_close(struct sq_conn *conn)
{
    for (int i = 0; i < SQL_COUNT; i++)
        (void)sqlite3_finalize(conn->statements[i]); /* tells an old error again */
    (void)sqlite3_close(conn->db);
    *conn = (struct sq_conn){ .health = conn->health };
}

struct sq_query sq_begin(struct sq_conn *conn, enum sq_sql sql)
{
    struct sq_query q = { .conn = conn, .code = SQLITE_OK, .put_at = 1 };
    if (!conn->statements[sql])
        q.code = sqlite3_prepare_v3(conn->db, sq_sql_text(sql), -1, SQLITE_PREPARE_PERSISTENT,
                                    &conn->statements[sql], NULL);
    q.stmt = conn->statements[sql];
    return q;
}

static void keep_code(struct sq_query *q, int code)
{
    if (q->code == SQLITE_OK)
        q->code = code;
}

void sq_put_int(struct sq_query *q, int64_t value)
{
    if (q->code == SQLITE_OK)
        keep_code(q, sqlite3_bind_int64(q->stmt, q->put_at++, value));
}

void sq_put_null(struct sq_query *q)
{
    if (q->code == SQLITE_OK)
        keep_code(q, sqlite3_bind_null(q->stmt, q->put_at++));
}

void sq_put_seq(struct sq_query *q, uint64_t seq)
{
    sq_put_int(q, seq > INT64_MAX ? INT64_MAX : (int64_t)seq);
}

void sq_put_seq_or_null(struct sq_query *q, uint64_t seq)
{
    if (seq)
        sq_put_seq(q, seq);
    else
        sq_put_null(q);
}

void sq_put_text(struct sq_query *q, struct bytes text)
{
    const char *ptr = text.len ? (const char *)text.ptr : "";
    if (q->code == SQLITE_OK)
        keep_code(q, sqlite3_bind_text64(q->stmt, q->put_at++, ptr, text.len, SQLITE_STATIC,
                                         SQLITE_UTF8));
}

void sq_put_text_or_null(struct sq_query *q, struct bytes text)
{
    if (text.len)
        sq_put_text(q, text);
    else
        sq_put_null(q);
}

void sq_put_name_or_null(struct sq_query *q, const char *name)
{
    sq_put_text_or_null(q, bytes_of(name));
}

void sq_put_id(struct sq_query *q, const struct id *id)
{
    sq_put_text(q, id_bytes(id));
}

void sq_put_id_or_null(struct sq_query *q, const struct id *id)
{
    sq_put_text_or_null(q, id_bytes(id));
}

void sq_put_blob(struct sq_query *q, const void *ptr, size_t len)
{
    if (q->code == SQLITE_OK)
        keep_code(q, sqlite3_bind_blob64(q->stmt, q->put_at++, ptr, len, SQLITE_STATIC));
}

bool sq_next(struct sq_query *q)
{
    if (q->code != SQLITE_OK)
        return false;
    int code = sqlite3_step(q->stmt);
    q->get_at = 0;
    if (code == SQLITE_ROW)
        return true;
    keep_code(q, code == SQLITE_DONE ? SQLITE_OK : code);
    return false;
}

int64_t sq_get_int(struct sq_query *q)
{
    return sqlite3_column_int64(q->stmt, q->get_at++);
}

uint64_t sq_get_seq(struct sq_query *q)
{
    return (uint64_t)sq_get_int(q);
}

struct bytes sq_peek_text(struct sq_query *q)
{
    int column = q->get_at++;
    const void *ptr = sqlite3_column_text(q->stmt, column); /* before bytes: it may convert */
    return bytes_make(ptr, (size_t)sqlite3_column_bytes(q->stmt, column));
}

struct bytes sq_get_text(struct sq_query *q, struct arena *arena)
{
    struct bytes text = sq_peek_text(q);
    if (text.len == 0)
        return (struct bytes){ NULL, 0 };
    struct bytes copy = arena_copy(arena, text);
    if (!copy.ptr)
        keep_code(q, SQLITE_NOMEM);
    return copy;
}

struct id sq_get_id(struct sq_query *q)
{
    struct id id = { 0 };
    struct bytes text = sq_peek_text(q);
    if (text.len && !id_read(text, &id))
        keep_code(q, SQLITE_CORRUPT); /* only checked ids were ever written */
    return id;
}

void sq_get_blob(struct sq_query *q, void *out, size_t len)
{
    int column = q->get_at++;
    const void *ptr = sqlite3_column_blob(q->stmt, column);
    memset(out, 0, len);
    if (ptr && (size_t)sqlite3_column_bytes(q->stmt, column) == len)
        memcpy(out, ptr, len);
}

enum rc sq_end(struct sq_query *q)
{
    if (q->stmt) {
        (void)sqlite3_reset(q->stmt); /* tells what step told */
        (void)sqlite3_clear_bindings(q->stmt);
    }
    return sq_rc(q->conn, q->code);
}

enum rc sq_end_full(struct sq_query *q)
{
    q->code = SQLITE_NOMEM;
    return sq_end(q);
}

enum rc sq_run(struct sq_query *q)
{
    while (sq_next(q))
        ;
    return sq_end(q);
}

enum rc sq_run_changes(struct sq_query *q, int *out_changes)
{
    TRY(sq_run(q));
    *out_changes = sqlite3_changes(q->conn->db);
    return RC_OK;
}

bool sq_one(struct sq_query *q, enum rc *rc)
{
    if (sq_next(q))
        return true;
    *rc = sq_end(q);
    if (*rc == RC_OK)
        *rc = RC_NOT_FOUND;
    return false;
}
