/* bytes and UTF-8: the bounds of numbers, and every class of ill-formed sequence of RFC 3629. */
#include "support/check.h"

static bool reads_u64(const char *text, uint64_t max, uint64_t *out)
{
    return bytes_to_u64(bytes_of(text), max, out);
}

TEST(bytes_compare_by_content)
{
    CHECK(bytes_equal(bytes_of("abc"), bytes_of("abc")));
    CHECK(!bytes_equal(bytes_of("abc"), bytes_of("abd")));
    CHECK(!bytes_equal(bytes_of("abc"), bytes_of("ab")));
    CHECK(bytes_equal(bytes_of(NULL), bytes_of("")));
    CHECK(bytes_equal(bytes_make(NULL, 0), bytes_of("")));
    CHECK(bytes_is(bytes_of("abc"), "abc"));
    CHECK(!bytes_is(bytes_of("abc"), "abcd"));
    CHECK(bytes_starts(bytes_of("abc"), "ab"));
    CHECK(bytes_starts(bytes_of("abc"), ""));
    CHECK(!bytes_starts(bytes_of("a"), "ab"));
    CHECK(bytes_equal_secret(bytes_of("abc"), bytes_of("abc")));
    CHECK(!bytes_equal_secret(bytes_of("abc"), bytes_of("abd")));
    CHECK(!bytes_equal_secret(bytes_of("abc"), bytes_of("ab")));
}

TEST(number_is_read_whole_or_not_at_all)
{
    uint64_t value = 7;
    CHECK(reads_u64("0", UINT64_MAX, &value));
    CHECK_U64(0, value);
    CHECK(reads_u64("18446744073709551615", UINT64_MAX, &value));
    CHECK_U64(UINT64_MAX, value);
    CHECK(reads_u64("007", 7, &value));
    CHECK_U64(7, value);
    static const char *const bad[] = { "",
                                       " 1",
                                       "1 ",
                                       "-1",
                                       "+1",
                                       "1.0",
                                       "0x1",
                                       "1e3",
                                       "18446744073709551616",
                                       "18446744073709551620",
                                       "99999999999999999999",
                                       "000000000000000000001",
                                       "8" };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        uint64_t max = strcmp(bad[i], "8") == 0 ? 7 : UINT64_MAX;
        value = 42;
        CHECK(!reads_u64(bad[i], max, &value));
        CHECK_U64(42, value);
    }
}

TEST(utf8_takes_every_well_formed_length)
{
    static const char *const good[] = { "",
                                        "a",
                                        "\x7f",
                                        "\xc2\x80",
                                        "\xdf\xbf",
                                        "\xe0\xa0\x80",
                                        "\xed\x9f\xbf",
                                        "\xee\x80\x80",
                                        "\xef\xbf\xbf",
                                        "\xf0\x90\x80\x80",
                                        "\xf4\x8f\xbf\xbf",
                                        "h\xc3\xa9llo" };
    for (size_t i = 0; i < COUNT_OF(good); i++)
        CHECK(bytes_is_utf8(bytes_of(good[i])));
    CHECK(bytes_is_utf8(bytes_make("a\0b", 3)));
}

TEST(control_characters_are_c0_del_and_c1)
{
    static const char *const with[] = { "\x01",
                                        "a\tb",
                                        "a\r\nb",
                                        "a\x1f",
                                        "\x7f",
                                        "\xc2\x80",
                                        "a\xc2\x85",
                                        "\xc2\x9b"
                                        "31m",
                                        "\xc2\x9f",
                                        "\xc3\xa9\xc2\x90" };
    static const char *const without[] = {
        "", " ", "a b~", "\xc2\xa0", "\xc3\x85", "\xc3\xa9", "\xe2\x80\xa8", "\xf0\x9f\x92\xa9"
    };
    for (size_t i = 0; i < COUNT_OF(with); i++)
        CHECK(bytes_has_control(bytes_of(with[i])));
    for (size_t i = 0; i < COUNT_OF(without); i++)
        CHECK(!bytes_has_control(bytes_of(without[i])));
    CHECK(bytes_has_control(bytes_make("a\0b", 3)));
}

TEST(utf8_refuses_every_ill_formed_class)
{
    static const char *const bad[] = {
        "\x80",             /* lone continuation */
        "\xc0\x80",         /* overlong NUL */
        "\xc1\xbf",         /* overlong in two */
        "\xe0\x9f\xbf",     /* overlong in three */
        "\xf0\x8f\xbf\xbf", /* overlong in four */
        "\xed\xa0\x80",     /* first surrogate */
        "\xed\xbf\xbf",     /* last surrogate */
        "\xf4\x90\x80\x80", /* above U+10FFFF */
        "\xf5\x80\x80\x80", /* lead that cannot be */
        "\xff",             /* never a byte of UTF-8 */
        "\xc2",             /* cut short */
        "\xe2\x82",         /* cut short */
        "\xf0\x9f\x98",     /* cut short */
        "\xc2"
        "a", /* continuation missing */
        "\xe2\x82"
        "a",      /* continuation missing */
        "ok\xfe", /* after good text */
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK(!bytes_is_utf8(bytes_of(bad[i])));
}
