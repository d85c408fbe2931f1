#include "domain/account.h"

static enum rc refuse(struct fault *fault, const char *field, const char *text)
{
    fault_set(fault, field, "%s", text);
    return RC_INVALID;
}

enum rc username_check(struct bytes name, struct bytes key, const struct text_facts *facts,
                       struct fault *fault)
{
    if (facts->chars < 1 || facts->chars > USERNAME_CHARS_MAX || name.len > USERNAME_BYTES_MAX)
        return refuse(fault, "username", "username must have 1 to 32 characters.");
    if (!facts->is_plain || key.len == 0 || key.len > USERNAME_KEY_BYTES_MAX)
        return refuse(fault, "username",
                      "username may have letters, digits, signs and single blanks inside.");
    if (memchr(name.ptr, '@', name.len) || memchr(key.ptr, '@', key.len))
        return refuse(fault, "username", "username may not have an @.");
    return RC_OK;
}

/* Bytes above 0x7f are letters of other scripts: RFC 6531 allows them on both sides. */
static bool is_local_byte(uint8_t c)
{
    return c > 0x20 && c != 0x7f && !strchr("@()<>[]:;,\\\"", c);
}

static bool is_domain_byte(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c > 0x7f;
}

static bool are_all(struct bytes text, bool (*is_right)(uint8_t c))
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_right(text.ptr[i]))
            return false;
    return text.len > 0;
}

/* No empty label: no dot at an end, none beside another. */
static bool has_labels(struct bytes domain)
{
    bool was_dot = true;
    for (size_t i = 0; i < domain.len; i++) {
        bool is_dot = domain.ptr[i] == '.';
        if (is_dot && was_dot)
            return false;
        was_dot = is_dot;
    }
    return !was_dot;
}

enum rc email_check(struct bytes email, const struct text_facts *facts, struct fault *fault)
{
    const uint8_t *at = email.len ? memchr(email.ptr, '@', email.len) : NULL;
    if (email.len > EMAIL_BYTES_MAX || !at || !facts->is_plain)
        return refuse(fault, "email", "email must be an e-mail address of at most 254 bytes.");
    size_t local_len = (size_t)(at - email.ptr);
    struct bytes local = bytes_make(email.ptr, local_len);
    struct bytes domain = bytes_make(at + 1, email.len - local_len - 1);
    if (!are_all(local, is_local_byte) || local.len > 64 || local.ptr[0] == '-' ||
        !are_all(domain, is_domain_byte) || !has_labels(domain))
        return refuse(fault, "email", "email must be an e-mail address: name@domain.");
    return RC_OK;
}

static bool contains(struct bytes in, struct bytes text)
{
    return text.len && in.len >= text.len && memmem(in.ptr, in.len, text.ptr, text.len);
}

/* "ada-lovelace2026" is ada-lovelace's first password. A short name is in many words, so it counts
 * only where nearly nothing stands beside it. */
static bool is_mostly(struct bytes folded, struct bytes own)
{
    return contains(folded, own) && folded.len < own.len + 8;
}

static struct bytes local_part(struct bytes email)
{
    const uint8_t *at = email.len ? memchr(email.ptr, '@', email.len) : NULL;
    return bytes_make(email.ptr, at ? (size_t)(at - email.ptr) : 0);
}

enum rc password_check(const struct password_rules *rules, const char *field, struct bytes password,
                       struct bytes folded, size_t chars, struct bytes username_key,
                       struct bytes email_key, struct fault *fault)
{
    if (password.len > PASSWORD_BYTES_MAX) {
        fault_set(fault, field, "%s may have at most %d bytes.", field, PASSWORD_BYTES_MAX);
        return RC_INVALID;
    }
    if (chars < rules->chars_min) {
        fault_set(fault, field, "%s must have at least %zu characters.", field, rules->chars_min);
        return RC_INVALID;
    }
    if (password_is_common(folded)) {
        fault_set(fault, field, "%s is one that many people use: choose another.", field);
        return RC_INVALID;
    }
    if (is_mostly(folded, username_key) || is_mostly(folded, email_key) ||
        is_mostly(folded, local_part(email_key))) {
        fault_set(fault, field, "%s may not be your name or address.", field);
        return RC_INVALID;
    }
    return RC_OK;
}
