/* hash_wire.h - what a hashing process and its parent say to each other: a packet each. */
#ifndef ADAPTERS_SODIUM_HASH_WIRE_H
#define ADAPTERS_SODIUM_HASH_WIRE_H

#include "domain/account.h"
#include "ports/password_hasher.h"

enum { HASH_WIRE_FD = 3 }; /* the child's end */

enum hash_wire_ask { HASH_WIRE_HASH = 1, HASH_WIRE_VERIFY };

struct hash_request {
    uint32_t ask; /* enum hash_wire_ask */
    uint32_t password_len, hash_len;
    char password[PASSWORD_BYTES_MAX];
    char hash[PASSWORD_HASH_CHARS + 1];
};

struct hash_reply {
    int32_t rc; /* enum rc */
    bool is_right, is_old;
    char hash[PASSWORD_HASH_CHARS + 1];
};

#endif
