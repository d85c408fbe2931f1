/* account.h - what a username, an e-mail address and a password may be. Pure values.
 *
 * Texts are checked in two forms: as given, and folded (ports/text_forms.h), which is what must
 * differ between accounts.
 */
#ifndef DOMAIN_ACCOUNT_H
#define DOMAIN_ACCOUNT_H

#include "base/bytes.h"
#include "base/fault.h"
#include "base/rc.h"

enum {
    USERNAME_CHARS_MAX = 32,
    USERNAME_BYTES_MAX = 4 * USERNAME_CHARS_MAX,
    USERNAME_KEY_BYTES_MAX = 4 * USERNAME_BYTES_MAX,
    EMAIL_BYTES_MAX = 254, /* RFC 5321, 4.5.3.1, less the angle brackets */
    PASSWORD_BYTES_MAX = 128,
};

/* What is known of a text besides its bytes. */
struct text_facts {
    size_t chars;  /* code points */
    bool is_plain; /* no control, invisible, unassigned or private code point, no blank at an end
                      or beside another */
};

/* A username: 1 to 32 characters, plain, and no '@' (it would look like an address).
 *   key      its folded form
 *   errors   RC_INVALID, with the reason in fault (field "username") */
MUST_CHECK enum rc username_check(struct bytes name, struct bytes key,
                                  const struct text_facts *facts, struct fault *fault);

/* An address: something on both sides of one '@', no blanks, no control characters, a dot or
 * nothing special in the domain. Whether somebody reads there only a mail can tell. */
MUST_CHECK enum rc email_check(struct bytes email, const struct text_facts *facts,
                               struct fault *fault);

struct password_rules {
    size_t chars_min; /* of code points; 8 to 64 */
};

/* A new password: long enough, at most PASSWORD_BYTES_MAX bytes, not one of the common ones, not
 * the username or the address with something around it.
 *   password  NFC; `folded` the same folded, for what regards no case
 *   username_key, email_key  folded; may be empty
 *   errors    RC_INVALID, with the reason in fault (field) */
MUST_CHECK enum rc password_check(const struct password_rules *rules, const char *field,
                                  struct bytes password, struct bytes folded, size_t chars,
                                  struct bytes username_key, struct bytes email_key,
                                  struct fault *fault);

/* Whether a folded text is one of the passwords that everybody tries first (password_common.c). */
bool password_is_common(struct bytes folded);

#endif
