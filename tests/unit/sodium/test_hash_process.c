/* Hashing processes: the same answers as hashing here, whatever becomes of them meanwhile. */
#include "adapters/sodium/hash_process.h"
#include "support/check.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

enum { PROCESSES = 2, THREADS = 6, ROUNDS = 20 };

static const struct argon2_options light = { 1, 1 << 20 };

static struct hash_process_pool *a_pool(struct argon2_options argon2)
{
    const struct hash_process_options options = { PARLEYD, PROCESSES, argon2 };
    struct hash_process_pool *pool = NULL;
    CHECK_RC(RC_OK, hash_process_pool_create(&options, &pool));
    return pool;
}

static void check_verdict(const struct password_hasher *port, const char *password,
                          const char *hash, bool should_be_right, bool should_be_old)
{
    bool is_right = !should_be_right, is_old = !should_be_old;
    CHECK_RC(RC_OK,
             port->verify(port->self, bytes_of(password), bytes_of(hash), &is_right, &is_old));
    CHECK(is_right == should_be_right);
    CHECK(is_old == should_be_old);
}

TEST(what_one_makes_the_other_takes)
{
    struct hash_process_pool *pool = a_pool(light);
    struct argon2_hasher *here = NULL;
    CHECK_RC(RC_OK, argon2_hasher_create(&light, &here));
    const struct password_hasher *away = hash_process_pool_port(pool);
    const struct password_hasher *near = argon2_hasher_port(here);
    char hash[PASSWORD_HASH_CHARS + 1];
    CHECK_RC(RC_OK, away->hash(away->self, bytes_of("correct"), hash));
    check_verdict(near, "correct", hash, true, false);
    check_verdict(near, "wrong", hash, false, false);
    CHECK_RC(RC_OK, near->hash(near->self, bytes_of("correct"), hash));
    check_verdict(away, "correct", hash, true, false);
    check_verdict(away, "wrong", hash, false, false);
    check_verdict(away, "", hash, false, false);
    argon2_hasher_destroy(here);
    hash_process_pool_destroy(pool);
}

TEST(weaker_parameters_are_old)
{
    struct hash_process_pool *weak = a_pool(light);
    struct hash_process_pool *strong = a_pool((struct argon2_options){ 2, 1 << 21 });
    const struct password_hasher *port = hash_process_pool_port(weak);
    char hash[PASSWORD_HASH_CHARS + 1];
    CHECK_RC(RC_OK, port->hash(port->self, bytes_of("correct"), hash));
    check_verdict(hash_process_pool_port(strong), "correct", hash, true, true);
    hash_process_pool_destroy(weak);
    hash_process_pool_destroy(strong);
}

TEST(nobodys_and_what_is_too_long_are_never_right)
{
    struct hash_process_pool *pool = a_pool(light);
    const struct password_hasher *port = hash_process_pool_port(pool);
    char longest[129 + 1], hash[PASSWORD_HASH_CHARS + 1];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = 0;
    check_verdict(port, "x", "", false, false);
    check_verdict(port, "x", "$argon2id$v=19$m=1024,t=1,p=1$x$y", false, false);
    CHECK_RC(RC_INVALID, port->hash(port->self, bytes_of(longest), hash));
    CHECK_RC(RC_OK, port->hash(port->self, bytes_make(longest, 128), hash));
    check_verdict(port, longest, hash, false, false);
    longest[128] = 0;
    check_verdict(port, longest, hash, true, false);
    hash_process_pool_destroy(pool);
}

TEST(one_that_died_is_replaced_and_asked_again)
{
    struct hash_process_pool *pool = a_pool(light);
    const struct password_hasher *port = hash_process_pool_port(pool);
    char hash[PASSWORD_HASH_CHARS + 1];
    pid_t before[PROCESSES], after[PROCESSES];
    CHECK_RC(RC_OK, port->hash(port->self, bytes_of("correct"), hash));
    hash_process_pool_pids(pool, before);
    for (int i = 0; i < PROCESSES; i++)
        CHECK_INT(0, kill(before[i], SIGKILL));
    check_verdict(port, "correct", hash, true, false);
    hash_process_pool_pids(pool, after);
    CHECK(after[0] != before[0]);
    hash_process_pool_destroy(pool);
}

/* Whoever stops a service signals all of its processes; logins that are under way are answered. */
TEST(a_signal_to_all_doesnt_end_one)
{
    struct hash_process_pool *pool = a_pool(light);
    const struct password_hasher *port = hash_process_pool_port(pool);
    char hash[PASSWORD_HASH_CHARS + 1];
    pid_t before[PROCESSES], after[PROCESSES];
    CHECK_RC(RC_OK, port->hash(port->self, bytes_of("correct"), hash)); /* it is up */
    hash_process_pool_pids(pool, before);
    CHECK_INT(0, kill(before[0], SIGTERM));
    check_verdict(port, "correct", hash, true, false);
    hash_process_pool_pids(pool, after);
    CHECK_INT(before[0], after[0]);
    hash_process_pool_destroy(pool);
    CHECK_INT(-1, kill(before[0], 0));
    CHECK_INT(ESRCH, errno);
}

static void *use(void *closure)
{
    const struct password_hasher *port = closure;
    char password[32], hash[PASSWORD_HASH_CHARS + 1];
    bool is_right = false, is_old = true;
    (void)snprintf(password, sizeof password, "%p", (void *)&is_right);
    for (int i = 0; i < ROUNDS; i++) {
        if (port->hash(port->self, bytes_of(password), hash) != RC_OK ||
            port->verify(port->self, bytes_of(password), bytes_of(hash), &is_right, &is_old) !=
                RC_OK ||
            !is_right || is_old)
            return closure;
    }
    return NULL;
}

TEST(more_threads_than_processes_take_turns)
{
    struct hash_process_pool *pool = a_pool(light);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(0, pthread_create(&threads[i], NULL, use, (void *)hash_process_pool_port(pool)));
    for (int i = 0; i < THREADS; i++) {
        void *failed = NULL;
        CHECK_INT(0, pthread_join(threads[i], &failed));
        CHECK(!failed);
    }
    hash_process_pool_destroy(pool);
}

TEST(what_cant_be_started_or_cant_hash_stops_the_start)
{
    const struct hash_process_options options[] = {
        { "/nonexistent/parleyd", 1, light },
        { "/bin/false", 1, light },
        { PARLEYD, 1, { 1, SIZE_MAX / 2 } },
    };
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        struct hash_process_pool *pool = NULL;
        CHECK_RC(RC_UNAVAILABLE, hash_process_pool_create(&options[i], &pool));
        CHECK(!pool);
    }
}
