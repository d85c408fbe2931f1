#include "store.h"

#include "adapters/mongo/mongo_store.h"
#include "adapters/sqlite/sqlite_store.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct store {
    struct sqlite_store *sqlite; /* one of the two */
    struct mongo_store *mongo;
};

/* So that an empty home is enough to start. */
static void make_folder_of(const char *path)
{
    char folder[4096];
    (void)snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash || slash == folder)
        return;
    *slash = 0;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        log_warn("store.no_folder", LOG_STR("why", strerrordesc_np(errno)));
}

static enum rc open_sqlite(const char *path, const struct store_options *options,
                           struct store *store, struct fault *fault)
{
    const struct sqlite_store_options at = { .path = path, .readers_max = options->readers_max };
    make_folder_of(path);
    return sqlite_store_open(&at, &store->sqlite, fault);
}

static enum rc open_mongo(const struct store_options *options, struct store *store,
                          struct fault *fault)
{
    const struct mongo_store_options at = { .url = options->url,
                                            .makes_indexes = options->is_server,
                                            .must_answer = !options->is_server };
    return mongo_store_open(&at, &store->mongo, fault);
}

static enum rc open_any(const struct store_options *options, struct store *store,
                        struct fault *fault)
{
    const char *path = sqlite_store_path(options->url);
    if (path)
        return open_sqlite(path, options, store, fault);
    if (mongo_store_is_url(options->url))
        return open_mongo(options, store, fault);
    fault_set(fault, "store.url", "must be sqlite:FILE or mongodb://HOST/DATABASE");
    return RC_INVALID;
}

enum rc store_open(const struct store_options *options, struct store **out_store,
                   struct fault *fault)
{
    struct store *store = calloc(1, sizeof *store);
    if (!store)
        return RC_NOMEM;
    enum rc rc = open_any(options, store, fault);
    if (rc == RC_OK)
        *out_store = store;
    else
        free(store);
    return rc;
}

const struct message_store *store_messages(const struct store *store)
{
    return store->mongo ? mongo_store_messages(store->mongo) : sqlite_store_messages(store->sqlite);
}

const struct directory_store *store_directory(const struct store *store)
{
    return store->mongo ? mongo_store_directory(store->mongo)
                        : sqlite_store_directory(store->sqlite);
}

const struct account_store *store_accounts(const struct store *store)
{
    return store->mongo ? mongo_store_accounts(store->mongo) : sqlite_store_accounts(store->sqlite);
}

struct mongo_store *store_mongo(const struct store *store)
{
    return store->mongo;
}

static void state_of_sqlite(const struct store *store, struct store_state *out)
{
    struct sqlite_store_state st;
    sqlite_store_state(store->sqlite, &st);
    out->errors = st.errors_full + st.errors_io + st.errors_busy + st.errors_other;
    out->is_corrupt = st.is_corrupt;
    if (st.is_corrupt)
        out->trouble = "the store's file is damaged: restore it";
}

static void state_of_mongo(const struct store *store, struct store_state *out)
{
    struct mongo_store_state st;
    mongo_store_state(store->mongo, &st);
    out->errors = st.errors_away + st.errors_server + st.errors_concern + st.errors_document;
    out->is_wrong = st.is_wrong;
    if (st.is_wrong)
        out->trouble = "the store's indexes or version are wrong: parleyctl store check";
}

void store_state(const struct store *store, struct store_state *out_state)
{
    *out_state = (struct store_state){ 0 };
    if (store->mongo)
        state_of_mongo(store, out_state);
    else
        state_of_sqlite(store, out_state);
}

bool store_log_facts(const struct store *store)
{
    struct mongo_store_facts facts;
    if (!store->mongo)
        return true;
    if (mongo_store_facts(store->mongo, &facts) != RC_OK)
        return false;
    log_info("store.mongodb", LOG_STR("version", facts.version), LOG_STR("set", facts.set),
             LOG_BOOL("sharded", facts.is_sharded), LOG_BOOL("ttl", facts.has_ttl));
    if (facts.is_standalone)
        log_warn("store.standalone",
                 LOG_STR("why", "no replica set: no majority, no retried writes, one copy"));
    return true;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    sqlite_store_close(store->sqlite);
    mongo_store_close(store->mongo);
    free(store);
}
