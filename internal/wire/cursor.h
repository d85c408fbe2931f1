/* cursor.h - the opaque low watermark that a client keeps: for each partition the seq up to which
 * everything has been put on its socket, with the generation and the partition count.
 *
 * Form (base64url): version byte 1, generation and partition count as varints, then one varint a
 * partition: the watermark less the generation's first seq (so that it is short).
 */
#ifndef WIRE_CURSOR_H
#define WIRE_CURSOR_H

#include "base/bytes.h"
#include "base/rc.h"

enum { PARTITIONS_MAX = 64, CURSOR_BYTES_MAX = 700, CURSOR_TEXT_MAX = 940 };

struct cursor {
    uint32_t generation;
    uint32_t partitions;
    uint64_t safe[PARTITIONS_MAX];
};

/* The first seq of a generation is generation * 2^40 + 1; this is the one before it. */
static inline uint64_t generation_base(uint32_t generation)
{
    return (uint64_t)generation << 40;
}

/* Writes the text and a NUL; returns its length. */
size_t cursor_write(const struct cursor *cursor, char out[CURSOR_TEXT_MAX + 1]);

/* errors: RC_INVALID it was not made by cursor_write */
MUST_CHECK enum rc cursor_read(struct bytes text, struct cursor *out);

#endif
