#include "adapters/auth/checksum.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

struct checksum {
    EVP_MD_CTX *ctx;
    bool has_failed;
};

struct checksum *checksum_create(void)
{
    struct checksum *sum = calloc(1, sizeof *sum);

    if (!sum)
        return NULL;
    sum->ctx = EVP_MD_CTX_new();
    if (!sum->ctx || EVP_DigestInit_ex(sum->ctx, EVP_sha256(), NULL) != 1) {
        checksum_destroy(sum);
        return NULL;
    }
    return sum;
}

void checksum_add(struct checksum *sum, struct bytes part)
{
    if (EVP_DigestUpdate(sum->ctx, part.ptr, part.len) != 1)
        sum->has_failed = true;
}

void checksum_write(struct checksum *sum, char out[CHECKSUM_CHARS + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    out[0] = 0;
    if (EVP_DigestFinal_ex(sum->ctx, digest, &len) != 1 || len * 2 != CHECKSUM_CHARS ||
        sum->has_failed)
        return;
    for (unsigned i = 0; i < len; i++)
        (void)snprintf(out + (size_t)i * 2, 3, "%02x", digest[i]);
}

void checksum_destroy(struct checksum *sum)
{
    if (!sum)
        return;
    EVP_MD_CTX_free(sum->ctx);
    free(sum);
}
