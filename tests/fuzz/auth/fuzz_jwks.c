/* Any bytes as a key set file. What comes out must fit the algorithm. */
#include <openssl/evp.h>

#include "adapters/auth/jwks.h"
#include "adapters/auth/jwt_claims.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum rc take(void *closure, const char *kid, EVP_PKEY *key)
{
    enum jws_algorithm algorithm = *(enum jws_algorithm *)closure;

    if (!jws_key_fits(key, algorithm) || !jwt_kid_is_right(bytes_of(kid)))
        abort();
    EVP_PKEY_free(key);
    return RC_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum jws_algorithm algorithm = JWS_RS256;

    if (size > JWT_KEY_FILE_BYTES_MAX)
        return 0;
    (void)!jwks_read(bytes_make(data, size), algorithm, take, &algorithm);
    algorithm = JWS_ES256;
    (void)!jwks_read(bytes_make(data, size), algorithm, take, &algorithm);
    return 0;
}
