#include "domain/user_role.h"

#include "base/rc.h"

static const char *const names[] = { "user", "moderator", "admin", "service" }; /* by bit */

unsigned user_role_bit(struct bytes name)
{
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (bytes_is(name, names[i]))
            return 1u << i;
    return 0;
}

void user_roles_write(struct buf *out, unsigned roles, bool is_json)
{
    const char *joint = "";
    buf_add_text(out, is_json ? "[" : "");
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (!(roles & 1u << i))
            continue;
        buf_add_format(out, is_json ? "%s\"%s\"" : "%s%s", joint, names[i]);
        joint = ",";
    }
    buf_add_text(out, is_json ? "]" : "");
}

bool user_roles_read(struct bytes text, unsigned *out_roles)
{
    unsigned roles = 0;
    for (;;) {
        const uint8_t *comma = text.len ? memchr(text.ptr, ',', text.len) : NULL;
        size_t len = comma ? (size_t)(comma - text.ptr) : text.len;
        unsigned bit = user_role_bit(bytes_make(text.ptr, len));
        if (!bit)
            return false;
        roles |= bit;
        if (!comma)
            break;
        text = bytes_make(comma + 1, text.len - len - 1);
    }
    *out_roles = roles;
    return true;
}
