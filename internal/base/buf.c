#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *buf, size_t bytes_max)
{
    *buf = (struct buf){ NULL, 0, 0, bytes_max, false };
}

void buf_fini(struct buf *buf)
{
    free(buf->ptr);
    *buf = (struct buf){ NULL, 0, 0, buf->bytes_max, false };
}

static bool has_room(struct buf *buf, size_t more)
{
    if (buf->has_failed)
        return false;
    if (more <= buf->cap - buf->len)
        return true;
    if (more > buf->bytes_max - buf->len) {
        buf->has_failed = true;
        return false;
    }
    size_t cap = buf->cap ? buf->cap * 2 : 256;
    if (cap < buf->len + more)
        cap = buf->len + more;
    if (cap > buf->bytes_max)
        cap = buf->bytes_max;
    uint8_t *grown = realloc(buf->ptr, cap);
    if (!grown) {
        buf->has_failed = true;
        return false;
    }
    buf->ptr = grown;
    buf->cap = cap;
    return true;
}

void buf_add(struct buf *buf, struct bytes bytes)
{
    if (bytes.len == 0 || !has_room(buf, bytes.len))
        return;
    memcpy(buf->ptr + buf->len, bytes.ptr, bytes.len);
    buf->len += bytes.len;
}

void buf_add_text(struct buf *buf, const char *text)
{
    buf_add(buf, bytes_of(text));
}

void buf_add_byte(struct buf *buf, uint8_t byte)
{
    if (has_room(buf, 1))
        buf->ptr[buf->len++] = byte;
}

void buf_add_u64(struct buf *buf, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    buf_add(buf, bytes_make(digits + at, sizeof digits - at));
}

void buf_add_format(struct buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0)
        buf->has_failed = true;
    else if (has_room(buf, (size_t)len + 1)) { /* vsnprintf writes the NUL, which isn't counted */
        (void)vsnprintf((char *)buf->ptr + buf->len, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
}

static void add_escape(struct buf *buf, uint8_t byte)
{
    static const char hex[] = "0123456789abcdef";
    switch (byte) {
    case '"':
        buf_add_text(buf, "\\\"");
        break;
    case '\\':
        buf_add_text(buf, "\\\\");
        break;
    case '\n':
        buf_add_text(buf, "\\n");
        break;
    case '\r':
        buf_add_text(buf, "\\r");
        break;
    case '\t':
        buf_add_text(buf, "\\t");
        break;
    default:
        buf_add_text(buf, "\\u00");
        buf_add_byte(buf, (uint8_t)hex[byte >> 4]);
        buf_add_byte(buf, (uint8_t)hex[byte & 15]);
    }
}

void buf_add_json_string(struct buf *buf, struct bytes text)
{
    size_t from = 0;
    buf_add_byte(buf, '"');
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.ptr[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\' && byte != 0x7f)
            continue;
        buf_add(buf, bytes_make(text.ptr + from, i - from));
        add_escape(buf, byte);
        from = i + 1;
    }
    buf_add(buf, bytes_make(text.ptr + from, text.len - from));
    buf_add_byte(buf, '"');
}
