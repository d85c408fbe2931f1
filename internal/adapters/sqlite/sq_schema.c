#include "adapters/sqlite/sq_schema.h"

#include <stdio.h>

enum { APPLICATION_ID = 0x50524c59 }; /* "PRLY", as `file` shows it */

/* Version 1.
 *
 * events: every seq of every conversation. The rowid is the conversation's number << 32 and a
 * count, so that what is read together lies together: measured against the order of arrival, a page
 * of 50 costs less than half and an insert the same.
 *
 * overlays: what edits, deletions and pins made of a message; may be there before it.
 *
 * operations: who asked for what with which id: the lowest seq of each (conversation, client id,
 * actor, operation, body). A message with the same ids and another body was acknowledged too, so it
 * is kept beside the first. Client ids mostly rise with time, hence their place in the key.
 *
 * aliases: doubles; what names `seq` means `first`.
 *
 * memberships: derived from the member events, which are found by events_of_member.
 *
 * Receipts and reactions will be tables of their own.
 */
static const char version_1[] =
    "CREATE TABLE conversations ("
    " no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, type TEXT, history TEXT, name TEXT,"
    " created_by TEXT, created_at_us INTEGER, created_seq INTEGER, updated_seq INTEGER,"
    " deleted_seq INTEGER, last_seq INTEGER NOT NULL) STRICT;"
    "CREATE INDEX channels ON conversations (id) WHERE type = 'channel' AND deleted_seq IS NULL;"

    "CREATE TABLE events ("
    " id INTEGER PRIMARY KEY, conversation INTEGER NOT NULL REFERENCES conversations (no),"
    " partition INTEGER NOT NULL, seq INTEGER NOT NULL, prev INTEGER, at_us INTEGER NOT NULL,"
    " kind TEXT NOT NULL, actor TEXT, client_id TEXT, target_seq INTEGER, of_seq INTEGER, "
    "thread_of INTEGER, user TEXT, role TEXT,"
    " type TEXT, history TEXT, name TEXT, emoji TEXT, reason TEXT, body_hash BLOB, payload TEXT)"
    " STRICT;"
    "CREATE UNIQUE INDEX events_in_order ON events (conversation, seq);"
    "CREATE UNIQUE INDEX events_in_partition ON events (partition, seq);"
    "CREATE INDEX events_in_time ON events (conversation, at_us, seq) WHERE kind = 'm';"
    "CREATE INDEX events_of_member ON events (conversation, user, seq) WHERE user IS NOT NULL;"

    "CREATE TABLE overlays ("
    " conversation INTEGER NOT NULL, seq INTEGER NOT NULL, edit_seq INTEGER, delete_seq INTEGER,"
    " pin_seq INTEGER, is_pinned INTEGER, PRIMARY KEY (conversation, seq)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE operations ("
    " conversation INTEGER NOT NULL, actor TEXT NOT NULL, client_id TEXT NOT NULL,"
    " op TEXT NOT NULL, body_hash BLOB NOT NULL, seq INTEGER NOT NULL,"
    " PRIMARY KEY (conversation, client_id, actor, op, body_hash)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE aliases ("
    " conversation INTEGER NOT NULL, seq INTEGER NOT NULL, first INTEGER NOT NULL,"
    " PRIMARY KEY (conversation, seq)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX aliases_of_first ON aliases (conversation, first);"

    "CREATE TABLE memberships ("
    " conversation TEXT NOT NULL, user TEXT NOT NULL, is_member INTEGER NOT NULL,"
    " role TEXT NOT NULL, joined_seq INTEGER NOT NULL, removed_seq INTEGER NOT NULL,"
    " changed_seq INTEGER NOT NULL, PRIMARY KEY (conversation, user)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX memberships_of_user ON memberships (user, conversation) WHERE is_member = 1;"

    "CREATE TABLE user_feed ("
    " user TEXT NOT NULL, conversation TEXT NOT NULL, feed_seq INTEGER NOT NULL,"
    " conversation_seq INTEGER NOT NULL, PRIMARY KEY (user, conversation)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE partitions ("
    " generation INTEGER NOT NULL, partition INTEGER NOT NULL, applied INTEGER NOT NULL,"
    " emitted INTEGER NOT NULL, PRIMARY KEY (generation, partition)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE users ("
    " id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, created_at_us INTEGER NOT NULL,"
    " updated_at_us INTEGER NOT NULL, is_deleted INTEGER NOT NULL) STRICT, WITHOUT ROWID;"

    "CREATE TABLE requests ("
    " user TEXT NOT NULL, key TEXT NOT NULL, hash BLOB NOT NULL, status INTEGER NOT NULL,"
    " body TEXT NOT NULL, expires_at_us INTEGER NOT NULL, PRIMARY KEY (user, key))"
    " STRICT, WITHOUT ROWID;"
    "CREATE INDEX requests_by_expiry ON requests (expires_at_us);";

/* Version 2: a user's feed in its own order, so that what is new in it is found without sorting it.
 */
static const char version_2[] = "CREATE INDEX user_feed_in_order ON user_feed (user, feed_seq);";

/* Version 3: accounts, their sessions, mailed secrets. Folded names are bytes to SQLite: the
 * folding is done before. */
static const char version_3[] =
    "CREATE TABLE accounts ("
    " user TEXT NOT NULL PRIMARY KEY, username TEXT NOT NULL, username_key TEXT NOT NULL UNIQUE,"
    " email TEXT, email_key TEXT UNIQUE, password TEXT NOT NULL, roles INTEGER NOT NULL,"
    " is_banned INTEGER NOT NULL, created_at_us INTEGER NOT NULL, password_at_us INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID;"

    "CREATE TABLE sessions ("
    " id TEXT NOT NULL PRIMARY KEY, user TEXT NOT NULL, device TEXT NOT NULL,"
    " device_id TEXT NOT NULL, range TEXT NOT NULL, created_at_us INTEGER NOT NULL,"
    " seen_at_us INTEGER NOT NULL, expires_at_us INTEGER NOT NULL, ends_at_us INTEGER NOT NULL,"
    " family BLOB NOT NULL, refresh BLOB NOT NULL, previous BLOB NOT NULL, salt BLOB NOT NULL,"
    " turned_at_us INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE INDEX sessions_of_user ON sessions (user, seen_at_us);"
    "CREATE INDEX sessions_by_expiry ON sessions (expires_at_us);"

    "CREATE TABLE mailed ("
    " use INTEGER NOT NULL, user TEXT NOT NULL, hash BLOB NOT NULL UNIQUE, email TEXT NOT NULL,"
    " email_key TEXT NOT NULL, expires_at_us INTEGER NOT NULL, PRIMARY KEY (use, user))"
    " STRICT, WITHOUT ROWID;"
    "CREATE INDEX mailed_by_expiry ON mailed (expires_at_us);";

/* Steps are only ever added at the end: a file of version n gets steps n + 1 and on. */
static const char *const steps[] = { version_1, version_2, version_3 };

static enum rc read_pragma(struct sq_conn *conn, const char *sql, int64_t *out_value)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(conn->db, sql, -1, &stmt, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(stmt);
    if (code == SQLITE_ROW)
        *out_value = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt); /* tells the same code again */
    return sq_rc(conn, code);
}

static enum rc begin_file(struct sq_conn *conn)
{
    char text[64];
    (void)snprintf(text, sizeof text, "PRAGMA application_id=%d", APPLICATION_ID);
    TRY(sq_exec(conn, text));
    return sq_exec(conn, "CREATE TABLE migrations (version INTEGER PRIMARY KEY,"
                         " made_at TEXT NOT NULL) STRICT");
}

static enum rc make_step(struct sq_conn *conn, int64_t version)
{
    char text[160];
    if (version == 0)
        TRY(begin_file(conn));
    TRY(sq_exec(conn, steps[version]));
    (void)snprintf(text, sizeof text,
                   "INSERT INTO migrations VALUES (%d, strftime('%%Y-%%m-%%dT%%H:%%M:%%SZ','now'));"
                   "PRAGMA user_version=%d",
                   (int)version + 1, (int)version + 1);
    return sq_exec(conn, text);
}

static enum rc check_file(struct sq_conn *conn, int64_t version, struct fault *fault)
{
    int64_t application = 0, objects = 0;
    TRY(read_pragma(conn, "PRAGMA application_id", &application));
    TRY(read_pragma(conn, "SELECT count(*) FROM sqlite_schema", &objects));
    bool is_ours = application == APPLICATION_ID || (version == 0 && objects == 0);
    if (!is_ours) {
        fault_set(fault, "store.url", "the file is a database of another program");
        return RC_INVALID;
    }
    if (version > (int64_t)COUNT_OF(steps)) {
        fault_set(fault, "store.url", "the store has version %d, this program knows up to %d",
                  (int)version, (int)COUNT_OF(steps));
        return RC_INVALID;
    }
    return RC_OK;
}

static enum rc migrate_locked(struct sq_conn *conn, struct fault *fault)
{
    int64_t version = 0;
    TRY(read_pragma(conn, "PRAGMA user_version", &version));
    TRY(check_file(conn, version, fault));
    for (; version < (int64_t)COUNT_OF(steps); version++)
        TRY(make_step(conn, version));
    return RC_OK;
}

enum rc sq_schema_migrate(struct sq_conn *conn, struct fault *fault)
{
    int64_t version = 0;
    TRY(read_pragma(conn, "PRAGMA user_version", &version));
    if (version == (int64_t)COUNT_OF(steps)) /* nothing to write: opens though another one writes */
        return check_file(conn, version, fault);
    TRY(sq_exec(conn, "BEGIN IMMEDIATE")); /* one process at a time; the others find it done */
    enum rc rc = migrate_locked(conn, fault);
    if (rc == RC_OK)
        return sq_exec(conn, "COMMIT");
    (void)sqlite3_exec(conn->db, "ROLLBACK", NULL, NULL, NULL); /* what failed is told below */
    return rc;
}
