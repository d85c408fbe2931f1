/* Any bytes as an access token. There is no key, so none may ever be taken. */
#include "adapters/auth/jwt_verifier.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct jwt_verifier *verifier;
    struct identity identity;
    struct jwt_keys_error error;

    if (!verifier) {
        const struct jwt_verifier_options options = {
            .keys_dir = "", .jwks_file = "", .issuer = "parley", .audience = "parley"
        };
        if (jwt_verifier_create(&options, &verifier, &error) != RC_OK)
            abort();
    }
    if (token_verify(jwt_verifier_port(verifier), bytes_make(data, size), 1800000000, &identity) ==
        TOKEN_OK)
        abort();
    return 0;
}
