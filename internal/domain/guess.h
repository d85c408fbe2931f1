/* guess.h - the two ladders that stand before a secret, taken together.
 *
 * `source` is the ladder of (account, network), `account` that of the account from everywhere. A
 * network from which the owner got in lately isn't held up by what others do elsewhere.
 *
 * Pure: the clock is an argument.
 */
#ifndef DOMAIN_GUESS_H
#define DOMAIN_GUESS_H

#include "domain/ladder.h"

/* How long a guess has to wait; 0: it may be made. */
int64_t guess_wait_ms(const struct ladder *source, const struct ladder *account, int64_t now_ms);

/* A guess begins: it counts as a failure until it is known to be right. */
void guess_count_source(struct ladder *source, int64_t now_ms);
void guess_count_account(struct ladder *account, int64_t now_ms);

/* It was right. The account's ladder loses this guess and no other: the owner's success must not
 * reset an attack from elsewhere. */
void guess_right_source(struct ladder *source, int64_t now_ms);
void guess_right_account(struct ladder *account, int64_t now_ms);

/* It was not judged. */
void guess_take_back_source(struct ladder *source, int64_t now_ms);
void guess_take_back_account(struct ladder *account, int64_t now_ms);

#endif
