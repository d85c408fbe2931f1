/* mg_schema.c - the indexes that the store reads by, made and checked by name, keys and uniqueness.
 *
 * Every unique key is always present: servers differ in what a missing one means. The TTL index is
 * the one thing that a server may refuse; then a plain one stands in its place and the sweeper
 * alone removes what has expired.
 */
#include "adapters/mongo/mg_store.h"

#include "base/rc.h"

#include <stdio.h>

enum { SCHEMA_VERSION = 1, INDEX_KEYS_MAX = 4, CODE_NAMESPACE_NOT_FOUND = 26 };

struct index {
    enum mg_collection collection;
    const char *name;
    bool is_unique, is_ttl;
    const char *keys[INDEX_KEYS_MAX]; /* ascending; a server reads them either way */
};

static const struct index indexes[] = {
    { MG_EVENTS, "conversation_in_order", true, false, { "conversationId", "seq" } },
    { MG_EVENTS, "conversation_in_time", false, false, { "conversationId", "atUs", "seq" } },
    { MG_FACTS, "group_in_order", false, false, { "group", "seq" } },
    { MG_MARKS, "marks_of_first", false, false, { "conversationId", "first" } },
    { MG_LINKS, "links_of_seq", false, false, { "conversationId", "seq" } },
    { MG_CONVERSATIONS, "channels", false, false, { "conversationType", "_id" } },
    { MG_MEMBERSHIPS, "members_of", false, false, { "conversationId", "isMember", "userId" } },
    { MG_MEMBERSHIPS,
      "conversations_of",
      false,
      false,
      { "userId", "isMember", "conversationId" } },
    { MG_FEED, "feed_in_order", false, false, { "userId", "feedSeq" } },
    { MG_REQUESTS, "requests_by_expiry", false, true, { "expiresAt" } },
    { MG_ACCOUNTS, "accounts_by_name", false, false, { "usernameKey" } },
    { MG_ACCOUNTS, "accounts_by_email", false, false, { "emailKey" } },
    { MG_NAMES, "names_of", false, false, { "userId" } },
    { MG_SESSIONS, "sessions_of", false, false, { "userId", "seenAtUs" } },
    { MG_SESSIONS, "sessions_by_expiry", false, true, { "expiresAt" } },
    { MG_MAILED, "mailed_by_hash", false, false, { "hash" } },
    { MG_MAILED, "mailed_of", false, false, { "userId" } },
    { MG_MAILED, "mailed_by_expiry", false, true, { "expiresAt" } },
};

static enum rc wrong(struct fault *fault, const struct index *index, const char *what)
{
    fault_set(fault, "store.url", "collection %s: the index %s %s; see `parleyctl store`",
              mg_collection_name(index->collection), index->name, what);
    return RC_INVALID;
}

/* ---- making ---- */

static void put_keys(bson_t *doc, const struct index *index)
{
    bson_t keys;
    (void)bson_append_document_begin(doc, "key", -1, &keys);
    for (size_t i = 0; i < INDEX_KEYS_MAX && index->keys[i]; i++)
        (void)bson_append_int32(&keys, index->keys[i], -1, 1);
    (void)bson_append_document_end(doc, &keys);
}

static enum rc make_index(struct mg_call *call, const struct index *index, bool as_ttl)
{
    SCOPED_DOC(command);
    bson_t array, spec;
    (void)BSON_APPEND_UTF8(&command, "createIndexes", mg_collection_name(index->collection));
    (void)bson_append_array_begin(&command, "indexes", -1, &array);
    (void)bson_append_document_begin(&array, "0", -1, &spec);
    put_keys(&spec, index);
    (void)BSON_APPEND_UTF8(&spec, "name", index->name);
    if (index->is_unique)
        (void)BSON_APPEND_BOOL(&spec, "unique", true);
    if (as_ttl)
        (void)BSON_APPEND_INT32(&spec, "expireAfterSeconds", 0);
    (void)bson_append_document_end(&array, &spec);
    (void)bson_append_array_end(&command, &array);
    return mg_command(call, call->database, &command, NULL);
}

/* ---- reading what is there ---- */

struct found {
    bool is_there, is_same, is_ttl;
};

static bool has_keys(const bson_iter_t *key, const struct index *index)
{
    bson_iter_t at;
    size_t i = 0;
    if (!bson_iter_recurse(key, &at))
        return false;
    while (bson_iter_next(&at)) {
        if (i == INDEX_KEYS_MAX || !index->keys[i] ||
            strcmp(bson_iter_key(&at), index->keys[i]) != 0 || bson_iter_as_int64(&at) != 1)
            return false;
        i++;
    }
    return i == INDEX_KEYS_MAX || !index->keys[i];
}

static void look_at(const bson_t *doc, const struct index *index, struct found *found)
{
    bson_iter_t key, unique, ttl;
    if (!bytes_is(mg_peek_text(doc, "name"), index->name))
        return;
    bool is_unique = bson_iter_init_find(&unique, doc, "unique") && bson_iter_as_bool(&unique);
    found->is_there = true;
    found->is_ttl = bson_iter_init_find(&ttl, doc, "expireAfterSeconds");
    found->is_same = bson_iter_init_find(&key, doc, "key") && has_keys(&key, index) &&
                     is_unique == index->is_unique && (index->is_ttl || !found->is_ttl);
}

/* A collection that isn't there has no indexes. */
static enum rc find_index(struct mg_call *call, const struct index *index, struct found *found)
{
    const bson_t *doc;
    bson_error_t error;
    enum rc rc = RC_OK;
    *found = (struct found){ false };
    mongoc_collection_t *collection = mongoc_client_get_collection(
        call->client, call->database, mg_collection_name(index->collection));
    mongoc_cursor_t *cursor = mongoc_collection_find_indexes_with_opts(collection, NULL);
    while (mongoc_cursor_next(cursor, &doc))
        look_at(doc, index, found);
    if (mongoc_cursor_error(cursor, &error) && error.code != CODE_NAMESPACE_NOT_FOUND)
        rc = mg_rc(call, &error);
    mongoc_cursor_destroy(cursor);
    mongoc_collection_destroy(collection);
    return rc;
}

/* ---- the version ---- */

static enum rc read_version(struct mg_call *call, uint64_t *out_version)
{
    SCOPED_DOC(filter);
    const bson_t *doc;
    *out_version = 0;
    (void)BSON_APPEND_UTF8(&filter, "_id", "schema");
    struct mg_find find = mg_find(call, MG_META, &filter, NULL);
    if (mg_next(&find, &doc))
        *out_version = mg_get_seq(doc, "version");
    return mg_find_end(&find);
}

static enum rc check_version(struct mg_call *call, struct fault *fault)
{
    uint64_t version;
    TRY(read_version(call, &version));
    if (version == SCHEMA_VERSION)
        return RC_OK;
    if (version == 0) {
        fault_set(fault, "store.url",
                  "the database holds no store; `parleyctl store init` makes it");
        return RC_NOT_FOUND;
    }
    fault_set(fault, "store.url", "the store has version %d, this program knows up to %d",
              (int)version, SCHEMA_VERSION);
    return RC_INVALID;
}

static enum rc make_version(struct mg_call *call)
{
    SCOPED_DOC(doc);
    SCOPED_WRITES(writes);
    (void)BSON_APPEND_UTF8(&doc, "_id", "schema");
    mg_put_seq(&doc, "version", SCHEMA_VERSION);
    mg_writes_begin(&writes, call, MG_META, 1);
    mg_insert(&writes, &doc); /* of any version that is there, that one stays */
    return mg_writes_end(&writes);
}

/* ---- all of it ---- */

enum rc mg_schema_check(struct mg_call *call, struct fault *fault)
{
    TRY(check_version(call, fault));
    for (size_t i = 0; i < COUNT_OF(indexes); i++) {
        struct found found;
        TRY(find_index(call, &indexes[i], &found));
        if (!found.is_there)
            return wrong(fault, &indexes[i], "is missing");
        if (!found.is_same)
            return wrong(fault, &indexes[i], "has other keys or options");
    }
    return RC_OK;
}

/* A create that is refused is no error yet: the check says what is left to say. */
static enum rc make_missing(struct mg_call *call, const struct index *index, struct fault *fault)
{
    struct found found;
    TRY(find_index(call, index, &found));
    if (found.is_there)
        return RC_OK;
    enum rc rc = make_index(call, index, index->is_ttl);
    if (rc != RC_OK && index->is_ttl)
        rc = make_index(call, index, false);
    if (rc != RC_OK && call->was_denied)
        return wrong(fault, index, "is missing, and this login may not make it");
    return rc;
}

enum rc mg_schema_init(struct mg_call *call, struct fault *fault)
{
    for (size_t i = 0; i < COUNT_OF(indexes); i++)
        TRY(make_missing(call, &indexes[i], fault));
    TRY(make_version(call));
    return mg_schema_check(call, fault);
}

enum rc mg_schema_has_ttl(struct mg_call *call, bool *out_has_ttl)
{
    for (size_t i = 0; i < COUNT_OF(indexes); i++) {
        struct found found;
        if (!indexes[i].is_ttl)
            continue;
        TRY(find_index(call, &indexes[i], &found));
        *out_has_ttl = found.is_ttl;
    }
    return RC_OK;
}
