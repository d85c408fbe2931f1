#include "adapters/sqlite/sqlite_rebuild.h"

#include <sqlite3.h>

#include "base/bytes.h"

/* Everything that persister_apply writes. A table that is forgotten here is caught by the
 * comparison with a store made of the log alone (scenario 32). */
static const char forget[] =
    "BEGIN IMMEDIATE;"
    "DELETE FROM events; DELETE FROM overlays; DELETE FROM operations; DELETE FROM aliases;"
    "DELETE FROM memberships; DELETE FROM user_feed; DELETE FROM conversations;"
    "DELETE FROM partitions;"
    "COMMIT; VACUUM;";

/* One number a line, in the order of struct sqlite_difference. Joined by the unique index over
 * (partition, seq). */
static const char *const questions[] = {
    "SELECT count(*) FROM old.events o LEFT JOIN main.events n"
    " ON n.partition = o.partition AND n.seq = o.seq WHERE n.id IS NULL",
    "SELECT count(*) FROM main.events n LEFT JOIN old.events o"
    " ON o.partition = n.partition AND o.seq = n.seq WHERE o.id IS NULL",
    "SELECT count(*) FROM old.events o JOIN main.events n"
    " ON n.partition = o.partition AND n.seq = o.seq"
    " JOIN old.conversations oc ON oc.no = o.conversation"
    " JOIN main.conversations nc ON nc.no = n.conversation"
    " WHERE o.kind IS NOT n.kind OR o.prev IS NOT n.prev OR o.at_us IS NOT n.at_us"
    " OR o.actor IS NOT n.actor OR o.client_id IS NOT n.client_id"
    " OR o.payload IS NOT n.payload OR oc.id IS NOT nc.id",
    "SELECT count(*) FROM (SELECT conversation, user, is_member, role FROM old.memberships EXCEPT"
    " SELECT conversation, user, is_member, role FROM main.memberships UNION ALL SELECT * FROM"
    " (SELECT conversation, user, is_member, role FROM main.memberships EXCEPT"
    " SELECT conversation, user, is_member, role FROM old.memberships))",
};

static enum rc say(struct fault *fault, sqlite3 *db, enum rc rc)
{
    fault_set(fault, "store", "SQLite: %s", db ? sqlite3_errmsg(db) : "out of memory");
    return rc;
}

static enum rc open_file(const char *path, sqlite3 **out_db, struct fault *fault)
{
    sqlite3 *db = NULL;

    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK) {
        enum rc rc = say(fault, db, RC_UNAVAILABLE);
        (void)sqlite3_close(db); /* never used */
        return rc;
    }
    *out_db = db;
    return RC_OK;
}

enum rc sqlite_forget_log(const char *path, struct fault *fault)
{
    sqlite3 *db;

    TRY(open_file(path, &db, fault));
    int code = sqlite3_exec(db, forget, NULL, NULL, NULL);
    enum rc rc = RC_OK;
    if (code != SQLITE_OK)
        rc = say(fault, db, code == SQLITE_ERROR ? RC_INVALID : RC_UNAVAILABLE);
    (void)sqlite3_close(db); /* an open transaction is rolled back */
    return rc;
}

static enum rc attach(sqlite3 *db, const char *path, struct fault *fault)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(db, "ATTACH ? AS old", -1, &stmt, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_bind_text(stmt, 1, path, -1, SQLITE_STATIC);
    if (code == SQLITE_OK)
        code = sqlite3_step(stmt);
    (void)sqlite3_finalize(stmt); /* tells the same code again */
    return code == SQLITE_DONE ? RC_OK : say(fault, db, RC_UNAVAILABLE);
}

static enum rc ask(sqlite3 *db, const char *sql, uint64_t *out, struct fault *fault)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(stmt);
    if (code == SQLITE_ROW)
        *out = (uint64_t)sqlite3_column_int64(stmt, 0);
    enum rc rc = code == SQLITE_ROW ? RC_OK : say(fault, db, RC_UNAVAILABLE);
    (void)sqlite3_finalize(stmt); /* tells the same code again */
    return rc;
}

enum rc sqlite_compare(const char *old_path, const char *new_path, struct sqlite_difference *out,
                       struct fault *fault)
{
    struct sqlite_difference found = { 0 };
    uint64_t *const numbers[] = { &found.only_old, &found.only_new, &found.different,
                                  &found.members };
    sqlite3 *db;

    TRY(open_file(new_path, &db, fault));
    enum rc rc = attach(db, old_path, fault);
    for (size_t i = 0; rc == RC_OK && i < COUNT_OF(questions); i++)
        rc = ask(db, questions[i], numbers[i], fault);
    (void)sqlite3_close(db); /* it was only read */
    if (rc == RC_OK)
        *out = found;
    return rc;
}
