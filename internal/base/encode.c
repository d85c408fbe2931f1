#include "base/encode.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t b64url_write(struct bytes bytes, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t group = (uint32_t)bytes.ptr[i] << 16;
        group |= left > 1 ? (uint32_t)bytes.ptr[i + 1] << 8 : 0;
        group |= left > 2 ? bytes.ptr[i + 2] : 0;
        out[n++] = alphabet[group >> 18];
        out[n++] = alphabet[group >> 12 & 63];
        if (left > 1)
            out[n++] = alphabet[group >> 6 & 63];
        if (left > 2)
            out[n++] = alphabet[group & 63];
    }
    out[n] = 0;
    return n;
}

static int digit_of(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool b64url_read(struct bytes text, uint8_t *out_bytes, size_t *out_len)
{
    uint32_t bits = 0;
    unsigned count = 0;
    size_t n = 0;
    if (text.len % 4 == 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int digit = digit_of(text.ptr[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count >= 8) {
            count -= 8;
            out_bytes[n++] = (uint8_t)(bits >> count);
            bits &= (1u << count) - 1;
        }
    }
    *out_len = n;
    return bits == 0;
}

uint32_t fnv1a32(struct bytes bytes)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < bytes.len; i++) {
        hash ^= bytes.ptr[i];
        hash *= 16777619u;
    }
    return hash;
}
