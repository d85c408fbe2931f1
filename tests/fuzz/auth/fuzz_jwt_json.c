/* Any bytes as the decoded header and as the decoded claims. What is taken must be what the port
 * promises of an identity: ids of the alphabet, a name that is text. */
#include "adapters/auth/jwt_claims.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool is_so)
{
    if (!is_so)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct jwt_expected expected = {
        .algorithm = "RS256", .issuer = "parley", .audience = "parley", .leeway_s = 30
    };
    struct bytes json = bytes_make(data, size);
    struct jwt_header header;
    struct jwt_claims claims;
    struct id again;

    if (!jwt_header_read(json, &expected, &header))
        demand(jwt_kid_is_right(bytes_of(header.kid)));
    if (!jwt_claims_read(json, &expected, &claims)) {
        const struct identity *identity = &claims.identity;
        demand(id_read(id_bytes(&identity->user), &again));
        demand(identity->session.len == 0 || id_read(id_bytes(&identity->session), &again));
        demand(*identity->name && bytes_is_utf8(bytes_of(identity->name)));
        demand(identity->expires_s > 30 && identity->roles != 0);
    }
    return 0;
}
