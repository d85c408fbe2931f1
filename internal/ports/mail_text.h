/* mail_text.h - a mail as it goes over the wire (RFC 5322, with RFC 2047 and RFC 2045 where it
 * isn't ASCII): what every mailer sends or files. */
#ifndef PORTS_MAIL_TEXT_H
#define PORTS_MAIL_TEXT_H

#include "base/buf.h"
#include "ports/mailer.h"

#include <stdint.h>

/* Appends the message, its lines ended by CR LF. from: an address; now_s: wall clock. */
void mail_text_write(struct buf *out, const struct mail *mail, const char *from, int64_t now_s);

#endif
