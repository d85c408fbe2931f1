/* file_mailer.h - mails as files in a folder, for development and tests: nothing leaves the
 * machine.
 *
 * A mail is <time>-<count>.eml, mode 0600, there as a whole or not at all; its text is readable,
 * the way a person wants it (base64 is for mail servers).
 *
 * Thread: any.
 */
#ifndef ADAPTERS_SYS_FILE_MAILER_H
#define ADAPTERS_SYS_FILE_MAILER_H

#include "ports/mailer.h"

struct file_mailer; /* opaque */

/* folder is made at the first mail. RC_NOMEM. */
MUST_CHECK enum rc file_mailer_create(const char *folder, const char *from,
                                      struct file_mailer **out_mailer);

const struct mailer *file_mailer_port(const struct file_mailer *mailer);

/* NULL is fine. */
void file_mailer_destroy(struct file_mailer *mailer);

#endif
