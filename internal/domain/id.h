/* id.h - the ids that reach subjects, headers and keys: 1 to 64 characters of [A-Za-z0-9_-].
 *
 * A value of this type has been checked: past wire nobody asks again whether an id is well formed.
 */
#ifndef DOMAIN_ID_H
#define DOMAIN_ID_H

#include "base/bytes.h"
#include "base/clock.h"

enum { ID_CHARS_MAX = 64 };

struct id {
    uint8_t len; /* 0: no id */
    char text[ID_CHARS_MAX + 1];
};

/* Reads an id. Returns false, out untouched, if it is not of the alphabet and length above. */
bool id_read(struct bytes text, struct id *out_id);

/* A new UUIDv7 in text form (RFC 9562, section 5.7): 36 characters. Any thread. */
struct id id_make(const struct clock_source *clock);

/* When a UUIDv7 was made, in wall-clock milliseconds. Returns false, out untouched, if the id isn't
 * of that form. */
bool id_made_ms(const struct id *id, int64_t *out_ms);

static inline struct bytes id_bytes(const struct id *id)
{
    return bytes_make(id->text, id->len);
}

static inline bool id_equal(const struct id *a, const struct id *b)
{
    return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

#endif
