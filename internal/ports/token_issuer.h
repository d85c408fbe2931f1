/* token_issuer.h - port: access tokens for our own accounts.
 *
 * What a token says and how it is signed is in docs/PROTOCOL.md ("Access tokens"); token_verifier.h
 * reads what this makes. Issuer, audience, algorithm and key are the adapter's, from the settings.
 *
 * Thread: worker threads, several at once: a signature takes up to a millisecond.
 */
#ifndef PORTS_TOKEN_ISSUER_H
#define PORTS_TOKEN_ISSUER_H

#include "base/buf.h"
#include "base/rc.h"
#include "domain/id.h"

enum { ACCESS_TOKEN_BYTES_MAX = 4096 };

struct access_claims {
    struct id user;    /* claim sub */
    struct id session; /* claim sid; a UUIDv7 (id_make), whose time says when the session began */
    struct bytes
        name; /* UTF-8 without control characters, at most IDENTITY_NAME_BYTES; may be empty */
    unsigned roles;   /* enum user_role of token_verifier.h, or-ed; 0: no claim, which means user */
    int64_t issued_s; /* claims iat and nbf: wall clock, seconds since the Unix epoch */
    int64_t expires_s; /* claim exp; after issued_s */
};

struct token_issuer {
    void *self;
    /* Appends one token (at most ACCESS_TOKEN_BYTES_MAX bytes of ASCII) to out.
     *   claims  borrowed
     *   errors  RC_INVALID the verifier would refuse these claims; RC_UNAVAILABLE there is no key
     *           to sign with; RC_NOMEM */
    enum rc (*issue)(void *self, const struct access_claims *claims, struct buf *out);
};

#endif
