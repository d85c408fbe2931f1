/* scan.c - a one-pass reader of JSON objects. */
#include "scan.h"

#include <stddef.h>
#include <string.h>

struct reader {
    const uint8_t *p, *end;
};

static void skip_blanks(struct reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\r' || *r->p == '\n'))
        r->p++;
}

/* Stands on the opening quote; gives the inside and stands after the closing quote. */
static bool read_string(struct reader *r, struct bytes *out)
{
    const uint8_t *from = ++r->p;
    for (;;) {
        const uint8_t *quote = memchr(r->p, '"', (size_t)(r->end - r->p));
        if (!quote)
            return false;
        size_t slashes = 0;
        while (quote - slashes > from && quote[-1 - (ptrdiff_t)slashes] == '\\')
            slashes++;
        r->p = quote + 1;
        if (slashes % 2 == 0) {
            *out = bytes_make(from, (size_t)(quote - from));
            return true;
        }
    }
}

/* Stands on { or [; steps behind its end. */
static bool skip_nested(struct reader *r)
{
    int depth = 0;
    struct bytes ignored;
    while (r->p < r->end) {
        uint8_t c = *r->p;
        if (c == '"') {
            if (!read_string(r, &ignored))
                return false;
            continue;
        }
        r->p++;
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        if (depth == 0)
            return true;
    }
    return false;
}

static bool read_value(struct reader *r, struct bytes *out)
{
    skip_blanks(r);
    if (r->p >= r->end)
        return false;
    if (*r->p == '"')
        return read_string(r, out);
    const uint8_t *from = r->p;
    if (*r->p == '{' || *r->p == '[') {
        if (!skip_nested(r))
            return false;
    } else {
        while (r->p < r->end && !memchr(",]} \t\r\n", *r->p, 7))
            r->p++;
    }
    *out = bytes_make(from, (size_t)(r->p - from));
    return out->len > 0;
}

/* The next key and value; false at the end or when broken (*ok tells which). */
static bool next_pair(struct reader *r, struct bytes *key, struct bytes *value, bool *ok)
{
    *ok = false;
    skip_blanks(r);
    if (r->p < r->end && *r->p == ',') {
        r->p++;
        skip_blanks(r);
    }
    if (r->p >= r->end)
        return false;
    if (*r->p == '}') {
        *ok = true;
        return false;
    }
    if (*r->p != '"' || !read_string(r, key))
        return false;
    skip_blanks(r);
    if (r->p >= r->end || *r->p++ != ':')
        return false;
    return *ok = read_value(r, value);
}

enum field_kind { FIELD_TEXT, FIELD_NUMBER, FIELD_FLAG };

struct field_rule {
    const char *name;
    size_t offset;
    enum field_kind kind;
};

#define TEXT(name, member)                                                                         \
    {                                                                                              \
        name, offsetof(struct event, member), FIELD_TEXT                                           \
    }
#define NUMBER(name, member)                                                                       \
    {                                                                                              \
        name, offsetof(struct event, member), FIELD_NUMBER                                         \
    }
#define FLAG(name, member)                                                                         \
    {                                                                                              \
        name, offsetof(struct event, member), FIELD_FLAG                                           \
    }

static const struct field_rule rules[] = {
    TEXT("type", type),           TEXT("conversationId", conversation),
    NUMBER("seq", seq),           NUMBER("prev", prev),
    TEXT("senderId", sender),     TEXT("clientMessageId", client_message_id),
    TEXT("text", text),           TEXT("id", id),
    FLAG("duplicate", duplicate), TEXT("cursor", cursor),
    TEXT("userId", user_id),      NUMBER("targetSeq", target_seq),
    NUMBER("lastSeq", last_seq),  TEXT("error", error),
    TEXT("code", code),           TEXT("kind", kind),
    TEXT("metadata", metadata),   TEXT("message", message),
    NUMBER("events", events),     NUMBER("resets", resets),
    FLAG("recovered", recovered), NUMBER("retryAfterMs", retry_after_ms),
    TEXT("items", items),         TEXT("nextCursor", next_cursor),
};

static uint64_t number_of(struct bytes text)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++)
        value = value * 10 + (uint64_t)(text.ptr[i] - '0');
    return value;
}

static void store(struct event *ev, const struct field_rule *rule, struct bytes value)
{
    char *at = (char *)ev + rule->offset;
    switch (rule->kind) {
    case FIELD_TEXT:
        if (!bytes_is(value, "null"))
            *(struct bytes *)(void *)at = value;
        break;
    case FIELD_NUMBER:
        if (bytes_is(value, "null"))
            break;
        *(uint64_t *)(void *)at = number_of(value);
        ev->has_seq |= rule->offset == offsetof(struct event, seq);
        ev->has_prev |= rule->offset == offsetof(struct event, prev);
        break;
    case FIELD_FLAG:
        *(bool *)at = bytes_is(value, "true");
        break;
    }
}

bool scan_event(struct bytes line, struct event *ev)
{
    struct reader r = { line.ptr, line.ptr + line.len };
    struct bytes key, value;
    bool ok;
    *ev = (struct event){ 0 };
    skip_blanks(&r);
    if (r.p >= r.end || *r.p++ != '{')
        return false;
    while (next_pair(&r, &key, &value, &ok)) {
        for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
            if (bytes_is(key, rules[i].name)) {
                store(ev, &rules[i], value);
                break;
            }
        }
    }
    return ok;
}

struct bytes scan_field(struct bytes object, const char *name)
{
    struct reader r = { object.ptr, object.ptr + object.len };
    struct bytes key, value;
    bool ok;
    skip_blanks(&r);
    if (r.p >= r.end || *r.p++ != '{')
        return bytes_of(NULL);
    while (next_pair(&r, &key, &value, &ok))
        if (bytes_is(key, name))
            return value;
    return bytes_of(NULL);
}

bool scan_next(struct bytes array, size_t *at, struct bytes *out_element)
{
    struct reader r = { array.ptr + *at, array.ptr + array.len };
    skip_blanks(&r);
    if (r.p < r.end && (*r.p == ',' || (*r.p == '[' && *at == 0)))
        r.p++;
    skip_blanks(&r);
    if (r.p >= r.end || *r.p == ']' || !read_value(&r, out_element))
        return false;
    *at = (size_t)(r.p - array.ptr);
    return true;
}

static uint32_t hex4(const uint8_t *p)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t c = p[i];
        uint32_t digit = c <= '9' ? (uint32_t)(c - '0') : (uint32_t)((c | 0x20) - 'a' + 10);
        value = value << 4 | (digit & 15);
    }
    return value;
}

static void add_utf8(struct sbuf *out, uint32_t c)
{
    uint8_t b[4];
    size_t n = 0;
    if (c < 0x80) {
        b[n++] = (uint8_t)c;
    } else if (c < 0x800) {
        b[n++] = (uint8_t)(0xc0 | c >> 6);
    } else if (c < 0x10000) {
        b[n++] = (uint8_t)(0xe0 | c >> 12);
        b[n++] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    } else {
        b[n++] = (uint8_t)(0xf0 | c >> 18);
        b[n++] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
        b[n++] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    }
    if (c >= 0x80)
        b[n++] = (uint8_t)(0x80 | (c & 0x3f));
    sbuf_add(out, b, n);
}

/* Reads \uXXXX (and its second half) at p; returns how many bytes it took. */
static size_t unescape_u(const uint8_t *p, const uint8_t *end, struct sbuf *out)
{
    if (end - p < 6)
        return (size_t)(end - p);
    uint32_t c = hex4(p + 2);
    if (c >= 0xd800 && c < 0xdc00 && end - p >= 12 && p[6] == '\\' && p[7] == 'u') {
        add_utf8(out, 0x10000 + ((c - 0xd800) << 10) + (hex4(p + 8) - 0xdc00));
        return 12;
    }
    add_utf8(out, c);
    return 6;
}

void scan_unescape(struct bytes raw, struct sbuf *out)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const uint8_t *p = raw.ptr, *end = raw.ptr + raw.len;
    while (p < end) {
        const uint8_t *slash = memchr(p, '\\', (size_t)(end - p));
        if (!slash || slash + 1 >= end) {
            sbuf_add(out, p, (size_t)(end - p));
            return;
        }
        sbuf_add(out, p, (size_t)(slash - p));
        p = slash;
        if (p[1] == 'u') {
            p += unescape_u(p, end, out);
            continue;
        }
        const char *known = strchr(from, p[1]);
        sbuf_add(out, known ? &to[known - from] : (const char *)&p[1], 1);
        p += 2;
    }
}

uint64_t scan_hash(uint64_t seed, struct bytes raw)
{
    static struct sbuf scratch;
    if (raw.len == 0 || !memchr(raw.ptr, '\\', raw.len))
        return hash_bytes(seed, raw);
    scratch.len = 0;
    scan_unescape(raw, &scratch);
    return hash_bytes(seed, bytes_make(scratch.ptr, scratch.len));
}
