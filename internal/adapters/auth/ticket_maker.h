/* ticket_maker.h - the port ticket_book: an identity and a time, sealed with HMAC-SHA-256.
 *
 * The key is KEYS_DIR/ticket.key, 32 random bytes; all gateways of a deployment need the same one,
 * like the keys of tokens. A ticket is "v1~BODY~SEAL", both base64url: no dots, so that it is never
 * taken for a token, nor a token for it.
 */
#ifndef AUTH_TICKET_MAKER_H
#define AUTH_TICKET_MAKER_H

#include "ports/tickets.h"

struct ticket_maker; /* opaque */

/* Reads the key, or makes it (mode 0600).
 *   errors  RC_DENIED, RC_UNAVAILABLE the folder; RC_INVALID the file isn't a key; RC_NOMEM */
MUST_CHECK enum rc ticket_maker_create(const char *keys_dir, const struct clock_source *clock,
                                       struct ticket_maker **out_maker);
void ticket_maker_destroy(struct ticket_maker *maker);

/* Lives as long as the maker. */
struct ticket_book ticket_maker_port(struct ticket_maker *maker);

#endif
