/* One server and one database for the program; the documents are removed before each test. */
#include "contract/store/fixture.h"

#include "contract/store_mongo/kind.h"
#include "support/mongo_open.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct store_fixture {
    struct mongo_store *store;
};

static struct mongo_server server;
static char url[512];

static void stop_server(void)
{
    mongo_server_stop(&server);
}

static void start_server(void)
{
    char database[32];
    if (url[0])
        return;
    (void)setenv("TMPDIR", "/dev/shm", 0);
    mongo_server_start(&server, fixture_kind);
    (void)atexit(stop_server);
    (void)snprintf(database, sizeof database, "contract_%d", (int)getpid());
    mongo_server_url(&server, database, 0, NULL, url, sizeof url);
}

struct store_fixture *store_fixture_open(void)
{
    static struct store_fixture fixture;
    start_server();
    if (!fixture.store)
        fixture.store = mongo_open(url);
    CHECK_RC(RC_OK, mongo_store_clear(fixture.store));
    return &fixture;
}

const struct message_store *store_fixture_messages(struct store_fixture *fixture)
{
    return mongo_store_messages(fixture->store);
}

const struct directory_store *store_fixture_directory(struct store_fixture *fixture)
{
    return mongo_store_directory(fixture->store);
}

const struct account_store *store_fixture_accounts(struct store_fixture *fixture)
{
    return mongo_store_accounts(fixture->store);
}

bool store_fixture_compares_and_sets(const struct store_fixture *fixture)
{
    (void)fixture;
    return fixture_kind != MONGO_FERRETDB;
}

void store_fixture_reopen(struct store_fixture *fixture)
{
    mongo_store_close(fixture->store);
    fixture->store = mongo_open(url);
}

void store_fixture_close(struct store_fixture *fixture)
{
    (void)fixture; /* the next test goes on with it */
}
