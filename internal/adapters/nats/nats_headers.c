#include "adapters/nats/nats_headers.h"

static struct bytes take_line(struct bytes *rest)
{
    const uint8_t *eol = memchr(rest->ptr, '\r', rest->len);
    size_t len = eol ? (size_t)(eol - rest->ptr) : rest->len;
    size_t gone = len + 2 < rest->len ? len + 2 : rest->len;
    struct bytes line = bytes_make(rest->ptr, len);
    *rest = bytes_make(rest->ptr + gone, rest->len - gone);
    return line;
}

bool nats_block_next(struct bytes *rest, struct bytes *out_name, struct bytes *out_value)
{
    while (rest->len) {
        struct bytes line = take_line(rest);
        const uint8_t *colon = line.len ? memchr(line.ptr, ':', line.len) : NULL;
        if (!colon)
            continue;
        const uint8_t *value = colon + 1, *end = line.ptr + line.len;
        while (value < end && *value == ' ')
            value++;
        *out_name = bytes_make(line.ptr, (size_t)(colon - line.ptr));
        *out_value = bytes_make(value, (size_t)(end - value));
        return true;
    }
    return false;
}

struct bytes nats_block_header(struct bytes block, const char *name)
{
    struct bytes at, value;
    while (nats_block_next(&block, &at, &value))
        if (bytes_is(at, name))
            return value;
    return bytes_make(NULL, 0);
}

static int b64_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

struct bytes nats_b64_read(struct bytes text, struct arena *arena)
{
    uint8_t *out = arena_alloc(arena, text.len / 4 * 3 + 3);
    size_t at = 0;
    uint32_t bits = 0;
    int held = 0;
    while (text.len > 0 && text.ptr[text.len - 1] == '=')
        text.len--;
    for (size_t i = 0; out && i < text.len; i++) {
        int digit = b64_digit(text.ptr[i]);
        if (digit < 0)
            return bytes_make(NULL, 0);
        bits = bits << 6 | (uint32_t)digit;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[at++] = (uint8_t)(bits >> held);
        }
    }
    return bytes_make(out, at);
}
