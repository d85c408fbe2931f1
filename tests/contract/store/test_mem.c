/* The store contract on the store in memory. */
#include "adapters/mem/mem_store.h"
#include "contract/store/fixture.h"
#include "support/check.h"

struct store_fixture {
    struct mem_store *store;
};

struct store_fixture *store_fixture_open(void)
{
    static struct store_fixture fixture;
    fixture.store = mem_store_create();
    CHECK(fixture.store != NULL);
    return &fixture;
}

const struct message_store *store_fixture_messages(struct store_fixture *fixture)
{
    return mem_store_messages(fixture->store);
}

const struct directory_store *store_fixture_directory(struct store_fixture *fixture)
{
    return mem_store_directory(fixture->store);
}

const struct account_store *store_fixture_accounts(struct store_fixture *fixture)
{
    return mem_store_accounts(fixture->store);
}

bool store_fixture_compares_and_sets(const struct store_fixture *fixture)
{
    (void)fixture;
    return true;
}

void store_fixture_reopen(struct store_fixture *fixture)
{
    (void)fixture; /* memory has nothing to come back to */
}

void store_fixture_close(struct store_fixture *fixture)
{
    mem_store_destroy(fixture->store);
}
