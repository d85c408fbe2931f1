/* mg_accounts.c - accounts: ports/account_store.h.
 *
 * A name is had by who has its claim: a document whose key is the folded name. So names are unique
 * without a transaction and without a second unique index:
 *
 *     claim the username, claim the address, insert the account    (each may meet what is there)
 *
 * A claim without an account that bears the name is left over from a call that was cut short. After
 * a minute, which no call lasts, another may take it over.
 */
#include "adapters/mongo/mg_people.h"

#include <stdio.h>

enum { CLAIM_CHARS = USERNAME_KEY_BYTES_MAX + EMAIL_BYTES_MAX * 4 + 2 };
#define CLAIM_KEPT_US INT64_C(60000000)

void mg_put_hash(bson_t *doc, const char *name, const uint8_t *hash, size_t len)
{
    char text[MG_HASH_CHARS + 1];
    (void)b64url_write(bytes_make(hash, len), text);
    (void)BSON_APPEND_UTF8(doc, name, text);
}

void mg_get_hash(const bson_t *doc, const char *name, uint8_t *out, size_t len)
{
    uint8_t bytes[SECRET_HASH_BYTES + 4];
    size_t got = 0;
    struct bytes text = mg_peek_text(doc, name);
    memset(out, 0, len);
    if (text.len == B64URL_CHARS(len) && b64url_read(text, bytes, &got) && got == len)
        memcpy(out, bytes, len);
}

struct bytes mg_get_text(const bson_t *doc, const char *name, struct arena *arena)
{
    return arena_copy(arena, mg_peek_text(doc, name));
}

enum rc mg_remove(struct mg_call *call, enum mg_collection collection, const bson_t *filter)
{
    bson_error_t error;
    mongoc_collection_t *c =
        mongoc_client_get_collection(call->client, call->database, mg_collection_name(collection));
    bool is_done = mongoc_collection_delete_many(c, filter, NULL, NULL, &error);
    mongoc_collection_destroy(c);
    return is_done ? RC_OK : mg_rc(call, &error);
}

void mg_put_bound(bson_t *filter, const char *name, const char *op, int64_t value)
{
    bson_t part;
    (void)bson_append_document_begin(filter, name, -1, &part);
    (void)bson_append_int64(&part, op, -1, value);
    (void)bson_append_document_end(filter, &part);
}

/* ---- documents ---- */

static void put_account(bson_t *doc, const struct account *a)
{
    mg_put_id(doc, "_id", &a->user);
    mg_put_text(doc, "username", a->username);
    mg_put_text(doc, "usernameKey", a->username_key);
    mg_put_text(doc, "email", a->email);
    mg_put_text(doc, "emailKey", a->email_key);
    mg_put_text(doc, "password", a->password);
    (void)BSON_APPEND_INT64(doc, "roles", (int64_t)a->roles);
    (void)BSON_APPEND_INT64(doc, "isBanned", a->is_banned);
    (void)BSON_APPEND_INT64(doc, "createdAtUs", a->created_at_us);
    (void)BSON_APPEND_INT64(doc, "passwordAtUs", a->password_at_us);
}

static enum rc get_account(const bson_t *doc, struct arena *arena, struct account *out)
{
    struct account a = { .user = mg_get_id(doc, "_id"),
                         .username = mg_get_text(doc, "username", arena),
                         .username_key = mg_get_text(doc, "usernameKey", arena),
                         .email = mg_get_text(doc, "email", arena),
                         .email_key = mg_get_text(doc, "emailKey", arena),
                         .password = mg_get_text(doc, "password", arena),
                         .roles = (unsigned)mg_get_seq(doc, "roles"),
                         .is_banned = mg_get_seq(doc, "isBanned") != 0,
                         .created_at_us = (int64_t)mg_get_seq(doc, "createdAtUs"),
                         .password_at_us = (int64_t)mg_get_seq(doc, "passwordAtUs") };
    if (!a.username.ptr || !a.username_key.ptr || !a.email.ptr || !a.email_key.ptr ||
        !a.password.ptr)
        return RC_NOMEM;
    if (!a.user.len || !a.username_key.len)
        return RC_UNAVAILABLE;
    *out = a;
    return RC_OK;
}

static enum rc read_account(struct mg_call *call, const char *field, struct bytes name,
                            struct arena *arena, struct account *out)
{
    SCOPED_DOC(filter);
    const bson_t *doc;
    mg_put_text(&filter, field, name);
    struct mg_find find = mg_find(call, MG_ACCOUNTS, &filter, NULL);
    if (mg_next(&find, &doc))
        return mg_find_stop(&find, mg_document(call, get_account(doc, arena, out)));
    TRY(mg_find_end(&find));
    return RC_NOT_FOUND;
}

/* ---- claims ---- */

struct claim {
    const char *field; /* of the account that the name is in */
    struct bytes key;
    const struct id *user;
    int64_t now_us;
};

static void put_claim_key(bson_t *doc, const struct claim *claim)
{
    char text[CLAIM_CHARS + 1];
    (void)snprintf(text, sizeof text, "%s/%.*s", claim->field, BYTES_ARG(claim->key));
    (void)BSON_APPEND_UTF8(doc, "_id", text);
}

static enum rc read_claim(struct mg_call *call, const struct claim *claim, struct id *out_user,
                          int64_t *out_at_us)
{
    SCOPED_DOC(filter);
    const bson_t *doc;
    put_claim_key(&filter, claim);
    struct mg_find find = mg_find(call, MG_NAMES, &filter, NULL);
    if (!mg_next(&find, &doc)) {
        TRY(mg_find_end(&find));
        return RC_NOT_FOUND;
    }
    *out_user = mg_get_id(doc, "userId");
    *out_at_us = (int64_t)mg_get_seq(doc, "atUs");
    return mg_find_end(&find);
}

/* {_id, userId: old, atUs: old} -> new, if nobody was quicker. */
static enum rc take_over(struct mg_call *call, const struct claim *claim, const struct id *old,
                         int64_t old_at_us)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(update);
    bson_t set;
    int64_t matched = 0;
    put_claim_key(&filter, claim);
    mg_put_id(&filter, "userId", old);
    (void)BSON_APPEND_INT64(&filter, "atUs", old_at_us);
    (void)bson_append_document_begin(&update, "$set", -1, &set);
    mg_put_id(&set, "userId", claim->user);
    (void)BSON_APPEND_INT64(&set, "atUs", claim->now_us);
    (void)bson_append_document_end(&update, &set);
    TRY(mg_update_one(call, MG_NAMES, &filter, &update, &matched));
    return matched ? RC_OK : RC_CONFLICT;
}

/* The claim is somebody's: whose, and does that one bear the name? */
static enum rc look_at_claim(struct mg_call *call, const struct claim *claim)
{
    SCOPED_ARENA(arena, 64 * 1024);
    struct account bearer;
    struct id user;
    int64_t at_us;
    enum rc rc = read_claim(call, claim, &user, &at_us);
    if (rc != RC_OK) /* given up just now: whoever asks again may have it */
        return rc == RC_NOT_FOUND ? RC_CONFLICT : rc;
    if (id_equal(&user, claim->user))
        return RC_OK;
    rc = read_account(call, claim->field, claim->key, &arena, &bearer);
    if (rc != RC_NOT_FOUND)
        return rc == RC_OK ? RC_CONFLICT : rc;
    if (at_us > claim->now_us - CLAIM_KEPT_US)
        return RC_CONFLICT;
    return take_over(call, claim, &user, at_us);
}

static enum rc claim_name(struct mg_call *call, const struct claim *claim)
{
    SCOPED_DOC(doc);
    SCOPED_WRITES(writes);
    if (!claim->key.len)
        return RC_OK;
    put_claim_key(&doc, claim);
    mg_put_id(&doc, "userId", claim->user);
    (void)BSON_APPEND_INT64(&doc, "atUs", claim->now_us);
    mg_writes_begin(&writes, call, MG_NAMES, 1);
    mg_insert(&writes, &doc);
    TRY(mg_writes_end(&writes));
    return writes.taken_count ? look_at_claim(call, claim) : RC_OK;
}

static enum rc give_up(struct mg_call *call, const struct claim *claim)
{
    SCOPED_DOC(filter);
    if (!claim->key.len)
        return RC_OK;
    put_claim_key(&filter, claim);
    mg_put_id(&filter, "userId", claim->user);
    return mg_remove(call, MG_NAMES, &filter);
}

/* ---- adding ---- */

static enum rc insert_account(struct mg_call *call, const struct account *account)
{
    SCOPED_DOC(doc);
    SCOPED_WRITES(writes);
    put_account(&doc, account);
    mg_writes_begin(&writes, call, MG_ACCOUNTS, 1);
    mg_insert(&writes, &doc);
    TRY(mg_writes_end(&writes));
    return writes.taken_count ? RC_CONFLICT : RC_OK;
}

static enum rc add_within(struct mg_call *call, const struct account *account,
                          enum account_taken *out_taken)
{
    const int64_t now_us = account->created_at_us;
    const struct claim name = { "usernameKey", account->username_key, &account->user, now_us };
    const struct claim email = { "emailKey", account->email_key, &account->user, now_us };
    *out_taken = ACCOUNT_TAKEN_USERNAME;
    TRY(claim_name(call, &name));
    *out_taken = ACCOUNT_TAKEN_EMAIL;
    enum rc rc = claim_name(call, &email);
    if (rc == RC_OK) {
        *out_taken = ACCOUNT_TAKEN_NOTHING;
        rc = insert_account(call, account);
    }
    if (rc == RC_CONFLICT && *out_taken == ACCOUNT_TAKEN_EMAIL)
        TRY(give_up(call, &name));
    return rc;
}

static enum rc add(void *self, const struct account *account, enum account_taken *out_taken)
{
    SCOPED_ARENA(arena, 64 * 1024);
    struct account known;
    struct mg_call call;
    TRY(mg_begin(self, &call));
    /* A user who has an account keeps its names: no claim is made in vain. */
    enum rc rc = read_account(&call, "_id", id_bytes(&account->user), &arena, &known);
    *out_taken = ACCOUNT_TAKEN_NOTHING;
    if (rc == RC_OK) {
        bool is_same = bytes_equal(known.username_key, account->username_key);
        *out_taken = is_same ? ACCOUNT_TAKEN_USERNAME : ACCOUNT_TAKEN_NOTHING;
        rc = RC_CONFLICT;
    } else if (rc == RC_NOT_FOUND) {
        rc = add_within(&call, account, out_taken);
    }
    return mg_end(self, &call, rc);
}

/* ---- reading ---- */

static enum rc find(void *self, enum account_by by, struct bytes name, struct arena *arena,
                    struct account *out)
{
    static const char *const fields[] = {
        [ACCOUNT_BY_USER] = "_id",
        [ACCOUNT_BY_USERNAME_KEY] = "usernameKey",
        [ACCOUNT_BY_EMAIL_KEY] = "emailKey",
    };
    struct mg_call call;
    if (!name.len)
        return RC_NOT_FOUND;
    TRY(mg_begin(self, &call));
    return mg_end(self, &call, read_account(&call, fields[by], name, arena, out));
}

static enum rc read_accounts(struct mg_call *call, struct bytes after, struct mg_list *all)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(opts);
    bson_t part;
    const bson_t *doc;
    (void)bson_append_document_begin(&filter, "usernameKey", -1, &part);
    mg_put_text(&part, "$gt", after.len ? after : bytes_of(""));
    (void)bson_append_document_end(&filter, &part);
    mg_put_order(&opts, "usernameKey", NULL, 1, all->limit);
    struct mg_find find_all = mg_find(call, MG_ACCOUNTS, &filter, &opts);
    while (all->count < all->limit && mg_next(&find_all, &doc)) {
        struct account read;
        enum rc rc = mg_document(call, get_account(doc, all->arena, &read));
        struct account *item = rc == RC_OK ? mg_list_add(all) : NULL;
        if (!item)
            return mg_find_stop(&find_all, rc == RC_OK ? RC_NOMEM : rc);
        *item = read;
    }
    return mg_find_end(&find_all);
}

static enum rc list(void *self, struct bytes after, size_t limit, struct arena *arena,
                    struct account **out, size_t *out_count)
{
    struct mg_list all = { .arena = arena, .item_bytes = sizeof **out, .limit = limit };
    struct mg_call call;
    TRY(mg_begin(self, &call));
    TRY(mg_end(self, &call, read_accounts(&call, after, &all)));
    *out = all.items;
    *out_count = all.count;
    return RC_OK;
}

/* ---- changing ---- */

/* Nothing matched: because there is no such account, or because of what else was asked. */
static enum rc set_within(struct mg_call *call, const struct id *user, const bson_t *filter,
                          const bson_t *set)
{
    SCOPED_DOC(update);
    SCOPED_ARENA(arena, 64 * 1024);
    struct account known;
    int64_t matched = 0;
    (void)BSON_APPEND_DOCUMENT(&update, "$set", set);
    TRY(mg_update_one(call, MG_ACCOUNTS, filter, &update, &matched));
    if (matched)
        return RC_OK;
    TRY(read_account(call, "_id", id_bytes(user), &arena, &known));
    return RC_CONFLICT;
}

static enum rc set_all(struct mongo_store *store, const struct id *user, const bson_t *set)
{
    SCOPED_DOC(filter);
    struct mg_call call;
    mg_put_id(&filter, "_id", user);
    TRY(mg_begin(store, &call));
    return mg_end(store, &call, set_within(&call, user, &filter, set));
}

static enum rc set_password(void *self, const struct id *user, struct bytes expected,
                            struct bytes password, int64_t now_us)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(set);
    struct mg_call call;
    mg_put_id(&filter, "_id", user);
    if (expected.len)
        mg_put_text(&filter, "password", expected);
    mg_put_text(&set, "password", password);
    (void)BSON_APPEND_INT64(&set, "passwordAtUs", now_us);
    TRY(mg_begin(self, &call));
    return mg_end(self, &call, set_within(&call, user, &filter, &set));
}

static enum rc set_roles(void *self, const struct id *user, unsigned roles)
{
    SCOPED_DOC(set);
    (void)BSON_APPEND_INT64(&set, "roles", (int64_t)roles);
    return set_all(self, user, &set);
}

static enum rc set_banned(void *self, const struct id *user, bool is_banned)
{
    SCOPED_DOC(set);
    (void)BSON_APPEND_INT64(&set, "isBanned", is_banned);
    return set_all(self, user, &set);
}

/* The new claim, the account, then the old claim goes. */
static enum rc set_email_within(struct mg_call *call, const struct id *user, struct bytes email,
                                struct bytes email_key)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(set);
    SCOPED_ARENA(arena, 64 * 1024);
    struct account known;
    TRY(read_account(call, "_id", id_bytes(user), &arena, &known));
    const int64_t now_us = clock_wall_us(clock_system());
    const struct claim made = { "emailKey", email_key, user, now_us };
    const struct claim old = { "emailKey", known.email_key, user, now_us };
    TRY(claim_name(call, &made));
    mg_put_id(&filter, "_id", user);
    mg_put_text(&set, "email", email);
    mg_put_text(&set, "emailKey", email_key);
    TRY(set_within(call, user, &filter, &set));
    return bytes_equal(email_key, known.email_key) ? RC_OK : give_up(call, &old);
}

static enum rc set_email(void *self, const struct id *user, struct bytes email,
                         struct bytes email_key)
{
    struct mg_call call;
    TRY(mg_begin(self, &call));
    return mg_end(self, &call, set_email_within(&call, user, email, email_key));
}

static enum rc erase_within(struct mg_call *call, const struct id *user)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(names);
    mg_put_id(&filter, "_id", user);
    mg_put_id(&names, "userId", user);
    TRY(mg_end_sessions(call, user, NULL));
    TRY(mg_drop_mailed(call, user));
    TRY(mg_remove(call, MG_ACCOUNTS, &filter));
    return mg_remove(call, MG_NAMES, &names);
}

static enum rc erase(void *self, const struct id *user)
{
    struct mg_call call;
    TRY(mg_begin(self, &call));
    return mg_end(self, &call, erase_within(&call, user));
}

void mg_accounts_init(struct mongo_store *store)
{
    struct account_store *port = &store->accounts;
    port->self = store;
    port->add = add;
    port->find = find;
    port->list = list;
    port->set_password = set_password;
    port->set_email = set_email;
    port->set_roles = set_roles;
    port->set_banned = set_banned;
    port->erase = erase;
}
