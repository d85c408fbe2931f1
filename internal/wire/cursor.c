#include "wire/cursor.h"

#include "base/encode.h"

static size_t put_varint(uint8_t *out, uint64_t value)
{
    size_t n = 0;
    while (value >= 0x80) {
        out[n++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[n++] = (uint8_t)value;
    return n;
}

static bool take_varint(struct bytes *rest, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 63 && rest->len; shift += 7) {
        uint8_t byte = rest->ptr[0];
        *rest = bytes_make(rest->ptr + 1, rest->len - 1);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *out = value;
            return value <= max;
        }
    }
    return false;
}

size_t cursor_write(const struct cursor *cursor, char out[CURSOR_TEXT_MAX + 1])
{
    uint8_t bytes[CURSOR_BYTES_MAX];
    size_t n = 0;
    uint64_t base = generation_base(cursor->generation);
    bytes[n++] = 1;
    n += put_varint(bytes + n, cursor->generation);
    n += put_varint(bytes + n, cursor->partitions);
    for (uint32_t p = 0; p < cursor->partitions; p++)
        n += put_varint(bytes + n, cursor->safe[p] > base ? cursor->safe[p] - base : 0);
    return b64url_write(bytes_make(bytes, n), out);
}

enum rc cursor_read(struct bytes text, struct cursor *out)
{
    uint8_t bytes[CURSOR_BYTES_MAX];
    size_t len;
    uint64_t generation, partitions;
    struct cursor cursor = { 0 };
    if (text.len > CURSOR_TEXT_MAX - 8 || !b64url_read(text, bytes, &len) || len < 3 ||
        bytes[0] != 1)
        return RC_INVALID;
    struct bytes rest = bytes_make(bytes + 1, len - 1);
    if (!take_varint(&rest, 8191, &generation) ||
        !take_varint(&rest, PARTITIONS_MAX, &partitions) || partitions == 0)
        return RC_INVALID;
    cursor.generation = (uint32_t)generation;
    cursor.partitions = (uint32_t)partitions;
    for (uint32_t p = 0; p < partitions; p++) {
        uint64_t offset;
        if (!take_varint(&rest, ((uint64_t)1 << 40) - 1, &offset))
            return RC_INVALID;
        cursor.safe[p] = generation_base(cursor.generation) + offset;
    }
    if (rest.len)
        return RC_INVALID;
    *out = cursor;
    return RC_OK;
}
