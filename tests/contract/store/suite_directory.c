/* Users and remembered requests: ports/directory_store.h. */
#include "base/buf.h"
#include "contract/store/samples.h"

#include <stdio.h>

static const int64_t now = 1700000000000000;

static bool put(struct bench *b, const char *id, const char *name, bool only_if_new, int64_t at)
{
    struct user user = { .id = id_of(id), .name = bytes_of(name) };
    bool is_new = false;
    CHECK_RC(RC_OK, b->d->put_users(b->d->self, &user, 1, only_if_new, at, &is_new));
    return is_new;
}

static struct user user_of(struct bench *b, const char *name)
{
    struct user user;
    struct id id = id_of(name);
    CHECK_RC(RC_OK, b->d->user(b->d->self, &id, &b->arena, &user));
    return user;
}

TEST(a_user_is_made_once_and_renamed_after)
{
    SCOPED_BENCH(b);
    CHECK(put(&b, "ann", "Ann", false, now));
    CHECK(!put(&b, "ann", "Anna", false, now + 5));
    struct user user = user_of(&b, "ann");
    CHECK_ID("ann", user.id);
    CHECK_TEXT("Anna", user.name);
    CHECK_INT(now, user.created_at_us);
    CHECK_INT(now + 5, user.updated_at_us);
    CHECK(!user.is_deleted);
    CHECK(!put(&b, "ann", "Anna", false, now + 9));
    CHECK_INT(now + 5, user_of(&b, "ann").updated_at_us);
}

TEST(an_erased_user_has_no_name_and_gets_none)
{
    SCOPED_BENCH(b);
    struct id ann = id_of("ann"), nobody = id_of("nobody");
    CHECK(put(&b, "ann", "Ann", false, now));
    CHECK_RC(RC_OK, b.d->erase_user(b.d->self, &ann, now + 1));
    CHECK_RC(RC_OK, b.d->erase_user(b.d->self, &ann, now + 2));
    CHECK_RC(RC_OK, b.d->erase_user(b.d->self, &nobody, now));
    CHECK(!put(&b, "ann", "Ann again", false, now + 3));
    CHECK(user_of(&b, "ann").is_deleted);
    CHECK_SIZE(0, user_of(&b, "ann").name.len);
    CHECK_INT(now + 1, user_of(&b, "ann").updated_at_us);
}

TEST(only_if_new_leaves_a_name_alone)
{
    SCOPED_BENCH(b);
    CHECK(put(&b, "ann", "Ann", true, now));
    CHECK(!put(&b, "ann", "Other", true, now + 5));
    CHECK_TEXT("Ann", user_of(&b, "ann").name);
}

TEST(several_users_are_put_at_once_and_told_apart)
{
    SCOPED_BENCH(b);
    bool is_new[3] = { false, false, false };
    CHECK(put(&b, "bob", "Bob", false, now));
    const struct user users[] = { { .id = id_of("ann"), .name = bytes_of("Ann") },
                                  { .id = id_of("bob"), .name = bytes_of("Bobby") },
                                  { .id = id_of("ann"), .name = bytes_of("Ann again") } };
    CHECK_RC(RC_OK, b.d->put_users(b.d->self, users, 3, false, now, is_new));
    CHECK(is_new[0] && !is_new[1] && !is_new[2]);
    CHECK_TEXT("Ann again", user_of(&b, "ann").name);
    CHECK_TEXT("Bobby", user_of(&b, "bob").name);
    CHECK_RC(RC_OK, b.d->put_users(b.d->self, users, 3, false, now, NULL));
    CHECK_RC(RC_OK, b.d->put_users(b.d->self, NULL, 0, false, now, NULL));
}

TEST(an_unknown_user_is_not_found)
{
    SCOPED_BENCH(b);
    struct user user;
    struct id id = id_of("nobody");
    CHECK_RC(RC_NOT_FOUND, b.d->user(b.d->self, &id, &b.arena, &user));
}

static const char *users_of(struct bench *b, const char *query, const char *after, size_t limit)
{
    SCOPED_BUF(text, 4096);
    struct user *list;
    struct id id = id_of(after);
    size_t count;
    CHECK_RC(RC_OK, b->d->users(b->d->self, bytes_of(query), after ? &id : NULL, limit, &b->arena,
                                &list, &count));
    for (size_t i = 0; i < count; i++)
        buf_add_format(&text, " %s", list[i].id.text);
    return (const char *)arena_copy(&b->arena, buf_bytes(&text)).ptr;
}

TEST(users_are_found_by_id_or_name_without_regard_to_case)
{
    SCOPED_BENCH(b);
    CHECK(put(&b, "u2", "Ann Smith", false, now));
    CHECK(put(&b, "u1", "bob", false, now));
    CHECK(put(&b, "ANNE", "", false, now));
    CHECK_STR(" ANNE u2", users_of(&b, "ann", NULL, 99));
    CHECK_STR(" ANNE", users_of(&b, "ann", NULL, 1));
    CHECK_STR(" u2", users_of(&b, "ann", "ANNE", 99));
    CHECK_STR(" u1 u2", users_of(&b, "U", NULL, 99));
    CHECK_STR(" ANNE u1 u2", users_of(&b, "", NULL, 99));
    CHECK_STR("", users_of(&b, "%", NULL, 99));
    CHECK_STR("", users_of(&b, "u_", NULL, 99));
}

struct found {
    enum rc rc;
    int status;
    struct bytes body;
    uint8_t hash[16];
};

static struct found find(struct bench *b, const char *user, const char *key, int64_t at)
{
    struct found f = { .status = 77 };
    struct id id = id_of(user);
    f.rc = b->d->find_request(b->d->self, &id, bytes_of(key), at, &b->arena, f.hash, &f.status,
                              &f.body);
    return f;
}

static void put_request(struct bench *b, const char *user, const char *key, int status,
                        const char *body, int64_t at)
{
    uint8_t hash[16];
    struct id id = id_of(user);
    memset(hash, status & 0xff, sizeof hash);
    CHECK_RC(RC_OK,
             b->d->put_request(b->d->self, &id, bytes_of(key), hash, status, bytes_of(body), at));
}

TEST(a_request_is_remembered_with_its_first_answer)
{
    SCOPED_BENCH(b);
    CHECK_RC(RC_NOT_FOUND, find(&b, "ann", "k1", now).rc);
    put_request(&b, "ann", "k1", 201, "{\"a\":1}", now);
    put_request(&b, "ann", "k1", 409, "{\"a\":2}", now + 1);
    struct found f = find(&b, "ann", "k1", now + 2);
    CHECK_RC(RC_OK, f.rc);
    CHECK_INT(201, f.status);
    CHECK_TEXT("{\"a\":1}", f.body);
    CHECK_INT(201 & 0xff, f.hash[0]);
    CHECK_INT(201 & 0xff, f.hash[15]);
}

TEST(a_key_belongs_to_its_user)
{
    SCOPED_BENCH(b);
    put_request(&b, "ann", "k1", 201, "a", now);
    CHECK_RC(RC_NOT_FOUND, find(&b, "bob", "k1", now).rc);
    CHECK_INT(77, find(&b, "bob", "k1", now).status);
    put_request(&b, "bob", "k1", 202, "b", now);
    CHECK_TEXT("a", find(&b, "ann", "k1", now).body);
    CHECK_TEXT("b", find(&b, "bob", "k1", now).body);
}

TEST(a_request_is_forgotten_after_a_day_swept_or_not)
{
    SCOPED_BENCH(b);
    put_request(&b, "ann", "k1", 201, "a", now);
    CHECK_RC(RC_OK, find(&b, "ann", "k1", now + REQUEST_KEPT_US - 1).rc);
    CHECK_RC(RC_NOT_FOUND, find(&b, "ann", "k1", now + REQUEST_KEPT_US).rc);
    put_request(&b, "ann", "k1", 202, "b", now + REQUEST_KEPT_US);
    CHECK_INT(202, find(&b, "ann", "k1", now + REQUEST_KEPT_US).status);
}

TEST(a_sweep_removes_what_has_expired_and_nothing_else)
{
    SCOPED_BENCH(b);
    put_request(&b, "ann", "old", 201, "a", now);
    put_request(&b, "ann", "new", 202, "b", now + 10);
    CHECK_RC(RC_OK, b.d->sweep(b.d->self, now + REQUEST_KEPT_US + 5));
    CHECK_RC(RC_NOT_FOUND, find(&b, "ann", "old", now).rc);
    CHECK_INT(202, find(&b, "ann", "new", now).status);
}

TEST(a_sweep_is_bounded)
{
    SCOPED_BENCH(b);
    char key[16];
    int left = 0;
    for (int i = 0; i < 1001; i++) {
        (void)snprintf(key, sizeof key, "k%d", i);
        put_request(&b, "ann", key, 201, "a", now);
    }
    CHECK_RC(RC_OK, b.d->sweep(b.d->self, now + REQUEST_KEPT_US));
    for (int i = 0; i < 1001; i++) {
        (void)snprintf(key, sizeof key, "k%d", i);
        left += find(&b, "ann", key, now).rc == RC_OK;
    }
    CHECK_INT(1, left);
}
