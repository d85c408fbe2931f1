#include "wire/puback.h"

struct scan {
    const uint8_t *at, *end;
};

static bool skip_to(struct scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\t' || *s->at == '\r'))
        s->at++;
    return s->at < s->end;
}

static bool take(struct scan *s, uint8_t byte)
{
    if (!skip_to(s) || *s->at != byte)
        return false;
    s->at++;
    return true;
}

/* A string, as it stands between its quotes: the members that count have no escapes. */
static bool take_string(struct scan *s, struct bytes *out)
{
    if (!take(s, '"'))
        return false;
    const uint8_t *from = s->at;
    while (s->at < s->end && *s->at != '"')
        s->at += *s->at == '\\' ? 2 : 1;
    if (s->at >= s->end)
        return false;
    *out = bytes_make(from, (size_t)(s->at++ - from));
    return true;
}

/* A number, true, false or null. */
static bool take_word(struct scan *s, struct bytes *out)
{
    if (!skip_to(s))
        return false;
    const uint8_t *from = s->at;
    while (s->at < s->end && !strchr(",}] \n\t\r", *s->at))
        s->at++;
    *out = bytes_make(from, (size_t)(s->at - from));
    return out->len > 0;
}

struct found {
    struct puback ack;
    uint64_t code, err_code;
    bool has_seq, has_error;
};

static void set_member(struct found *found, bool is_error, struct bytes key, struct bytes word)
{
    uint64_t number;
    bool is_number = bytes_to_u64(word, UINT64_MAX, &number);
    if (is_error && is_number && bytes_is(key, "err_code"))
        found->err_code = number;
    else if (is_error && is_number && bytes_is(key, "code"))
        found->code = number;
    else if (!is_error && is_number && bytes_is(key, "seq"))
        found->ack.seq = number, found->has_seq = true;
    else if (!is_error && bytes_is(key, "duplicate"))
        found->ack.is_duplicate = bytes_is(word, "true");
}

static bool take_object(struct scan *s, struct found *found, int depth)
{
    if (depth > 2 || !take(s, '{'))
        return false;
    if (take(s, '}'))
        return true;
    do {
        struct bytes key, value;
        if (!take_string(s, &key) || !take(s, ':') || !skip_to(s))
            return false;
        if (*s->at == '{') {
            found->has_error = found->has_error || bytes_is(key, "error");
            if (!take_object(s, found, depth + 1))
                return false;
        } else if (*s->at == '"') {
            if (!take_string(s, &value))
                return false;
        } else {
            if (!take_word(s, &value))
                return false;
            set_member(found, depth > 1, key, value);
        }
    } while (take(s, ','));
    return take(s, '}');
}

bool puback_read(struct bytes text, struct puback *out_ack)
{
    struct scan s = { text.ptr, text.ptr + text.len };
    struct found found = { .has_seq = false };
    if (text.len == 0 || !take_object(&s, &found, 1) || skip_to(&s))
        return false;
    if (found.has_error) {
        uint64_t error = found.err_code ? found.err_code : found.code;
        found.ack.error = error > 0 && error <= UINT32_MAX ? (uint32_t)error : 1;
    } else if (!found.has_seq || found.ack.seq == 0) {
        return false;
    }
    *out_ack = found.ack;
    return true;
}
