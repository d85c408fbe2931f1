#include "adapters/sodium/argon2_hasher.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { NICE_OF_HASHING = 10 };

struct argon2_hasher {
    struct argon2_options options;
    struct password_hasher port;
    char nobody[crypto_pwhash_STRBYTES]; /* made with today's parameters, of no password */
};

static_assert((int)PASSWORD_HASH_CHARS + 1 >= (int)crypto_pwhash_STRBYTES, "a hash has room");

/* On Linux the priority belongs to the thread; the loop's stays as it is. */
static void give_way(void)
{
    static _Thread_local bool has_given_way;
    if (!has_given_way)
        (void)setpriority(PRIO_PROCESS, 0, NICE_OF_HASHING); /* else it is as it was */
    has_given_way = true;
}

static enum rc hash_into(const struct argon2_hasher *hasher, struct bytes password, char *out)
{
    int failed =
        crypto_pwhash_str_alg(out, (const char *)password.ptr, password.len, hasher->options.passes,
                              hasher->options.memory_bytes, crypto_pwhash_ALG_ARGON2ID13);
    return failed ? RC_NOMEM : RC_OK;
}

static enum rc hash(void *self, struct bytes password, char out[PASSWORD_HASH_CHARS + 1])
{
    give_way();
    return hash_into(self, password, out);
}

/* -1 of libsodium is "wrong" as well as "no memory". A hash whose parameters we would use ourselves
 * can be made, so there the second has no other sign than a failing hash. */
static enum rc verify(void *self, struct bytes password, struct bytes text, bool *out_is_right,
                      bool *out_is_old)
{
    const struct argon2_hasher *hasher = self;
    char kept[crypto_pwhash_STRBYTES] = "";
    give_way();
    bool is_somebody = text.len > 0 && text.len < sizeof kept;
    memcpy(kept, is_somebody ? (const char *)text.ptr : hasher->nobody,
           is_somebody ? text.len : sizeof kept);
    bool is_right = crypto_pwhash_str_verify(kept, (const char *)password.ptr, password.len) == 0;
    *out_is_right = is_right && is_somebody;
    *out_is_old = *out_is_right && crypto_pwhash_str_needs_rehash(kept, hasher->options.passes,
                                                                  hasher->options.memory_bytes);
    return RC_OK;
}

enum rc argon2_hasher_create(const struct argon2_options *options,
                             struct argon2_hasher **out_hasher)
{
    uint8_t nothing[32];
    if (sodium_init() < 0)
        return RC_UNAVAILABLE;
    struct argon2_hasher *hasher = calloc(1, sizeof *hasher);
    if (!hasher)
        return RC_NOMEM;
    hasher->options = *options;
    hasher->port = (struct password_hasher){ .self = hasher, .hash = hash, .verify = verify };
    randombytes_buf(nothing, sizeof nothing);
    enum rc rc = hash_into(hasher, bytes_make(nothing, sizeof nothing), hasher->nobody);
    if (rc != RC_OK) {
        free(hasher);
        return rc;
    }
    *out_hasher = hasher;
    return RC_OK;
}

const struct password_hasher *argon2_hasher_port(const struct argon2_hasher *hasher)
{
    return &hasher->port;
}

void argon2_hasher_destroy(struct argon2_hasher *hasher)
{
    free(hasher);
}
