/* mailer.h - port: one plain mail to one address.
 *
 * Thread: a worker thread; blocks as long as the other side takes, within a time limit.
 */
#ifndef PORTS_MAILER_H
#define PORTS_MAILER_H

#include "base/bytes.h"
#include "base/rc.h"

/* All borrowed; UTF-8 without control characters but for line feeds in the text. */
struct mail {
    struct bytes to; /* an address, checked (email_check) */
    struct bytes subject;
    struct bytes text;
};

struct mailer {
    void *self;
    /* RC_OK: the next server has taken it (or the file is on disk).
     *   errors  RC_INVALID it was refused for good; RC_UNAVAILABLE, RC_TIMEOUT try later */
    enum rc (*send)(void *self, const struct mail *mail);
};

#endif
