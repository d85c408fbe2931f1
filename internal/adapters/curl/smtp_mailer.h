/* smtp_mailer.h - mails by SMTP, as libcurl speaks it.
 *
 * smtp:// asks for TLS after the greeting and takes it where it is offered (always, where a login
 * is set: a password goes over no open line); smtps:// begins with it. Certificates are checked.
 *
 * Thread: one at a time.
 */
#ifndef ADAPTERS_CURL_SMTP_MAILER_H
#define ADAPTERS_CURL_SMTP_MAILER_H

#include "ports/mailer.h"

struct smtp_mailer; /* opaque */

struct smtp_mailer_options {
    const char *url;             /* smtp://host:port, smtps://host:port */
    const char *user, *password; /* empty: no login */
    const char *from;            /* an address */
    const char *ca_file;         /* empty: the system's authorities */
    int64_t timeout_ms;
};

/* The texts are copied. RC_NOMEM, RC_UNAVAILABLE the library can't be used. */
MUST_CHECK enum rc smtp_mailer_create(const struct smtp_mailer_options *options,
                                      struct smtp_mailer **out_mailer);

const struct mailer *smtp_mailer_port(const struct smtp_mailer *mailer);

/* NULL is fine. */
void smtp_mailer_destroy(struct smtp_mailer *mailer);

#endif
