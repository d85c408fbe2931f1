/* argon2_hasher.h - passwords hashed by Argon2id, as libsodium has it (RFC 9106; one lane).
 *
 * Thread: any, each call for tens of milliseconds. Who calls gives way to the rest of the machine:
 * a thread lowers its own priority at its first hash, so that chat goes on beside a storm of
 * logins. The server calls it in processes of their own (hash_process.h), parleyctl directly.
 */
#ifndef ADAPTERS_SODIUM_ARGON2_HASHER_H
#define ADAPTERS_SODIUM_ARGON2_HASHER_H

#include "ports/password_hasher.h"

struct argon2_hasher; /* opaque */

struct argon2_options {
    unsigned long long passes; /* 1 to 64 */
    size_t memory_bytes;       /* 8 KiB to 1 GiB */
};

/* Makes a hasher, and the hash that stands for "no such account".
 *   errors  RC_NOMEM, RC_UNAVAILABLE the library has no random numbers */
MUST_CHECK enum rc argon2_hasher_create(const struct argon2_options *options,
                                        struct argon2_hasher **out_hasher);

const struct password_hasher *argon2_hasher_port(const struct argon2_hasher *hasher);

/* NULL is fine. */
void argon2_hasher_destroy(struct argon2_hasher *hasher);

#endif
