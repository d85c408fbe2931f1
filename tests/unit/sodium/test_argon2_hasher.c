/* Hashes: right and wrong, nobody's, and those of weaker parameters. */
#include "adapters/sodium/argon2_hasher.h"
#include "support/check.h"

static struct argon2_hasher *a_hasher(unsigned long long passes, size_t memory_bytes)
{
    const struct argon2_options options = { passes, memory_bytes };
    struct argon2_hasher *hasher = NULL;
    CHECK_RC(RC_OK, argon2_hasher_create(&options, &hasher));
    return hasher;
}

TEST(a_password_is_right_or_wrong)
{
    struct argon2_hasher *hasher = a_hasher(2, 1 << 20);
    const struct password_hasher *port = argon2_hasher_port(hasher);
    char hash[PASSWORD_HASH_CHARS + 1], other[PASSWORD_HASH_CHARS + 1];
    bool is_right, is_old;
    CHECK_RC(RC_OK, port->hash(port->self, bytes_of("correct"), hash));
    CHECK_RC(RC_OK, port->hash(port->self, bytes_of("correct"), other));
    CHECK(strcmp(hash, other) != 0); /* a salt of its own */
    CHECK(strncmp(hash, "$argon2id$v=19$m=1024,t=2,p=1$", 30) == 0);
    CHECK_RC(RC_OK,
             port->verify(port->self, bytes_of("correct"), bytes_of(hash), &is_right, &is_old));
    CHECK(is_right && !is_old);
    CHECK_RC(RC_OK,
             port->verify(port->self, bytes_of("Correct"), bytes_of(hash), &is_right, &is_old));
    CHECK(!is_right && !is_old);
    argon2_hasher_destroy(hasher);
}

TEST(no_hash_and_no_sense_are_nobodys)
{
    struct argon2_hasher *hasher = a_hasher(1, 1 << 20);
    const struct password_hasher *port = argon2_hasher_port(hasher);
    static const char *const hashes[] = { "", "x", "$argon2id$v=19$m=1024,t=1,p=1$x$y", "$argon2i$",
                                          "plain" };
    bool is_right, is_old;
    for (size_t i = 0; i < COUNT_OF(hashes); i++) {
        is_right = is_old = true;
        CHECK_RC(RC_OK,
                 port->verify(port->self, bytes_of("x"), bytes_of(hashes[i]), &is_right, &is_old));
        CHECK(!is_right && !is_old);
    }
    argon2_hasher_destroy(hasher);
}

TEST(a_hash_of_weaker_parameters_is_old_and_still_right)
{
    struct argon2_hasher *weak = a_hasher(1, 1 << 20), *strong = a_hasher(2, 1 << 21);
    const struct password_hasher *port = argon2_hasher_port(weak);
    char hash[PASSWORD_HASH_CHARS + 1];
    bool is_right, is_old;
    CHECK_RC(RC_OK, port->hash(port->self, bytes_of("correct"), hash));
    port = argon2_hasher_port(strong);
    CHECK_RC(RC_OK,
             port->verify(port->self, bytes_of("correct"), bytes_of(hash), &is_right, &is_old));
    CHECK(is_right && is_old);
    CHECK_RC(RC_OK,
             port->verify(port->self, bytes_of("wrong"), bytes_of(hash), &is_right, &is_old));
    CHECK(!is_right && !is_old);
    argon2_hasher_destroy(weak);
    argon2_hasher_destroy(strong);
}
