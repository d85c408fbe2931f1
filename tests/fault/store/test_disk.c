/* A full disk, a damaged file, a file of somebody else, and two processes at once.
 *
 * The full disk is a small tmpfs where the test may mount one (root), else a limit on the size of
 * files (RLIMIT_FSIZE), which SQLite sees as a write error.
 */
#include "adapters/sqlite/sqlite_store.h"
#include "contract/store/samples.h"
#include "support/scratch.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAYLOAD_BYTES = 4000, BATCH = 50, CLIENT_ID_CHARS = 32 };

static enum rc try_open(const char *path, struct sqlite_store **out, struct fault *fault)
{
    const struct sqlite_store_options options = { .path = path };
    return sqlite_store_open(&options, out, fault);
}

static struct sqlite_store *open_store(const char *path)
{
    struct sqlite_store *store = NULL;
    struct fault fault = { 0 };
    enum rc rc = try_open(path, &store, &fault);
    CHECK_STR("", fault.text);
    CHECK_RC(RC_OK, rc);
    return store;
}

static enum rc apply_batch(struct sqlite_store *store, uint64_t from)
{
    static char client_ids[BATCH][CLIENT_ID_CHARS], payload[PAYLOAD_BYTES + 1];
    static struct event events[BATCH];
    const struct message_store *m = sqlite_store_messages(store);
    memset(payload, 'x', PAYLOAD_BYTES);
    for (uint64_t i = 0; i < BATCH; i++) {
        (void)snprintf(client_ids[i], CLIENT_ID_CHARS, "c%" PRIu64, from + i);
        events[i] = a_message(from + i, "ann", client_ids[i], payload);
    }
    struct store_batch batch = {
        .events = events, .event_count = BATCH, .from = from, .to = from + BATCH - 1
    };
    return m->apply(m->self, &batch, NULL);
}

static uint64_t applied_of(struct sqlite_store *store)
{
    const struct message_store *m = sqlite_store_messages(store);
    uint64_t seq;
    CHECK_RC(RC_OK, m->applied(m->self, 0, 0, &seq));
    return seq;
}

static size_t events_in(struct sqlite_store *store)
{
    SCOPED_ARENA(arena, 256 << 20);
    const struct message_store *m = sqlite_store_messages(store);
    struct id room = id_of("room");
    struct event *events;
    size_t count;
    CHECK_RC(RC_OK, m->events(m->self, &room, 0, UINT64_MAX, 1000000, &arena, &events, &count));
    return count;
}

/* Applies until it fails; returns how many batches were kept. */
static uint64_t fill(struct sqlite_store *store, enum rc *out_rc)
{
    uint64_t kept = 0;
    while ((*out_rc = apply_batch(store, kept * BATCH + 1)) == RC_OK && kept < 10000)
        kept++;
    return kept;
}

/* The failure is clean: nothing of the failed batch, all of the others, and reading goes on. */
static void check_full(struct sqlite_store *store, uint64_t kept)
{
    struct sqlite_store_state state;
    const struct message_store *m = sqlite_store_messages(store);
    CHECK(kept > 0);
    CHECK_U64(kept * BATCH, applied_of(store));
    CHECK_SIZE(kept * BATCH, events_in(store));
    CHECK_RC(RC_OK, m->ping(m->self));
    sqlite_store_state(store, &state);
    CHECK(state.errors_full + state.errors_io > 0);
    CHECK(!state.is_corrupt);
    CHECK(state.last_error[0]);
}

TEST(a_full_disk_refuses_the_batch_and_takes_it_when_there_is_room_again)
{
    struct scratch scratch;
    char path[512], ballast[512];
    enum rc rc;
    scratch_init(&scratch);
    if (mount("tmpfs", scratch.path, "tmpfs", 0, "size=12m") != 0) {
        scratch_fini(&scratch);
        skip(); /* no right to mount: the next test limits the file's size instead */
    }
    scratch_file(&scratch, "store.db", path, sizeof path);
    scratch_file(&scratch, "ballast", ballast, sizeof ballast);
    int fd = open(ballast, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK_INT(0, posix_fallocate(fd, 0, 4 << 20));
    CHECK_INT(0, close(fd));
    struct sqlite_store *store = open_store(path);
    uint64_t kept = fill(store, &rc);
    CHECK_RC(RC_UNAVAILABLE, rc);
    check_full(store, kept);
    CHECK_INT(0, unlink(ballast));
    CHECK_RC(RC_OK, apply_batch(store, kept * BATCH + 1));
    CHECK_U64((kept + 1) * BATCH, applied_of(store));
    sqlite_store_close(store);
    store = open_store(path);
    CHECK_SIZE((kept + 1) * BATCH, events_in(store));
    sqlite_store_close(store);
    CHECK_INT(0, umount(scratch.path));
    scratch_fini(&scratch);
}

TEST(a_limit_on_file_size_refuses_the_batch_and_leaves_the_rest)
{
    struct scratch scratch;
    char path[512];
    struct rlimit limit, small;
    enum rc rc;
    scratch_init(&scratch);
    scratch_file(&scratch, "store.db", path, sizeof path);
    struct sqlite_store *store = open_store(path);
    (void)signal(SIGXFSZ, SIG_IGN);
    CHECK_INT(0, getrlimit(RLIMIT_FSIZE, &limit));
    small = (struct rlimit){ 6 << 20, limit.rlim_max };
    CHECK_INT(0, setrlimit(RLIMIT_FSIZE, &small));
    uint64_t kept = fill(store, &rc);
    CHECK_INT(0, setrlimit(RLIMIT_FSIZE, &limit));
    CHECK_RC(RC_UNAVAILABLE, rc);
    check_full(store, kept);
    CHECK_RC(RC_OK, apply_batch(store, kept * BATCH + 1));
    sqlite_store_close(store);
    scratch_fini(&scratch);
}

static void write_file(const char *path, off_t at, const char *text, size_t len)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK_INT((int64_t)len, pwrite(fd, text, len, at));
    CHECK_INT(0, close(fd));
}

TEST(a_damaged_file_is_reported_and_never_written_to_again)
{
    static char noise[4096];
    struct scratch scratch;
    struct sqlite_store_state state;
    struct stat info;
    char path[512];
    scratch_init(&scratch);
    scratch_file(&scratch, "store.db", path, sizeof path);
    struct sqlite_store *store = open_store(path);
    for (uint64_t i = 0; i < 20; i++)
        CHECK_RC(RC_OK, apply_batch(store, i * BATCH + 1));
    sqlite_store_close(store);
    CHECK_INT(0, stat(path, &info));
    memset(noise, 0xa5, sizeof noise);
    for (off_t at = 4096 * 2; at + 4096 <= info.st_size; at += 4096)
        write_file(path, at, noise, sizeof noise);
    store = NULL;
    if (try_open(path, &store, NULL) == RC_OK) { /* the first pages are whole */
        CHECK_RC(RC_UNAVAILABLE, apply_batch(store, 20 * BATCH + 1));
        sqlite_store_state(store, &state);
        CHECK(state.is_corrupt);
        const struct message_store *m = sqlite_store_messages(store);
        CHECK_RC(RC_UNAVAILABLE, m->ping(m->self));
        CHECK_RC(RC_UNAVAILABLE, apply_batch(store, 20 * BATCH + 1));
        sqlite_store_close(store);
    }
    scratch_fini(&scratch);
}

TEST(what_is_no_database_of_ours_is_refused_with_a_reason)
{
    struct scratch scratch;
    struct sqlite_store *store = NULL;
    struct fault fault;
    char path[512];
    sqlite3 *db;
    scratch_init(&scratch);
    scratch_file(&scratch, "text.db", path, sizeof path);
    for (off_t at = 0; at < 8192; at += 32)
        write_file(path, at, "this is not a database, not even ", 32);
    CHECK_RC(RC_INVALID, try_open(path, &store, &fault));
    CHECK_STR("store.url", fault.field);
    CHECK(fault.text[0]);

    scratch_file(&scratch, "other.db", path, sizeof path);
    CHECK_INT(SQLITE_OK, sqlite3_open(path, &db));
    CHECK_INT(SQLITE_OK, sqlite3_exec(db, "CREATE TABLE t (x)", NULL, NULL, NULL));
    CHECK_INT(SQLITE_OK, sqlite3_close(db));
    CHECK_RC(RC_INVALID, try_open(path, &store, &fault));
    CHECK(strstr(fault.text, "another program") != NULL);

    scratch_file(&scratch, "newer.db", path, sizeof path);
    sqlite_store_close(open_store(path));
    CHECK_INT(SQLITE_OK, sqlite3_open(path, &db));
    CHECK_INT(SQLITE_OK, sqlite3_exec(db, "PRAGMA user_version=999", NULL, NULL, NULL));
    CHECK_INT(SQLITE_OK, sqlite3_close(db));
    CHECK_RC(RC_INVALID, try_open(path, &store, &fault));
    CHECK(strstr(fault.text, "999") != NULL);

    scratch_file(&scratch, "no/such/folder.db", path, sizeof path);
    CHECK_RC(RC_UNAVAILABLE, try_open(path, &store, &fault));
    CHECK(fault.text[0]);
    scratch_fini(&scratch);
}

TEST(the_files_are_the_owners_alone)
{
    static const char *const ends[] = { "store.db", "store.db-wal", "store.db-shm" };
    struct scratch scratch;
    struct stat info;
    char path[512];
    scratch_init(&scratch);
    scratch_file(&scratch, "store.db", path, sizeof path);
    mode_t mask = umask(0);
    struct sqlite_store *store = open_store(path);
    CHECK_RC(RC_OK, apply_batch(store, 1));
    (void)umask(mask);
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        scratch_file(&scratch, ends[i], path, sizeof path);
        CHECK_INT(0, stat(path, &info));
        CHECK_INT(0600, info.st_mode & 0777);
    }
    sqlite_store_close(store);
    scratch_fini(&scratch);
}

TEST(several_processes_open_a_new_file_at_once_and_write_to_it)
{
    enum { PROCESSES = 6 };
    struct scratch scratch;
    char path[512], client_id[CLIENT_ID_CHARS];
    pid_t children[PROCESSES];
    scratch_init(&scratch);
    scratch_file(&scratch, "store.db", path, sizeof path);
    for (uint32_t p = 0; p < PROCESSES; p++) {
        children[p] = fork();
        CHECK(children[p] >= 0);
        if (children[p])
            continue;
        struct sqlite_store *mine;
        if (try_open(path, &mine, NULL) != RC_OK)
            _exit(1);
        const struct message_store *m = sqlite_store_messages(mine);
        for (uint64_t seq = 1; seq <= 30; seq++) {
            (void)snprintf(client_id, sizeof client_id, "p%u-%" PRIu64, p, seq);
            struct event e = a_message(seq * PROCESSES + p, "ann", client_id, "x");
            struct store_batch batch = { .partition = 0, .events = &e, .event_count = 1 };
            if (m->apply(m->self, &batch, NULL) != RC_OK)
                _exit(2);
        }
        sqlite_store_close(mine);
        _exit(0);
    }
    for (int p = 0; p < PROCESSES; p++) {
        int status;
        CHECK_INT(children[p], waitpid(children[p], &status, 0));
        CHECK(WIFEXITED(status));
        CHECK_INT(0, WEXITSTATUS(status));
    }
    struct sqlite_store *store = open_store(path);
    CHECK_SIZE(30 * PROCESSES, events_in(store));
    sqlite_store_close(store);
    scratch_fini(&scratch);
}

TEST(a_lock_that_is_held_too_long_is_unavailable_and_passes)
{
    struct scratch scratch;
    char path[512];
    sqlite3 *db;
    scratch_init(&scratch);
    scratch_file(&scratch, "store.db", path, sizeof path);
    struct sqlite_store *store = open_store(path);
    CHECK_INT(SQLITE_OK, sqlite3_open(path, &db));
    CHECK_INT(SQLITE_OK, sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
    CHECK_RC(RC_UNAVAILABLE, apply_batch(store, 1)); /* after busy_timeout, 5 s */
    CHECK_U64(0, applied_of(store));                 /* readers don't wait */
    CHECK_INT(SQLITE_OK, sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL));
    CHECK_INT(SQLITE_OK, sqlite3_close(db));
    CHECK_RC(RC_OK, apply_batch(store, 1));
    sqlite_store_close(store);
    scratch_fini(&scratch);
}

TEST(the_url_of_a_store_names_its_file)
{
    CHECK_STR("/var/lib/parley.db", sqlite_store_path("sqlite:/var/lib/parley.db"));
    CHECK_STR("here.db", sqlite_store_path("sqlite:here.db"));
    CHECK(sqlite_store_path("sqlite:") == NULL);
    CHECK(sqlite_store_path("mongodb://h/db") == NULL);
    CHECK(sqlite_store_path("/var/lib/parley.db") == NULL);
    CHECK(sqlite_store_path(NULL) == NULL);
}
