/* password_common.c - the passwords that everybody tries first: passwords_common.txt, a sorted list
 * that is part of the program, one a line, lower case. It needs no file at run time. */
#include "domain/account.h"

/* NOLINTNEXTLINE: .incbin is how a file gets into a program without a generated source. */
__asm__(".section .rodata\n"
        ".balign 16\n"
        ".global parley_passwords_common\n"
        ".global parley_passwords_common_end\n"
        "parley_passwords_common:\n"
        ".incbin \"" PASSWORDS_COMMON_FILE "\"\n"
        "parley_passwords_common_end:\n"
        ".byte 0\n"
        ".previous\n");

extern const uint8_t parley_passwords_common[], parley_passwords_common_end[];

static int compare(struct bytes a, struct bytes b)
{
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* The line that a place is in. */
static struct bytes line_at(const uint8_t *at)
{
    const uint8_t *end = at;
    while (at > parley_passwords_common && at[-1] != '\n')
        at--;
    while (end < parley_passwords_common_end && *end != '\n')
        end++;
    return bytes_make(at, (size_t)(end - at));
}

bool password_is_common(struct bytes folded)
{
    const uint8_t *low = parley_passwords_common, *high = parley_passwords_common_end;
    if (!folded.len)
        return true;
    while (low < high) {
        struct bytes line = line_at(low + (high - low) / 2);
        int order = compare(folded, line);
        if (order == 0)
            return true;
        if (order < 0)
            high = line.ptr;
        else
            low = line.ptr + line.len + 1;
    }
    return false;
}
