#include "adapters/sqlite/sqlite_copy.h"

#include "adapters/sqlite/sq_conn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { STEP_PAGES = -1, BUSY_MS = 5000, TRIES = 20, PAUSE_MS = 250, APPLICATION_ID = 0x50524c59 };

static enum rc say(struct fault *fault, sqlite3 *db, int code, enum rc rc)
{
    fault_set(fault, "store", "SQLite: %s", db ? sqlite3_errmsg(db) : sqlite3_errstr(code));
    return rc;
}

static enum rc open_file(const char *path, int flags, sqlite3 **out_db, struct fault *fault)
{
    sqlite3 *db = NULL;
    int code =
        sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_busy_timeout(db, BUSY_MS);
    if (code != SQLITE_OK) {
        enum rc rc = say(fault, db, code, RC_UNAVAILABLE);
        (void)sqlite3_close(db); /* never used */
        return rc;
    }
    *out_db = db;
    return RC_OK;
}

/* The first column of a statement's first row, as text. */
static int ask(sqlite3 *db, const char *sql, char *out, size_t room)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

    out[0] = 0;
    if (code == SQLITE_OK)
        code = sqlite3_step(stmt);
    if (code == SQLITE_ROW)
        (void)snprintf(out, room, "%s", (const char *)sqlite3_column_text(stmt, 0));
    (void)sqlite3_finalize(stmt); /* tells the same code again */
    return code;
}

/* All pages in one step: a copy in several begins anew whenever somebody else commits. */
static enum rc copy_pages(sqlite3 *source, sqlite3 *target, struct fault *fault)
{
    const struct timespec pause = { 0, PAUSE_MS * 1000000L };
    sqlite3_backup *backup = sqlite3_backup_init(target, "main", source, "main");
    int code = SQLITE_OK;

    if (!backup)
        return say(fault, target, SQLITE_OK, RC_UNAVAILABLE);
    for (int i = 0; i < TRIES; i++) {
        code = sqlite3_backup_step(backup, STEP_PAGES);
        if (code != SQLITE_BUSY && code != SQLITE_LOCKED)
            break;
        (void)nanosleep(&pause, NULL); /* a shorter pause is harmless */
    }
    int end = sqlite3_backup_finish(backup);
    return code == SQLITE_DONE && end == SQLITE_OK ? RC_OK
                                                   : say(fault, target, code, RC_UNAVAILABLE);
}

/* The copy has the source's mark for WAL; without it the file is whole by itself. */
static enum rc leave_wal(sqlite3 *db, struct fault *fault)
{
    char mode[32];
    int code = ask(db, "PRAGMA journal_mode=DELETE", mode, sizeof mode);

    if (code == SQLITE_ROW && strcmp(mode, "delete") == 0)
        return RC_OK;
    return say(fault, db, code, (code & 0xff) == SQLITE_BUSY ? RC_CONFLICT : RC_UNAVAILABLE);
}

static enum rc copy_into(const char *from, const char *to, struct fault *fault)
{
    sqlite3 *source = NULL, *target = NULL;
    enum rc rc = open_file(from, SQLITE_OPEN_READWRITE, &source, fault);

    if (rc == RC_OK)
        rc = open_file(to, SQLITE_OPEN_READWRITE, &target, fault);
    if (rc == RC_OK)
        rc = copy_pages(source, target, fault);
    if (rc == RC_OK)
        rc = leave_wal(target, fault);
    if (sqlite3_close(target) != SQLITE_OK && rc == RC_OK)
        rc = RC_UNAVAILABLE;
    (void)sqlite3_close(source); /* it was only read */
    return rc;
}

static enum rc sync_file(const char *path, struct fault *fault)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool is_synced = fd >= 0 && fsync(fd) == 0;

    if (!is_synced)
        fault_set(fault, "store", "%s: %s", path, strerror(errno));
    if (fd >= 0)
        (void)close(fd); /* synced or told */
    return is_synced ? RC_OK : RC_UNAVAILABLE;
}

enum rc sqlite_copy(const char *from, const char *to, struct fault *fault)
{
    if (access(from, R_OK) != 0) {
        fault_set(fault, "store", "%s: %s", from, strerror(errno));
        return RC_NOT_FOUND;
    }
    int fd = open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        fault_set(fault, "store", "%s: %s", to, strerror(errno));
        return errno == EEXIST ? RC_CONFLICT : RC_UNAVAILABLE;
    }
    (void)close(fd); /* nothing was written */
    enum rc rc = copy_into(from, to, fault);
    if (rc == RC_OK)
        rc = sync_file(to, fault);
    if (rc != RC_OK)
        (void)unlink(to); /* half a copy is of no use */
    return rc;
}

static enum rc examine_open(sqlite3 *db, struct fault *fault)
{
    char text[256];
    int code = ask(db, "PRAGMA application_id", text, sizeof text);

    if (code != SQLITE_ROW)
        return say(fault, db, code, RC_INVALID);
    if (strtol(text, NULL, 10) != APPLICATION_ID) {
        fault_set(fault, "store", "the file is no store of Parley");
        return RC_INVALID;
    }
    code = ask(db, "PRAGMA integrity_check(1)", text, sizeof text);
    if (code == SQLITE_ROW && strcmp(text, "ok") == 0)
        return RC_OK;
    if (code == SQLITE_ROW)
        fault_set(fault, "store", "the file is damaged: %.200s", text);
    else
        (void)say(fault, db, code, RC_INVALID);
    return RC_INVALID;
}

enum rc sqlite_examine(const char *path, struct fault *fault)
{
    sqlite3 *db = NULL;

    TRY(open_file(path, SQLITE_OPEN_READWRITE, &db, fault));
    enum rc rc = examine_open(db, fault);
    (void)sqlite3_close(db); /* it was only read */
    return rc;
}

enum rc sqlite_close_up(const char *path, struct fault *fault)
{
    sqlite3 *db = NULL;

    if (access(path, F_OK) != 0)
        return RC_NOT_FOUND;
    TRY(open_file(path, SQLITE_OPEN_READWRITE, &db, fault));
    (void)sqlite3_busy_timeout(db, 0); /* who has it open has it for long */
    enum rc rc = leave_wal(db, fault);
    if (rc == RC_CONFLICT)
        fault_set(fault, "store", "%s is open in another process: stop it first", path);
    (void)sqlite3_close(db); /* nothing was written but its mode */
    return rc;
}
