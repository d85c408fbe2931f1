/* However a log reaches a store, the store ends the same.
 *
 * A generated log (orders.h) is applied in order to the memory store, whose answers are
 * definitions; then to SQLite in order, and to both in random order, in random batches, with
 * repeats. All that can be read must be the same text, apply's answers the same for the same order,
 * and what is kept equal to a model of a hundred lines. PARLEY_SEED=n runs one seed; the seed of a
 * failure is printed.
 */
#include "adapters/mem/mem_store.h"
#include "adapters/sqlite/sqlite_store.h"
#include "property/orders.h"
#include "support/scratch.h"

#include <stdlib.h>

enum { SEEDS = 60 };

struct stores {
    struct scratch scratch;
    struct sqlite_store *sqlite;
    struct mem_store *mem;
};

static void stores_open(struct stores *s)
{
    char path[512];
    struct fault fault;
    (void)setenv("TMPDIR", "/dev/shm", 0); /* thousands of commits, none of which must last */
    scratch_init(&s->scratch);
    scratch_file(&s->scratch, "store.db", path, sizeof path);
    const struct sqlite_store_options options = { .path = path };
    CHECK_RC(RC_OK, sqlite_store_open(&options, &s->sqlite, &fault));
    s->mem = mem_store_create();
}

static void stores_close(struct stores *s)
{
    sqlite_store_close(s->sqlite);
    mem_store_destroy(s->mem);
    scratch_fini(&s->scratch);
}

static void try_order(struct generator *g, const size_t *order, size_t count, struct bytes wanted,
                      struct buf *out_first, uint64_t seed)
{
    struct stores s;
    struct buf of_mem, of_sqlite;
    stores_open(&s);
    const struct message_store *mem = mem_store_messages(s.mem);
    const struct message_store *sqlite = sqlite_store_messages(s.sqlite);
    orders_apply_all(g, order, count, mem, sqlite);
    orders_check_model(g, mem, "memory against the model", seed);
    orders_check_model(g, sqlite, "SQLite against the model", seed);
    orders_read_state(&of_mem, mem);
    orders_read_state(&of_sqlite, sqlite);
    orders_check_same(buf_bytes(&of_mem), buf_bytes(&of_sqlite), "SQLite against memory", seed);
    if (wanted.len)
        orders_check_same(wanted, buf_bytes(&of_mem), "this order against in order", seed);
    buf_fini(&of_sqlite);
    if (out_first)
        *out_first = of_mem;
    else
        buf_fini(&of_mem);
    stores_close(&s);
}

static void try_seed(uint64_t seed)
{
    static struct generator g;
    size_t order[ORDERS_EVENTS * 2];
    struct buf wanted;
    orders_generate(&g, seed);
    size_t count = orders_in_order(order);
    try_order(&g, order, count, (struct bytes){ NULL, 0 }, &wanted, seed);
    for (int i = 0; i < 3; i++) {
        count = orders_shuffled(&g, order);
        try_order(&g, order, count, buf_bytes(&wanted), NULL, seed);
    }
    buf_fini(&wanted);
}

TEST(the_order_of_applying_does_not_matter)
{
    const struct seeds seeds = orders_seeds(SEEDS);
    for (uint64_t seed = seeds.from; seed <= seeds.to; seed++)
        try_seed(seed);
    for (size_t i = 0; i < COUNT_OF(orders_seen) && seeds.to > seeds.from; i++)
        CHECK(orders_seen[i] > SEEDS);
}
