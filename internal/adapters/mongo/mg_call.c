#include "adapters/mongo/mg_call.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    COMMAND_INSERTS_MAX = 500,
    COMMAND_UPDATES_MAX = 50, /* FerretDB keeps a connection open for each update of a command */
    COMMAND_BYTES_MAX = 8 << 20,
    FIND_MS_MAX = 10000, /* as the socket's time-out: the server stops when nobody listens */
};

/* Codes of the server (src/mongo/base/error_codes.yml), as the driver specifications number them.
 */
enum {
    CODE_UNAUTHORIZED = 13,
    CODE_AUTHENTICATION_FAILED = 18,
    CODE_BSON_TOO_LARGE = 10334,
    CODE_KEY_TOO_LONG = 17280,
    CODE_DUPLICATE = 11000,
    CODE_DUPLICATE_OLD = 11001,
    CODE_DUPLICATE_UPDATE = 12582,
};

static const char *const names[MG_COLLECTION_COUNT] = {
    [MG_EVENTS] = "events",
    [MG_FACTS] = "facts",
    [MG_OPERATIONS] = "operations",
    [MG_MARKS] = "marks",
    [MG_LINKS] = "links",
    [MG_CONVERSATIONS] = "conversations",
    [MG_MEMBERSHIPS] = "memberships",
    [MG_FEED] = "userFeed",
    [MG_PARTITIONS] = "partitions",
    [MG_USERS] = "users",
    [MG_REQUESTS] = "requests",
    [MG_ACCOUNTS] = "accounts",
    [MG_NAMES] = "accountNames",
    [MG_SESSIONS] = "sessions",
    [MG_MAILED] = "mailed",
    [MG_META] = "meta",
};

const char *mg_collection_name(enum mg_collection collection)
{
    return names[collection];
}

static bool is_duplicate(int64_t code)
{
    return code == CODE_DUPLICATE || code == CODE_DUPLICATE_OLD || code == CODE_DUPLICATE_UPDATE;
}

static bool is_of_document(int64_t code)
{
    return code == CODE_BSON_TOO_LARGE || code == CODE_KEY_TOO_LONG;
}

/* Only numbers are kept: texts of driver and server hold addresses, and may hold values. */
static void remember(struct mg_health *health, int64_t domain, int64_t code)
{
    (void)pthread_mutex_lock(&health->lock);
    (void)snprintf(health->last_error, sizeof health->last_error, "libmongoc domain %lld code %lld",
                   (long long)domain, (long long)code);
    (void)pthread_mutex_unlock(&health->lock);
}

enum rc mg_rc(struct mg_call *call, const bson_error_t *error)
{
    remember(call->health, error->domain, error->code);
    call->was_denied = false;
    if (error->domain == MONGOC_ERROR_BSON)
        return RC_INVALID;
    if (error->domain == MONGOC_ERROR_CLIENT && error->code == MONGOC_ERROR_CLIENT_AUTHENTICATE)
        call->was_denied = true;
    if (error->domain != MONGOC_ERROR_SERVER && error->domain != MONGOC_ERROR_COMMAND &&
        error->domain != MONGOC_ERROR_WRITE_CONCERN) {
        atomic_fetch_add(&call->health->away, 1);
        return RC_UNAVAILABLE;
    }
    atomic_fetch_add(&call->health->server, 1);
    call->was_denied =
        error->code == CODE_UNAUTHORIZED || error->code == CODE_AUTHENTICATION_FAILED;
    return is_of_document(error->code) ? RC_INVALID : RC_UNAVAILABLE;
}

enum rc mg_command(struct mg_call *call, const char *database, const bson_t *command,
                   bson_t *out_reply)
{
    bson_t unread;
    bson_error_t error;
    bson_t *reply = out_reply ? out_reply : &unread;
    bool is_done =
        mongoc_client_command_simple(call->client, database, command, NULL, reply, &error);
    if (!out_reply)
        bson_destroy(&unread);
    return is_done ? RC_OK : mg_rc(call, &error);
}

/* ---- writes ---- */

void mg_writes_begin(struct mg_writes *w, struct mg_call *call, enum mg_collection collection,
                     size_t most)
{
    *w = (struct mg_writes){ .call = call, .collection = collection, .most = most };
    w->is_taken = calloc(most + 1, sizeof *w->is_taken);
    w->rc = w->is_taken ? RC_OK : RC_NOMEM;
}

static enum rc begin_bulk(struct mg_writes *w)
{
    SCOPED_DOC(opts);
    (void)BSON_APPEND_BOOL(&opts, "ordered", false);
    mongoc_collection_t *collection =
        mongoc_client_get_collection(w->call->client, w->call->database, names[w->collection]);
    w->bulk = mongoc_collection_create_bulk_operation_with_opts(collection, &opts);
    mongoc_collection_destroy(collection);
    return w->bulk ? RC_OK : RC_NOMEM;
}

/* One of writeErrors: which write, and what about it. */
static enum rc read_write_error(struct mg_writes *w, const bson_iter_t *error)
{
    bson_iter_t field;
    int64_t index = -1, code = 0;
    if (!bson_iter_recurse(error, &field))
        return RC_UNAVAILABLE;
    while (bson_iter_next(&field)) {
        if (strcmp(bson_iter_key(&field), "index") == 0)
            index = bson_iter_as_int64(&field);
        else if (strcmp(bson_iter_key(&field), "code") == 0)
            code = bson_iter_as_int64(&field);
    }
    if (index < 0 || (size_t)index >= w->waiting)
        return RC_UNAVAILABLE;
    if (!is_duplicate(code) || w->is_updating) {
        remember(w->call->health, MONGOC_ERROR_SERVER, code);
        atomic_fetch_add(&w->call->health->server, 1);
        return is_of_document(code) ? RC_INVALID : RC_UNAVAILABLE;
    }
    if (!w->is_taken[w->sent + (size_t)index])
        w->taken_count++;
    w->is_taken[w->sent + (size_t)index] = true;
    return RC_OK;
}

/* RC_INVALID gives way to RC_UNAVAILABLE: with the one nothing else may be concluded. */
static enum rc read_write_errors(struct mg_writes *w, const bson_t *reply, size_t *out_count)
{
    bson_iter_t at, error;
    enum rc rc = RC_OK;
    *out_count = 0;
    if (!bson_iter_init_find(&at, reply, "writeErrors") || !BSON_ITER_HOLDS_ARRAY(&at) ||
        !bson_iter_recurse(&at, &error))
        return RC_OK;
    while (bson_iter_next(&error)) {
        enum rc one = read_write_error(w, &error);
        (*out_count)++;
        if (one != RC_OK && rc != RC_UNAVAILABLE)
            rc = one;
    }
    return rc;
}

static bool has_concern_error(const bson_t *reply)
{
    bson_iter_t at, error;
    return bson_iter_init_find(&at, reply, "writeConcernErrors") && BSON_ITER_HOLDS_ARRAY(&at) &&
           bson_iter_recurse(&at, &error) && bson_iter_next(&error);
}

static enum rc read_outcome(struct mg_writes *w, bool is_done, const bson_t *reply,
                            const bson_error_t *error)
{
    size_t count;
    if (has_concern_error(reply)) {
        atomic_fetch_add(&w->call->health->concern, 1);
        remember(w->call->health, MONGOC_ERROR_WRITE_CONCERN, error->code);
        return RC_UNAVAILABLE;
    }
    enum rc rc = read_write_errors(w, reply, &count);
    if (is_done || rc != RC_OK)
        return rc;
    bool is_of_writes =
        error->domain == MONGOC_ERROR_SERVER || error->domain == MONGOC_ERROR_COMMAND;
    if (count && is_of_writes)
        return RC_OK; /* all that went wrong is told by index */
    return mg_rc(w->call, error);
}

static enum rc send_waiting(struct mg_writes *w)
{
    bson_t reply;
    bson_error_t error = { 0 };
    if (w->waiting == 0)
        return w->rc;
    bool is_done = mongoc_bulk_operation_execute(w->bulk, &reply, &error) != 0;
    w->rc = read_outcome(w, is_done, &reply, &error);
    bson_destroy(&reply);
    mongoc_bulk_operation_destroy(w->bulk);
    w->bulk = NULL;
    w->sent += w->waiting;
    w->waiting = w->waiting_bytes = 0;
    return w->rc;
}

/* Room for one more of that size; false when the writes have failed. */
static bool make_room(struct mg_writes *w, size_t bytes)
{
    if (w->rc == RC_OK && w->waiting &&
        (w->waiting == (w->is_updating ? COMMAND_UPDATES_MAX : COMMAND_INSERTS_MAX) ||
         w->waiting_bytes + bytes > COMMAND_BYTES_MAX))
        w->rc = send_waiting(w);
    if (w->rc == RC_OK && w->sent + w->waiting == w->most)
        w->rc = RC_NOMEM; /* our own mistake: more writes than were announced */
    if (w->rc == RC_OK && !w->bulk)
        w->rc = begin_bulk(w);
    return w->rc == RC_OK;
}

static void count_write(struct mg_writes *w, bool is_in, const bson_error_t *error, size_t bytes)
{
    if (!is_in) {
        w->rc = mg_rc(w->call, error);
        return;
    }
    w->waiting++;
    w->waiting_bytes += bytes;
}

void mg_insert(struct mg_writes *w, const bson_t *doc)
{
    bson_error_t error;
    if (!make_room(w, doc->len))
        return;
    count_write(w, mongoc_bulk_operation_insert_with_opts(w->bulk, doc, NULL, &error), &error,
                doc->len);
}

void mg_update(struct mg_writes *w, const bson_t *selector, const bson_t *update)
{
    bson_error_t error;
    w->is_updating = true;
    if (!make_room(w, selector->len + update->len))
        return;
    count_write(w,
                mongoc_bulk_operation_update_one_with_opts(w->bulk, selector, update, NULL, &error),
                &error, selector->len + update->len);
}

enum rc mg_writes_end(struct mg_writes *w)
{
    return w->rc == RC_OK ? send_waiting(w) : w->rc;
}

void mg_writes_fini(struct mg_writes *w)
{
    if (w->bulk)
        mongoc_bulk_operation_destroy(w->bulk);
    free(w->is_taken);
    *w = (struct mg_writes){ .rc = RC_NOMEM };
}

/* ---- puts ---- */

struct mg_put {
    bson_t doc, selector, update;
};

void mg_puts_begin(struct mg_puts *p, struct mg_call *call, enum mg_collection collection,
                   size_t most)
{
    *p = (struct mg_puts){ .call = call, .collection = collection, .most = most };
    /* aligned as bson_t wants it, which is more than malloc gives */
    p->puts = aligned_alloc(_Alignof(struct mg_put), (most + 1) * sizeof *p->puts);
}

void mg_put_one(struct mg_puts *p, const bson_t *doc, const bson_t *selector, const bson_t *update)
{
    if (!p->puts || p->count == p->most) {
        p->has_failed = true; /* mg_puts_end says so */
        return;
    }
    struct mg_put *put = &p->puts[p->count++];
    bson_copy_to(doc, &put->doc);
    bson_copy_to(selector, &put->selector);
    bson_copy_to(update, &put->update);
}

static enum rc update_taken(struct mg_puts *p, const struct mg_writes *inserts)
{
    SCOPED_WRITES(updates);
    if (inserts->taken_count == 0)
        return RC_OK;
    mg_writes_begin(&updates, p->call, p->collection, inserts->taken_count);
    for (size_t i = 0; i < p->count; i++)
        if (inserts->is_taken[i])
            mg_update(&updates, &p->puts[i].selector, &p->puts[i].update);
    return mg_writes_end(&updates);
}

enum rc mg_puts_end(struct mg_puts *p)
{
    SCOPED_WRITES(inserts);
    if (!p->puts || p->has_failed)
        return RC_NOMEM;
    mg_writes_begin(&inserts, p->call, p->collection, p->count);
    for (size_t i = 0; i < p->count; i++)
        mg_insert(&inserts, &p->puts[i].doc);
    TRY(mg_writes_end(&inserts));
    return update_taken(p, &inserts);
}

void mg_puts_fini(struct mg_puts *p)
{
    for (size_t i = 0; i < p->count; i++) {
        bson_destroy(&p->puts[i].doc);
        bson_destroy(&p->puts[i].selector);
        bson_destroy(&p->puts[i].update);
    }
    free(p->puts);
    *p = (struct mg_puts){ 0 };
}

enum rc mg_update_one(struct mg_call *call, enum mg_collection collection, const bson_t *selector,
                      const bson_t *update, int64_t *out_matched)
{
    bson_t reply;
    bson_error_t error;
    bson_iter_t at;
    mongoc_collection_t *c =
        mongoc_client_get_collection(call->client, call->database, names[collection]);
    bool is_done = mongoc_collection_update_one(c, selector, update, NULL, &reply, &error);
    if (is_done && out_matched)
        *out_matched =
            bson_iter_init_find(&at, &reply, "matchedCount") ? bson_iter_as_int64(&at) : 0;
    bool is_unsure = has_concern_error(&reply);
    bson_destroy(&reply);
    mongoc_collection_destroy(c);
    if (is_done && !is_unsure)
        return RC_OK;
    if (!is_unsure)
        return mg_rc(call, &error);
    atomic_fetch_add(&call->health->concern, 1);
    return RC_UNAVAILABLE;
}

/* ---- finds ---- */

struct mg_find mg_find(struct mg_call *call, enum mg_collection collection, const bson_t *filter,
                       const bson_t *opts)
{
    struct mg_find find = { .call = call };
    SCOPED_DOC(bounded);
    if (opts)
        (void)bson_concat(&bounded, opts);
    (void)BSON_APPEND_INT64(&bounded, "maxTimeMS", FIND_MS_MAX);
    find.collection = mongoc_client_get_collection(call->client, call->database, names[collection]);
    find.cursor = mongoc_collection_find_with_opts(find.collection, filter, &bounded, NULL);
    return find;
}

bool mg_next(struct mg_find *find, const bson_t **out_doc)
{
    return find->cursor && mongoc_cursor_next(find->cursor, out_doc);
}

enum rc mg_find_stop(struct mg_find *find, enum rc rc)
{
    if (find->cursor)
        mongoc_cursor_destroy(find->cursor);
    if (find->collection)
        mongoc_collection_destroy(find->collection);
    find->cursor = NULL;
    find->collection = NULL;
    return rc;
}

enum rc mg_find_end(struct mg_find *find)
{
    bson_error_t error;
    enum rc rc = RC_OK;
    if (find->cursor && mongoc_cursor_error(find->cursor, &error))
        rc = mg_rc(find->call, &error);
    return mg_find_stop(find, rc);
}
