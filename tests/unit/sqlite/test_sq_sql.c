/* Each statement of the SQLite store is one that SQLite takes, and reads by an index.
 *
 * Without ANALYZE the planner goes by the schema alone, so what it plans for empty tables it plans
 * for full ones. A statement that walks a table or sorts must be on the list of those that may.
 */
#include "adapters/sqlite/sq_conn.h"
#include "adapters/sqlite/sq_sql.h"
#include "adapters/sqlite/sqlite_store.h"
#include "support/check.h"
#include "support/scratch.h"

#include <sqlite3.h>
#include <stdlib.h>

/* These search text. */
static bool may_walk(enum sq_sql sql)
{
    return sql == SQL_CHANNELS || sql == SQL_USERS || sql == SQL_PING;
}

static bool may_sort(enum sq_sql sql)
{
    return sql == SQL_PEER_OF || sql == SQL_EVENT_BY_OPERATION;
}

static void check_line(enum sq_sql sql, const char *line)
{
    if (strncmp(line, "SCAN ", 5) == 0 && strstr(line, "CONSTANT ROW") == NULL && !may_walk(sql))
        fail_msg("walks a table: %s\n%s", line, sq_sql_text(sql));
    if (strstr(line, "TEMP B-TREE") != NULL && !may_sort(sql))
        fail_msg("sorts: %s\n%s", line, sq_sql_text(sql));
}

static void check_plan(sqlite3 *db, enum sq_sql sql)
{
    sqlite3_stmt *stmt;
    char *text = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sq_sql_text(sql));
    if (sqlite3_prepare_v2(db, text, -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sqlite3_errmsg(db), sq_sql_text(sql));
    while (sqlite3_step(stmt) == SQLITE_ROW)
        check_line(sql, (const char *)sqlite3_column_text(stmt, 3));
    CHECK_INT(SQLITE_OK, sqlite3_finalize(stmt));
    sqlite3_free(text);
}

static sqlite3 *open_tables(const struct scratch *scratch)
{
    char path[512];
    sqlite3 *db;
    struct sqlite_store *store;
    scratch_file(scratch, "store.db", path, sizeof path);
    const struct sqlite_store_options options = { .path = path };
    CHECK_RC(RC_OK, sqlite_store_open(&options, &store, NULL));
    sqlite_store_close(store);
    CHECK_INT(SQLITE_OK, sqlite3_open(path, &db));
    return db;
}

TEST(every_statement_is_taken_and_uses_an_index)
{
    struct scratch scratch;
    scratch_init(&scratch);
    sqlite3 *db = open_tables(&scratch);
    for (int i = 0; i < SQL_COUNT; i++) {
        CHECK(sq_sql_text((enum sq_sql)i) != NULL);
        check_plan(db, (enum sq_sql)i);
    }
    CHECK_INT(SQLITE_OK, sqlite3_close(db));
    scratch_fini(&scratch);
}

static void check_pragma(sqlite3 *db, const char *pragma, const char *wanted)
{
    sqlite3_stmt *stmt;
    CHECK_INT(SQLITE_OK, sqlite3_prepare_v2(db, pragma, -1, &stmt, NULL));
    CHECK_INT(SQLITE_ROW, sqlite3_step(stmt));
    CHECK_STR(wanted, (const char *)sqlite3_column_text(stmt, 0));
    CHECK_INT(SQLITE_OK, sqlite3_finalize(stmt));
}

TEST(a_connection_is_as_durable_and_strict_as_promised)
{
    struct scratch scratch;
    struct sq_health health = { .lock = PTHREAD_MUTEX_INITIALIZER };
    struct sq_conn conn;
    char path[512];
    scratch_init(&scratch);
    CHECK_INT(SQLITE_OK, sqlite3_close(open_tables(&scratch)));
    scratch_file(&scratch, "store.db", path, sizeof path);
    CHECK_RC(RC_OK, sq_conn_open(&conn, path, &health));
    check_pragma(conn.db, "PRAGMA journal_mode", "wal");
    check_pragma(conn.db, "PRAGMA synchronous", "2"); /* FULL */
    check_pragma(conn.db, "PRAGMA foreign_keys", "1");
    check_pragma(conn.db, "PRAGMA trusted_schema", "0");
    check_pragma(conn.db, "PRAGMA busy_timeout", "5000");
    sq_conn_close(&conn);
    scratch_fini(&scratch);
}

TEST(the_file_says_what_it_is_and_keeps_wal)
{
    struct scratch scratch;
    scratch_init(&scratch);
    sqlite3 *db = open_tables(&scratch);
    check_pragma(db, "PRAGMA journal_mode", "wal");
    check_pragma(db, "PRAGMA user_version", "3");
    check_pragma(db, "PRAGMA application_id", "1347570777");
    check_pragma(db, "SELECT count(*) FROM migrations", "3");
    check_pragma(db,
                 "SELECT count(*) FROM pragma_table_list WHERE strict = 0 AND type = 'table'"
                 " AND name NOT LIKE 'sqlite%'",
                 "0");
    CHECK_INT(SQLITE_OK, sqlite3_close(db));
    scratch_fini(&scratch);
}
