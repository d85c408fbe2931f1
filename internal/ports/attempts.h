/* attempts.h - port: guesses at a secret, counted for all gateways together.
 *
 * Each guess is counted when it begins and given back when it was right, so that a thousand at once
 * are a thousand, and no two gateways can be played against each other. Two ladders hold
 * (domain/ladder.h): one of (account, source network), with long waits; one of the account alone,
 * with short ones, which a network that got in lately isn't asked for. So whoever guesses from
 * elsewhere can't lock the owner out.
 *
 * Thread: worker threads; blocks up to some ms.
 */
#ifndef PORTS_ATTEMPTS_H
#define PORTS_ATTEMPTS_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/rc.h"
#include "domain/address_range.h"

/* Of what the guesses are: each use counts by itself. */
enum attempt_use {
    ATTEMPT_LOGIN,
    ATTEMPT_PASSWORD, /* the old password, of a user who is logged in */
    ATTEMPT_RESET,    /* asking for a reset; each one counts, none is right */
};

/* Of whom. The account needn't exist: the answer must not tell. */
struct attempt {
    enum attempt_use use;
    struct bytes account; /* folded username or e-mail address, or a user id; 1 to 512 bytes */
    struct address_range range; /* where it comes from (address_range_of) */
};

struct attempts {
    void *self;
    /* Counts one guess, or says that it is too early for one.
     *   now_ms      wall clock
     *   out_wait_ms written on RC_FULL: until when the next one is refused too, from now
     *   errors      RC_FULL too early: judge nothing, count nothing; RC_UNAVAILABLE, RC_TIMEOUT the
     *               count can't be had: refuse the guess (503) */
    enum rc (*begin)(void *self, const struct attempt *attempt, int64_t now_ms,
                     int64_t *out_wait_ms);
    /* It was right: the ladder of this source is at its foot again, and the source is known. */
    enum rc (*succeeded)(void *self, const struct attempt *attempt, int64_t now_ms);
    /* It was not judged (the hashing queue was full, the store away): it counts no more. */
    enum rc (*take_back)(void *self, const struct attempt *attempt, int64_t now_ms);
};

#endif
