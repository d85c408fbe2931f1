/* mg_sessions.c - sessions and mailed secrets: ports/account_store.h. Each is one document, so each
 * compare-and-set is one guarded update. */
#include "adapters/mongo/mg_people.h"

#include <stdio.h>

enum { MAILED_KEY_CHARS = 2 + ID_CHARS_MAX };

/* ---- sessions ---- */

static void put_turn(bson_t *doc, const struct session *s)
{
    mg_put_hash(doc, "refresh", s->refresh, sizeof s->refresh);
    mg_put_hash(doc, "previous", s->previous, sizeof s->previous);
    mg_put_hash(doc, "salt", s->salt, sizeof s->salt);
    mg_put_text(doc, "range", s->range);
    (void)BSON_APPEND_INT64(doc, "seenAtUs", s->seen_at_us);
    (void)BSON_APPEND_INT64(doc, "turnedAtUs", s->turned_at_us);
    (void)BSON_APPEND_INT64(doc, "expiresAtUs", s->expires_at_us);
    /* For a TTL index, which wants a date: never earlier than the exact time. */
    (void)BSON_APPEND_DATE_TIME(doc, "expiresAt", s->expires_at_us / 1000 + 1);
}

static enum rc get_session(const bson_t *doc, struct arena *arena, struct session *out)
{
    struct session s = { .id = mg_get_id(doc, "_id"),
                         .user = mg_get_id(doc, "userId"),
                         .device = mg_get_text(doc, "device", arena),
                         .device_id = mg_get_text(doc, "deviceId", arena),
                         .range = mg_get_text(doc, "range", arena),
                         .created_at_us = (int64_t)mg_get_seq(doc, "createdAtUs"),
                         .seen_at_us = (int64_t)mg_get_seq(doc, "seenAtUs"),
                         .expires_at_us = (int64_t)mg_get_seq(doc, "expiresAtUs"),
                         .ends_at_us = (int64_t)mg_get_seq(doc, "endsAtUs"),
                         .turned_at_us = (int64_t)mg_get_seq(doc, "turnedAtUs") };
    mg_get_hash(doc, "family", s.family, sizeof s.family);
    mg_get_hash(doc, "refresh", s.refresh, sizeof s.refresh);
    mg_get_hash(doc, "previous", s.previous, sizeof s.previous);
    mg_get_hash(doc, "salt", s.salt, sizeof s.salt);
    if (!s.device.ptr || !s.device_id.ptr || !s.range.ptr)
        return RC_NOMEM;
    if (!s.id.len || !s.user.len)
        return RC_UNAVAILABLE;
    *out = s;
    return RC_OK;
}

static enum rc insert_session(struct mg_call *call, const struct session *s)
{
    SCOPED_DOC(doc);
    SCOPED_WRITES(writes);
    mg_put_id(&doc, "_id", &s->id);
    mg_put_id(&doc, "userId", &s->user);
    mg_put_text(&doc, "device", s->device);
    mg_put_text(&doc, "deviceId", s->device_id);
    (void)BSON_APPEND_INT64(&doc, "createdAtUs", s->created_at_us);
    (void)BSON_APPEND_INT64(&doc, "endsAtUs", s->ends_at_us);
    mg_put_hash(&doc, "family", s->family, sizeof s->family);
    put_turn(&doc, s);
    mg_writes_begin(&writes, call, MG_SESSIONS, 1);
    mg_insert(&writes, &doc);
    return mg_writes_end(&writes);
}

static enum rc add_session(void *self, const struct session *session)
{
    struct mg_call call;
    TRY(mg_begin(self, &call));
    return mg_end(self, &call, insert_session(&call, session));
}

static enum rc read_session(struct mg_call *call, const struct id *id, struct arena *arena,
                            struct session *out)
{
    SCOPED_DOC(filter);
    const bson_t *doc;
    mg_put_id(&filter, "_id", id);
    struct mg_find find = mg_find(call, MG_SESSIONS, &filter, NULL);
    if (mg_next(&find, &doc))
        return mg_find_stop(&find, mg_document(call, get_session(doc, arena, out)));
    TRY(mg_find_end(&find));
    return RC_NOT_FOUND;
}

static enum rc session(void *self, const struct id *id, struct arena *arena, struct session *out)
{
    struct mg_call call;
    TRY(mg_begin(self, &call));
    return mg_end(self, &call, read_session(&call, id, arena, out));
}

static enum rc read_sessions(struct mg_call *call, const struct id *user, int64_t now_us,
                             struct mg_list *list)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(opts);
    const bson_t *doc;
    mg_put_id(&filter, "userId", user);
    mg_put_bound(&filter, "expiresAtUs", "$gt", now_us);
    mg_put_order(&opts, "seenAtUs", "_id", -1, list->limit);
    struct mg_find find = mg_find(call, MG_SESSIONS, &filter, &opts);
    while (list->count < list->limit && mg_next(&find, &doc)) {
        struct session read;
        enum rc rc = mg_document(call, get_session(doc, list->arena, &read));
        struct session *item = rc == RC_OK ? mg_list_add(list) : NULL;
        if (!item)
            return mg_find_stop(&find, rc == RC_OK ? RC_NOMEM : rc);
        *item = read;
    }
    return mg_find_end(&find);
}

static enum rc sessions_of(void *self, const struct id *user, int64_t now_us, size_t limit,
                           struct arena *arena, struct session **out, size_t *out_count)
{
    struct mg_list list = { .arena = arena, .item_bytes = sizeof **out, .limit = limit };
    struct mg_call call;
    TRY(mg_begin(self, &call));
    TRY(mg_end(self, &call, read_sessions(&call, user, now_us, &list)));
    *out = list.items;
    *out_count = list.count;
    return RC_OK;
}

static enum rc turn_session(void *self, const uint8_t expected[SECRET_HASH_BYTES],
                            const struct session *turned)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(update);
    bson_t set;
    struct mg_call call;
    int64_t matched = 0;
    mg_put_id(&filter, "_id", &turned->id);
    mg_put_hash(&filter, "refresh", expected, SECRET_HASH_BYTES);
    (void)bson_append_document_begin(&update, "$set", -1, &set);
    put_turn(&set, turned);
    (void)bson_append_document_end(&update, &set);
    TRY(mg_begin(self, &call));
    TRY(mg_end(self, &call, mg_update_one(&call, MG_SESSIONS, &filter, &update, &matched)));
    return matched ? RC_OK : RC_CONFLICT;
}

static enum rc end_within(struct mg_call *call, const struct id *user, const struct id *id)
{
    SCOPED_DOC(filter);
    SCOPED_ARENA(arena, 16 * 1024);
    struct session known;
    TRY(read_session(call, id, &arena, &known));
    if (!id_equal(&known.user, user))
        return RC_NOT_FOUND;
    mg_put_id(&filter, "_id", id);
    return mg_remove(call, MG_SESSIONS, &filter);
}

static enum rc end_session(void *self, const struct id *user, const struct id *id)
{
    struct mg_call call;
    TRY(mg_begin(self, &call));
    return mg_end(self, &call, end_within(&call, user, id));
}

enum rc mg_end_sessions(struct mg_call *call, const struct id *user, const struct id *spared)
{
    SCOPED_DOC(filter);
    bson_t part;
    mg_put_id(&filter, "userId", user);
    if (spared) {
        (void)bson_append_document_begin(&filter, "_id", -1, &part);
        mg_put_id(&part, "$ne", spared);
        (void)bson_append_document_end(&filter, &part);
    }
    return mg_remove(call, MG_SESSIONS, &filter);
}

static enum rc end_sessions(void *self, const struct id *user, const struct id *spared)
{
    struct mg_call call;
    TRY(mg_begin(self, &call));
    return mg_end(self, &call, mg_end_sessions(&call, user, spared));
}

/* ---- mailed secrets: one document a (use, user) ---- */

static void put_mailed_key(bson_t *doc, enum mailed_use use, const struct id *user)
{
    char key[MAILED_KEY_CHARS + 1];
    (void)snprintf(key, sizeof key, "%c/%s", use == MAILED_RESET ? 'r' : 'e', user->text);
    (void)BSON_APPEND_UTF8(doc, "_id", key);
}

static enum rc put_within(struct mg_call *call, const struct mailed_secret *s)
{
    SCOPED_DOC(doc);
    SCOPED_DOC(key);
    SCOPED_DOC(values);
    SCOPED_DOC(update);
    SCOPED_PUTS(puts);
    put_mailed_key(&key, s->use, &s->user);
    mg_put_id(&values, "userId", &s->user);
    mg_put_hash(&values, "hash", s->hash, sizeof s->hash);
    mg_put_text(&values, "email", s->email);
    mg_put_text(&values, "emailKey", s->email_key);
    (void)BSON_APPEND_INT64(&values, "expiresAtUs", s->expires_at_us);
    (void)BSON_APPEND_DATE_TIME(&values, "expiresAt", s->expires_at_us / 1000 + 1);
    (void)bson_concat(&doc, &key);
    (void)bson_concat(&doc, &values);
    (void)BSON_APPEND_DOCUMENT(&update, "$set", &values);
    mg_puts_begin(&puts, call, MG_MAILED, 1);
    mg_put_one(&puts, &doc, &key, &update);
    return mg_puts_end(&puts);
}

static enum rc put_mailed(void *self, const struct mailed_secret *secret)
{
    struct mg_call call;
    TRY(mg_begin(self, &call));
    return mg_end(self, &call, put_within(&call, secret));
}

static enum rc get_mailed(const bson_t *doc, struct arena *arena, struct mailed_secret *out)
{
    out->user = mg_get_id(doc, "userId");
    out->email = mg_get_text(doc, "email", arena);
    out->email_key = mg_get_text(doc, "emailKey", arena);
    out->expires_at_us = (int64_t)mg_get_seq(doc, "expiresAtUs");
    if (!out->email.ptr || !out->email_key.ptr)
        return RC_NOMEM;
    return out->user.len ? RC_OK : RC_UNAVAILABLE;
}

/* The use is in the key, so one of another use with this hash, which can't be, isn't found. */
static enum rc find_mailed(struct mg_call *call, int64_t now_us, struct arena *arena,
                           struct mailed_secret *secret)
{
    SCOPED_DOC(filter);
    const bson_t *doc;
    char use = secret->use == MAILED_RESET ? 'r' : 'e';
    mg_put_hash(&filter, "hash", secret->hash, sizeof secret->hash);
    mg_put_bound(&filter, "expiresAtUs", "$gt", now_us);
    struct mg_find find = mg_find(call, MG_MAILED, &filter, NULL);
    while (mg_next(&find, &doc)) {
        struct bytes key = mg_peek_text(doc, "_id");
        if (key.len && key.ptr[0] == (uint8_t)use)
            return mg_find_stop(&find, mg_document(call, get_mailed(doc, arena, secret)));
    }
    TRY(mg_find_end(&find));
    return RC_NOT_FOUND;
}

/* Whoever changes the hash has it; the sweep or the next code removes what is left. */
static enum rc take_within(struct mg_call *call, int64_t now_us, struct arena *arena,
                           struct mailed_secret *secret)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(update);
    bson_t set;
    int64_t matched = 0;
    TRY(find_mailed(call, now_us, arena, secret));
    put_mailed_key(&filter, secret->use, &secret->user);
    mg_put_hash(&filter, "hash", secret->hash, sizeof secret->hash);
    (void)bson_append_document_begin(&update, "$set", -1, &set);
    (void)BSON_APPEND_UTF8(&set, "hash", "taken");
    (void)bson_append_document_end(&update, &set);
    TRY(mg_update_one(call, MG_MAILED, &filter, &update, &matched));
    return matched ? RC_OK : RC_NOT_FOUND;
}

static enum rc take_mailed(void *self, enum mailed_use use, const uint8_t hash[SECRET_HASH_BYTES],
                           int64_t now_us, struct arena *arena, struct mailed_secret *out)
{
    struct mailed_secret secret = { .use = use };
    struct mg_call call;
    memcpy(secret.hash, hash, sizeof secret.hash);
    TRY(mg_begin(self, &call));
    TRY(mg_end(self, &call, take_within(&call, now_us, arena, &secret)));
    *out = secret;
    return RC_OK;
}

enum rc mg_drop_mailed(struct mg_call *call, const struct id *user)
{
    SCOPED_DOC(filter);
    mg_put_id(&filter, "userId", user);
    return mg_remove(call, MG_MAILED, &filter);
}

/* ---- the sweep: also where a TTL index does it, since that is cheap then. Expired is expired, so
 * here there is no choosing first and no bound: nothing that lives is looked at. ---- */

static enum rc sweep(void *self, int64_t now_us)
{
    SCOPED_DOC(filter);
    struct mg_call call;
    mg_put_bound(&filter, "expiresAtUs", "$lte", now_us);
    TRY(mg_begin(self, &call));
    enum rc rc = mg_remove(&call, MG_SESSIONS, &filter);
    if (rc == RC_OK)
        rc = mg_remove(&call, MG_MAILED, &filter);
    return mg_end(self, &call, rc);
}

void mg_sessions_init(struct mongo_store *store)
{
    struct account_store *port = &store->accounts;
    port->add_session = add_session;
    port->session = session;
    port->sessions_of = sessions_of;
    port->turn_session = turn_session;
    port->end_session = end_session;
    port->end_sessions = end_sessions;
    port->put_mailed = put_mailed;
    port->take_mailed = take_mailed;
    port->sweep = sweep;
}
