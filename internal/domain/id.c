#include "domain/id.h"

#include <stdio.h>
#include <sys/random.h>

static bool is_id_char(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

bool id_read(struct bytes text, struct id *out_id)
{
    if (text.len < 1 || text.len > ID_CHARS_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!is_id_char(text.ptr[i]))
            return false;
    out_id->len = (uint8_t)text.len;
    memcpy(out_id->text, text.ptr, text.len);
    out_id->text[text.len] = 0;
    return true;
}

struct id id_make(const struct clock_source *clock)
{
    uint8_t b[16];
    struct id id = { .len = 36 };
    uint64_t ms = (uint64_t)(clock_wall_us(clock) / 1000);
    if (getrandom(b, sizeof b, 0) != (ssize_t)sizeof b)
        abort(); /* the kernel's pool is always ready once the machine is up */
    for (int i = 0; i < 6; i++)
        b[i] = (uint8_t)(ms >> (40 - 8 * i));
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x70);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    (void)snprintf(id.text, sizeof id.text,
                   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
                   b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
                   b[14], b[15]);
    return id;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool id_made_ms(const struct id *id, int64_t *out_ms)
{
    static const char form[] = "xxxxxxxx-xxxx-7xxx-xxxx-xxxxxxxxxxxx";
    int64_t ms = 0;

    if (id->len != sizeof form - 1)
        return false;
    for (size_t i = 0; i < sizeof form - 1; i++) {
        int digit = hex_digit(id->text[i]);
        if (form[i] == 'x' ? digit < 0 : id->text[i] != form[i])
            return false;
        if (i < 13 && digit >= 0)
            ms = ms << 4 | digit;
    }
    *out_ms = ms;
    return true;
}
