/* rest_users.c - users: everyone whom a valid token has named, or a service has made. */
#include "app/accounts.h"
#include "app/rest_call.h"

static int64_t now_us(const struct rest_call *call)
{
    return clock_wall_us(call->options->clock);
}

/* Who has an account here sees its names. Without it, or while it can't be read, the rest is shown.
 */
static void add_account(struct rest_call *call, struct rest_user *shown)
{
    const struct accounts *accounts = call->options->accounts;
    struct account account;
    if (!accounts ||
        accounts->store->find(accounts->store->self, ACCOUNT_BY_USER, id_bytes(&call->who.user),
                              &call->arena, &account) != RC_OK)
        return;
    shown->has_account = true;
    shown->username = account.username;
    shown->email = account.email;
}

static void write_user(struct rest_call *call, const struct user *user, bool is_self)
{
    struct rest_user shown = {
        .id = user->id,
        .name = user->name,
        .created_at_us = user->created_at_us,
        .updated_at_us = user->updated_at_us,
        .has_roles = is_self,
        .roles = call->who.roles,
    };
    if (is_self)
        add_account(call, &shown);
    rest_user_write(&call->out, &shown);
}

static enum error_code read_user(struct rest_call *call, const struct id *id, struct user *out)
{
    const struct directory_store *directory = call->options->directory;
    REST_TRY_RC(call, directory->user(directory->self, id, &call->arena, out));
    return out->is_deleted ? ERROR_NOT_FOUND : ERROR_NONE;
}

/* The token proves that the user exists, whatever the directory has got to know so far. */
static enum error_code read_self(struct rest_call *call, struct user *out)
{
    enum error_code code = read_user(call, &call->who.user, out);
    if (code != ERROR_NOT_FOUND)
        return code;
    *out = (struct user){ .id = call->who.user, .name = bytes_of(call->who.name) };
    return ERROR_NONE;
}

enum error_code rest_get_me(struct rest_call *call)
{
    struct user user;
    ERROR_TRY(read_self(call, &user));
    call->status = 200;
    write_user(call, &user, true);
    return ERROR_NONE;
}

static enum error_code put_one(struct rest_call *call, const struct id *id, struct bytes name,
                               bool *out_is_new)
{
    const struct directory_store *directory = call->options->directory;
    struct user user = { .id = *id, .name = name };
    return rest_fail_rc(
        call, directory->put_users(directory->self, &user, 1, false, now_us(call), out_is_new));
}

enum error_code rest_patch_me(struct rest_call *call)
{
    struct user user;
    struct bytes name;
    bool is_new;
    REST_TRY_RC(call, rest_user_parse(call->body, &call->arena, &name, &call->error.fault));
    ERROR_TRY(put_one(call, &call->who.user, name, &is_new));
    ERROR_TRY(read_self(call, &user));
    call->status = 200;
    write_user(call, &user, true);
    return ERROR_NONE;
}

enum error_code rest_get_user(struct rest_call *call)
{
    struct user user;
    ERROR_TRY(read_user(call, &call->user, &user));
    call->status = 200;
    write_user(call, &user, false);
    return ERROR_NONE;
}

enum error_code rest_put_user(struct rest_call *call)
{
    struct user user;
    struct bytes name;
    bool is_new = false;
    REST_TRY_RC(call, rest_user_parse(call->body, &call->arena, &name, &call->error.fault));
    ERROR_TRY(put_one(call, &call->user, name, &is_new));
    ERROR_TRY(read_user(call, &call->user, &user));
    call->status = is_new ? 201 : 200;
    if (is_new)
        call->location = arena_format(&call->arena, "/v1/users/%s", call->user.text);
    write_user(call, &user, false);
    return ERROR_NONE;
}

enum error_code rest_batch_users(struct rest_call *call)
{
    const struct directory_store *directory = call->options->directory;
    struct rest_user_body *bodies;
    size_t count, created = 0;
    REST_TRY_RC(call,
                rest_users_parse(call->body, &call->arena, &bodies, &count, &call->error.fault));
    struct user *users = arena_alloc(&call->arena, count * sizeof *users);
    bool *is_new = arena_alloc(&call->arena, count * sizeof *is_new);
    if (!users || !is_new)
        return rest_fail_rc(call, RC_NOMEM);
    for (size_t i = 0; i < count; i++)
        users[i] = (struct user){ .id = bodies[i].id, .name = bodies[i].name };
    REST_TRY_RC(call,
                directory->put_users(directory->self, users, count, false, now_us(call), is_new));
    for (size_t i = 0; i < count; i++)
        created += is_new[i];
    call->status = 200;
    buf_add_format(&call->out, "{\"created\":%zu,\"updated\":%zu}", created, count - created);
    return ERROR_NONE;
}

enum error_code rest_list_users(struct rest_call *call)
{
    const struct directory_store *directory = call->options->directory;
    struct user *users;
    struct bytes query = { (const uint8_t *)"", 0 };
    struct id after, next = { .len = 0 };
    size_t limit, count, shown = 0;
    ERROR_TRY(rest_limit(call, &limit));
    ERROR_TRY(rest_cursor_id(call, 'u', &after));
    (void)rest_param(call, "query", &query); /* none: all */
    REST_TRY_RC(call, directory->users(directory->self, query, after.len ? &after : NULL, limit,
                                       &call->arena, &users, &count));
    rest_list_begin(call);
    for (size_t i = 0; i < count; i++) {
        if (users[i].is_deleted)
            continue;
        rest_list_next(call, shown++);
        write_user(call, &users[i], false);
    }
    if (count == limit)
        next = users[count - 1].id;
    rest_list_end(call, 'u', id_bytes(&next));
    return ERROR_NONE;
}
