/* revocations.h - port: sessions and users whose tokens stop working before they expire.
 *
 * An access token can't be taken back, so what was revoked is told to every gateway, which closes
 * the sockets concerned with 4002 and refuses the tokens from then on. A gateway that starts later
 * learns what still counts. A revocation is remembered until every token it could mean has expired.
 *
 * Revoking stops tokens only. That the session can't make new ones is the account store's part, and
 * comes first: store, then publish.
 */
#ifndef PORTS_REVOCATIONS_H
#define PORTS_REVOCATIONS_H

#include "base/rc.h"
#include "domain/revocation.h"

struct revocations {
    void *self;
    /* Stores it and has every gateway told; blocks until it is stored. Publishing the same twice
     * does no harm; of two of one user the later before_ms counts, so spare the same session twice
     * or none.
     *   errors  RC_UNAVAILABLE, RC_TIMEOUT: try again; it may be stored
     *   thread  worker threads */
    enum rc (*publish)(void *self, const struct revocation *revocation);
};

/* What listens: loop thread. A revocation may come again (a new link, a start): acting twice on it
 * must do no harm. */
struct revocation_sink {
    void *closure;
    void (*on_revoked)(void *closure, const struct revocation *revocation);
    /* May be NULL. All that was in force when we looked has been told; until the first of these a
     * gateway doesn't know what it must refuse. */
    void (*on_current)(void *closure);
};

#endif
