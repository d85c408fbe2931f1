/* mem_store_sessions.c - sessions and mailed secrets: ports/account_store.h. */
#include "adapters/mem/mem_parts.h"

enum { SWEEP_MAX = 1000 };

static struct session *find_session(const struct mem_store *store, const struct id *id)
{
    for (size_t i = 0; i < store->session_count; i++)
        if (id_equal(&store->sessions[i].id, id))
            return &store->sessions[i];
    return NULL;
}

static enum rc insert_session(struct mem_store *store, const struct session *session)
{
    struct session kept = *session;
    TRY(mem_keep(store, session->device, &kept.device));
    TRY(mem_keep(store, session->device_id, &kept.device_id));
    TRY(mem_keep(store, session->range, &kept.range));
    struct session *all =
        mem_insert(store->sessions, sizeof *all, &store->session_count, store->session_count);
    if (!all)
        return RC_NOMEM;
    store->sessions = all;
    all[store->session_count - 1] = kept;
    return RC_OK;
}

static enum rc add_session(void *self, const struct session *session)
{
    TRY(mem_begin(self));
    return mem_end(self, insert_session(self, session));
}

static enum rc copy_session(const struct session *session, struct arena *arena, struct session *out)
{
    struct session copy = *session;
    TRY(mem_copy(arena, &copy.device));
    TRY(mem_copy(arena, &copy.device_id));
    TRY(mem_copy(arena, &copy.range));
    *out = copy;
    return RC_OK;
}

static enum rc session_get(void *self, const struct id *id, struct arena *arena,
                           struct session *out)
{
    TRY(mem_begin(self));
    const struct session *session = find_session(self, id);
    return mem_end(self, session ? copy_session(session, arena, out) : RC_NOT_FOUND);
}

/* Where the session belongs among those collected so far, the one seen last first. */
static size_t place_of(const struct session *session, const struct session *items, size_t count)
{
    size_t at = 0;
    while (at < count && (items[at].seen_at_us > session->seen_at_us ||
                          (items[at].seen_at_us == session->seen_at_us &&
                           mem_compare_ids(&items[at].id, &session->id) > 0)))
        at++;
    return at;
}

static enum rc collect(const struct mem_store *store, const struct id *user, int64_t now_us,
                       size_t limit, struct arena *arena, struct session **out, size_t *out_count)
{
    size_t count = 0;
    struct session *items = arena_alloc(arena, (store->session_count + 1) * sizeof *items);
    if (!items)
        return RC_NOMEM;
    for (size_t i = 0; i < store->session_count; i++) {
        const struct session *s = &store->sessions[i];
        if (!id_equal(&s->user, user) || s->expires_at_us <= now_us)
            continue;
        size_t at = place_of(s, items, count);
        memmove(items + at + 1, items + at, (count - at) * sizeof *items);
        TRY(copy_session(s, arena, &items[at]));
        count++;
    }
    *out = items;
    *out_count = count < limit ? count : limit;
    return RC_OK;
}

static enum rc sessions_of(void *self, const struct id *user, int64_t now_us, size_t limit,
                           struct arena *arena, struct session **out, size_t *out_count)
{
    TRY(mem_begin(self));
    return mem_end(self, collect(self, user, now_us, limit, arena, out, out_count));
}

static enum rc turn_locked(struct mem_store *store, const uint8_t expected[SECRET_HASH_BYTES],
                           const struct session *turned)
{
    struct session *s = find_session(store, &turned->id);
    if (!s || memcmp(s->refresh, expected, SECRET_HASH_BYTES) != 0)
        return RC_CONFLICT;
    TRY(mem_keep(store, turned->range, &s->range));
    memcpy(s->refresh, turned->refresh, sizeof s->refresh);
    memcpy(s->previous, turned->previous, sizeof s->previous);
    memcpy(s->salt, turned->salt, sizeof s->salt);
    s->turned_at_us = turned->turned_at_us;
    s->seen_at_us = turned->seen_at_us;
    s->expires_at_us = turned->expires_at_us;
    return RC_OK;
}

static enum rc turn_session(void *self, const uint8_t expected[SECRET_HASH_BYTES],
                            const struct session *turned)
{
    TRY(mem_begin(self));
    return mem_end(self, turn_locked(self, expected, turned));
}

static void remove_session(struct mem_store *store, const struct session *session)
{
    mem_remove(store->sessions, sizeof *session, &store->session_count,
               (size_t)(session - store->sessions));
}

static enum rc end_session(void *self, const struct id *user, const struct id *id)
{
    TRY(mem_begin(self));
    const struct session *session = find_session(self, id);
    if (!session || !id_equal(&session->user, user))
        return mem_end(self, RC_NOT_FOUND);
    remove_session(self, session);
    return mem_end(self, RC_OK);
}

static void end_all(struct mem_store *store, const struct id *user, const struct id *spared)
{
    for (size_t i = store->session_count; i-- > 0;) {
        const struct session *s = &store->sessions[i];
        if (id_equal(&s->user, user) && !(spared && id_equal(&s->id, spared)))
            remove_session(store, s);
    }
}

static enum rc end_sessions(void *self, const struct id *user, const struct id *spared)
{
    TRY(mem_begin(self));
    end_all(self, user, spared);
    return mem_end(self, RC_OK);
}

/* ---- mailed secrets ---- */

static void remove_mailed(struct mem_store *store, size_t at)
{
    mem_remove(store->mailed, sizeof *store->mailed, &store->mailed_count, at);
}

static enum rc insert_mailed(struct mem_store *store, const struct mailed_secret *secret)
{
    struct mailed_secret kept = *secret;
    TRY(mem_keep(store, secret->email, &kept.email));
    TRY(mem_keep(store, secret->email_key, &kept.email_key));
    for (size_t i = store->mailed_count; i-- > 0;)
        if (store->mailed[i].use == secret->use && id_equal(&store->mailed[i].user, &secret->user))
            remove_mailed(store, i);
    struct mailed_secret *all =
        mem_insert(store->mailed, sizeof *all, &store->mailed_count, store->mailed_count);
    if (!all)
        return RC_NOMEM;
    store->mailed = all;
    all[store->mailed_count - 1] = kept;
    return RC_OK;
}

static enum rc put_mailed(void *self, const struct mailed_secret *secret)
{
    TRY(mem_begin(self));
    return mem_end(self, insert_mailed(self, secret));
}

static enum rc take_locked(struct mem_store *store, enum mailed_use use, const uint8_t *hash,
                           int64_t now_us, struct arena *arena, struct mailed_secret *out)
{
    for (size_t i = 0; i < store->mailed_count; i++) {
        struct mailed_secret secret = store->mailed[i];
        if (secret.use != use || memcmp(secret.hash, hash, SECRET_HASH_BYTES) != 0 ||
            secret.expires_at_us <= now_us)
            continue;
        TRY(mem_copy(arena, &secret.email));
        TRY(mem_copy(arena, &secret.email_key));
        remove_mailed(store, i);
        *out = secret;
        return RC_OK;
    }
    return RC_NOT_FOUND;
}

static enum rc take_mailed(void *self, enum mailed_use use, const uint8_t hash[SECRET_HASH_BYTES],
                           int64_t now_us, struct arena *arena, struct mailed_secret *out)
{
    TRY(mem_begin(self));
    return mem_end(self, take_locked(self, use, hash, now_us, arena, out));
}

void mem_drop_of_user(struct mem_store *store, const struct id *user)
{
    end_all(store, user, NULL);
    for (size_t i = store->mailed_count; i-- > 0;)
        if (id_equal(&store->mailed[i].user, user))
            remove_mailed(store, i);
}

static enum rc sweep(void *self, int64_t now_us)
{
    struct mem_store *store = self;
    size_t removed = 0;
    TRY(mem_begin(store));
    for (size_t i = store->session_count; i-- > 0 && removed < SWEEP_MAX;)
        if (store->sessions[i].expires_at_us <= now_us) {
            remove_session(store, &store->sessions[i]);
            removed++;
        }
    for (size_t i = store->mailed_count; i-- > 0;)
        if (store->mailed[i].expires_at_us <= now_us)
            remove_mailed(store, i);
    return mem_end(store, RC_OK);
}

void mem_sessions_init(struct mem_store *store)
{
    struct account_store *port = &store->accounts_port;
    port->add_session = add_session;
    port->session = session_get;
    port->sessions_of = sessions_of;
    port->turn_session = turn_session;
    port->end_session = end_session;
    port->end_sessions = end_sessions;
    port->put_mailed = put_mailed;
    port->take_mailed = take_mailed;
    port->sweep = sweep;
}
