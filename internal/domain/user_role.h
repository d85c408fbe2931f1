/* user_role.h - what a user may be beside a member of conversations: bits of one set, and their
 * names.
 *
 * The names are those of the claim `roles` in access tokens (docs/PROTOCOL.md, "Access tokens").
 */
#ifndef DOMAIN_USER_ROLE_H
#define DOMAIN_USER_ROLE_H

#include "base/buf.h"

enum user_role {
    USER_ROLE_USER = 1 << 0,
    USER_ROLE_MODERATOR = 1 << 1,
    USER_ROLE_ADMIN = 1 << 2,
    USER_ROLE_SERVICE = 1 << 3,
};

/* The bit of that name; 0: there is none. */
unsigned user_role_bit(struct bytes name);

/* Appends the names of a set, in the order of the bits, with commas between; for JSON as a list of
 * texts. */
void user_roles_write(struct buf *out, unsigned roles, bool is_json);

/* Reads names with commas between. Returns false, and leaves *out_roles, if one is no role. */
bool user_roles_read(struct bytes text, unsigned *out_roles);

#endif
