/* value.c - one parser a kind of setting. */
#include "config/table.h"

#include <errno.h>
#include <limits.h>
#include <strings.h>

static enum rc replace_text(char **field, const char *text, bool is_secret)
{
    char *copy = strdup(text);

    if (!copy)
        return RC_NOMEM;
    if (*field && is_secret)
        explicit_bzero(*field, strlen(*field));
    free(*field);
    *field = copy;
    return RC_OK;
}

/* The place of a word in "a|b|c", -1 if it is none of them. */
static int choice_index(const char *choices, struct bytes word)
{
    int index = 0;

    for (const char *at = choices;; at++, index++) {
        size_t len = strcspn(at, "|");
        if (word.len == len && memcmp(word.ptr, at, len) == 0)
            return index;
        at += len;
        if (!*at)
            return -1;
    }
}

/* Whether text begins with one of the words and has something after it. */
static bool has_prefix(const char *choices, const char *text, size_t text_len)
{
    for (const char *at = choices;; at++) {
        size_t len = strcspn(at, "|");
        if (text_len > len && memcmp(text, at, len) == 0)
            return true;
        at += len;
        if (!*at)
            return false;
    }
}

static bool read_scale(const char *suffix, int64_t *out_scale)
{
    static const struct {
        const char *suffix;
        int64_t scale;
    } scales[] = {
        { "", 1 },          { "k", 1 << 10 }, { "KiB", 1 << 10 }, { "m", 1 << 20 },
        { "MiB", 1 << 20 }, { "g", 1 << 30 }, { "GiB", 1 << 30 },
    };

    for (size_t i = 0; i < COUNT_OF(scales); i++) {
        if (strcasecmp(suffix, scales[i].suffix) == 0) {
            *out_scale = scales[i].scale;
            return true;
        }
    }
    return false;
}

static bool read_integer(const struct config_row *row, const char *text, int64_t *out)
{
    char *end = NULL;
    int64_t scale = 1;
    long long number;

    if (!((*text >= '0' && *text <= '9') || (*text == '-' && text[1] >= '0' && text[1] <= '9')))
        return false;
    errno = 0;
    number = strtoll(text, &end, 10);
    if (errno || !(row->kind == CONFIG_BYTES ? read_scale(end, &scale) : *end == 0))
        return false;
    if (__builtin_mul_overflow(number, scale, &number) || number < row->min || number > row->max)
        return false;
    *out = number;
    return true;
}

static bool read_bool(const char *text, bool *out)
{
    static const char *const words[][2] = {
        { "true", "false" }, { "yes", "no" }, { "on", "off" }, { "1", "0" }
    };

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        for (int is_false = 0; is_false < 2; is_false++) {
            if (strcasecmp(text, words[i][is_false]) == 0) {
                *out = !is_false;
                return true;
            }
        }
    }
    return false;
}

static bool read_roles(const struct config_row *row, const char *text, unsigned *out)
{
    unsigned roles = 0;

    while (true) {
        size_t len = strcspn(text, ",");
        struct bytes word = { (const uint8_t *)text, len };
        int index;
        while (word.len && word.ptr[0] == ' ')
            word = bytes_make(word.ptr + 1, word.len - 1);
        while (word.len && word.ptr[word.len - 1] == ' ')
            word.len--;
        index = choice_index(row->choices, word);
        if (index < 0)
            return false;
        roles |= 1U << index;
        if (!text[len])
            break;
        text += len + 1;
    }
    *out = roles;
    return true;
}

/* host:port; an IPv6 address stands in brackets (RFC 3986, section 3.2.2). "*" is every one. */
static bool read_address(const char *text, struct config_address *out)
{
    struct config_address address = { .host = "" };
    const char *colon = strrchr(text, ':');
    struct bytes host = { (const uint8_t *)text, colon ? (size_t)(colon - text) : 0 };
    uint64_t port;

    if (!colon || !bytes_to_u64(bytes_of(colon + 1), UINT16_MAX, &port))
        return false;
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = bytes_make(host.ptr + 1, host.len - 2);
    else if (memchr(host.ptr, ':', host.len) || memchr(host.ptr, '[', host.len))
        return false;
    if (host.len >= sizeof address.host || memchr(host.ptr, ' ', host.len))
        return false;
    if (!bytes_is(host, "*"))
        memcpy(address.host, host.ptr, host.len);
    address.port = (uint16_t)port;
    *out = address;
    return true;
}

static bool is_name(const char *text)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    size_t len = strlen(text);

    return len <= 64 && strspn(text, letters) == len;
}

/* Each of the comma-separated parts must be a URL. */
static bool is_url_list(const struct config_row *row, const char *text)
{
    for (;; text++) {
        size_t len = strcspn(text, ",");
        if (!has_prefix(row->choices, text, len))
            return false;
        text += len;
        if (!*text)
            return true;
    }
}

static bool is_text_right(const struct config_row *row, const char *text)
{
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            return false;
    if (!bytes_is_utf8(bytes_of(text)))
        return false;
    if (row->kind == CONFIG_NAME)
        return is_name(text);
    if (row->kind == CONFIG_URL)
        return *text == 0 ? *row->fallback == 0 : is_url_list(row, text);
    if (row->kind == CONFIG_STORE)
        return has_prefix(row->choices, text, strlen(text));
    return true;
}

static bool read_value(const struct config_row *row, const char *text, void *field)
{
    bool is_set;
    int index;

    switch (row->kind) {
    case CONFIG_INT:
    case CONFIG_BYTES:
        return read_integer(row, text, field);
    case CONFIG_BOOL:
        return read_bool(text, &is_set) && (*(bool *)field = is_set, true);
    case CONFIG_CHOICE:
        index = choice_index(row->choices, bytes_of(text));
        return index >= 0 && (*(int *)field = index, true);
    case CONFIG_ROLES:
        return read_roles(row, text, field);
    case CONFIG_ADDRESS:
        return read_address(text, field);
    case CONFIG_TEXT:
    case CONFIG_NAME:
    case CONFIG_PATH:
    case CONFIG_URL:
    case CONFIG_STORE:
        return is_text_right(row, text);
    }
    return false;
}

static bool is_text_kind(enum config_kind kind)
{
    return kind <= CONFIG_STORE;
}

/* "a|b|c" as "a, b or c". */
static void write_choices(const char *choices, const char *last_joint, char *out, size_t room)
{
    size_t used = 0;

    for (const char *at = choices; used < room; at++) {
        size_t len = strcspn(at, "|");
        bool is_last = at[len] == 0;
        const char *joint = at == choices ? "" : is_last ? last_joint : ", ";
        used += (size_t)snprintf(out + used, room - used, "%s%.*s", joint, (int)len, at);
        at += len;
        if (is_last)
            return;
    }
}

void config_value_describe(const struct config_row *row, char out[256])
{
    char words[200] = "";

    switch (row->kind) {
    case CONFIG_INT:
        (void)snprintf(out, 256, "a whole number, %lld to %lld", (long long)row->min,
                       (long long)row->max);
        return;
    case CONFIG_BYTES:
        (void)snprintf(out, 256, "a size of %lld to %lld bytes; KiB, MiB and GiB may follow it",
                       (long long)row->min, (long long)row->max);
        return;
    case CONFIG_BOOL:
        (void)snprintf(out, 256, "true or false");
        return;
    case CONFIG_CHOICE:
        write_choices(row->choices, " or ", out, 256);
        return;
    case CONFIG_ROLES:
        write_choices(row->choices, " and ", words, sizeof words);
        (void)snprintf(out, 256, "one or more of %s, separated by commas", words);
        return;
    case CONFIG_ADDRESS:
        (void)snprintf(out, 256, "host:port, as 127.0.0.1:8080, [::1]:8080 or :8080 for all");
        return;
    case CONFIG_URL:
    case CONFIG_STORE:
        write_choices(row->choices, " or ", words, sizeof words);
        (void)snprintf(out, 256, "what begins with %s", words);
        return;
    case CONFIG_NAME:
        (void)snprintf(out, 256, "up to 64 characters of A-Z a-z 0-9 _ -");
        return;
    case CONFIG_PATH:
        (void)snprintf(out, 256, "a path");
        return;
    case CONFIG_TEXT:
        (void)snprintf(out, 256, "a text without control characters");
        return;
    }
}

enum rc config_text_set(struct config *config, const struct config_row *row, const char *text)
{
    char *field = (char *)config + row->offset;

    return replace_text((char **)(void *)field, text, row->is_secret);
}

enum rc config_value_set(struct config *config, const struct config_row *row, const char *text,
                         char out_why[256])
{
    char *field = (char *)config + row->offset;

    if (!read_value(row, text, field)) {
        config_value_describe(row, out_why);
        return RC_INVALID;
    }
    return is_text_kind(row->kind) ? config_text_set(config, row, text) : RC_OK;
}
