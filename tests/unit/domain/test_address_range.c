/* What is kept of an address: the network, and nothing of the host. */
#include "domain/address_range.h"
#include "support/check.h"

TEST(each_address_is_in_its_network)
{
    static const struct {
        const char *address, *range;
    } cases[] = {
        { "203.0.113.77", "203.0.113.0/24" },
        { "255.255.255.255", "255.255.255.0/24" },
        { "::1", "::/64" },
        { "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64" },
        { "2001:DB8:1:2::9", "2001:db8:1:2::/64" },
        { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff::/64" },
        { "::ffff:203.0.113.77", "203.0.113.0/24" },
        { "::ffff:cb00:714d", "203.0.113.0/24" },
        { "", "" },
        { "203.0.113", "" },
        { "203.0.113.256", "" },
        { "fe80::1%eth0", "" },
        { "localhost", "" },
        { "1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:17:18:19:20:21:22:23:24:25", "" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        CHECK_STR(cases[i].range, address_range_of(bytes_of(cases[i].address)).text);
}

TEST(a_nul_inside_is_no_address)
{
    CHECK_STR("", address_range_of(bytes_make("1.2.3.4\0.5", 10)).text);
}
