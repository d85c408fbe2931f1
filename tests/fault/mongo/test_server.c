/* FerretDB is killed with SIGKILL in the middle of bulk writes, frozen, away, or answers slowly;
 * the store behind it (PostgreSQL) lives on, as a replica set's other members would.
 *
 * A writer applies batches one after the other, each again until it is taken, as a persister does.
 * What was answered RC_OK must be there afterwards, everything once, and the pool must find the
 * server again by itself. PARLEY_SEED=n chooses the times.
 */
#include "base/clock.h"
#include "contract/store/samples.h"
#include "support/mongo_open.h"
#include "support/mongo_server.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    BATCH = 400,
    BATCHES = 24,
    CLIENT_ID_CHARS = 24,
    KILLS = 4,
    SELECTION_MS = 1000,
    SOCKET_MS = 1500,
    READERS = 4
};

/* So that a test doesn't wait as long as the product does. */
static const char short_waits[] =
    "serverSelectionTimeoutMS=1000&socketTimeoutMS=1500&connectTimeoutMS=1000";

static struct mongo_server server;

static void stop(void)
{
    mongo_server_stop(&server);
}

static struct mongo_store *open_store(const char *database, bool must_answer, const char *more)
{
    char url[256];
    struct mongo_store *store = NULL;
    if (!server.port) {
        (void)setenv("TMPDIR", "/dev/shm", 0);
        mongo_server_start(&server, MONGO_FERRETDB);
        (void)atexit(stop);
    }
    mongo_server_url(&server, database, 0, more, url, sizeof url);
    if (must_answer)
        return mongo_open(url);
    const struct mongo_store_options options = { .url = url, .makes_indexes = true };
    CHECK_RC(RC_OK, mongo_store_open(&options, &store, NULL));
    return store;
}

/* The event of each place is a function of the place. */
static struct event event_at(uint64_t seq, char client_id[CLIENT_ID_CHARS])
{
    static const char *const rooms[] = { "room-a", "room-b", "room-c", "room-d" };
    (void)snprintf(client_id, CLIENT_ID_CHARS, "c%" PRIu64, seq);
    struct event e = seq % 50 ? a_message(seq, "ann", client_id, "a line of the usual length")
                              : an_edit(seq, seq - 4, "edited");
    return in(rooms[seq % COUNT_OF(rooms)], e);
}

static enum rc apply_batch(const struct message_store *m, uint64_t from)
{
    static char client_ids[BATCH][CLIENT_ID_CHARS];
    static struct event events[BATCH];
    for (uint64_t i = 0; i < BATCH; i++)
        events[i] = event_at(from + i, client_ids[i]);
    struct store_batch batch = {
        .events = events, .event_count = BATCH, .from = from, .to = from + BATCH - 1
    };
    return m->apply(m->self, &batch, NULL);
}

struct counted {
    uint64_t next, wrong;
};

static bool count_row(void *closure, uint64_t seq, const struct id *conversation,
                      enum event_kind kind)
{
    struct counted *c = closure;
    (void)conversation, (void)kind;
    c->wrong += seq != c->next;
    c->next = seq + 1;
    return true;
}

/* Every place from 1 to `last` once, and no other. */
static void check_rows(const struct message_store *m, uint64_t last)
{
    struct counted c = { .next = 1 };
    uint64_t applied;
    CHECK_RC(RC_OK, m->applied(m->self, 0, 0, &applied));
    CHECK_U64(last, applied);
    CHECK_RC(RC_OK, m->scan(m->self, 0, 0, UINT64_MAX, count_row, &c));
    CHECK_U64(last + 1, c.next);
    CHECK_U64(0, c.wrong);
}

struct writer {
    const struct message_store *m;
    _Atomic uint64_t acked; /* the last place that was answered RC_OK */
    _Atomic bool is_over;
    uint64_t failed;
    int64_t slowest_ms;
};

static void *run_writer(void *arg)
{
    struct writer *w = arg;
    for (uint64_t i = 0; i < BATCHES; i++) {
        enum rc rc;
        do {
            int64_t began = clock_monotonic_ms(clock_system());
            rc = apply_batch(w->m, 1 + i * BATCH);
            int64_t took = clock_monotonic_ms(clock_system()) - began;
            w->slowest_ms = took > w->slowest_ms ? took : w->slowest_ms;
            w->failed += rc != RC_OK;
        } while (rc == RC_UNAVAILABLE);
        if (rc == RC_OK)
            atomic_store(&w->acked, (i + 1) * BATCH);
    }
    atomic_store(&w->is_over, true);
    return NULL;
}

static unsigned seed_of_run(void)
{
    const char *chosen = getenv("PARLEY_SEED");
    unsigned seed = chosen ? (unsigned)strtoul(chosen, NULL, 10) : (unsigned)getpid();
    (void)printf("PARLEY_SEED=%u\n", seed);
    return seed;
}

TEST(a_server_killed_in_the_middle_of_bulk_writes_loses_and_doubles_nothing)
{
    struct mongo_store *store = open_store("killed", true, NULL);
    struct writer w = { .m = mongo_store_messages(store) };
    unsigned seed = seed_of_run();
    pthread_t thread;
    int kills = 0;
    CHECK_INT(0, pthread_create(&thread, NULL, run_writer, &w));
    while (kills < KILLS && !atomic_load(&w.is_over)) {
        process_pause_ms(20 + rand_r(&seed) % 250);
        uint64_t acked = atomic_load(&w.acked);
        mongo_server_kill(&server);
        kills++;
        process_pause_ms(300);
        mongo_server_restart(&server);
        uint64_t applied = 0;
        while (w.m->applied(w.m->self, 0, 0, &applied) != RC_OK)
            process_pause_ms(20);
        CHECK(applied >= acked); /* what was answered is there after the kill */
    }
    CHECK_INT(0, pthread_join(thread, NULL));
    CHECK(w.failed > 0);
    check_rows(w.m, BATCH * BATCHES);
    mongo_store_close(store);
}

TEST(a_frozen_server_costs_one_time_out_and_nothing_else)
{
    struct mongo_store *store = open_store("frozen", true, short_waits);
    const struct message_store *m = mongo_store_messages(store);
    CHECK_RC(RC_OK, apply_batch(m, 1));
    mongo_server_freeze(&server, true);
    int64_t began = clock_monotonic_ms(clock_system());
    enum rc rc = apply_batch(m, 1 + BATCH);
    int64_t took = clock_monotonic_ms(clock_system()) - began;
    mongo_server_freeze(&server, false);
    CHECK_RC(RC_UNAVAILABLE, rc);
    CHECK(took < 2 * (SOCKET_MS + SELECTION_MS) + 2000); /* a read is tried twice */
    while ((rc = apply_batch(m, 1 + BATCH)) == RC_UNAVAILABLE)
        process_pause_ms(20);
    CHECK_RC(RC_OK, rc);
    check_rows(m, 2 * BATCH);
    mongo_store_close(store);
}

/* Stopped nine tenths of the time: slow, but within the time-outs, so nothing fails. */
TEST(a_slow_server_is_waited_for)
{
    struct mongo_store *store = open_store("slow", true, NULL);
    struct writer w = { .m = mongo_store_messages(store) };
    pthread_t thread;
    CHECK_INT(0, pthread_create(&thread, NULL, run_writer, &w));
    for (int i = 0; i < 20 && !atomic_load(&w.is_over); i++) {
        mongo_server_freeze(&server, true);
        process_pause_ms(180);
        mongo_server_freeze(&server, false);
        process_pause_ms(20);
    }
    CHECK_INT(0, pthread_join(thread, NULL));
    CHECK_U64(0, w.failed);
    CHECK(w.slowest_ms >= 150);
    check_rows(w.m, BATCH * BATCHES);
    mongo_store_close(store);
}

TEST(a_server_that_is_away_at_the_start_is_found_when_it_comes)
{
    mongo_store_close(
        open_store("away", true, short_waits)); /* the server and its indexes are made */
    mongo_server_kill(&server);
    struct mongo_store *store = open_store("away", false, short_waits);
    const struct message_store *m = mongo_store_messages(store);
    struct mongo_store_state state;
    CHECK_RC(RC_UNAVAILABLE, m->ping(m->self));
    CHECK_RC(RC_UNAVAILABLE, apply_batch(m, 1));
    mongo_store_state(store, &state);
    CHECK(state.errors_away > 0 && !state.is_wrong);
    mongo_server_restart(&server);
    for (int i = 0; i < 300 && m->ping(m->self) != RC_OK; i++)
        process_pause_ms(20);
    CHECK_RC(RC_OK, m->ping(m->self));
    CHECK_RC(RC_OK, apply_batch(m, 1));
    check_rows(m, BATCH);
    mongo_store_close(store);
}

/* ---- many threads on a small pool, the server killed under them ---- */

struct reader {
    pthread_t thread;
    const struct message_store *m;
    _Atomic bool *is_over;
    uint64_t good, bad, wrong;
};

static void *run_reader(void *arg)
{
    struct reader *r = arg;
    struct id room = id_of("room-a");
    while (!atomic_load(r->is_over)) {
        SCOPED_ARENA(arena, 16 << 20);
        struct event *events;
        size_t count;
        enum rc rc = r->m->events(r->m->self, &room, 0, UINT64_MAX, 40, &arena, &events, &count);
        for (size_t i = 1; rc == RC_OK && i < count; i++)
            r->wrong += events[i].seq <= events[i - 1].seq || events[i].prev != events[i - 1].seq;
        r->good += rc == RC_OK;
        r->bad += rc == RC_UNAVAILABLE;
        r->wrong += rc != RC_OK && rc != RC_UNAVAILABLE;
        process_pause_ms(20); /* FerretDB reads whole collections: the writer needs some of it */
    }
    return NULL;
}

TEST(threads_share_the_pool_while_the_server_is_killed)
{
    struct mongo_store *store = open_store("threads", true, "maxPoolSize=3");
    struct writer w = { .m = mongo_store_messages(store) };
    struct reader readers[READERS];
    pthread_t thread;
    CHECK_INT(0, pthread_create(&thread, NULL, run_writer, &w));
    for (size_t i = 0; i < READERS; i++) {
        readers[i] = (struct reader){ .m = w.m, .is_over = &w.is_over };
        CHECK_INT(0, pthread_create(&readers[i].thread, NULL, run_reader, &readers[i]));
    }
    process_pause_ms(300);
    mongo_server_kill(&server);
    process_pause_ms(200);
    mongo_server_restart(&server);
    CHECK_INT(0, pthread_join(thread, NULL));
    for (size_t i = 0; i < READERS; i++) {
        CHECK_INT(0, pthread_join(readers[i].thread, NULL));
        CHECK(readers[i].good > 0);
        CHECK_U64(0, readers[i].wrong);
    }
    check_rows(w.m, BATCH * BATCHES);
    mongo_store_close(store);
}
