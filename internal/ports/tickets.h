/* tickets.h - ports: one-time tickets, by which a browser opens a socket.
 *
 * A browser can't give a header to a WebSocket, and a token in a URL ends up in logs. A ticket may:
 * it is good for 30 s and for one socket, on whichever gateway. Reading it proves who asks;
 * claiming it makes it used up, for all gateways at once.
 */
#ifndef PORTS_TICKETS_H
#define PORTS_TICKETS_H

#include "base/buf.h"
#include "base/rc.h"
#include "ports/token_verifier.h"

enum { TICKET_S = 30, TICKET_BYTES_MAX = 2048 };

struct ticket_book {
    void *self;
    /* Appends a ticket for that identity (ASCII that needs no escape in a URL).
     *   out_expires_s  wall clock
     *   errors         RC_NOMEM
     *   thread         any */
    enum rc (*issue)(void *self, const struct identity *identity, int64_t now_s, struct buf *out,
                     int64_t *out_expires_s);
    /* Reads one: TOKEN_OK, TOKEN_EXPIRED, TOKEN_INVALID. Whether it was used isn't known here.
     *   thread  any; some microseconds */
    enum token_error (*read)(void *self, struct bytes ticket, int64_t now_s,
                             struct identity *out_identity, struct id *out_ticket);
};

struct ticket_claims {
    void *self;
    /* Uses a ticket up.
     *   errors  RC_CONFLICT it was used before; RC_UNAVAILABLE, RC_TIMEOUT that can't be known: it
     *           must be taken as used
     *   thread  worker threads; blocks */
    enum rc (*claim)(void *self, const struct id *ticket);
};

#endif
