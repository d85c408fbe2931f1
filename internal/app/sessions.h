/* sessions.h - sessions and the tokens that turn with them. Blocks: worker threads.
 *
 * A refresh token is good once. Its successor follows from it and a salt (wire/secret.h), so who
 * lost the answer and shows the predecessor again gets the very same successor, for some seconds
 * and on the same device: of fifty at once all get one line. A token that was good longer ago is a
 * theft, of either side: the session ends.
 */
#ifndef APP_SESSIONS_H
#define APP_SESSIONS_H

#include "app/accounts.h"

/* Opens a session of call->account and signs its first tokens. */
MUST_CHECK enum error_code session_open(struct account_call *call, struct session_tokens *out);

/* Turns a refresh token. ERROR_UNAUTHENTICATED: it is good no more. */
MUST_CHECK enum error_code session_refresh(struct account_call *call, struct bytes token,
                                           struct session_tokens *out);

/* Ends a session, for every gateway and in the store; one that the store doesn't know (of a token
 * made elsewhere) ends for the gateways. */
MUST_CHECK enum error_code session_end(struct account_call *call, const struct id *user,
                                       const struct id *session, enum revocation_reason reason);
/* The same of one that must be the user's: else ERROR_NOT_FOUND. */
MUST_CHECK enum error_code session_end_owned(struct account_call *call, const struct id *user,
                                             const struct id *session,
                                             enum revocation_reason reason);

/* Ends all sessions of a user, but for one (may be NULL), and all their tokens. */
MUST_CHECK enum error_code sessions_end_all(struct account_call *call, const struct id *user,
                                            const struct id *spared, enum revocation_reason reason);

#endif
