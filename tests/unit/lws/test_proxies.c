/* Whose X-Forwarded-For is believed, and whom it names. */
#include "adapters/lws/proxies.h"

#include "support/check.h"

#include <arpa/inet.h>

static struct proxies read_list(const char *text)
{
    struct proxies proxies;
    struct fault fault;
    CHECK_RC(RC_OK, proxies_read(text, &proxies, &fault));
    return proxies;
}

static void address(const char *text, uint8_t out[ADDRESS_BYTES])
{
    struct sockaddr_storage from = { .ss_family = AF_INET };
    if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&from)->sin_addr) != 1) {
        from.ss_family = AF_INET6;
        CHECK_INT(1, inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&from)->sin6_addr));
    }
    CHECK(address_of_socket(&from, out));
}

static bool trusts(const char *list, const char *peer)
{
    struct proxies proxies = read_list(list);
    uint8_t from[ADDRESS_BYTES];
    address(peer, from);
    return proxies_trust(&proxies, from);
}

/* Whether the client is `wanted`, for a peer that sends the header. */
static bool names(const char *list, const char *peer, const char *header, const char *wanted)
{
    struct proxies proxies = read_list(list);
    uint8_t from[ADDRESS_BYTES], is[ADDRESS_BYTES];
    address(peer, from);
    address(wanted, is);
    proxies_client(&proxies, bytes_of(header), from);
    return memcmp(from, is, ADDRESS_BYTES) == 0;
}

TEST(networks_of_both_kinds_are_read)
{
    CHECK(!trusts("", "127.0.0.1"));
    CHECK(!trusts(NULL, "127.0.0.1"));
    CHECK(trusts("10.0.0.0/8,::1", "10.255.0.1"));
    CHECK(!trusts("10.0.0.0/8,::1", "11.0.0.1"));
    CHECK(trusts("10.0.0.0/8, ::1", "::1"));
    CHECK(trusts("192.0.2.128/25", "192.0.2.129"));
    CHECK(!trusts("192.0.2.128/25", "192.0.2.127"));
    CHECK(trusts("2001:db8::/33", "2001:db8:7fff::1"));
    CHECK(!trusts("2001:db8::/33", "2001:db8:8000::1"));
    CHECK(trusts("192.0.2.1", "::ffff:192.0.2.1")); /* as a dual socket has it */
    CHECK(trusts("0.0.0.0/0", "203.0.113.9") && !trusts("0.0.0.0/0", "2001:db8::1"));
}

TEST(what_is_no_network_is_refused_by_name)
{
    const char *bad[] = { "10.0.0.0/33", "10.0.0/8",    "::1/129",    "proxy.example",
                          "10.0.0.1/",   "10.0.0.1/-1", "10.0.0.1/8x" };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct proxies proxies;
        struct fault fault = { .field = "" };
        CHECK_RC(RC_INVALID, proxies_read(bad[i], &proxies, &fault));
        CHECK_STR("trusted_proxies", fault.field);
    }
}

TEST(the_right_most_address_that_is_not_trusted_is_the_client)
{
    const char *list = "10.0.0.0/8,fd00::/8";
    CHECK(names(list, "10.0.0.1", "203.0.113.9", "203.0.113.9"));
    CHECK(names(list, "10.0.0.1", "1.1.1.1, 203.0.113.9", "203.0.113.9")); /* the left is forged */
    CHECK(names(list, "10.0.0.1", "203.0.113.9 ,10.0.0.2,fd00::3", "203.0.113.9"));
    CHECK(names(list, "fd00::1", "2001:db8::9", "2001:db8::9"));
    CHECK(names(list, "10.0.0.1", "203.0.113.9:4711", "203.0.113.9"));
    CHECK(names(list, "10.0.0.1", "[2001:db8::9]:4711", "2001:db8::9"));
}

TEST(who_is_not_trusted_names_nobody)
{
    CHECK(names("10.0.0.0/8", "203.0.113.9", "1.1.1.1", "203.0.113.9"));
    CHECK(names("", "127.0.0.1", "1.1.1.1", "127.0.0.1"));
}

TEST(what_is_no_address_ends_the_search)
{
    const char *list = "10.0.0.0/8";
    CHECK(names(list, "10.0.0.1", "", "10.0.0.1"));
    CHECK(names(list, "10.0.0.1", "unknown", "10.0.0.1"));
    CHECK(names(list, "10.0.0.1", "203.0.113.9, unknown, 10.0.0.2", "10.0.0.2"));
    CHECK(names(list, "10.0.0.1", ",,", "10.0.0.1"));
    CHECK(names(list, "10.0.0.1",
                "1111111111111111111111111111111111111111111111111111111111111111111111111111",
                "10.0.0.1"));
}
