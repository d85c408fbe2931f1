/* A refresh token of any bytes: what is taken is exactly what refresh_token_write makes of it. */
#include "demand.h"
#include "wire/secret.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct refresh_token token;
    char text[REFRESH_TOKEN_CHARS + 1];

    if (!refresh_token_read(bytes_make(data, size), &token))
        return 0;
    size_t len = refresh_token_write(&token, text);
    demand(bytes_equal(bytes_make(text, len), bytes_make(data, size)));
    return 0;
}
