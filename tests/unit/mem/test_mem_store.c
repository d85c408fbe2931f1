/* The hooks of the memory store: it fails when told, and changes nothing when it does. What it does
 * as a store is tests/contract/store. */
#include "adapters/mem/mem_store.h"
#include "contract/store/samples.h"

static enum rc apply_message(struct mem_store *store, uint64_t seq)
{
    const struct message_store *m = mem_store_messages(store);
    struct event event = a_message(seq, "ann", "c1", "x");
    struct store_batch batch = { .events = &event, .event_count = 1 };
    return m->apply(m->self, &batch, NULL);
}

static enum rc find_message(struct mem_store *store, uint64_t seq)
{
    SCOPED_ARENA(arena, 1 << 16);
    const struct message_store *m = mem_store_messages(store);
    struct id room = id_of("room");
    struct message_row row;
    return m->message(m->self, &room, seq, &arena, &row);
}

TEST(while_it_is_away_every_call_is_unavailable_and_changes_nothing)
{
    struct mem_store *store = mem_store_create();
    const struct directory_store *d = mem_store_directory(store);
    struct user user = { .id = id_of("ann"), .name = bytes_of("Ann") };
    mem_store_set_away(store, true);
    CHECK_RC(RC_UNAVAILABLE, apply_message(store, 5));
    CHECK_RC(RC_UNAVAILABLE, find_message(store, 5));
    CHECK_RC(RC_UNAVAILABLE, d->put_users(d->self, &user, 1, false, 1, NULL));
    CHECK_RC(RC_UNAVAILABLE, d->sweep(d->self, 1));
    mem_store_set_away(store, false);
    CHECK_RC(RC_NOT_FOUND, find_message(store, 5));
    CHECK_RC(RC_OK, apply_message(store, 5));
    CHECK_RC(RC_OK, find_message(store, 5));
    mem_store_destroy(store);
}

TEST(the_nth_call_fails_and_the_others_do_not)
{
    struct mem_store *store = mem_store_create();
    mem_store_fail_call(store, 2, RC_NOMEM);
    CHECK_RC(RC_OK, apply_message(store, 5));
    CHECK_RC(RC_NOMEM, apply_message(store, 6));
    CHECK_RC(RC_NOT_FOUND, find_message(store, 6));
    mem_store_fail_call(store, 1, RC_UNAVAILABLE);
    mem_store_fail_call(store, 0, RC_OK); /* taken back */
    CHECK_RC(RC_OK, find_message(store, 5));
    mem_store_destroy(store);
}

TEST(calls_are_counted_failed_ones_too)
{
    struct mem_store *store = mem_store_create();
    uint64_t before = mem_store_calls(store);
    CHECK_RC(RC_OK, apply_message(store, 5));
    mem_store_set_away(store, true);
    CHECK_RC(RC_UNAVAILABLE, apply_message(store, 6));
    CHECK_U64(before + 2, mem_store_calls(store));
    mem_store_destroy(store);
}

TEST(an_end_that_has_nothing_to_end_is_fine)
{
    mem_store_destroy(NULL);
}
