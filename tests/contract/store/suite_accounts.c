/* Accounts: ports/account_store.h. */
#include "base/buf.h"
#include "contract/store/samples.h"

#include <pthread.h>
#include <stdio.h>

static const int64_t now = 1700000000000000;

static struct account an_account(const char *user, const char *key, const char *email_key)
{
    return (struct account){ .user = id_of(user),
                             .username = bytes_of(key),
                             .username_key = bytes_of(key),
                             .email = bytes_of(email_key),
                             .email_key = bytes_of(email_key),
                             .password = bytes_of("$argon2id$first"),
                             .roles = 1,
                             .created_at_us = now,
                             .password_at_us = now };
}

static enum rc add(struct bench *b, const struct account *account, enum account_taken *taken)
{
    *taken = ACCOUNT_TAKEN_NOTHING;
    return b->a->add(b->a->self, account, taken);
}

static void add_one(struct bench *b, const char *user, const char *key, const char *email_key)
{
    struct account account = an_account(user, key, email_key);
    enum account_taken taken;
    CHECK_RC(RC_OK, add(b, &account, &taken));
}

static enum rc find(struct bench *b, enum account_by by, const char *name, struct account *out)
{
    return b->a->find(b->a->self, by, bytes_of(name), &b->arena, out);
}

static struct account account_of(struct bench *b, const char *user)
{
    struct account account;
    CHECK_RC(RC_OK, find(b, ACCOUNT_BY_USER, user, &account));
    return account;
}

TEST(an_account_is_found_by_user_name_and_address)
{
    SCOPED_BENCH(b);
    struct account made = an_account("u1", "ada", "ada@example.org"), a;
    enum account_taken taken;
    made.username = bytes_of("Ada");
    made.email = bytes_of("Ada@Example.org");
    made.roles = 5;
    CHECK_RC(RC_OK, add(&b, &made, &taken));
    CHECK_RC(RC_OK, find(&b, ACCOUNT_BY_USER, "u1", &a));
    CHECK_RC(RC_OK, find(&b, ACCOUNT_BY_USERNAME_KEY, "ada", &a));
    CHECK_RC(RC_OK, find(&b, ACCOUNT_BY_EMAIL_KEY, "ada@example.org", &a));
    CHECK_ID("u1", a.user);
    CHECK_TEXT("Ada", a.username);
    CHECK_TEXT("ada", a.username_key);
    CHECK_TEXT("Ada@Example.org", a.email);
    CHECK_TEXT("ada@example.org", a.email_key);
    CHECK_TEXT("$argon2id$first", a.password);
    CHECK_INT(5, a.roles);
    CHECK(!a.is_banned);
    CHECK_INT(now, a.created_at_us);
    CHECK_INT(now, a.password_at_us);
    CHECK_RC(RC_NOT_FOUND, find(&b, ACCOUNT_BY_USERNAME_KEY, "Ada", &a));
    CHECK_RC(RC_NOT_FOUND, find(&b, ACCOUNT_BY_EMAIL_KEY, "", &a));
    CHECK_RC(RC_NOT_FOUND, find(&b, ACCOUNT_BY_USER, "ada", &a));
}

TEST(a_name_and_an_address_are_one_accounts)
{
    SCOPED_BENCH(b);
    enum account_taken taken;
    struct account a;
    add_one(&b, "u1", "ada", "ada@x");
    struct account same_name = an_account("u2", "ada", "other@x");
    CHECK_RC(RC_CONFLICT, add(&b, &same_name, &taken));
    CHECK_INT(ACCOUNT_TAKEN_USERNAME, taken);
    struct account same_email = an_account("u3", "ben", "ada@x");
    CHECK_RC(RC_CONFLICT, add(&b, &same_email, &taken));
    CHECK_INT(ACCOUNT_TAKEN_EMAIL, taken);
    struct account same_user = an_account("u1", "cleo", "cleo@x");
    CHECK_RC(RC_CONFLICT, add(&b, &same_user, &taken));
    /* nothing of what was refused is there, or in the way */
    CHECK_RC(RC_NOT_FOUND, find(&b, ACCOUNT_BY_USER, "u2", &a));
    CHECK_RC(RC_NOT_FOUND, find(&b, ACCOUNT_BY_EMAIL_KEY, "other@x", &a));
    add_one(&b, "u4", "ben", "other@x");
    add_one(&b, "u5", "cleo", "cleo@x");
}

TEST(no_address_is_no_ones)
{
    SCOPED_BENCH(b);
    add_one(&b, "u1", "ada", "");
    add_one(&b, "u2", "ben", "");
    CHECK_SIZE(0, account_of(&b, "u1").email.len);
}

TEST(a_password_is_set_over_the_one_that_was_expected)
{
    SCOPED_BENCH(b);
    struct id u1 = id_of("u1"), nobody = id_of("nobody");
    const struct account_store *a = b.a;
    add_one(&b, "u1", "ada", "");
    CHECK_RC(RC_CONFLICT,
             a->set_password(a->self, &u1, bytes_of("other"), bytes_of("second"), now + 1));
    CHECK_TEXT("$argon2id$first", account_of(&b, "u1").password);
    CHECK_RC(RC_OK, a->set_password(a->self, &u1, bytes_of("$argon2id$first"), bytes_of("second"),
                                    now + 2));
    CHECK_TEXT("second", account_of(&b, "u1").password);
    CHECK_INT(now + 2, account_of(&b, "u1").password_at_us);
    CHECK_RC(RC_OK, a->set_password(a->self, &u1, bytes_of(NULL), bytes_of("third"), now + 3));
    CHECK_TEXT("third", account_of(&b, "u1").password);
    CHECK_RC(RC_NOT_FOUND, a->set_password(a->self, &nobody, bytes_of(NULL), bytes_of("x"), now));
    CHECK_RC(RC_NOT_FOUND, a->set_password(a->self, &nobody, bytes_of("y"), bytes_of("x"), now));
}

TEST(an_address_is_set_unless_another_has_it)
{
    SCOPED_BENCH(b);
    struct account found;
    struct id u1 = id_of("u1"), u2 = id_of("u2"), nobody = id_of("nobody");
    const struct account_store *a = b.a;
    add_one(&b, "u1", "ada", "ada@x");
    add_one(&b, "u2", "ben", "");
    CHECK_RC(RC_CONFLICT, a->set_email(a->self, &u2, bytes_of("ada@x"), bytes_of("ada@x")));
    CHECK_SIZE(0, account_of(&b, "u2").email.len);
    CHECK_RC(RC_OK, a->set_email(a->self, &u1, bytes_of("ADA@x"), bytes_of("ada@x")));
    CHECK_TEXT("ADA@x", account_of(&b, "u1").email);
    CHECK_RC(RC_OK, a->set_email(a->self, &u1, bytes_of("new@x"), bytes_of("new@x")));
    CHECK_RC(RC_NOT_FOUND, find(&b, ACCOUNT_BY_EMAIL_KEY, "ada@x", &found));
    CHECK_RC(RC_OK, a->set_email(a->self, &u2, bytes_of("ada@x"), bytes_of("ada@x")));
    CHECK_RC(RC_OK, find(&b, ACCOUNT_BY_EMAIL_KEY, "ada@x", &found));
    CHECK_ID("u2", found.user);
    CHECK_RC(RC_NOT_FOUND, a->set_email(a->self, &nobody, bytes_of("z@x"), bytes_of("z@x")));
}

TEST(roles_and_bans_are_set)
{
    SCOPED_BENCH(b);
    struct id u1 = id_of("u1"), nobody = id_of("nobody");
    add_one(&b, "u1", "ada", "");
    CHECK_RC(RC_OK, b.a->set_roles(b.a->self, &u1, 3));
    CHECK_RC(RC_OK, b.a->set_banned(b.a->self, &u1, true));
    CHECK_INT(3, account_of(&b, "u1").roles);
    CHECK(account_of(&b, "u1").is_banned);
    CHECK_RC(RC_OK, b.a->set_banned(b.a->self, &u1, true)); /* again is no conflict */
    CHECK_RC(RC_OK, b.a->set_banned(b.a->self, &u1, false));
    CHECK(!account_of(&b, "u1").is_banned);
    CHECK_RC(RC_NOT_FOUND, b.a->set_roles(b.a->self, &nobody, 3));
    CHECK_RC(RC_NOT_FOUND, b.a->set_banned(b.a->self, &nobody, true));
}

TEST(an_erased_account_leaves_its_names_free)
{
    SCOPED_BENCH(b);
    struct account found;
    struct id u1 = id_of("u1");
    add_one(&b, "u1", "ada", "ada@x");
    CHECK_RC(RC_OK, b.a->erase(b.a->self, &u1));
    CHECK_RC(RC_NOT_FOUND, find(&b, ACCOUNT_BY_USER, "u1", &found));
    CHECK_RC(RC_NOT_FOUND, find(&b, ACCOUNT_BY_USERNAME_KEY, "ada", &found));
    CHECK_RC(RC_OK, b.a->erase(b.a->self, &u1));
    add_one(&b, "u2", "ada", "ada@x");
}

static const char *list(struct bench *b, const char *after, size_t limit)
{
    SCOPED_BUF(text, 4096);
    struct account *items;
    size_t count;
    CHECK_RC(RC_OK, b->a->list(b->a->self, bytes_of(after), limit, &b->arena, &items, &count));
    for (size_t i = 0; i < count; i++)
        buf_add_format(&text, " %.*s", BYTES_ARG(items[i].username_key));
    return count ? (const char *)arena_copy(&b->arena, buf_bytes(&text)).ptr : "";
}

TEST(accounts_are_listed_by_name)
{
    SCOPED_BENCH(b);
    add_one(&b, "u1", "cleo", "");
    add_one(&b, "u2", "ada", "");
    add_one(&b, "u3", "ben", "");
    CHECK_STR(" ada ben cleo", list(&b, "", 10));
    CHECK_STR(" ada ben", list(&b, "", 2));
    CHECK_STR(" cleo", list(&b, "ben", 2));
    CHECK_STR("", list(&b, "cleo", 2));
}

/* ---- at once ---- */

enum { THREADS = 8 };

struct racer {
    pthread_t thread;
    const struct account_store *a;
    int number;
    enum rc rc;
};

static void *race(void *arg)
{
    struct racer *racer = arg;
    enum account_taken taken;
    char user[16];
    (void)snprintf(user, sizeof user, "r%d", racer->number);
    struct account account = an_account(user, "wanted", "");
    racer->rc = racer->a->add(racer->a->self, &account, &taken);
    return NULL;
}

TEST(of_many_who_want_a_name_at_once_one_gets_it)
{
    SCOPED_BENCH(b);
    struct racer racers[THREADS];
    int got = 0;
    for (int i = 0; i < THREADS; i++) {
        racers[i] = (struct racer){ .a = b.a, .number = i };
        CHECK_INT(0, pthread_create(&racers[i].thread, NULL, race, &racers[i]));
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK_INT(0, pthread_join(racers[i].thread, NULL));
        CHECK(racers[i].rc == RC_OK || racers[i].rc == RC_CONFLICT);
        got += racers[i].rc == RC_OK;
    }
    CHECK_INT(1, got);
}
