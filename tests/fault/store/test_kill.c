/* A store whose process is killed in the middle of its work has kept what it answered for.
 *
 * A child applies batches and writes each acknowledged `to` into a pipe; it is killed with SIGKILL
 * after a random time. Then the file must be whole (integrity_check), `applied` must be at least
 * the last acknowledged one, every event up to it must be there and none above a whole batch, and
 * applying again from there must end like a run without a kill. PARLEY_SEED=n chooses the times.
 */
#include "adapters/sqlite/sqlite_store.h"
#include "contract/store/samples.h"
#include "ports/log_consumer.h"
#include "support/scratch.h"

#include <inttypes.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GENERATION = 1, BATCH = 40, ROUNDS = 12, CLIENT_ID_CHARS = 32 };

/* The event of each place is a function of the place, so a second run says the same. */
static struct event event_at(uint64_t seq, char client_id[CLIENT_ID_CHARS])
{
    static const char *const rooms[] = { "room-a", "room-b", "room-c" };
    struct event event;
    (void)snprintf(client_id, CLIENT_ID_CHARS, "c%" PRIu64, seq / 7); /* some are doubles */
    switch (seq % 10) {
    case 0:
        event = a_joining(seq, client_id, ROLE_MEMBER);
        break;
    case 1:
        event = an_edit(seq, seq - 3, "edited");
        break;
    case 2:
        event = a_void(seq, "schema");
        break;
    default:
        event = a_message(seq, "ann", client_id, "a line of text of about the usual length");
    }
    return in(rooms[seq % COUNT_OF(rooms)], event);
}

static enum rc apply_batch(const struct message_store *m, uint64_t from)
{
    static char client_ids[BATCH][CLIENT_ID_CHARS];
    static struct event events[BATCH];
    for (uint64_t i = 0; i < BATCH; i++)
        events[i] = event_at(from + i, client_ids[i]);
    struct store_batch batch = { .generation = GENERATION,
                                 .events = events,
                                 .event_count = BATCH,
                                 .from = from,
                                 .to = from + BATCH - 1 };
    return m->apply(m->self, &batch, NULL);
}

static struct sqlite_store *open_store(const char *path)
{
    struct sqlite_store *store = NULL;
    struct fault fault = { 0 };
    const struct sqlite_store_options options = { .path = path };
    enum rc rc = sqlite_store_open(&options, &store, &fault);
    CHECK_STR("", fault.text);
    CHECK_RC(RC_OK, rc);
    return store;
}

/* Never returns: works until it is killed. */
__attribute__((noreturn)) static void work(const char *path, int pipe_fd)
{
    struct sqlite_store *store;
    const struct sqlite_store_options options = { .path = path };
    uint64_t applied;
    if (sqlite_store_open(&options, &store, NULL) != RC_OK)
        _exit(1);
    const struct message_store *m = sqlite_store_messages(store);
    if (m->applied(m->self, GENERATION, 0, &applied) != RC_OK)
        _exit(1);
    for (uint64_t from = applied + 1;; from += BATCH) {
        uint64_t to = from + BATCH - 1;
        if (apply_batch(m, from) != RC_OK || write(pipe_fd, &to, sizeof to) != sizeof to)
            _exit(1);
    }
}

/* Lets a child work for a while; returns the last place it said was applied, 0 if none. */
static uint64_t work_and_kill(const char *path, unsigned for_us)
{
    int fds[2], status;
    uint64_t to, last = 0;
    CHECK_INT(0, pipe(fds));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        (void)close(fds[0]);
        work(path, fds[1]);
    }
    (void)close(fds[1]);
    (void)usleep(for_us);
    CHECK_INT(0, kill(child, SIGKILL));
    CHECK_INT(child, waitpid(child, &status, 0));
    CHECK(WIFSIGNALED(status)); /* else it failed by itself */
    while (read(fds[0], &to, sizeof to) == sizeof to)
        last = to;
    (void)close(fds[0]);
    return last;
}

static void check_integrity(const char *path)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    static const char *const pragmas[] = { "PRAGMA integrity_check", "PRAGMA foreign_key_check" };
    CHECK_INT(SQLITE_OK, sqlite3_open(path, &db));
    CHECK_INT(SQLITE_OK, sqlite3_prepare_v2(db, pragmas[0], -1, &stmt, NULL));
    CHECK_INT(SQLITE_ROW, sqlite3_step(stmt));
    CHECK_STR("ok", (const char *)sqlite3_column_text(stmt, 0));
    CHECK_INT(SQLITE_OK, sqlite3_finalize(stmt));
    CHECK_INT(SQLITE_OK, sqlite3_prepare_v2(db, pragmas[1], -1, &stmt, NULL));
    CHECK_INT(SQLITE_DONE, sqlite3_step(stmt));
    CHECK_INT(SQLITE_OK, sqlite3_finalize(stmt));
    CHECK_INT(SQLITE_OK, sqlite3_close(db));
}

static bool next_in_line(void *closure, uint64_t seq, const struct id *conversation,
                         enum event_kind kind)
{
    uint64_t *last = closure;
    (void)conversation, (void)kind;
    if (seq != *last + 1)
        return false;
    *last = seq;
    return true;
}

/* Every place up to applied has its row, and there is nothing above. */
static uint64_t check_rows(const struct message_store *m)
{
    uint64_t applied, last = log_floor(GENERATION);
    CHECK_RC(RC_OK, m->applied(m->self, GENERATION, 0, &applied));
    CHECK_RC(RC_OK, m->scan(m->self, 0, 0, UINT64_MAX, next_in_line, &last));
    CHECK_U64(applied, last);
    return applied;
}

static unsigned seed_of_run(void)
{
    const char *chosen = getenv("PARLEY_SEED");
    unsigned seed = chosen ? (unsigned)strtoul(chosen, NULL, 10) : (unsigned)getpid();
    (void)fprintf(stderr, "PARLEY_SEED=%u\n", seed);
    return seed;
}

TEST(a_kill_at_any_moment_loses_nothing_that_was_acknowledged)
{
    struct scratch scratch;
    char path[512];
    uint64_t most = 0;
    srandom(seed_of_run());
    scratch_init(&scratch);
    scratch_file(&scratch, "store.db", path, sizeof path);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t acked = work_and_kill(path, (unsigned)random() % 250000);
        check_integrity(path);
        struct sqlite_store *store = open_store(path);
        uint64_t applied = check_rows(sqlite_store_messages(store));
        CHECK(applied >= acked);
        CHECK(applied >= most);
        most = applied;
        sqlite_store_close(store);
    }
    CHECK(most > log_floor(GENERATION)); /* else no child ever got to work */
    scratch_fini(&scratch);
}

static const char *state_of(struct bench *b)
{
    struct bytes text = arena_format(&b->arena, "%s|%s|%s", events_of(b, "room-a"),
                                     messages_of(b, "room-b"), messages_of(b, "room-c"));
    CHECK(text.len > 100);
    return (const char *)text.ptr;
}

static void bench_over(struct bench *b, struct sqlite_store *store)
{
    *b = (struct bench){ .m = sqlite_store_messages(store), .d = sqlite_store_directory(store) };
    arena_init(&b->arena, 256 << 20);
}

TEST(killed_and_applied_again_ends_like_one_that_was_not_killed)
{
    struct scratch scratch;
    char path[512], other[512];
    struct bench killed, whole;
    uint64_t to = log_floor(GENERATION) + BATCH * 50;
    srandom(seed_of_run());
    scratch_init(&scratch);
    scratch_file(&scratch, "killed.db", path, sizeof path);
    scratch_file(&scratch, "whole.db", other, sizeof other);
    for (int i = 0; i < 3; i++)
        (void)work_and_kill(path, (unsigned)random() % 60000);
    struct sqlite_store *a = open_store(path), *b = open_store(other);
    uint64_t applied = check_rows(sqlite_store_messages(a));
    if (applied > to)
        to = applied;
    for (uint64_t from = log_floor(GENERATION) + 1; from < to; from += BATCH) {
        /* The killed one gets all of it again, also what it has: an ack may have been lost. */
        CHECK_RC(RC_OK, apply_batch(sqlite_store_messages(a), from));
        CHECK_RC(RC_OK, apply_batch(sqlite_store_messages(b), from));
    }
    bench_over(&killed, a);
    bench_over(&whole, b);
    CHECK_STR(state_of(&whole), state_of(&killed));
    CHECK_U64(check_rows(whole.m), check_rows(killed.m));
    arena_fini(&killed.arena);
    arena_fini(&whole.arena);
    sqlite_store_close(a);
    sqlite_store_close(b);
    scratch_fini(&scratch);
}
