/* mg_directory.c - users and remembered requests. A user of a call is written with one insert; who
 * is there already gets the new name by one update. */
#include "adapters/mongo/mg_store.h"

#include "base/encode.h"
#include "base/map.h"

#include <stdio.h>
#include <stdlib.h>

enum { SWEEP_MAX = 1000, KEY_BYTES_MAX = 1024 };

/* ---- users ---- */

static void put_user(bson_t *doc, const struct user *user, int64_t now_us)
{
    mg_put_id(doc, "_id", &user->id);
    mg_put_text(doc, "name", user->name);
    (void)BSON_APPEND_INT64(doc, "createdAtUs", now_us);
    (void)BSON_APPEND_INT64(doc, "updatedAtUs", now_us);
    (void)BSON_APPEND_BOOL(doc, "isDeleted", false);
}

/* {_id, name: {$ne: new}}: the same name again changes nothing, the time included. */
static void add_rename(struct mg_writes *writes, const struct user *user, int64_t now_us)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(update);
    bson_t part;
    mg_put_id(&filter, "_id", &user->id);
    (void)bson_append_document_begin(&filter, "name", -1, &part);
    mg_put_text(&part, "$ne", user->name);
    (void)bson_append_document_end(&filter, &part);
    (void)BSON_APPEND_BOOL(&filter, "isDeleted", false);
    (void)bson_append_document_begin(&update, "$set", -1, &part);
    mg_put_text(&part, "name", user->name);
    (void)BSON_APPEND_INT64(&part, "updatedAtUs", now_us);
    (void)bson_append_document_end(&update, &part);
    mg_update(writes, &filter, &update);
}

/* Whoever comes several times in a call is made with the last name, as if one call a name came. */
struct putting {
    const struct user *users;
    size_t count;
    bool only_if_new;
    int64_t now_us;
    struct map first; /* id -> the first of that id */
    size_t *name_of;  /* [i] of a first: whose name it gets */
    bool *is_first;
};

static enum rc group(struct putting *p)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct user *first = map_get(&p->first, id_bytes(&p->users[i].id));
        p->is_first[i] = !first;
        if (!first)
            TRY(map_put(&p->first, id_bytes(&p->users[i].id), (void *)&p->users[i]));
        size_t at = first ? (size_t)(first - p->users) : i;
        if (!first || !p->only_if_new)
            p->name_of[at] = i;
    }
    return RC_OK;
}

static enum rc insert_users(struct mg_call *call, const struct putting *p, bool *is_new)
{
    SCOPED_WRITES(writes);
    size_t at = 0;
    mg_writes_begin(&writes, call, MG_USERS, p->count);
    for (size_t i = 0; i < p->count; i++) {
        SCOPED_DOC(doc);
        struct user user = p->users[i];
        if (!p->is_first[i])
            continue;
        user.name = p->users[p->name_of[i]].name;
        put_user(&doc, &user, p->now_us);
        mg_insert(&writes, &doc);
    }
    TRY(mg_writes_end(&writes));
    for (size_t i = 0; i < p->count; i++)
        is_new[i] = p->is_first[i] && !writes.is_taken[at++];
    return RC_OK;
}

static enum rc rename_users(struct mg_call *call, const struct putting *p, const bool *is_new)
{
    SCOPED_WRITES(writes);
    mg_writes_begin(&writes, call, MG_USERS, p->count);
    for (size_t i = 0; i < p->count; i++) {
        struct user user = p->users[i];
        if (!p->is_first[i] || is_new[i])
            continue;
        user.name = p->users[p->name_of[i]].name;
        add_rename(&writes, &user, p->now_us);
    }
    return mg_writes_end(&writes);
}

static enum rc put_all(struct mg_call *call, struct putting *p, bool *is_new)
{
    TRY(group(p));
    TRY(insert_users(call, p, is_new));
    return p->only_if_new ? RC_OK : rename_users(call, p, is_new);
}

static enum rc put_users(void *self, const struct user *users, size_t count, bool only_if_new,
                         int64_t now_us, bool *is_new)
{
    struct mg_call call;
    struct putting p = {
        .users = users, .count = count, .only_if_new = only_if_new, .now_us = now_us
    };
    bool *news = calloc(count + 1, sizeof *news);
    p.name_of = calloc(count + 1, sizeof *p.name_of);
    p.is_first = calloc(count + 1, sizeof *p.is_first);
    map_init(&p.first);
    enum rc rc = news && p.name_of && p.is_first ? mg_begin(self, &call) : RC_NOMEM;
    if (rc == RC_OK)
        rc = mg_end(self, &call, put_all(&call, &p, news));
    if (rc == RC_OK && is_new && count)
        memcpy(is_new, news, count * sizeof *news);
    map_fini(&p.first);
    free(p.is_first);
    free(p.name_of);
    free(news);
    return rc;
}

static enum rc read_user(struct mg_call *call, const struct id *id, struct arena *arena,
                         struct user *out)
{
    SCOPED_DOC(filter);
    const bson_t *doc;
    mg_put_id(&filter, "_id", id);
    struct mg_find find = mg_find(call, MG_USERS, &filter, NULL);
    if (mg_next(&find, &doc))
        return mg_find_stop(&find, mg_document(call, mg_get_user(doc, arena, out)));
    TRY(mg_find_end(&find));
    return RC_NOT_FOUND;
}

static enum rc user(void *self, const struct id *id, struct arena *arena, struct user *out)
{
    struct mg_call call;
    TRY(mg_begin(self, &call));
    return mg_end(self, &call, read_user(&call, id, arena, out));
}

static enum rc collect_users(struct mg_call *call, struct mg_find *find, struct bytes query,
                             struct mg_list *list)
{
    const bson_t *doc;
    while (list->count < list->limit && mg_next(find, &doc)) {
        struct user read;
        struct id id = mg_get_id(doc, "_id");
        if (!mg_contains(id_bytes(&id), query) && !mg_contains(mg_peek_text(doc, "name"), query))
            continue;
        enum rc rc = mg_document(call, mg_get_user(doc, list->arena, &read));
        struct user *item = rc == RC_OK ? mg_list_add(list) : NULL;
        if (!item)
            return mg_find_stop(find, rc == RC_OK ? RC_NOMEM : rc);
        *item = read;
    }
    return mg_find_end(find);
}

static enum rc read_users(struct mg_call *call, struct bytes query, const struct id *after,
                          struct mg_list *list)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(opts);
    (void)BSON_APPEND_BOOL(&filter, "isDeleted", false);
    mg_put_text_range(&filter, "_id", "$gt", after ? after->text : "", NULL, NULL);
    mg_put_order(&opts, "_id", NULL, 1, 0);
    struct mg_find find = mg_find(call, MG_USERS, &filter, &opts);
    return collect_users(call, &find, query, list);
}

static enum rc users(void *self, struct bytes query, const struct id *after, size_t limit,
                     struct arena *arena, struct user **out, size_t *out_count)
{
    struct mg_list list = { .arena = arena, .item_bytes = sizeof **out, .limit = limit };
    struct mg_call call;
    TRY(mg_begin(self, &call));
    TRY(mg_end(self, &call, read_users(&call, query, after, &list)));
    *out = list.items;
    *out_count = list.count;
    return RC_OK;
}

static enum rc erase_user(void *self, const struct id *id, int64_t now_us)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(update);
    bson_t part;
    struct mg_call call;
    mg_put_id(&filter, "_id", id);
    (void)BSON_APPEND_BOOL(&filter, "isDeleted", false);
    (void)bson_append_document_begin(&update, "$set", -1, &part);
    mg_put_text(&part, "name", bytes_of(""));
    (void)BSON_APPEND_BOOL(&part, "isDeleted", true);
    (void)BSON_APPEND_INT64(&part, "updatedAtUs", now_us);
    (void)bson_append_document_end(&update, &part);
    TRY(mg_begin(self, &call));
    return mg_end(self, &call, mg_update_one(&call, MG_USERS, &filter, &update, NULL));
}

/* ---- remembered requests ---- */

/* "user/key", the key in base64url: it may be any bytes. */
static enum rc put_key(bson_t *doc, const struct id *user_id, struct bytes key)
{
    char text[ID_CHARS_MAX + 1 + B64URL_CHARS(KEY_BYTES_MAX) + 1];
    if (key.len > KEY_BYTES_MAX)
        return RC_INVALID;
    (void)snprintf(text, sizeof text, "%s/", user_id->text);
    (void)b64url_write(key, text + user_id->len + 1);
    (void)BSON_APPEND_UTF8(doc, "_id", text);
    return RC_OK;
}

static enum rc read_request(struct mg_call *call, const bson_t *filter, struct arena *arena,
                            struct mg_request *out)
{
    const bson_t *doc;
    struct mg_find find = mg_find(call, MG_REQUESTS, filter, NULL);
    if (mg_next(&find, &doc))
        return mg_find_stop(&find, mg_document(call, mg_get_request(doc, arena, out)));
    TRY(mg_find_end(&find));
    return RC_NOT_FOUND;
}

static enum rc find_request(void *self, const struct id *user_id, struct bytes key, int64_t now_us,
                            struct arena *arena, uint8_t out_hash[16], int *out_status,
                            struct bytes *out_body)
{
    SCOPED_DOC(filter);
    struct mg_call call;
    struct mg_request request;
    TRY(put_key(&filter, user_id, key));
    TRY(mg_begin(self, &call));
    TRY(mg_end(self, &call, read_request(&call, &filter, arena, &request)));
    if (request.expires_at_us <= now_us)
        return RC_NOT_FOUND;
    memcpy(out_hash, request.hash, sizeof request.hash);
    *out_status = request.status;
    *out_body = request.body;
    return RC_OK;
}

static void put_answer(bson_t *doc, const uint8_t hash[16], int status, struct bytes body,
                       int64_t expires_at_us)
{
    (void)BSON_APPEND_BINARY(doc, "hash", BSON_SUBTYPE_BINARY, hash, 16);
    (void)BSON_APPEND_INT32(doc, "status", status);
    mg_put_text(doc, "body", body);
    (void)BSON_APPEND_INT64(doc, "expiresAtUs", expires_at_us);
    /* For a TTL index, which wants a date: never earlier than the exact time. */
    (void)BSON_APPEND_DATE_TIME(doc, "expiresAt", expires_at_us / 1000 + 1);
}

/* The first answer stays; one that has expired is no longer the first. */
static enum rc replace_expired(struct mg_call *call, const bson_t *key, const bson_t *answer,
                               int64_t now_us)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(update);
    bson_t part;
    (void)bson_concat(&filter, key);
    (void)bson_append_document_begin(&filter, "expiresAtUs", -1, &part);
    (void)BSON_APPEND_INT64(&part, "$lte", now_us);
    (void)bson_append_document_end(&filter, &part);
    (void)BSON_APPEND_DOCUMENT(&update, "$set", answer);
    return mg_update_one(call, MG_REQUESTS, &filter, &update, NULL);
}

static enum rc write_request(struct mg_call *call, const bson_t *key, const bson_t *answer,
                             int64_t now_us)
{
    SCOPED_DOC(doc);
    SCOPED_WRITES(writes);
    (void)bson_concat(&doc, key);
    (void)bson_concat(&doc, answer);
    mg_writes_begin(&writes, call, MG_REQUESTS, 1);
    mg_insert(&writes, &doc);
    TRY(mg_writes_end(&writes));
    return writes.taken_count ? replace_expired(call, key, answer, now_us) : RC_OK;
}

static enum rc put_request(void *self, const struct id *user_id, struct bytes key,
                           const uint8_t hash[16], int status, struct bytes body, int64_t now_us)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(answer);
    struct mg_call call;
    TRY(put_key(&filter, user_id, key));
    put_answer(&answer, hash, status, body, now_us + REQUEST_KEPT_US);
    TRY(mg_begin(self, &call));
    return mg_end(self, &call, write_request(&call, &filter, &answer, now_us));
}

/* ---- the sweep: also where a TTL index does it, since that is cheap then ---- */

/* The date has the index, the other field the exact time. */
static void put_expired(bson_t *filter, int64_t now_us)
{
    bson_t part;
    (void)bson_append_document_begin(filter, "expiresAt", -1, &part);
    (void)BSON_APPEND_DATE_TIME(&part, "$lte", now_us / 1000 + 1);
    (void)bson_append_document_end(filter, &part);
    (void)bson_append_document_begin(filter, "expiresAtUs", -1, &part);
    (void)BSON_APPEND_INT64(&part, "$lte", now_us);
    (void)bson_append_document_end(filter, &part);
}

static enum rc find_expired(struct mg_call *call, int64_t now_us, struct mg_list *keys)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(opts);
    bson_t part;
    const bson_t *doc;
    put_expired(&filter, now_us);
    (void)BSON_APPEND_INT64(&opts, "limit", SWEEP_MAX);
    (void)bson_append_document_begin(&opts, "projection", -1, &part);
    (void)BSON_APPEND_INT32(&part, "_id", 1);
    (void)bson_append_document_end(&opts, &part);
    struct mg_find find = mg_find(call, MG_REQUESTS, &filter, &opts);
    while (mg_next(&find, &doc)) {
        struct bytes *key = mg_list_add(keys);
        if (!key)
            return mg_find_stop(&find, RC_NOMEM);
        *key = arena_copy(keys->arena, mg_peek_text(doc, "_id"));
        if (!key->ptr)
            return mg_find_stop(&find, RC_NOMEM);
    }
    return mg_find_end(&find);
}

/* {_id: {$in: keys}, expired}: one that was put anew meanwhile stays. */
static enum rc remove_expired(struct mg_call *call, int64_t now_us, const struct mg_list *keys)
{
    SCOPED_DOC(filter);
    bson_t in, array;
    bson_error_t error;
    const struct bytes *texts = keys->items;
    (void)bson_append_document_begin(&filter, "_id", -1, &in);
    (void)bson_append_array_begin(&in, "$in", -1, &array);
    for (size_t i = 0; i < keys->count; i++) {
        char buffer[16];
        const char *key;
        (void)bson_uint32_to_string((uint32_t)i, &key, buffer, sizeof buffer);
        (void)bson_append_utf8(&array, key, -1, (const char *)texts[i].ptr, (int)texts[i].len);
    }
    (void)bson_append_array_end(&in, &array);
    (void)bson_append_document_end(&filter, &in);
    put_expired(&filter, now_us);
    mongoc_collection_t *collection =
        mongoc_client_get_collection(call->client, call->database, mg_collection_name(MG_REQUESTS));
    bool is_done = mongoc_collection_delete_many(collection, &filter, NULL, NULL, &error);
    mongoc_collection_destroy(collection);
    return is_done ? RC_OK : mg_rc(call, &error);
}

static enum rc sweep(void *self, int64_t now_us)
{
    SCOPED_ARENA(arena, 1 << 20);
    struct mg_list keys = { .arena = &arena,
                            .item_bytes = sizeof(struct bytes),
                            .limit = SWEEP_MAX };
    struct mg_call call;
    TRY(mg_begin(self, &call));
    enum rc rc = find_expired(&call, now_us, &keys);
    if (rc == RC_OK && keys.count)
        rc = remove_expired(&call, now_us, &keys);
    return mg_end(self, &call, rc);
}

void mg_directory_init(struct mongo_store *store)
{
    store->directory.put_users = put_users;
    store->directory.user = user;
    store->directory.users = users;
    store->directory.erase_user = erase_user;
    store->directory.find_request = find_request;
    store->directory.put_request = put_request;
    store->directory.sweep = sweep;
}
