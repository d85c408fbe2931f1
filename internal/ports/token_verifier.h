/* token_verifier.h - who stands behind an access token.
 *
 * The port that the gateway asks at a handshake, at a REST request, and at auth.refresh. What makes
 * a token valid is in docs/PROTOCOL.md ("Access tokens").
 *
 * Thread: loop thread only.
 */
#ifndef PORTS_TOKEN_VERIFIER_H
#define PORTS_TOKEN_VERIFIER_H

#include "base/bytes.h"
#include "domain/id.h"
#include "domain/user_role.h"

enum { IDENTITY_NAME_BYTES = 256 };

/* A plain value: copy it freely. */
struct identity {
    struct id user;
    struct id session;                  /* claim sid, else a name made from the token */
    char name[IDENTITY_NAME_BYTES + 1]; /* claim name, else the user id; UTF-8 without control
                                           characters, ends in NUL */
    unsigned roles;                     /* enum user_role, or-ed; USER_ROLE_USER if none given */
    int64_t expires_s;                  /* claim exp plus the leeway: close with 4001 then */
    int64_t issued_s;                   /* claim iat; 0 without: as old as can be */
};

enum token_error {
    TOKEN_OK = 0,
    TOKEN_MISSING, /* no token, an empty one */
    TOKEN_EXPIRED, /* was good once; a new one will do */
    TOKEN_INVALID, /* all else; the reason is not told to the client */
    TOKEN_REVOKED, /* the session was ended */
};

struct token_verifier; /* an adapter's struct starts with this one */

struct token_verifier {
    enum token_error (*verify)(struct token_verifier *self, struct bytes token, int64_t now_s,
                               struct identity *out_identity);
};

/* Checks a token.
 *   token         borrowed; whatever came from the client, of any length
 *   now_s         wall clock, seconds since the Unix epoch
 *   out_identity  written on TOKEN_OK only
 */
static inline enum token_error token_verify(struct token_verifier *verifier, struct bytes token,
                                            int64_t now_s, struct identity *out_identity)
{
    return verifier->verify(verifier, token, now_s, out_identity);
}

/* The reason as close frames and REST errors name it ("token_expired", ...). */
static inline const char *token_error_name(enum token_error error)
{
    switch (error) {
    case TOKEN_OK:
        return "ok";
    case TOKEN_MISSING:
        return "token_missing";
    case TOKEN_EXPIRED:
        return "token_expired";
    case TOKEN_INVALID:
        return "token_invalid";
    case TOKEN_REVOKED:
        return "session_revoked";
    }
    return "token_invalid";
}

#endif
