#include "adapters/sqlite/sq_schema.h"
#include "adapters/sqlite/sq_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { READERS_DEFAULT = 8, READER_WAIT_S = 5 };

const char *sqlite_store_path(const char *url)
{
    static const char scheme[] = "sqlite:";
    size_t len = sizeof scheme - 1;
    return url && strncmp(url, scheme, len) == 0 && url[len] ? url + len : NULL;
}

static bool is_damaged(struct sqlite_store *store)
{
    return atomic_load(&store->health.is_corrupt);
}

enum rc sq_write_begin(struct sqlite_store *store, struct sq_conn **out_conn)
{
    if (is_damaged(store))
        return RC_UNAVAILABLE;
    (void)pthread_mutex_lock(&store->write_lock); /* each holder is bounded by the busy time-out */
    struct sq_query q = sq_begin(&store->writer, SQL_BEGIN_WRITE);
    enum rc rc = sq_run(&q);
    if (rc != RC_OK) {
        (void)pthread_mutex_unlock(&store->write_lock);
        return rc;
    }
    *out_conn = &store->writer;
    return RC_OK;
}

/* A failed COMMIT may have rolled back already (SQLITE_FULL, SQLITE_IOERR: lang_transaction.html).
 */
static void roll_back(struct sq_conn *conn)
{
    if (sqlite3_get_autocommit(conn->db))
        return;
    struct sq_query q = sq_begin(conn, SQL_ROLLBACK);
    enum rc rc = sq_run(&q);
    (void)rc; /* counted; what made us roll back is what the caller is told */
}

enum rc sq_write_end(struct sqlite_store *store, enum rc rc)
{
    if (rc == RC_OK) {
        struct sq_query q = sq_begin(&store->writer, SQL_COMMIT);
        rc = sq_run(&q);
    }
    if (rc != RC_OK)
        roll_back(&store->writer);
    (void)pthread_mutex_unlock(&store->write_lock);
    return rc;
}

/* Takes an idle reader, or room for a new one (still closed). NULL after waiting in vain. */
static struct sq_conn *take_reader(struct sqlite_store *store)
{
    struct sq_conn *conn = NULL;
    struct timespec until;
    int error = 0;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += READER_WAIT_S;
    (void)pthread_mutex_lock(&store->pool_lock);
    while (store->idle_count == 0 && store->open_count == store->readers_max && error == 0)
        error = pthread_cond_timedwait(&store->pool_cond, &store->pool_lock, &until);
    if (store->idle_count > 0)
        conn = store->idle[--store->idle_count];
    else if (store->open_count < store->readers_max)
        conn = &store->readers[store->open_count++];
    (void)pthread_mutex_unlock(&store->pool_lock);
    return conn;
}

/* Also for one that failed to open: it stays in the pool, closed, and the next taker tries again.
 */
static void give_reader(struct sqlite_store *store, struct sq_conn *conn)
{
    (void)pthread_mutex_lock(&store->pool_lock);
    store->idle[store->idle_count++] = conn;
    (void)pthread_cond_signal(&store->pool_cond);
    (void)pthread_mutex_unlock(&store->pool_lock);
}

static enum rc open_reader(struct sqlite_store *store, struct sq_conn *conn)
{
    if (conn->db)
        return RC_OK;
    TRY(sq_conn_open(conn, store->path, &store->health));
    return sq_exec(conn, "PRAGMA query_only=ON");
}

enum rc sq_read_begin(struct sqlite_store *store, struct sq_conn **out_conn)
{
    if (is_damaged(store))
        return RC_UNAVAILABLE;
    struct sq_conn *conn = take_reader(store);
    if (!conn)
        return RC_UNAVAILABLE;
    enum rc rc = open_reader(store, conn);
    if (rc == RC_OK) {
        struct sq_query q = sq_begin(conn, SQL_BEGIN_READ);
        rc = sq_run(&q);
    }
    if (rc != RC_OK) {
        give_reader(store, conn);
        return rc;
    }
    *out_conn = conn;
    return RC_OK;
}

enum rc sq_read_end(struct sqlite_store *store, struct sq_conn *conn, enum rc rc)
{
    roll_back(conn); /* nothing was written: only the snapshot is given up */
    give_reader(store, conn);
    return rc;
}

static enum rc ping(void *self)
{
    struct sqlite_store *store = self;
    struct sq_conn *conn;
    TRY(sq_read_begin(store, &conn));
    struct sq_query q = sq_begin(conn, SQL_PING);
    return sq_read_end(store, conn, sq_run(&q));
}

static void init_ports(struct sqlite_store *store)
{
    store->messages = (struct message_store){
        .self = store,
        .apply = sq_apply,
        .applied = sq_applied,
        .emitted = sq_emitted,
        .set_emitted = sq_set_emitted,
        .events = sq_events,
        .messages = sq_messages,
        .message = sq_message,
        .message_by_client_id = sq_message_by_client_id,
        .event_by_client_id = sq_event_by_client_id,
        .conversation = sq_conversation,
        .membership = sq_membership,
        .members = sq_members,
        .conversations_of = sq_conversations_of,
        .channels = sq_channels,
        .user_feed = sq_user_feed,
        .scan = sq_scan,
        .ping = ping,
    };
    sq_directory_init(store);
    sq_accounts_init(store);
    sq_sessions_init(store);
}

/* SQLite would make the file with the umask's mode; its -wal and -shm take the file's. */
static enum rc make_file(const char *path, struct fault *fault)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        fault_set(fault, "store.url", "the file can't be opened: %s", strerror(errno));
        return RC_UNAVAILABLE;
    }
    (void)close(fd); /* nothing was written */
    return RC_OK;
}

static enum rc open_all(struct sqlite_store *store, struct fault *fault)
{
    TRY(make_file(store->path, fault));
    enum rc rc = sq_conn_open(&store->writer, store->path, &store->health);
    if (rc == RC_OK)
        rc = sq_exec(&store->writer, "PRAGMA cache_size=-32768"); /* KiB: the ends of its trees */
    if (rc == RC_OK)
        rc = sq_schema_migrate(&store->writer, fault);
    if (rc != RC_OK && fault && !fault->text[0])
        fault_set(fault, "store.url", "SQLite: %s", store->health.last_error);
    if (rc == RC_UNAVAILABLE && is_damaged(store))
        return RC_INVALID;
    return rc;
}

enum rc sqlite_store_open(const struct sqlite_store_options *options,
                          struct sqlite_store **out_store, struct fault *fault)
{
    struct sqlite_store *store = calloc(1, sizeof *store);
    if (!store)
        return RC_NOMEM;
    if (fault)
        *fault = (struct fault){ 0 };
    (void)pthread_mutex_init(&store->health.lock, NULL);
    (void)pthread_mutex_init(&store->write_lock, NULL);
    (void)pthread_mutex_init(&store->pool_lock, NULL);
    (void)pthread_cond_init(&store->pool_cond, NULL);
    store->readers_max = options->readers_max ? options->readers_max : READERS_DEFAULT;
    if (store->readers_max > READERS_MAX)
        store->readers_max = READERS_MAX;
    store->path = strdup(options->path);
    init_ports(store);
    enum rc rc = store->path ? open_all(store, fault) : RC_NOMEM;
    if (rc != RC_OK) {
        sqlite_store_close(store);
        return rc;
    }
    *out_store = store;
    return RC_OK;
}

const struct message_store *sqlite_store_messages(struct sqlite_store *store)
{
    return &store->messages;
}

const struct directory_store *sqlite_store_directory(struct sqlite_store *store)
{
    return &store->directory;
}

const struct account_store *sqlite_store_accounts(struct sqlite_store *store)
{
    return &store->accounts;
}

void sqlite_store_state(struct sqlite_store *store, struct sqlite_store_state *out_state)
{
    struct sq_health *health = &store->health;
    *out_state = (struct sqlite_store_state){
        .errors_full = atomic_load(&health->full),
        .errors_io = atomic_load(&health->io),
        .errors_busy = atomic_load(&health->busy),
        .errors_other = atomic_load(&health->other),
        .is_corrupt = atomic_load(&health->is_corrupt),
    };
    (void)pthread_mutex_lock(&health->lock);
    memcpy(out_state->last_error, health->last_error, sizeof out_state->last_error);
    (void)pthread_mutex_unlock(&health->lock);
}

void sqlite_store_close(struct sqlite_store *store)
{
    if (!store)
        return;
    for (uint32_t i = 0; i < store->open_count; i++)
        sq_conn_close(&store->readers[i]);
    sq_conn_close(&store->writer); /* last, so that it checkpoints and removes the WAL */
    (void)pthread_cond_destroy(&store->pool_cond);
    (void)pthread_mutex_destroy(&store->pool_lock);
    (void)pthread_mutex_destroy(&store->write_lock);
    (void)pthread_mutex_destroy(&store->health.lock);
    free(store->path);
    free(store);
}
