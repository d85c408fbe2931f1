#include "adapters/lws/proxies.h"

#include <arpa/inet.h>
#include <stdlib.h>

enum { TEXT_MAX = 64, MAPPED_BITS = 96 };

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static void set_v4(uint8_t out[ADDRESS_BYTES], const void *address)
{
    memcpy(out, mapped, sizeof mapped);
    memcpy(out + sizeof mapped, address, 4);
}

bool address_is_v4(const uint8_t address[ADDRESS_BYTES])
{
    return memcmp(address, mapped, sizeof mapped) == 0;
}

bool address_of_socket(const struct sockaddr_storage *from, uint8_t out[ADDRESS_BYTES])
{
    if (from->ss_family == AF_INET)
        set_v4(out, &((const struct sockaddr_in *)from)->sin_addr);
    else if (from->ss_family == AF_INET6)
        memcpy(out, &((const struct sockaddr_in6 *)from)->sin6_addr, ADDRESS_BYTES);
    return from->ss_family == AF_INET || from->ss_family == AF_INET6;
}

static bool read_address(const char *text, uint8_t out[ADDRESS_BYTES])
{
    struct in_addr v4;
    if (inet_pton(AF_INET6, text, out) == 1)
        return true;
    if (inet_pton(AF_INET, text, &v4) != 1)
        return false;
    set_v4(out, &v4);
    return true;
}

/* "10.0.0.0/8"; without a length the address alone. */
static bool read_network(char *text, uint8_t address[ADDRESS_BYTES], uint8_t *out_bits)
{
    char *slash = strchr(text, '/');
    uint64_t bits = 128;
    if (slash)
        *slash++ = 0;
    if (!read_address(text, address))
        return false;
    uint64_t most = address_is_v4(address) && !strchr(text, ':') ? 32 : 128;
    if (slash && !bytes_to_u64(bytes_of(slash), most, &bits))
        return false;
    *out_bits = (uint8_t)(slash && most == 32 ? bits + MAPPED_BITS : bits);
    return true;
}

enum rc proxies_read(const char *text, struct proxies *out, struct fault *fault)
{
    struct proxies read = { .count = 0 };
    while (text && *text) {
        char part[TEXT_MAX];
        size_t len = strcspn(text, ", ");
        (void)snprintf(part, sizeof part, "%.*s", (int)len, text);
        text += len;
        text += strspn(text, ", ");
        if (len == 0)
            continue;
        if (read.count == PROXIES_MAX) {
            fault_set(fault, "trusted_proxies", "At most %d networks.", PROXIES_MAX);
            return RC_FULL;
        }
        if (len >= sizeof part || !read_network(part, read.networks[read.count].address,
                                                &read.networks[read.count].bits)) {
            fault_set(fault, "trusted_proxies", "%.40s is no address or network.", part);
            return RC_INVALID;
        }
        read.count++;
    }
    *out = read;
    return RC_OK;
}

static bool is_in(const uint8_t *address, const uint8_t *network, uint8_t bits)
{
    uint8_t whole = bits / 8, rest = bits % 8;
    uint8_t mask = (uint8_t)(0xff << (8 - rest));
    return memcmp(address, network, whole) == 0 &&
           (rest == 0 || ((address[whole] ^ network[whole]) & mask) == 0);
}

bool proxies_trust(const struct proxies *proxies, const uint8_t address[ADDRESS_BYTES])
{
    for (uint32_t i = 0; i < proxies->count; i++)
        if (is_in(address, proxies->networks[i].address, proxies->networks[i].bits))
            return true;
    return false;
}

/* The last element of the list, taken off it: an address, maybe with a port, maybe in brackets. */
static bool take_last(struct bytes *list, uint8_t out[ADDRESS_BYTES])
{
    char text[TEXT_MAX];
    size_t end = list->len, start;
    while (end && (list->ptr[end - 1] == ' ' || list->ptr[end - 1] == '\t'))
        end--;
    for (start = end; start && list->ptr[start - 1] != ','; start--)
        ;
    list->len = start ? start - 1 : 0;
    while (start < end && (list->ptr[start] == ' ' || list->ptr[start] == '\t'))
        start++;
    if (end - start >= sizeof text)
        return false;
    (void)snprintf(text, sizeof text, "%.*s", (int)(end - start), (const char *)list->ptr + start);
    char *at = text, *close = strchr(text, ']'), *colon = strchr(text, ':');
    if (text[0] == '[' && close) {
        at++;
        *close = 0;
    } else if (colon && strchr(text, '.') && colon == strrchr(text, ':')) {
        *colon = 0;
    }
    return read_address(at, out);
}

void proxies_client(const struct proxies *proxies, struct bytes forwarded_for,
                    uint8_t address[ADDRESS_BYTES])
{
    uint8_t next[ADDRESS_BYTES];
    while (proxies_trust(proxies, address) && forwarded_for.len && take_last(&forwarded_for, next))
        memcpy(address, next, ADDRESS_BYTES);
}
