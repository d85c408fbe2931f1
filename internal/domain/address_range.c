#include "domain/address_range.h"

#include <arpa/inet.h>
#include <stdio.h>

static struct address_range of_v4(const uint8_t *octets)
{
    struct address_range range;

    (void)snprintf(range.text, sizeof range.text, "%u.%u.%u.0/24", octets[0], octets[1], octets[2]);
    return range;
}

static struct address_range of_v6(struct in6_addr *address)
{
    char text[INET6_ADDRSTRLEN];
    struct address_range range = { "" };

    if (IN6_IS_ADDR_V4MAPPED(address))
        return of_v4(address->s6_addr + 12);
    memset(address->s6_addr + 8, 0, 8);
    if (inet_ntop(AF_INET6, address, text, sizeof text))
        (void)snprintf(range.text, sizeof range.text, "%.43s/64", text);
    return range;
}

struct address_range address_range_of(struct bytes address)
{
    char text[INET6_ADDRSTRLEN + 1];
    struct in_addr v4;
    struct in6_addr v6;

    if (address.len && address.len < sizeof text && !memchr(address.ptr, 0, address.len)) {
        (void)snprintf(text, sizeof text, "%.*s", BYTES_ARG(address));
        if (inet_pton(AF_INET, text, &v4) == 1)
            return of_v4((const uint8_t *)&v4.s_addr);
        if (inet_pton(AF_INET6, text, &v6) == 1)
            return of_v6(&v6);
    }
    return (struct address_range){ "" };
}
