/* bytes.h - a borrowed run of bytes, by value. Text is bytes whose content is UTF-8. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *ptr;
    size_t len;
};

/* The bytes of a C string, without its end. NULL gives the empty run. */
static inline struct bytes bytes_of(const char *text)
{
    return (struct bytes){ (const uint8_t *)text, text ? strlen(text) : 0 };
}

static inline struct bytes bytes_make(const void *ptr, size_t len)
{
    return (struct bytes){ ptr, len };
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool bytes_is(struct bytes a, const char *text)
{
    return bytes_equal(a, bytes_of(text));
}

static inline bool bytes_starts(struct bytes a, const char *prefix)
{
    size_t len = strlen(prefix);
    return a.len >= len && memcmp(a.ptr, prefix, len) == 0;
}

/* For printf's "%.*s": BYTES_ARG(b) gives the length and the pointer. */
#define BYTES_ARG(b) (int)(b).len, (const char *)((b).len ? (b).ptr : (const uint8_t *)"")

/* Whole run as a decimal number, no sign, no leading blanks.
 *   returns  false when empty, not all digits, or above max
 */
bool bytes_to_u64(struct bytes text, uint64_t max, uint64_t *out_value);

/* Whether the run is valid UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool bytes_is_utf8(struct bytes text);

/* Whether UTF-8 text has a control character: C0, DEL, or C1 (U+0080 to U+009F), of which some are
 * line ends and others begin commands of a terminal. */
bool bytes_has_control(struct bytes text);

/* Compares in constant time for equal lengths: for secrets. */
bool bytes_equal_secret(struct bytes a, struct bytes b);

#endif
