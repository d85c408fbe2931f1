/* The store contract on SQLite, in a file of its own for each test. */
#include "adapters/sqlite/sqlite_store.h"
#include "contract/store/fixture.h"
#include "support/check.h"
#include "support/scratch.h"

#include <stdlib.h>

struct store_fixture {
    struct scratch scratch;
    struct sqlite_store *store;
};

static void open_store(struct store_fixture *fixture)
{
    char path[512];
    struct fault fault = { 0 };
    scratch_file(&fixture->scratch, "store.db", path, sizeof path);
    struct sqlite_store_options options = { .path = path };
    enum rc rc = sqlite_store_open(&options, &fixture->store, &fault);
    CHECK_STR("", fault.text);
    CHECK_RC(RC_OK, rc);
}

struct store_fixture *store_fixture_open(void)
{
    struct store_fixture *fixture = calloc(1, sizeof *fixture);
    CHECK(fixture);
    (void)setenv("TMPDIR", "/dev/shm", 0); /* many small commits; lasting is tests/fault's matter */
    scratch_init(&fixture->scratch);
    open_store(fixture);
    return fixture;
}

const struct message_store *store_fixture_messages(struct store_fixture *fixture)
{
    return sqlite_store_messages(fixture->store);
}

const struct directory_store *store_fixture_directory(struct store_fixture *fixture)
{
    return sqlite_store_directory(fixture->store);
}

const struct account_store *store_fixture_accounts(struct store_fixture *fixture)
{
    return sqlite_store_accounts(fixture->store);
}

bool store_fixture_compares_and_sets(const struct store_fixture *fixture)
{
    (void)fixture;
    return true;
}

void store_fixture_reopen(struct store_fixture *fixture)
{
    sqlite_store_close(fixture->store);
    open_store(fixture);
}

void store_fixture_close(struct store_fixture *fixture)
{
    sqlite_store_close(fixture->store);
    scratch_fini(&fixture->scratch);
    free(fixture);
}
