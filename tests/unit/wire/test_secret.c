/* Refresh tokens as text, and how one follows from another. */
#include "support/check.h"
#include "wire/secret.h"

static struct refresh_token a_token(void)
{
    struct refresh_token token;
    CHECK(id_read(bytes_of("0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000"), &token.session));
    secret_make(token.family, sizeof token.family);
    secret_make(token.turn, sizeof token.turn);
    return token;
}

TEST(a_token_is_read_as_it_was_written)
{
    char text[REFRESH_TOKEN_CHARS + 1];
    struct refresh_token token = a_token(), read;
    size_t len = refresh_token_write(&token, text);
    CHECK_SIZE(strlen(text), len);
    CHECK(refresh_token_read(bytes_make(text, len), &read));
    CHECK(id_equal(&token.session, &read.session));
    CHECK(memcmp(token.family, read.family, sizeof token.family) == 0);
    CHECK(memcmp(token.turn, read.turn, sizeof token.turn) == 0);
}

TEST(what_is_no_token_is_not_read)
{
    char text[REFRESH_TOKEN_CHARS + 8];
    struct refresh_token token = a_token(), read;
    size_t len = refresh_token_write(&token, text);
    CHECK(!refresh_token_read(bytes_of(NULL), &read));
    CHECK(!refresh_token_read(bytes_of("."), &read));
    CHECK(!refresh_token_read(bytes_of("abc"), &read));
    CHECK(!refresh_token_read(bytes_make(text, len - 1), &read));
    CHECK(!refresh_token_read(bytes_make(text, 37), &read)); /* the id and the dot */
    text[len] = 'A';
    CHECK(!refresh_token_read(bytes_make(text, len + 1), &read));
    text[40] = '=';
    CHECK(!refresh_token_read(bytes_make(text, len), &read));
    text[36] = '-';
    CHECK(!refresh_token_read(bytes_make(text, len), &read));
}

TEST(a_turn_follows_from_the_one_before_and_the_salt_alone)
{
    uint8_t first[SECRET_BYTES] = { 1 }, salt[16] = { 2 }, other[16] = { 3 };
    uint8_t a[SECRET_BYTES], b[SECRET_BYTES], c[SECRET_BYTES];
    secret_next_turn(first, salt, sizeof salt, a);
    secret_next_turn(first, salt, sizeof salt, b);
    secret_next_turn(first, other, sizeof other, c);
    CHECK(memcmp(a, b, sizeof a) == 0);
    CHECK(memcmp(a, c, sizeof a) != 0);
    memcpy(b, first, sizeof b);
    secret_next_turn(b, salt, sizeof salt, b); /* in place */
    CHECK(memcmp(a, b, sizeof a) == 0);
}

TEST(the_hash_is_sha_256)
{
    static const uint8_t wanted[] = { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea };
    uint8_t hash[32];
    secret_hash(bytes_of("abc"), hash); /* FIPS 180-2, B.1 */
    CHECK(memcmp(hash, wanted, sizeof wanted) == 0);
}
