/* buf.h - bytes being built, up to a maximum.
 *
 * A failed append (past the maximum, or memory short) marks the buffer and later appends do
 * nothing, so a writer appends freely and asks once at the end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/bytes.h"

struct buf {
    uint8_t *ptr;
    size_t len;
    size_t cap;
    size_t bytes_max;
    bool has_failed;
};

/* Starts empty; nothing is allocated yet. */
void buf_init(struct buf *buf, size_t bytes_max);

/* Frees the bytes. */
void buf_fini(struct buf *buf);

void buf_add(struct buf *buf, struct bytes bytes);
void buf_add_text(struct buf *buf, const char *text);
void buf_add_byte(struct buf *buf, uint8_t byte);
void buf_add_u64(struct buf *buf, uint64_t value); /* decimal */
void buf_add_format(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A JSON string with its quotes: control characters, quote and backslash escaped (RFC 8259,
 * section 7). The bytes must be valid UTF-8. */
void buf_add_json_string(struct buf *buf, struct bytes text);

static inline struct bytes buf_bytes(const struct buf *buf)
{
    return (struct bytes){ buf->ptr, buf->len };
}

#define SCOPED_BUF(name, bytes_max)                                                                \
    struct buf name __attribute__((cleanup(buf_fini))) = { NULL, 0, 0, (bytes_max), false }

#endif
