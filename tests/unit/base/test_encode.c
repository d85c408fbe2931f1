/* base64url against the vectors of RFC 4648, section 10, and the partition hash against what
 * nats-server's {{partition(n,1)}} was measured to take. */
#include "base/encode.h"
#include "support/check.h"

TEST(base64url_has_the_vectors_of_rfc_4648_without_padding)
{
    static const char *const pairs[][2] = {
        { "", "" },           { "f", "Zg" },          { "fo", "Zm8" },         { "foo", "Zm9v" },
        { "foob", "Zm9vYg" }, { "fooba", "Zm9vYmE" }, { "foobar", "Zm9vYmFy" }
    };
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        char text[16];
        uint8_t back[16];
        size_t len;
        CHECK_SIZE(strlen(pairs[i][1]), b64url_write(bytes_of(pairs[i][0]), text));
        CHECK_STR(pairs[i][1], text);
        CHECK_SIZE(strlen(text), B64URL_CHARS(strlen(pairs[i][0])));
        CHECK(b64url_read(bytes_of(text), back, &len));
        CHECK_BYTES(bytes_of(pairs[i][0]), bytes_make(back, len));
    }
}

TEST(base64url_uses_the_letters_that_urls_take)
{
    char text[8];
    (void)b64url_write(bytes_make("\xfb\xff\xbf", 3), text);
    CHECK_STR("-_-_", text);
}

TEST(every_byte_comes_back)
{
    uint8_t bytes[256], back[256];
    char text[B64URL_CHARS(256) + 1];
    size_t len;
    for (int i = 0; i < 256; i++)
        bytes[i] = (uint8_t)i;
    for (size_t n = 0; n <= 256; n++) {
        size_t chars = b64url_write(bytes_make(bytes, n), text);
        CHECK(b64url_read(bytes_make(text, chars), back, &len));
        CHECK_BYTES(bytes_make(bytes, n), bytes_make(back, len));
    }
}

TEST(base64url_is_read_strictly)
{
    static const char *const bad[] = { "Z",    "Zm9vY", "Zg==", "Zg=", "Zm9v\n",    " Zm9v",
                                       "Zm+v", "Zm/v",  "Zh",   "Zm9", "Zm\xc3\xa9" };
    uint8_t back[16];
    size_t len;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (b64url_read(bytes_of(bad[i]), back, &len))
            fail_msg("taken: %s", bad[i]);
}

TEST(the_partition_hash_is_fnv_1a)
{
    CHECK_U64(0x811c9dc5, fnv1a32(bytes_of("")));
    CHECK_U64(0xe40c292c, fnv1a32(bytes_of("a")));
    CHECK_U64(0x24b9216b, fnv1a32(bytes_of("general")));
    CHECK_U64(0x3d028cf1, fnv1a32(bytes_of("user_42")));
}
