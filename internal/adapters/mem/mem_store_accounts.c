/* mem_store_accounts.c - accounts: ports/account_store.h. */
#include "adapters/mem/mem_parts.h"

static int compare_texts(struct bytes a, struct bytes b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.ptr, b.ptr, len) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static bool is_named(const struct account *account, enum account_by by, struct bytes name)
{
    switch (by) {
    case ACCOUNT_BY_USER:
        return bytes_equal(id_bytes(&account->user), name);
    case ACCOUNT_BY_USERNAME_KEY:
        return bytes_equal(account->username_key, name);
    case ACCOUNT_BY_EMAIL_KEY:
        return name.len && bytes_equal(account->email_key, name);
    }
    return false;
}

static struct account *find_account(const struct mem_store *store, enum account_by by,
                                    struct bytes name)
{
    for (size_t i = 0; i < store->account_count; i++)
        if (is_named(&store->accounts[i], by, name))
            return &store->accounts[i];
    return NULL;
}

static struct account *account_of(const struct mem_store *store, const struct id *user)
{
    return find_account(store, ACCOUNT_BY_USER, id_bytes(user));
}

static enum rc insert_account(struct mem_store *store, const struct account *account)
{
    struct account kept = *account;
    size_t at = 0;
    TRY(mem_keep(store, account->username, &kept.username));
    TRY(mem_keep(store, account->username_key, &kept.username_key));
    TRY(mem_keep(store, account->email, &kept.email));
    TRY(mem_keep(store, account->email_key, &kept.email_key));
    TRY(mem_keep(store, account->password, &kept.password));
    while (at < store->account_count &&
           compare_texts(store->accounts[at].username_key, kept.username_key) < 0)
        at++;
    struct account *all = mem_insert(store->accounts, sizeof *all, &store->account_count, at);
    if (!all)
        return RC_NOMEM;
    store->accounts = all;
    all[at] = kept;
    return RC_OK;
}

static enum rc add_locked(struct mem_store *store, const struct account *account,
                          enum account_taken *out_taken)
{
    *out_taken = ACCOUNT_TAKEN_NOTHING;
    if (find_account(store, ACCOUNT_BY_USERNAME_KEY, account->username_key))
        *out_taken = ACCOUNT_TAKEN_USERNAME;
    else if (find_account(store, ACCOUNT_BY_EMAIL_KEY, account->email_key))
        *out_taken = ACCOUNT_TAKEN_EMAIL;
    else if (!account_of(store, &account->user))
        return insert_account(store, account);
    return RC_CONFLICT;
}

static enum rc add(void *self, const struct account *account, enum account_taken *out_taken)
{
    TRY(mem_begin(self));
    return mem_end(self, add_locked(self, account, out_taken));
}

static enum rc copy_account(const struct account *account, struct arena *arena, struct account *out)
{
    struct account copy = *account;
    TRY(mem_copy(arena, &copy.username));
    TRY(mem_copy(arena, &copy.username_key));
    TRY(mem_copy(arena, &copy.email));
    TRY(mem_copy(arena, &copy.email_key));
    TRY(mem_copy(arena, &copy.password));
    *out = copy;
    return RC_OK;
}

static enum rc find(void *self, enum account_by by, struct bytes name, struct arena *arena,
                    struct account *out)
{
    TRY(mem_begin(self));
    const struct account *account = find_account(self, by, name);
    return mem_end(self, account ? copy_account(account, arena, out) : RC_NOT_FOUND);
}

static enum rc list_locked(const struct mem_store *store, struct bytes after, size_t limit,
                           struct arena *arena, struct account **out, size_t *out_count)
{
    size_t count = 0;
    struct account *items = arena_alloc(arena, (limit + 1) * sizeof *items);
    if (!items)
        return RC_NOMEM;
    for (size_t i = 0; i < store->account_count && count < limit; i++)
        if (compare_texts(store->accounts[i].username_key, after) > 0)
            TRY(copy_account(&store->accounts[i], arena, &items[count++]));
    *out = items;
    *out_count = count;
    return RC_OK;
}

static enum rc list(void *self, struct bytes after, size_t limit, struct arena *arena,
                    struct account **out, size_t *out_count)
{
    TRY(mem_begin(self));
    return mem_end(self, list_locked(self, after, limit, arena, out, out_count));
}

static enum rc set_password(void *self, const struct id *user, struct bytes expected,
                            struct bytes password, int64_t now_us)
{
    TRY(mem_begin(self));
    struct account *account = account_of(self, user);
    enum rc rc = !account ? RC_NOT_FOUND : RC_OK;
    if (rc == RC_OK && expected.len && !bytes_equal(account->password, expected))
        rc = RC_CONFLICT;
    if (rc == RC_OK)
        rc = mem_keep(self, password, &account->password);
    if (rc == RC_OK)
        account->password_at_us = now_us;
    return mem_end(self, rc);
}

static enum rc set_email(void *self, const struct id *user, struct bytes email,
                         struct bytes email_key)
{
    TRY(mem_begin(self));
    struct account *account = account_of(self, user);
    const struct account *other = find_account(self, ACCOUNT_BY_EMAIL_KEY, email_key);
    enum rc rc = !account ? RC_NOT_FOUND : other && other != account ? RC_CONFLICT : RC_OK;
    if (rc == RC_OK)
        rc = mem_keep(self, email, &account->email);
    if (rc == RC_OK)
        rc = mem_keep(self, email_key, &account->email_key);
    return mem_end(self, rc);
}

static enum rc set_roles(void *self, const struct id *user, unsigned roles)
{
    TRY(mem_begin(self));
    struct account *account = account_of(self, user);
    if (account)
        account->roles = roles;
    return mem_end(self, account ? RC_OK : RC_NOT_FOUND);
}

static enum rc set_banned(void *self, const struct id *user, bool is_banned)
{
    TRY(mem_begin(self));
    struct account *account = account_of(self, user);
    if (account)
        account->is_banned = is_banned;
    return mem_end(self, account ? RC_OK : RC_NOT_FOUND);
}

static enum rc erase(void *self, const struct id *user)
{
    struct mem_store *store = self;
    TRY(mem_begin(store));
    mem_drop_of_user(store, user);
    const struct account *account = account_of(store, user);
    if (account)
        mem_remove(store->accounts, sizeof *account, &store->account_count,
                   (size_t)(account - store->accounts));
    return mem_end(store, RC_OK);
}

void mem_accounts_init(struct mem_store *store)
{
    struct account_store *port = &store->accounts_port;
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
