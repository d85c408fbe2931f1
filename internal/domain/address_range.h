/* address_range.h - the network that an address is in: all that is kept of where somebody is.
 *
 * IPv4: the /24. IPv6: the /64, which is what one household gets. An IPv4 address in IPv6 clothes
 * (::ffff:a.b.c.d) is an IPv4 address.
 */
#ifndef DOMAIN_ADDRESS_RANGE_H
#define DOMAIN_ADDRESS_RANGE_H

#include "base/bytes.h"

enum { ADDRESS_RANGE_CHARS = 47 };

struct address_range {
    char text[ADDRESS_RANGE_CHARS + 1]; /* "203.0.113.0/24", "2001:db8:0:1::/64"; "" if not known */
};

/* The range of an address in text form; empty if it isn't one (a unix socket, rubbish). */
struct address_range address_range_of(struct bytes address);

#endif
