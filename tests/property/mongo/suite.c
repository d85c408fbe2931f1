/* However a log reaches a store without transactions, the store ends the same.
 *
 *   whole     as tests/property/test_store_orders.c: any order, repeats, answers like memory's
 *   broken    a persister takes runs of the log, is broken off at any command of an apply() or
 *             between commit and ack, and goes on from where the log gives it the rest again, with
 *             other cuts; `applied` never goes back, never over what isn't there
 *   together  three appliers apply everything at once, each in an order and with cuts of its own
 *
 * PARLEY_SEED=n runs one seed of each; PARLEY_SEEDS=n that many.
 */
#include "property/mongo/suite.h"
#include "adapters/mem/mem_store.h"
#include "ports/log_consumer.h"
#include "property/orders.h"
#include "support/mongo_open.h"
#include "support/mongo_proxy.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { APPLIERS = 3, COMMANDS_MAX = 40, TRIES_MAX = 20 };

static struct mongo_server server;
static struct mongo_proxy proxy;
static struct mongo_store *store;

static void stop(void)
{
    mongo_store_close(store);
    mongo_proxy_stop(&proxy);
    mongo_server_stop(&server);
}

/* An empty store, reached through the proxy. */
static const struct message_store *empty_store(void)
{
    char url[256], database[32];
    if (!store) {
        (void)setenv("TMPDIR", "/dev/shm", 0);
        mongo_server_start(&server, orders_kind);
        mongo_proxy_start(&proxy, server.port);
        (void)snprintf(database, sizeof database, "orders_%d", (int)getpid());
        mongo_server_url(&server, database, proxy.port, NULL, url, sizeof url);
        store = mongo_open(url);
        (void)atexit(stop);
    }
    mongo_proxy_break(&proxy, 0, HARM_REFUSE);
    CHECK_RC(RC_OK, mongo_store_clear(store));
    return mongo_store_messages(store);
}

static struct seeds seeds_of(unsigned count)
{
    const char *more = getenv("PARLEY_SEEDS");
    return orders_seeds(more ? strtoull(more, NULL, 10) : count);
}

/* ---- whole ---- */

static void try_whole(struct generator *g, const size_t *order, size_t count, uint64_t seed)
{
    struct buf of_mem, of_mongo;
    struct mem_store *mem = mem_store_create();
    const struct message_store *m = empty_store();
    orders_apply_all(g, order, count, mem_store_messages(mem), m);
    orders_check_model(g, m, "MongoDB against the model", seed);
    orders_read_state(&of_mem, mem_store_messages(mem));
    orders_read_state(&of_mongo, m);
    orders_check_same(buf_bytes(&of_mem), buf_bytes(&of_mongo), "MongoDB against memory", seed);
    buf_fini(&of_mem);
    buf_fini(&of_mongo);
    mem_store_destroy(mem);
}

TEST(the_order_of_applying_does_not_matter)
{
    static struct generator g;
    size_t order[ORDERS_EVENTS * 2];
    const struct seeds seeds = seeds_of(orders_counts.whole);
    for (uint64_t seed = seeds.from; seed <= seeds.to; seed++) {
        orders_generate(&g, seed);
        size_t count = orders_in_order(order);
        try_whole(&g, order, count, seed);
        for (int i = 0; i < 2; i++) {
            count = orders_shuffled(&g, order);
            try_whole(&g, order, count, seed);
        }
    }
    CHECK(orders_seen[APPLIED_DOUBLE] && orders_seen[APPLIED_DISPLACED]);
}

/* ---- broken off ---- */

/* The steps of one partition with seq from…to, as a run. Steps of a partition have each seq once,
 * from 2 on. */
static enum rc apply_run(struct generator *g, const struct message_store *m, uint32_t partition,
                         uint64_t from, uint64_t to)
{
    struct event events[ORDERS_EVENTS];
    struct user_feed_entry feed[ORDERS_EVENTS];
    struct store_batch batch = { .generation = ORDERS_GENERATION,
                                 .partition = partition,
                                 .events = events,
                                 .feed = feed,
                                 .from = from,
                                 .to = to };
    for (size_t i = 0; i < ORDERS_EVENTS; i++) {
        const struct step *step = &g->steps[i];
        uint64_t seq = step->is_feed ? step->feed.feed_seq : step->event.seq;
        if (step->partition != partition || seq < from || seq > to)
            continue;
        if (step->is_feed)
            feed[batch.feed_count++] = step->feed;
        else
            events[batch.event_count++] = step->event;
    }
    return m->apply(m->self, &batch, NULL);
}

static uint64_t applied_of(const struct message_store *m, uint32_t partition)
{
    uint64_t seq = 0;
    enum rc rc = RC_UNAVAILABLE;
    for (int i = 0; i < TRIES_MAX && rc != RC_OK; i++) /* the driver looks around after a cut */
        rc = m->applied(m->self, ORDERS_GENERATION, partition, &seq);
    CHECK_RC(RC_OK, rc);
    return seq;
}

/* Cuts are dear: the driver waits half a second before it connects again. */
static enum proxy_harm some_harm(struct generator *g)
{
    static const enum proxy_harm harms[] = { HARM_REFUSE, HARM_CONCERN };
    return orders_below(g, 12) ? harms[orders_below(g, 2)] : HARM_CUT_AFTER;
}

static void persist_partition(struct generator *g, const struct message_store *m,
                              uint32_t partition)
{
    uint64_t last = g->last_seq[partition], next = 1, applied = 0;
    while (applied < last) {
        uint64_t to = next + orders_below(g, 20);
        to = to > last ? last : to;
        if (orders_below(g, 3))
            mongo_proxy_break(&proxy, 1 + orders_below(g, COMMANDS_MAX), some_harm(g));
        enum rc rc = apply_run(g, m, partition, next, to);
        mongo_proxy_break(&proxy, 0, HARM_REFUSE);
        CHECK(rc == RC_OK || rc == RC_UNAVAILABLE);
        uint64_t now = applied_of(m, partition);
        CHECK(now >= applied && (rc != RC_OK || now >= to));
        applied = now;
        next = applied + 1;
        if (orders_below(g, 3) == 0) /* killed before the ack: the log gives some of it again */
            next = next > 10 ? next - orders_below(g, 10) : 1;
        if (orders_below(g, 6) == 0 && applied + 1 < last) /* a later run may not move it */
            (void)apply_run(g, m, partition, applied + 2, last);
    }
    CHECK_U64(last, applied_of(m, partition));
}

TEST(a_persister_that_is_killed_anywhere_ends_the_same)
{
    static struct generator g;
    const struct seeds seeds = seeds_of(orders_counts.broken);
    uint64_t harmed = atomic_load(&proxy.done);
    for (uint64_t seed = seeds.from; seed <= seeds.to; seed++) {
        orders_generate(&g, seed);
        const struct message_store *m = empty_store();
        for (uint32_t p = 0; p < ORDERS_PARTITIONS; p++)
            persist_partition(&g, m, p);
        orders_check_model(&g, m, "after kills", seed);
    }
    CHECK(atomic_load(&proxy.done) > harmed + (seeds.to - seeds.from));
}

/* ---- together ---- */

struct applier {
    pthread_t thread;
    struct generator g; /* its own numbers; the same steps */
    const struct message_store *m;
    size_t order[ORDERS_EVENTS * 2];
    size_t count;
    enum rc rc;
};

static void *run_applier(void *arg)
{
    struct applier *a = arg;
    for (size_t at = 0; at < a->count && a->rc == RC_OK;) {
        size_t n = orders_cut(&a->g, a->order + at, a->count - at);
        int tries = 0;
        do /* it gave up after others got in its way too often: as a persister, it tries again */
            a->rc = orders_apply(a->m, &a->g, a->order + at, n, NULL);
        while (a->rc == RC_UNAVAILABLE && ++tries < TRIES_MAX);
        at += n;
    }
    return NULL;
}

TEST(several_appliers_at_once_end_the_same)
{
    static struct applier appliers[APPLIERS];
    const struct seeds seeds = seeds_of(orders_counts.together);
    for (uint64_t seed = seeds.from; seed <= seeds.to; seed++) {
        const struct message_store *m = empty_store();
        for (size_t i = 0; i < APPLIERS; i++) {
            struct applier *a = &appliers[i];
            orders_generate(&a->g, seed);
            a->g.state += i * 7919 + 1;
            a->count = orders_shuffled(&a->g, a->order);
            a->m = m;
            a->rc = RC_OK;
            CHECK_INT(0, pthread_create(&a->thread, NULL, run_applier, a));
        }
        for (size_t i = 0; i < APPLIERS; i++)
            CHECK_INT(0, pthread_join(appliers[i].thread, NULL));
        for (size_t i = 0; i < APPLIERS; i++)
            CHECK_RC(RC_OK, appliers[i].rc);
        orders_check_model(&appliers[0].g, m, "after several at once", seed);
    }
}
