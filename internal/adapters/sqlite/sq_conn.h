/* sq_conn.h - one SQLite connection with its prepared statements, and queries over it.
 *
 * A query is begun, given its parameters in order, stepped, and ended; what fails on the way is
 * remembered and told by sq_end, so the code between reads straight down:
 *
 *     struct sq_query q = sq_begin(conn, SQL_MEMBERSHIP);
 *     sq_put_id(&q, user);
 *     while (sq_next(&q))
 *         role = sq_get_int(&q);
 *     return sq_end(&q);
 *
 * Thread: a connection belongs to one thread at a time (sq_store.h hands them out).
 */
#ifndef ADAPTERS_SQLITE_SQ_CONN_H
#define ADAPTERS_SQLITE_SQ_CONN_H

#include "adapters/sqlite/sq_sql.h"
#include "base/arena.h"
#include "domain/id.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

/* Errors of all connections of a store. */
struct sq_health {
    _Atomic uint64_t full, io, busy, other;
    _Atomic bool is_corrupt;
    pthread_mutex_t lock;
    char last_error[96]; /* under lock */
};

struct sq_conn {
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_COUNT]; /* prepared at first use */
    struct sq_health *health;
};

/* Opens a connection and sets it up; conn is left closed on failure.
 * errors: RC_INVALID not a database; RC_UNAVAILABLE; RC_NOMEM */
MUST_CHECK enum rc sq_conn_open(struct sq_conn *conn, const char *path, struct sq_health *health);

/* Closes it. A conn of zeroes is fine. */
void sq_conn_close(struct sq_conn *conn);

/* What an SQLite code means to a caller; counts it. */
enum rc sq_rc(struct sq_conn *conn, int code);

/* Runs a statement, or several, that are used once (PRAGMA, schema). */
MUST_CHECK enum rc sq_exec(struct sq_conn *conn, const char *sql);

struct sq_query {
    struct sq_conn *conn;
    sqlite3_stmt *stmt;
    int code;   /* SQLITE_OK, or the first thing that went wrong */
    int put_at; /* the next parameter */
    int get_at; /* the next column */
};

struct sq_query sq_begin(struct sq_conn *conn, enum sq_sql sql);

/* Parameters; what they point to must live until sq_end. */
void sq_put_int(struct sq_query *q, int64_t value);
void sq_put_seq(struct sq_query *q, uint64_t seq);         /* clamped to what SQLite holds */
void sq_put_seq_or_null(struct sq_query *q, uint64_t seq); /* 0 becomes NULL */
void sq_put_text(struct sq_query *q, struct bytes text);
void sq_put_text_or_null(struct sq_query *q, struct bytes text); /* empty becomes NULL */
void sq_put_name_or_null(struct sq_query *q, const char *name);  /* static text; NULL is NULL */
void sq_put_id(struct sq_query *q, const struct id *id);
void sq_put_id_or_null(struct sq_query *q, const struct id *id); /* no id becomes NULL */
void sq_put_blob(struct sq_query *q, const void *ptr, size_t len);
void sq_put_null(struct sq_query *q);

/* The next row. false: no more, or an error. */
bool sq_next(struct sq_query *q);

/* Columns of the row in order; NULL reads as 0, empty, false. Text is copied into the arena. */
int64_t sq_get_int(struct sq_query *q);
uint64_t sq_get_seq(struct sq_query *q);
struct id sq_get_id(struct sq_query *q);
struct bytes sq_get_text(struct sq_query *q, struct arena *arena);
struct bytes sq_peek_text(struct sq_query *q);               /* borrowed until the next row */
void sq_get_blob(struct sq_query *q, void *out, size_t len); /* zeroes if not of that length */

/* Ends the query. */
MUST_CHECK enum rc sq_end(struct sq_query *q);

/* Ends the query because there is no room for its rows: RC_NOMEM. */
MUST_CHECK enum rc sq_end_full(struct sq_query *q);

/* Steps to the end and ends. */
MUST_CHECK enum rc sq_run(struct sq_query *q);

/* Steps to the end, ends, and says how many rows were changed. */
MUST_CHECK enum rc sq_run_changes(struct sq_query *q, int *out_changes);

/* One row wanted: true with the query still open on it; else false, ended, *rc RC_NOT_FOUND or an
 * error. */
bool sq_one(struct sq_query *q, enum rc *rc);

#endif
