/* checksum.h - SHA-256 of what comes in parts, as `sha256sum` prints it. */
#ifndef ADAPTERS_AUTH_CHECKSUM_H
#define ADAPTERS_AUTH_CHECKSUM_H

#include "base/bytes.h"

enum { CHECKSUM_CHARS = 64 };

struct checksum;

/* Begins one; the caller's (checksum_destroy). NULL if memory is short. */
struct checksum *checksum_create(void);
void checksum_add(struct checksum *sum, struct bytes part);
/* Ends it: 64 hexadecimal digits and a NUL; "" when anything failed on the way. Once. */
void checksum_write(struct checksum *sum, char out[CHECKSUM_CHARS + 1]);
void checksum_destroy(struct checksum *sum);

#endif
