/* mem_store_directory.c - users and remembered requests. */
#include "adapters/mem/mem_parts.h"

#include <stdlib.h>

enum { SWEEP_MAX = 1000 };

static struct user *find_user(const struct mem_store *store, const struct id *id)
{
    for (size_t i = 0; i < store->user_count; i++)
        if (id_equal(&store->users[i].id, id))
            return &store->users[i];
    return NULL;
}

static enum rc add_user(struct mem_store *store, const struct user *user, int64_t now_us)
{
    struct bytes name;
    size_t at = 0;
    TRY(mem_keep(store, user->name, &name));
    while (at < store->user_count && mem_compare_ids(&store->users[at].id, &user->id) < 0)
        at++;
    struct user *users = mem_insert(store->users, sizeof *users, &store->user_count, at);
    if (!users)
        return RC_NOMEM;
    store->users = users;
    users[at] = (struct user){ user->id, name, now_us, now_us, false };
    return RC_OK;
}

static enum rc put_user(struct mem_store *store, const struct user *user, bool only_if_new,
                        int64_t now_us, bool *out_is_new)
{
    struct user *known = find_user(store, &user->id);
    *out_is_new = !known;
    if (!known)
        return add_user(store, user, now_us);
    if (only_if_new || known->is_deleted || bytes_equal(known->name, user->name))
        return RC_OK;
    TRY(mem_keep(store, user->name, &known->name));
    known->updated_at_us = now_us;
    return RC_OK;
}

static enum rc put_users(void *self, const struct user *users, size_t count, bool only_if_new,
                         int64_t now_us, bool *is_new)
{
    enum rc rc = RC_OK;
    bool ignored;
    TRY(mem_begin(self));
    for (size_t i = 0; i < count && rc == RC_OK; i++)
        rc = put_user(self, &users[i], only_if_new, now_us, is_new ? &is_new[i] : &ignored);
    return mem_end(self, rc);
}

static enum rc give_user(const struct user *known, struct arena *arena, struct user *out)
{
    if (!known)
        return RC_NOT_FOUND;
    struct user user = *known;
    TRY(mem_copy(arena, &user.name));
    *out = user;
    return RC_OK;
}

static enum rc user(void *self, const struct id *id, struct arena *arena, struct user *out)
{
    TRY(mem_begin(self));
    return mem_end(self, give_user(find_user(self, id), arena, out));
}

static enum rc list_users(const struct mem_store *store, struct bytes query, const struct id *after,
                          size_t limit, struct arena *arena, struct user **out, size_t *out_count)
{
    size_t count = 0;
    size_t most = store->user_count < limit ? store->user_count : limit;
    struct user *list = arena_alloc(arena, most * sizeof *list);
    if (!list)
        return RC_NOMEM;
    for (size_t i = 0; i < store->user_count && count < most; i++) {
        const struct user *known = &store->users[i];
        if (known->is_deleted || mem_compare_ids(&known->id, after) <= 0 ||
            (!mem_contains(id_bytes(&known->id), query) && !mem_contains(known->name, query)))
            continue;
        TRY(give_user(known, arena, &list[count++]));
    }
    *out = list;
    *out_count = count;
    return RC_OK;
}

static enum rc users(void *self, struct bytes query, const struct id *after, size_t limit,
                     struct arena *arena, struct user **out, size_t *out_count)
{
    TRY(mem_begin(self));
    return mem_end(self, list_users(self, query, after, limit, arena, out, out_count));
}

static struct mem_request *request_at(const struct mem_store *store, const struct id *user_id,
                                      struct bytes key)
{
    for (size_t i = 0; i < store->request_count; i++)
        if (id_equal(&store->requests[i].user, user_id) && bytes_equal(store->requests[i].key, key))
            return &store->requests[i];
    return NULL;
}

static enum rc find_request(void *self, const struct id *user_id, struct bytes key, int64_t now_us,
                            struct arena *arena, uint8_t out_hash[16], int *out_status,
                            struct bytes *out_body)
{
    TRY(mem_begin(self));
    const struct mem_request *request = request_at(self, user_id, key);
    if (!request || request->expires_at_us <= now_us)
        return mem_end(self, RC_NOT_FOUND);
    struct bytes body = request->body;
    enum rc rc = mem_copy(arena, &body);
    if (rc == RC_OK) {
        memcpy(out_hash, request->hash, sizeof request->hash);
        *out_status = request->status;
        *out_body = body;
    }
    return mem_end(self, rc);
}

static void remove_request(struct mem_store *store, struct mem_request *request)
{
    free((void *)request->key.ptr); /* the body is behind it */
    *request = store->requests[--store->request_count];
}

/* Key and body are one allocation, so that a sweep gives both back. */
static enum rc add_request(struct mem_store *store, struct mem_request request)
{
    size_t at = store->request_count;
    uint8_t *text = malloc(request.key.len + request.body.len + 1);
    if (!text)
        return RC_NOMEM;
    if (request.key.len)
        memcpy(text, request.key.ptr, request.key.len);
    if (request.body.len)
        memcpy(text + request.key.len, request.body.ptr, request.body.len);
    request.key.ptr = text;
    request.body.ptr = text + request.key.len;
    struct mem_request *all = mem_insert(store->requests, sizeof *all, &store->request_count, at);
    if (!all) {
        free(text);
        return RC_NOMEM;
    }
    store->requests = all;
    all[at] = request;
    return RC_OK;
}

static enum rc put_request(void *self, const struct id *user_id, struct bytes key,
                           const uint8_t hash[16], int status, struct bytes body, int64_t now_us)
{
    struct mem_request request = { .user = *user_id,
                                   .key = key,
                                   .body = body,
                                   .status = status,
                                   .expires_at_us = now_us + REQUEST_KEPT_US };
    memcpy(request.hash, hash, sizeof request.hash);
    TRY(mem_begin(self));
    struct mem_request *known = request_at(self, user_id, key);
    if (known && known->expires_at_us > now_us)
        return mem_end(self, RC_OK);
    if (known)
        remove_request(self, known);
    return mem_end(self, add_request(self, request));
}

static enum rc sweep(void *self, int64_t now_us)
{
    struct mem_store *store = self;
    TRY(mem_begin(self));
    for (size_t i = 0, removed = 0; i < store->request_count && removed < SWEEP_MAX;) {
        if (store->requests[i].expires_at_us > now_us) {
            i++;
            continue;
        }
        remove_request(store, &store->requests[i]);
        removed++;
    }
    return mem_end(self, RC_OK);
}

static enum rc erase_user(void *self, const struct id *id, int64_t now_us)
{
    TRY(mem_begin(self));
    struct user *known = find_user(self, id);
    if (known && !known->is_deleted) {
        known->name = bytes_of("");
        known->is_deleted = true;
        known->updated_at_us = now_us;
    }
    return mem_end(self, RC_OK);
}

void mem_directory_init(struct mem_store *store)
{
    store->directory.put_users = put_users;
    store->directory.user = user;
    store->directory.users = users;
    store->directory.erase_user = erase_user;
    store->directory.find_request = find_request;
    store->directory.put_request = put_request;
    store->directory.sweep = sweep;
}
