/* sq_accounts.c - accounts: ports/account_store.h. */
#include "adapters/sqlite/sq_store.h"

static void put_account(struct sq_query *q, const struct account *a)
{
    sq_put_id(q, &a->user);
    sq_put_text(q, a->username);
    sq_put_text(q, a->username_key);
    sq_put_text_or_null(q, a->email);
    sq_put_text_or_null(q, a->email_key);
    sq_put_text(q, a->password);
    sq_put_int(q, (int64_t)a->roles);
    sq_put_int(q, a->is_banned);
    sq_put_int(q, a->created_at_us);
    sq_put_int(q, a->password_at_us);
}

static void get_account(struct sq_query *q, struct arena *arena, struct account *out)
{
    out->user = sq_get_id(q);
    out->username = sq_get_text(q, arena);
    out->username_key = sq_get_text(q, arena);
    out->email = sq_get_text(q, arena);
    out->email_key = sq_get_text(q, arena);
    out->password = sq_get_text(q, arena);
    out->roles = (unsigned)sq_get_int(q);
    out->is_banned = sq_get_int(q) != 0;
    out->created_at_us = sq_get_int(q);
    out->password_at_us = sq_get_int(q);
}

/* What stood in the way of an account: RC_CONFLICT, in every case. */
static enum rc find_taken(struct sq_conn *conn, const struct account *account,
                          enum account_taken *out_taken)
{
    enum rc rc;
    struct sq_query q = sq_begin(conn, SQL_ACCOUNT_TAKEN);
    sq_put_text(&q, account->username_key);
    sq_put_text_or_null(&q, account->email_key);
    if (!sq_one(&q, &rc))
        return rc;
    bool is_other = sq_get_int(&q) > 0, is_username = sq_get_int(&q) != 0;
    *out_taken = !is_other     ? ACCOUNT_TAKEN_NOTHING /* the user has an account */
                 : is_username ? ACCOUNT_TAKEN_USERNAME
                               : ACCOUNT_TAKEN_EMAIL;
    TRY(sq_end(&q));
    return RC_CONFLICT;
}

static enum rc add_locked(struct sq_conn *conn, const struct account *account,
                          enum account_taken *out_taken)
{
    int changes;
    struct sq_query q = sq_begin(conn, SQL_ACCOUNT_ADD);
    put_account(&q, account);
    TRY(sq_run_changes(&q, &changes));
    return changes ? RC_OK : find_taken(conn, account, out_taken);
}

static enum rc add(void *self, const struct account *account, enum account_taken *out_taken)
{
    struct sq_conn *conn;
    TRY(sq_write_begin(self, &conn));
    return sq_write_end(self, add_locked(conn, account, out_taken));
}

static enum rc read_account(struct sq_conn *conn, enum sq_sql sql, struct bytes name,
                            struct arena *arena, struct account *out)
{
    struct account account = { .roles = 0 };
    enum rc rc;
    struct sq_query q = sq_begin(conn, sql);
    sq_put_text(&q, name);
    if (!sq_one(&q, &rc))
        return rc;
    get_account(&q, arena, &account);
    TRY(sq_end(&q));
    *out = account;
    return RC_OK;
}

static enum rc find(void *self, enum account_by by, struct bytes name, struct arena *arena,
                    struct account *out)
{
    static const enum sq_sql sqls[] = {
        [ACCOUNT_BY_USER] = SQL_ACCOUNT_BY_USER,
        [ACCOUNT_BY_USERNAME_KEY] = SQL_ACCOUNT_BY_USERNAME,
        [ACCOUNT_BY_EMAIL_KEY] = SQL_ACCOUNT_BY_EMAIL,
    };
    struct sq_conn *conn;
    TRY(sq_read_begin(self, &conn));
    return sq_read_end(self, conn, read_account(conn, sqls[by], name, arena, out));
}

static enum rc read_accounts(struct sq_conn *conn, struct bytes after, struct sq_list *list)
{
    struct sq_query q = sq_begin(conn, SQL_ACCOUNTS);
    sq_put_text(&q, after);
    sq_put_seq(&q, list->limit);
    while (sq_next(&q)) {
        struct account *item = sq_list_add(list);
        if (!item)
            return sq_end_full(&q);
        get_account(&q, list->arena, item);
    }
    return sq_end(&q);
}

static enum rc list(void *self, struct bytes after, size_t limit, struct arena *arena,
                    struct account **out, size_t *out_count)
{
    struct sq_list all = { .arena = arena, .item_bytes = sizeof **out, .limit = limit };
    struct sq_conn *conn;
    TRY(sq_read_begin(self, &conn));
    TRY(sq_read_end(self, conn, read_accounts(conn, after, &all)));
    *out = all.items;
    *out_count = all.count;
    return RC_OK;
}

/* Nothing was changed: because the account isn't there, or because something is in the way. */
static enum rc why_unchanged(struct sq_conn *conn, const struct id *user)
{
    enum rc rc;
    struct sq_query q = sq_begin(conn, SQL_ACCOUNT_BY_USER);
    sq_put_id(&q, user);
    if (!sq_one(&q, &rc))
        return rc;
    TRY(sq_end(&q));
    return RC_CONFLICT;
}

static enum rc run_change(struct sq_conn *conn, struct sq_query *q, const struct id *user)
{
    int changes;
    TRY(sq_run_changes(q, &changes));
    return changes ? RC_OK : why_unchanged(conn, user);
}

static enum rc set_password(void *self, const struct id *user, struct bytes expected,
                            struct bytes password, int64_t now_us)
{
    struct sq_conn *conn;
    TRY(sq_write_begin(self, &conn));
    struct sq_query q = sq_begin(conn, SQL_ACCOUNT_SET_PASSWORD);
    sq_put_id(&q, user);
    sq_put_text(&q, expected);
    sq_put_text(&q, password);
    sq_put_int(&q, now_us);
    return sq_write_end(self, run_change(conn, &q, user));
}

static enum rc set_email(void *self, const struct id *user, struct bytes email,
                         struct bytes email_key)
{
    struct sq_conn *conn;
    TRY(sq_write_begin(self, &conn));
    struct sq_query q = sq_begin(conn, SQL_ACCOUNT_SET_EMAIL);
    sq_put_id(&q, user);
    sq_put_text_or_null(&q, email);
    sq_put_text_or_null(&q, email_key);
    return sq_write_end(self, run_change(conn, &q, user));
}

static enum rc set_number(struct sqlite_store *store, enum sq_sql sql, const struct id *user,
                          int64_t value)
{
    struct sq_conn *conn;
    TRY(sq_write_begin(store, &conn));
    struct sq_query q = sq_begin(conn, sql);
    sq_put_id(&q, user);
    sq_put_int(&q, value);
    return sq_write_end(store, run_change(conn, &q, user));
}

static enum rc set_roles(void *self, const struct id *user, unsigned roles)
{
    return set_number(self, SQL_ACCOUNT_SET_ROLES, user, (int64_t)roles);
}

static enum rc set_banned(void *self, const struct id *user, bool is_banned)
{
    return set_number(self, SQL_ACCOUNT_SET_BANNED, user, is_banned);
}

static enum rc erase_locked(struct sq_conn *conn, const struct id *user)
{
    static const struct id none;
    struct sq_query q = sq_begin(conn, SQL_SESSIONS_END);
    sq_put_id(&q, user);
    sq_put_id(&q, &none);
    TRY(sq_run(&q));
    q = sq_begin(conn, SQL_MAILED_REMOVE_OF);
    sq_put_id(&q, user);
    TRY(sq_run(&q));
    q = sq_begin(conn, SQL_ACCOUNT_REMOVE);
    sq_put_id(&q, user);
    return sq_run(&q);
}

static enum rc erase(void *self, const struct id *user)
{
    struct sq_conn *conn;
    TRY(sq_write_begin(self, &conn));
    return sq_write_end(self, erase_locked(conn, user));
}

void sq_accounts_init(struct sqlite_store *store)
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
