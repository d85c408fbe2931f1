#include "wire/secret.h"

#include <sodium.h>
#include <stdlib.h>
#include <sys/random.h>

void secret_make(uint8_t *out, size_t len)
{
    if (getrandom(out, len, 0) != (ssize_t)len)
        abort(); /* at most 256 bytes are asked for, which the kernel always gives */
}

void secret_hash(struct bytes secret, uint8_t out[32])
{
    (void)crypto_hash_sha256(out, secret.ptr, secret.len); /* always 0 */
}

void secret_next_turn(const uint8_t turn[SECRET_BYTES], const uint8_t *salt, size_t salt_len,
                      uint8_t out[SECRET_BYTES])
{
    (void)crypto_generichash(out, SECRET_BYTES, salt, salt_len, turn, SECRET_BYTES);
}

size_t refresh_token_write(const struct refresh_token *token, char out[REFRESH_TOKEN_CHARS + 1])
{
    uint8_t both[SECRET_FAMILY_BYTES + SECRET_BYTES];
    memcpy(both, token->family, SECRET_FAMILY_BYTES);
    memcpy(both + SECRET_FAMILY_BYTES, token->turn, SECRET_BYTES);
    memcpy(out, token->session.text, token->session.len);
    out[token->session.len] = '.';
    size_t len = token->session.len + 1u;
    len += b64url_write(bytes_make(both, sizeof both), out + len);
    explicit_bzero(both, sizeof both);
    return len;
}

bool refresh_token_read(struct bytes text, struct refresh_token *out)
{
    uint8_t both[SECRET_FAMILY_BYTES + SECRET_BYTES];
    const uint8_t *dot = text.len ? memchr(text.ptr, '.', text.len) : NULL;
    size_t len = 0;
    if (!dot || text.len > REFRESH_TOKEN_CHARS ||
        !id_read(bytes_make(text.ptr, (size_t)(dot - text.ptr)), &out->session))
        return false;
    struct bytes secret = bytes_make(dot + 1, text.len - (size_t)(dot - text.ptr) - 1);
    if (secret.len != B64URL_CHARS(sizeof both) || !b64url_read(secret, both, &len))
        return false;
    memcpy(out->family, both, SECRET_FAMILY_BYTES);
    memcpy(out->turn, both + SECRET_FAMILY_BYTES, SECRET_BYTES);
    return true;
}
