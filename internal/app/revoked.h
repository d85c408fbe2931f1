/* revoked.h - what this process knows to be revoked, and the verifier that looks there first.
 *
 * One table for sockets and REST. An entry is kept until the revocation's own end, so the table is
 * as large as what the bucket REVOKED holds, and no larger than ENTRIES_MAX.
 *
 * Thread: loop thread.
 */
#ifndef APP_REVOKED_H
#define APP_REVOKED_H

#include "base/clock.h"
#include "ports/revocations.h"
#include "ports/token_verifier.h"

struct revoked;

/* Makes an empty table over a verifier, which must outlive it. NULL if memory is short. */
struct revoked *revoked_create(struct token_verifier *inner);
void revoked_destroy(struct revoked *revoked); /* NULL is fine */

/* The inner verifier's word, but TOKEN_REVOKED for a good token of a revoked session. Lives as long
 * as the table. */
struct token_verifier *revoked_verifier(struct revoked *revoked);

/* Remembers one. Of two about the same user the later one stays (a session that it spares began
 * after the earlier one, or is named there too). One that has ended by now_s is passed over.
 *   returns  false when it isn't remembered (memory, or the bound): logged, since its tokens work
 *            on; the sockets must be closed all the same */
bool revoked_take(struct revoked *revoked, const struct revocation *revocation, int64_t now_s);

/* Whether an identity that came by another way than a token (a ticket) is revoked. */
bool revoked_means(const struct revoked *revoked, const struct identity *who, int64_t now_s);

/* Forgets what has ended: some entries a call, all within some minutes of calls each second. */
void revoked_tick(struct revoked *revoked, int64_t now_s);

size_t revoked_count(const struct revoked *revoked);

#endif
