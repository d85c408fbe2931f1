/* One store, many threads: writers take turns, readers see whole batches, the pool never runs dry.
 *
 * Each batch puts one message into each of two conversations; a reader that asks one call for both
 * sides must never see a batch half done. Built with -fsanitize=thread this also looks for races.
 */
#include "adapters/sqlite/sqlite_store.h"
#include "contract/store/samples.h"
#include "support/scratch.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { WRITERS = 2, READERS = 6, BATCHES = 150, CONNECTIONS = 3 };

struct work {
    const struct message_store *m;
    const struct directory_store *d;
    uint32_t number;
    _Atomic bool *is_over;
    unsigned errors, torn, reads;
};

static void *write_batches(void *closure)
{
    struct work *w = closure;
    char client_id[32];
    for (uint64_t i = 1; i <= BATCHES; i++) {
        (void)snprintf(client_id, sizeof client_id, "w%u-%" PRIu64, w->number, i);
        struct event events[2] = { a_message(2 * i - 1, "ann", client_id, "x"),
                                   a_message(2 * i, "ann", client_id, "x") };
        events[0].conversation = id_of(w->number ? "left-1" : "left-0");
        events[1].conversation = id_of(w->number ? "right-1" : "right-0");
        struct store_batch batch = { .partition = w->number,
                                     .events = events,
                                     .event_count = 2,
                                     .from = 2 * i - 1,
                                     .to = 2 * i };
        if (w->m->apply(w->m->self, &batch, NULL) != RC_OK)
            w->errors++;
        struct user user = { .id = id_of(client_id), .name = bytes_of("x") };
        if (w->d->put_users(w->d->self, &user, 1, false, 1, NULL) != RC_OK)
            w->errors++;
    }
    return NULL;
}

struct sides {
    unsigned left, right;
};

static bool count_side(void *closure, uint64_t seq, const struct id *conversation,
                       enum event_kind kind)
{
    struct sides *sides = closure;
    (void)seq, (void)kind;
    if (conversation->text[0] == 'l')
        sides->left++;
    else
        sides->right++;
    return true;
}

static void *read_batches(void *closure)
{
    struct work *w = closure;
    while (!atomic_load(w->is_over)) {
        struct sides sides = { 0 };
        uint32_t p = w->reads++ % WRITERS;
        if (w->m->scan(w->m->self, p, 0, UINT64_MAX, count_side, &sides) != RC_OK)
            w->errors++;
        if (sides.left != sides.right)
            w->torn++;
    }
    return NULL;
}

TEST(readers_see_whole_batches_while_writers_take_turns)
{
    struct scratch scratch;
    char path[512];
    struct sqlite_store *store;
    pthread_t threads[WRITERS + READERS];
    struct work work[WRITERS + READERS];
    _Atomic bool is_over = false;
    (void)setenv("TMPDIR", "/dev/shm", 0); /* hundreds of commits */
    scratch_init(&scratch);
    scratch_file(&scratch, "store.db", path, sizeof path);
    const struct sqlite_store_options options = { .path = path, .readers_max = CONNECTIONS };
    CHECK_RC(RC_OK, sqlite_store_open(&options, &store, NULL));
    for (uint32_t i = 0; i < WRITERS + READERS; i++) {
        work[i] = (struct work){ .m = sqlite_store_messages(store),
                                 .d = sqlite_store_directory(store),
                                 .number = i,
                                 .is_over = &is_over };
        CHECK_INT(0, pthread_create(&threads[i], NULL, i < WRITERS ? write_batches : read_batches,
                                    &work[i]));
    }
    for (int i = 0; i < WRITERS; i++)
        CHECK_INT(0, pthread_join(threads[i], NULL));
    atomic_store(&is_over, true);
    for (int i = WRITERS; i < WRITERS + READERS; i++)
        CHECK_INT(0, pthread_join(threads[i], NULL));
    for (int i = 0; i < WRITERS + READERS; i++) {
        CHECK_INT(0, work[i].errors);
        CHECK_INT(0, work[i].torn);
        CHECK(i < WRITERS || work[i].reads > 0);
    }
    struct sides sides = { 0 };
    CHECK_RC(RC_OK, work[0].m->scan(work[0].m->self, 0, 0, UINT64_MAX, count_side, &sides));
    CHECK_INT(BATCHES, sides.left);
    sqlite_store_close(store);
    scratch_fini(&scratch);
}
