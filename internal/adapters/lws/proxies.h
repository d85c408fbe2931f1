/* proxies.h - whose X-Forwarded-For is believed, and whom it names.
 *
 * Addresses are 16 bytes, IPv4 as mapped into IPv6 (RFC 4291, section 2.5.5.2).
 */
#ifndef ADAPTERS_LWS_PROXIES_H
#define ADAPTERS_LWS_PROXIES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/fault.h"
#include "base/rc.h"

enum { PROXIES_MAX = 64, ADDRESS_BYTES = 16 };

struct proxies {
    struct {
        uint8_t address[ADDRESS_BYTES];
        uint8_t bits;
    } networks[PROXIES_MAX];
    uint32_t count;
};

/* Reads addresses and networks ("10.0.0.0/8, ::1"), separated by commas or blanks. NULL or empty:
 * nobody is believed. errors: RC_INVALID (fault), RC_FULL more than PROXIES_MAX (fault) */
MUST_CHECK enum rc proxies_read(const char *text, struct proxies *out, struct fault *fault);

bool proxies_trust(const struct proxies *proxies, const uint8_t address[ADDRESS_BYTES]);

/* Replaces a trusted peer's address by the right-most one in the header that isn't trusted: what
 * stands left of it was written by anybody. Stops before what is no address. */
void proxies_client(const struct proxies *proxies, struct bytes forwarded_for,
                    uint8_t address[ADDRESS_BYTES]);

/* false: neither IPv4 nor IPv6 */
bool address_of_socket(const struct sockaddr_storage *from, uint8_t out[ADDRESS_BYTES]);
bool address_is_v4(const uint8_t address[ADDRESS_BYTES]);

#endif
