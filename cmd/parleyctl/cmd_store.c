/* cmd_store.c - parleyctl store init|check: the indexes of a MongoDB store.
 *
 * A SQLite file is brought to the program's version by whoever opens it, so there both only open
 * it.
 */
#include "adapters/mongo/mongo_store.h"
#include "base/rc.h"
#include "ctl_nats.h"
#include "store.h"

static int say_fault(enum rc rc, const struct fault *fault)
{
    return ctl_fail("store.url: %s", fault->text[0] ? fault->text : rc_name(rc));
}

static int say_well(const struct ctl *ctl, const struct mongo_store_facts *facts)
{
    if (ctl->is_json)
        return ctl_print_json(json_pack("{s:b,s:s,s:s,s:s,s:b,s:b,s:b}", "ok", 1, "kind", "mongodb",
                                        "version", facts->version, "set", facts->set, "sharded",
                                        facts->is_sharded, "standalone", facts->is_standalone,
                                        "ttl", facts->has_ttl));
    (void)printf("MongoDB %s, %s%s; indexes are right, expired requests are removed by %s\n",
                 facts->version,
                 facts->is_sharded      ? "sharded"
                 : facts->is_standalone ? "a stand-alone server (no majority: not for production)"
                                        : "replica set ",
                 facts->set, facts->has_ttl ? "the server" : "parleyd's sweep");
    return CTL_OK;
}

static int say_sqlite(const struct ctl *ctl)
{
    if (ctl->is_json)
        return ctl_print_json(json_pack("{s:b,s:s}", "ok", 1, "kind", "sqlite"));
    (void)printf("a SQLite file of this program's version\n");
    return CTL_OK;
}

static int say_facts(const struct ctl *ctl, struct mongo_store *mongo)
{
    struct mongo_store_facts facts;
    enum rc rc = mongo_store_facts(mongo, &facts);

    if (rc != RC_OK)
        return ctl_fail("store.url: the server doesn't say what it is: %s", rc_name(rc));
    return say_well(ctl, &facts);
}

static int look(const struct ctl *ctl, bool makes_indexes)
{
    const struct store_options options = { .url = ctl->config->store.url,
                                           .readers_max = 2,
                                           .is_server = makes_indexes };
    struct store *store = NULL;
    struct fault fault = { .text = "" };
    enum rc rc = store_open(&options, &store, &fault);

    if (rc != RC_OK)
        return say_fault(rc, &fault);
    struct mongo_store *mongo = store_mongo(store);
    if (mongo && makes_indexes)
        rc = mongo_store_init(mongo, &fault);
    else if (mongo)
        rc = mongo_store_check(mongo, &fault);
    int code = rc != RC_OK ? say_fault(rc, &fault)
               : mongo     ? say_facts(ctl, mongo)
                           : say_sqlite(ctl);
    store_close(store);
    return code;
}

int cmd_store_init(const struct ctl *ctl, int argc, char **argv)
{
    (void)argv;
    return argc > 1 ? ctl_usage("store init takes no arguments") : look(ctl, true);
}

int cmd_store_check(const struct ctl *ctl, int argc, char **argv)
{
    (void)argv;
    return argc > 1 ? ctl_usage("store check takes no arguments") : look(ctl, false);
}
