/* Sessions and mailed secrets: ports/account_store.h. */
#include "base/buf.h"
#include "contract/store/samples.h"

#include <pthread.h>
#include <stdio.h>

static const int64_t now = 1700000000000000;

static struct session a_session(const char *id, const char *user, int64_t seen_at_us)
{
    struct session s = { .id = id_of(id),
                         .user = id_of(user),
                         .device = bytes_of("a phone"),
                         .device_id = bytes_of("id:1"),
                         .range = bytes_of("192.0.2.0/24"),
                         .created_at_us = now,
                         .seen_at_us = seen_at_us,
                         .expires_at_us = now + 1000,
                         .ends_at_us = now + 5000 };
    memset(s.family, 1, sizeof s.family);
    memset(s.refresh, 2, sizeof s.refresh);
    return s;
}

static void add(struct bench *b, const char *id, const char *user, int64_t seen_at_us)
{
    struct session s = a_session(id, user, seen_at_us);
    CHECK_RC(RC_OK, b->a->add_session(b->a->self, &s));
}

static enum rc get(struct bench *b, const char *name, struct session *out)
{
    struct id id = id_of(name);
    return b->a->session(b->a->self, &id, &b->arena, out);
}

static const char *sessions_of(struct bench *b, const char *name, int64_t at, size_t limit)
{
    SCOPED_BUF(text, 4096);
    struct session *items;
    struct id user = id_of(name);
    size_t count;
    CHECK_RC(RC_OK, b->a->sessions_of(b->a->self, &user, at, limit, &b->arena, &items, &count));
    for (size_t i = 0; i < count; i++)
        buf_add_format(&text, " %s", items[i].id.text);
    return count ? (const char *)arena_copy(&b->arena, buf_bytes(&text)).ptr : "";
}

TEST(a_session_is_kept_whole)
{
    SCOPED_BENCH(b);
    struct session s;
    add(&b, "s1", "ada", now + 1);
    CHECK_RC(RC_OK, get(&b, "s1", &s));
    CHECK_ID("s1", s.id);
    CHECK_ID("ada", s.user);
    CHECK_TEXT("a phone", s.device);
    CHECK_TEXT("id:1", s.device_id);
    CHECK_TEXT("192.0.2.0/24", s.range);
    CHECK_INT(now, s.created_at_us);
    CHECK_INT(now + 1, s.seen_at_us);
    CHECK_INT(now + 1000, s.expires_at_us);
    CHECK_INT(now + 5000, s.ends_at_us);
    CHECK_INT(0, s.turned_at_us);
    CHECK_INT(1, s.family[0]);
    CHECK_INT(1, s.family[31]);
    CHECK_INT(2, s.refresh[31]);
    CHECK_INT(0, s.previous[0]);
    CHECK_RC(RC_NOT_FOUND, get(&b, "s2", &s));
}

TEST(sessions_are_listed_as_last_seen_without_those_that_expired)
{
    SCOPED_BENCH(b);
    add(&b, "s1", "ada", now + 1);
    add(&b, "s2", "ada", now + 3);
    add(&b, "s3", "ada", now + 2);
    add(&b, "s4", "ben", now + 9);
    CHECK_STR(" s2 s3 s1", sessions_of(&b, "ada", now, 10));
    CHECK_STR(" s2", sessions_of(&b, "ada", now, 1));
    CHECK_STR("", sessions_of(&b, "ada", now + 1000, 10));
    CHECK_STR("", sessions_of(&b, "nobody", now, 10));
}

TEST(a_session_turns_from_the_token_that_is_good)
{
    SCOPED_BENCH(b);
    struct session s, turned = a_session("s1", "ada", now + 7);
    uint8_t other[SECRET_HASH_BYTES] = { 9 }, good[SECRET_HASH_BYTES];
    memset(good, 2, sizeof good);
    memset(turned.refresh, 3, sizeof turned.refresh);
    memset(turned.previous, 2, sizeof turned.previous);
    memset(turned.salt, 4, sizeof turned.salt);
    turned.turned_at_us = now + 7;
    turned.expires_at_us = now + 2000;
    turned.range = bytes_of("198.51.100.0/24");
    add(&b, "s1", "ada", now);
    CHECK_RC(RC_CONFLICT, b.a->turn_session(b.a->self, other, &turned));
    CHECK_RC(RC_OK, b.a->turn_session(b.a->self, good, &turned));
    CHECK_RC(RC_CONFLICT, b.a->turn_session(b.a->self, good, &turned));
    CHECK_RC(RC_OK, get(&b, "s1", &s));
    CHECK_INT(3, s.refresh[31]);
    CHECK_INT(2, s.previous[31]);
    CHECK_INT(4, s.salt[15]);
    CHECK_INT(now + 7, s.turned_at_us);
    CHECK_INT(now + 7, s.seen_at_us);
    CHECK_INT(now + 2000, s.expires_at_us);
    CHECK_TEXT("198.51.100.0/24", s.range);
    turned.id = id_of("s2");
    CHECK_RC(RC_CONFLICT, b.a->turn_session(b.a->self, good, &turned));
}

TEST(a_session_ends_for_its_user_alone)
{
    SCOPED_BENCH(b);
    struct session s;
    struct id ada = id_of("ada"), ben = id_of("ben"), s1 = id_of("s1");
    add(&b, "s1", "ada", now);
    CHECK_RC(RC_NOT_FOUND, b.a->end_session(b.a->self, &ben, &s1));
    CHECK_RC(RC_OK, get(&b, "s1", &s));
    CHECK_RC(RC_OK, b.a->end_session(b.a->self, &ada, &s1));
    CHECK_RC(RC_NOT_FOUND, get(&b, "s1", &s));
    CHECK_RC(RC_NOT_FOUND, b.a->end_session(b.a->self, &ada, &s1));
}

TEST(all_sessions_of_a_user_end_but_one)
{
    SCOPED_BENCH(b);
    struct id ada = id_of("ada"), s2 = id_of("s2");
    add(&b, "s1", "ada", now);
    add(&b, "s2", "ada", now);
    add(&b, "s3", "ada", now);
    add(&b, "s4", "ben", now);
    CHECK_RC(RC_OK, b.a->end_sessions(b.a->self, &ada, &s2));
    CHECK_STR(" s2", sessions_of(&b, "ada", now, 10));
    CHECK_RC(RC_OK, b.a->end_sessions(b.a->self, &ada, NULL));
    CHECK_STR("", sessions_of(&b, "ada", now, 10));
    CHECK_STR(" s4", sessions_of(&b, "ben", now, 10));
}

/* ---- mailed secrets ---- */

static void put(struct bench *b, enum mailed_use use, const char *user, uint8_t number, int64_t at)
{
    struct mailed_secret s = { .use = use,
                               .user = id_of(user),
                               .email = bytes_of("Ada@x"),
                               .email_key = bytes_of("ada@x"),
                               .expires_at_us = at };
    memset(s.hash, number, sizeof s.hash);
    CHECK_RC(RC_OK, b->a->put_mailed(b->a->self, &s));
}

static enum rc take(struct bench *b, enum mailed_use use, uint8_t number, int64_t at,
                    struct mailed_secret *out)
{
    uint8_t hash[SECRET_HASH_BYTES];
    memset(hash, number, sizeof hash);
    return b->a->take_mailed(b->a->self, use, hash, at, &b->arena, out);
}

TEST(a_mailed_secret_is_taken_once)
{
    SCOPED_BENCH(b);
    struct mailed_secret s;
    put(&b, MAILED_RESET, "ada", 1, now + 10);
    CHECK_RC(RC_NOT_FOUND, take(&b, MAILED_RESET, 2, now, &s));
    CHECK_RC(RC_NOT_FOUND, take(&b, MAILED_EMAIL, 1, now, &s));
    CHECK_RC(RC_OK, take(&b, MAILED_RESET, 1, now, &s));
    CHECK_ID("ada", s.user);
    CHECK_TEXT("Ada@x", s.email);
    CHECK_TEXT("ada@x", s.email_key);
    CHECK_RC(RC_NOT_FOUND, take(&b, MAILED_RESET, 1, now, &s));
}

TEST(a_mailed_secret_expires_and_a_newer_one_takes_its_place)
{
    SCOPED_BENCH(b);
    struct mailed_secret s;
    put(&b, MAILED_RESET, "ada", 1, now + 10);
    put(&b, MAILED_EMAIL, "ada", 5, now + 10);
    CHECK_RC(RC_NOT_FOUND, take(&b, MAILED_RESET, 1, now + 10, &s));
    put(&b, MAILED_RESET, "ada", 2, now + 20);
    CHECK_RC(RC_NOT_FOUND, take(&b, MAILED_RESET, 1, now, &s));
    CHECK_RC(RC_OK, take(&b, MAILED_RESET, 2, now + 10, &s));
    CHECK_RC(RC_OK, take(&b, MAILED_EMAIL, 5, now, &s));
    put(&b, MAILED_RESET, "ada", 3, now + 30); /* after one that was taken */
    CHECK_RC(RC_OK, take(&b, MAILED_RESET, 3, now, &s));
}

TEST(an_erased_account_has_no_sessions_and_no_secrets)
{
    SCOPED_BENCH(b);
    struct mailed_secret s;
    struct id ada = id_of("ada");
    add(&b, "s1", "ada", now);
    put(&b, MAILED_RESET, "ada", 1, now + 10);
    put(&b, MAILED_RESET, "ben", 2, now + 10);
    CHECK_RC(RC_OK, b.a->erase(b.a->self, &ada));
    CHECK_STR("", sessions_of(&b, "ada", now, 10));
    CHECK_RC(RC_NOT_FOUND, take(&b, MAILED_RESET, 1, now, &s));
    CHECK_RC(RC_OK, take(&b, MAILED_RESET, 2, now, &s));
}

TEST(a_sweep_removes_sessions_and_secrets_that_expired)
{
    SCOPED_BENCH(b);
    struct mailed_secret secret;
    struct session s;
    add(&b, "s1", "ada", now);
    struct session later = a_session("s2", "ada", now);
    later.expires_at_us = now + 9000;
    CHECK_RC(RC_OK, b.a->add_session(b.a->self, &later));
    put(&b, MAILED_RESET, "ada", 1, now + 10);
    put(&b, MAILED_RESET, "ben", 2, now + 9000);
    CHECK_RC(RC_OK, b.a->sweep(b.a->self, now + 1000));
    CHECK_RC(RC_NOT_FOUND, get(&b, "s1", &s));
    CHECK_RC(RC_OK, get(&b, "s2", &s));
    CHECK_RC(RC_NOT_FOUND, take(&b, MAILED_RESET, 1, now, &secret));
    CHECK_RC(RC_OK, take(&b, MAILED_RESET, 2, now, &secret));
}

/* ---- at once ---- */

enum { THREADS = 8 };

struct racer {
    pthread_t thread;
    const struct account_store *a;
    uint8_t number;
    enum rc turned, taken;
};

static void *race(void *arg)
{
    SCOPED_ARENA(arena, 64 * 1024);
    struct racer *racer = arg;
    struct mailed_secret secret;
    uint8_t good[SECRET_HASH_BYTES], mailed[SECRET_HASH_BYTES];
    struct session turned = a_session("s1", "ada", now + racer->number);
    memset(good, 2, sizeof good);
    memset(mailed, 7, sizeof mailed);
    memset(turned.refresh, 100 + racer->number, sizeof turned.refresh);
    racer->turned = racer->a->turn_session(racer->a->self, good, &turned);
    racer->taken =
        racer->a->take_mailed(racer->a->self, MAILED_RESET, mailed, now, &arena, &secret);
    return NULL;
}

TEST(of_many_at_once_one_turns_the_session_and_one_takes_the_secret)
{
    SCOPED_BENCH(b);
    struct racer racers[THREADS];
    int turned = 0, taken = 0;
    add(&b, "s1", "ada", now);
    put(&b, MAILED_RESET, "ada", 7, now + 10);
    for (uint8_t i = 0; i < THREADS; i++) {
        racers[i] = (struct racer){ .a = b.a, .number = i };
        CHECK_INT(0, pthread_create(&racers[i].thread, NULL, race, &racers[i]));
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK_INT(0, pthread_join(racers[i].thread, NULL));
        CHECK(racers[i].turned == RC_OK || racers[i].turned == RC_CONFLICT);
        CHECK(racers[i].taken == RC_OK || racers[i].taken == RC_NOT_FOUND);
        turned += racers[i].turned == RC_OK;
        taken += racers[i].taken == RC_OK;
    }
    bool is_strict = store_fixture_compares_and_sets(b.fixture);
    CHECK(is_strict ? turned == 1 : turned >= 1);
    CHECK(is_strict ? taken == 1 : taken >= 1);
}
