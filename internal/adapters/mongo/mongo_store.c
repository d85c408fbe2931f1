#include "adapters/mongo/mongo_store.h"

#include "adapters/mongo/mg_store.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CHECK_EVERY_MS = 2000 };

/* What the URI leaves open. Driver defaults (30 s, 5 min) outlive the consumer's ack_wait. */
static const struct {
    const char *name;
    int32_t value;
} time_outs[] = {
    { MONGOC_URI_SERVERSELECTIONTIMEOUTMS, 3000 },
    { MONGOC_URI_CONNECTTIMEOUTMS, 3000 },
    { MONGOC_URI_SOCKETTIMEOUTMS, 10000 },
    { MONGOC_URI_WAITQUEUETIMEOUTMS, 5000 },
};

bool mongo_store_is_url(const char *url)
{
    struct bytes text = bytes_of(url);
    return bytes_starts(text, "mongodb://") || bytes_starts(text, "mongodb+srv://");
}

/* The driver's own log lines hold addresses. What they say of errors the calls say too. */
static void drop_log(mongoc_log_level_t level, const char *domain, const char *message, void *user)
{
    (void)level, (void)domain, (void)message, (void)user;
}

/* The driver's library makes a page of counters, /dev/shm/mongoc-<pid>, as soon as it is loaded,
 * used or not, and takes it away at exit: whoever is killed would leave one for ever, and the next
 * process of that number is told so on its standard error. The page stays mapped without its name.
 */
__attribute__((constructor)) static void forget_counters(void)
{
    char name[32];
    (void)snprintf(name, sizeof name, "/mongoc-%d", (int)getpid());
    (void)shm_unlink(name); /* there may be none */
}

static void init_driver(void)
{
    mongoc_log_set_handler(drop_log, NULL);
    mongoc_init();
}

/* ---- the pool ---- */

static enum rc set_concerns(mongoc_uri_t *uri)
{
    const mongoc_write_concern_t *given = mongoc_uri_get_write_concern(uri);
    mongoc_write_concern_t *w = mongoc_write_concern_copy(given);
    mongoc_read_concern_t *r = mongoc_read_concern_new();
    if (w && r) {
        if (mongoc_write_concern_get_w(w) == MONGOC_WRITE_CONCERN_W_DEFAULT)
            mongoc_write_concern_set_wmajority(w, 0);
        if (!mongoc_write_concern_journal_is_set(w))
            mongoc_write_concern_set_journal(w, true);
        mongoc_uri_set_write_concern(uri, w);
        (void)mongoc_read_concern_set_level(r, MONGOC_READ_CONCERN_LEVEL_MAJORITY);
        if (!mongoc_read_concern_get_level(mongoc_uri_get_read_concern(uri)))
            mongoc_uri_set_read_concern(uri, r);
    }
    enum rc rc = w && r ? RC_OK : RC_NOMEM;
    mongoc_write_concern_destroy(w);
    mongoc_read_concern_destroy(r);
    return rc;
}

static enum rc set_defaults(mongoc_uri_t *uri)
{
    for (size_t i = 0; i < COUNT_OF(time_outs); i++)
        if (!mongoc_uri_has_option(uri, time_outs[i].name))
            (void)mongoc_uri_set_option_as_int32(uri, time_outs[i].name, time_outs[i].value);
    if (!mongoc_uri_get_appname(uri))
        (void)mongoc_uri_set_appname(uri, "parley");
    return set_concerns(uri);
}

/* A text of the driver's about a URI may quote it, and with it the password: none is passed on. */
static enum rc open_pool(struct mongo_store *store, mongoc_uri_t *uri, struct fault *fault)
{
    const char *database = mongoc_uri_get_database(uri);
    if (!database || !database[0] || strchr(database, '.')) {
        fault_set(fault, "store.url", "name a database: mongodb://HOST/DATABASE");
        return RC_INVALID;
    }
    const mongoc_write_concern_t *given = mongoc_uri_get_write_concern(uri);
    if (mongoc_write_concern_get_w(given) == MONGOC_WRITE_CONCERN_W_UNACKNOWLEDGED) {
        fault_set(fault, "store.url", "w=0 isn't allowed: nobody would know what is stored");
        return RC_INVALID;
    }
    /* Writing and then looking (mg_apply.c) needs to see what others have written before. */
    if (mongoc_read_prefs_get_mode(mongoc_uri_get_read_prefs_t(uri)) != MONGOC_READ_PRIMARY) {
        fault_set(fault, "store.url", "readPreference must be primary");
        return RC_INVALID;
    }
    TRY(set_defaults(uri));
    store->database = strdup(database);
    store->pool = mongoc_client_pool_new(uri);
    if (!store->database)
        return RC_NOMEM;
    if (!store->pool) {
        fault_set(fault, "store.url",
                  "its options don't go together, or its host has no SRV record");
        return RC_INVALID;
    }
    (void)mongoc_client_pool_set_error_api(store->pool, MONGOC_ERROR_API_VERSION_2);
    return RC_OK;
}

/* ---- calls ---- */

enum rc mg_begin_unchecked(struct mongo_store *store, struct mg_call *out_call)
{
    *out_call = (struct mg_call){ .database = store->database, .health = &store->health };
    out_call->client = mongoc_client_pool_pop(store->pool);
    if (out_call->client)
        return RC_OK;
    atomic_fetch_add(&store->health.away, 1);
    return RC_UNAVAILABLE;
}

enum rc mg_end(struct mongo_store *store, struct mg_call *call, enum rc rc)
{
    mongoc_client_pool_push(store->pool, call->client);
    return rc;
}

static enum rc look_at_server(struct mongo_store *store, struct mg_call *call, struct fault *fault)
{
    enum rc rc = mg_schema_check(call, fault);
    if ((rc == RC_INVALID || rc == RC_NOT_FOUND) && store->makes_indexes) {
        *fault = (struct fault){ 0 };
        rc = mg_schema_init(call, fault);
    }
    if (rc != RC_OK && call->was_denied && !fault->text[0]) {
        fault_set(fault, "store.url", "the server refuses the login, or its rights are too few");
        return RC_INVALID;
    }
    return rc;
}

/* One at a time, and not again at once after it went badly. */
static enum rc check_once(struct mongo_store *store, struct mg_call *call)
{
    struct fault fault = { 0 };
    int64_t now_ms = clock_monotonic_ms(clock_system());
    enum rc rc = RC_UNAVAILABLE;
    if (pthread_mutex_trylock(&store->check_lock) != 0)
        return RC_UNAVAILABLE; /* somebody is looking: that may take as long as a time-out */
    if (atomic_load(&store->is_checked)) {
        rc = RC_OK;
    } else if (now_ms >= store->next_check_ms) {
        rc = look_at_server(store, call, &fault);
        store->next_check_ms = now_ms + CHECK_EVERY_MS;
        atomic_store(&store->is_wrong, rc == RC_INVALID || rc == RC_NOT_FOUND);
        (void)snprintf(store->why, sizeof store->why, "%s", fault.text);
        atomic_store(&store->is_checked, rc == RC_OK);
    }
    (void)pthread_mutex_unlock(&store->check_lock);
    return rc == RC_OK ? RC_OK : RC_UNAVAILABLE;
}

enum rc mg_begin(struct mongo_store *store, struct mg_call *out_call)
{
    TRY(mg_begin_unchecked(store, out_call));
    if (atomic_load(&store->is_checked))
        return RC_OK;
    enum rc rc = check_once(store, out_call);
    return rc == RC_OK ? RC_OK : mg_end(store, out_call, rc);
}

static enum rc ping(void *self)
{
    struct mongo_store *store = self;
    struct mg_call call;
    SCOPED_DOC(command);
    TRY(mg_begin(store, &call));
    (void)BSON_APPEND_INT32(&command, "ping", 1);
    return mg_end(store, &call, mg_command(&call, store->database, &command, NULL));
}

/* ---- opening ---- */

static void init_ports(struct mongo_store *store)
{
    store->messages.self = store->directory.self = store;
    store->messages.apply = mg_apply;
    store->messages.ping = ping;
    mg_progress_init(store);
    mg_messages_init(store);
    mg_lookups_init(store);
    mg_listing_init(store);
    mg_directory_init(store);
    mg_accounts_init(store);
    mg_sessions_init(store);
}

static enum rc open_store(struct mongo_store *store, const struct mongo_store_options *options,
                          struct fault *fault)
{
    struct mg_call call;
    bson_error_t error; /* not passed on: see open_pool */
    mongoc_uri_t *uri = mongoc_uri_new_with_error(options->url, &error);
    if (!uri) {
        fault_set(fault, "store.url", "is no MongoDB URI (percent-encode what is special in it)");
        return RC_INVALID;
    }
    enum rc rc = open_pool(store, uri, fault);
    mongoc_uri_destroy(uri);
    TRY(rc);
    TRY(mg_begin_unchecked(store, &call));
    rc = mg_end(store, &call, look_at_server(store, &call, fault));
    atomic_store(&store->is_checked, rc == RC_OK);
    if (rc == RC_UNAVAILABLE && !options->must_answer)
        return RC_OK; /* looked at when it answers */
    if (rc == RC_UNAVAILABLE && !fault->text[0])
        fault_set(fault, "store.url", "no server answers");
    return rc;
}

enum rc mongo_store_open(const struct mongo_store_options *options, struct mongo_store **out_store,
                         struct fault *fault)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct fault unread = { 0 };
    struct mongo_store *store = calloc(1, sizeof *store);
    if (!store)
        return RC_NOMEM;
    (void)pthread_once(&once, init_driver);
    (void)pthread_mutex_init(&store->health.lock, NULL);
    (void)pthread_mutex_init(&store->check_lock, NULL);
    store->makes_indexes = options->makes_indexes;
    init_ports(store);
    enum rc rc = open_store(store, options, &unread);
    if (fault)
        *fault = unread;
    if (rc != RC_OK) {
        mongo_store_close(store);
        return rc;
    }
    *out_store = store;
    return RC_OK;
}

const struct message_store *mongo_store_messages(struct mongo_store *store)
{
    return &store->messages;
}

const struct directory_store *mongo_store_directory(struct mongo_store *store)
{
    return &store->directory;
}

const struct account_store *mongo_store_accounts(struct mongo_store *store)
{
    return &store->accounts;
}

static enum rc say_away(enum rc rc, struct fault *fault)
{
    if (rc != RC_OK && fault && !fault->text[0])
        fault_set(fault, "store.url", "the server doesn't answer, or refuses");
    return rc;
}

enum rc mongo_store_init(struct mongo_store *store, struct fault *fault)
{
    struct mg_call call;
    TRY(mg_begin_unchecked(store, &call));
    return say_away(mg_end(store, &call, mg_schema_init(&call, fault)), fault);
}

enum rc mongo_store_check(struct mongo_store *store, struct fault *fault)
{
    struct mg_call call;
    TRY(mg_begin_unchecked(store, &call));
    return say_away(mg_end(store, &call, mg_schema_check(&call, fault)), fault);
}

static enum rc clear(struct mg_call *call)
{
    SCOPED_DOC(all);
    for (int c = 0; c < MG_COLLECTION_COUNT; c++) {
        bson_error_t error;
        if (c == MG_META)
            continue;
        mongoc_collection_t *collection = mongoc_client_get_collection(
            call->client, call->database, mg_collection_name((enum mg_collection)c));
        bool is_done = mongoc_collection_delete_many(collection, &all, NULL, NULL, &error);
        mongoc_collection_destroy(collection);
        if (!is_done)
            return mg_rc(call, &error);
    }
    return RC_OK;
}

enum rc mongo_store_clear(struct mongo_store *store)
{
    struct mg_call call;
    TRY(mg_begin(store, &call));
    return mg_end(store, &call, clear(&call));
}

/* ---- facts and state ---- */

static enum rc ask(struct mg_call *call, const char *what, bson_t *out_reply)
{
    SCOPED_DOC(command);
    (void)BSON_APPEND_INT32(&command, what, 1);
    return mg_command(call, "admin", &command, out_reply);
}

static void copy_text(const bson_t *doc, const char *name, char *out, size_t room)
{
    struct bytes text = mg_peek_text(doc, name);
    (void)snprintf(out, room, "%.*s", BYTES_ARG(text));
}

/* mongo-java-server knows isMaster only. */
static enum rc ask_hello(struct mg_call *call, bson_t *out_reply)
{
    enum rc rc = ask(call, "hello", out_reply);
    if (rc == RC_OK)
        return rc;
    bson_destroy(out_reply);
    return ask(call, "isMaster", out_reply);
}

static enum rc read_facts(struct mg_call *call, struct mongo_store_facts *facts)
{
    bson_t reply;
    enum rc rc = ask(call, "buildInfo", &reply);
    if (rc == RC_OK)
        copy_text(&reply, "version", facts->version, sizeof facts->version);
    bson_destroy(&reply);
    TRY(rc);
    rc = ask_hello(call, &reply);
    if (rc == RC_OK) {
        copy_text(&reply, "setName", facts->set, sizeof facts->set);
        facts->is_sharded = bytes_is(mg_peek_text(&reply, "msg"), "isdbgrid");
        facts->is_standalone = !facts->set[0] && !facts->is_sharded;
    }
    bson_destroy(&reply);
    TRY(rc);
    return mg_schema_has_ttl(call, &facts->has_ttl);
}

enum rc mongo_store_facts(struct mongo_store *store, struct mongo_store_facts *out)
{
    struct mongo_store_facts facts = { 0 };
    struct mg_call call;
    TRY(mg_begin(store, &call));
    TRY(mg_end(store, &call, read_facts(&call, &facts)));
    *out = facts;
    return RC_OK;
}

void mongo_store_state(struct mongo_store *store, struct mongo_store_state *out_state)
{
    struct mg_health *health = &store->health;
    *out_state = (struct mongo_store_state){
        .errors_away = atomic_load(&health->away),
        .errors_server = atomic_load(&health->server),
        .errors_concern = atomic_load(&health->concern),
        .errors_document = atomic_load(&health->document),
        .is_wrong = atomic_load(&store->is_wrong),
    };
    (void)pthread_mutex_lock(&health->lock);
    memcpy(out_state->last_error, health->last_error, sizeof out_state->last_error);
    (void)pthread_mutex_unlock(&health->lock);
    if (!out_state->is_wrong || pthread_mutex_trylock(&store->check_lock) != 0)
        return; /* it is held while a server is looked at, and a loop doesn't wait for that */
    memcpy(out_state->why, store->why, sizeof out_state->why);
    (void)pthread_mutex_unlock(&store->check_lock);
}

void mongo_store_close(struct mongo_store *store)
{
    if (!store)
        return;
    if (store->pool)
        mongoc_client_pool_destroy(store->pool);
    (void)pthread_mutex_destroy(&store->check_lock);
    (void)pthread_mutex_destroy(&store->health.lock);
    free(store->database);
    free(store);
}
