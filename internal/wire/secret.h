/* secret.h - secrets that clients carry: refresh tokens and mailed ones. Pure but for the kernel's
 * random numbers. Thread: any.
 *
 * A refresh token is "<session id>.<64 characters of base64url>": the session, a part that all
 * tokens of the session share (the family), and a part that is new with each turn. Who shows the
 * family's part but an old turn has a token that was good once: that is a reuse. Who doesn't show
 * it knows no more than an id.
 */
#ifndef WIRE_SECRET_H
#define WIRE_SECRET_H

#include "base/bytes.h"
#include "base/encode.h"
#include "domain/id.h"

enum {
    SECRET_BYTES = 32,
    SECRET_FAMILY_BYTES = 16,
    SECRET_CHARS = B64URL_CHARS(SECRET_BYTES),
    REFRESH_TOKEN_CHARS = ID_CHARS_MAX + 1 + B64URL_CHARS(SECRET_FAMILY_BYTES + SECRET_BYTES),
};

struct refresh_token {
    struct id session;
    uint8_t family[SECRET_FAMILY_BYTES];
    uint8_t turn[SECRET_BYTES];
};

/* New random bytes. */
void secret_make(uint8_t *out, size_t len);

/* SHA-256: what the store keeps. The secrets are random, so nothing slower is needed. */
void secret_hash(struct bytes secret, uint8_t out[32]);

/* The turn that follows from one and a salt, and from nothing else: who lost the answer of a
 * refresh gets the same one again, and the store needn't know it. */
void secret_next_turn(const uint8_t turn[SECRET_BYTES], const uint8_t *salt, size_t salt_len,
                      uint8_t out[SECRET_BYTES]);

/* Text form, NUL-terminated; returns its length. */
size_t refresh_token_write(const struct refresh_token *token, char out[REFRESH_TOKEN_CHARS + 1]);
bool refresh_token_read(struct bytes text, struct refresh_token *out);

#endif
