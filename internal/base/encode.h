/* encode.h - base64url, hexadecimal, and the partition hash. */
#ifndef BASE_ENCODE_H
#define BASE_ENCODE_H

#include "base/bytes.h"

/* Characters of base64url without padding (RFC 4648, section 5) for that many bytes. */
#define B64URL_CHARS(bytes) (((bytes)*4 + 2) / 3)

/* Writes base64url without padding and a NUL; out holds B64URL_CHARS(len) + 1. Returns the length.
 */
size_t b64url_write(struct bytes bytes, char *out);

/* Reads strict base64url without padding: no blanks, no '=', unused bits zero.
 *   out_bytes  room for len * 3 / 4 bytes
 *   returns    false if the text is not that form
 */
bool b64url_read(struct bytes text, uint8_t *out_bytes, size_t *out_len);

/* FNV-1a, 32 bits, over the bytes: what nats-server's {{partition(n,1)}} takes mod n. */
uint32_t fnv1a32(struct bytes bytes);

#endif
