/* password_hasher.h - port: passwords to hashes that are slow to guess.
 *
 * Thread: those of a pool of its own; each call takes tens of milliseconds and the memory that the
 * settings say, so the number of threads bounds both.
 */
#ifndef PORTS_PASSWORD_HASHER_H
#define PORTS_PASSWORD_HASHER_H

#include "base/bytes.h"
#include "base/rc.h"

enum { PASSWORD_HASH_CHARS = 127 };

struct password_hasher {
    void *self;
    /* Writes a hash in text form, with its parameters and a salt of its own.
     *   errors  RC_NOMEM the memory wasn't there */
    enum rc (*hash)(void *self, struct bytes password, char out[PASSWORD_HASH_CHARS + 1]);
    /* Whether the password is the hash's. An empty hash is nobody's: it takes as long, and is never
     * right, so that whether there is an account can't be told by the time.
     *   out_is_old  right, but made with weaker parameters than those of today: hash it anew
     *   errors      RC_NOMEM as above */
    enum rc (*verify)(void *self, struct bytes password, struct bytes hash, bool *out_is_right,
                      bool *out_is_old);
};

#endif
