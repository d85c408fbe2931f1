/* A buffer being built: its maximum, the failure that sticks, and JSON strings. */
#include "base/buf.h"
#include "support/check.h"

TEST(what_is_added_comes_out_in_order)
{
    SCOPED_BUF(buf, 1000);
    buf_add_text(&buf, "a");
    buf_add_byte(&buf, 0);
    buf_add_u64(&buf, 0);
    buf_add_u64(&buf, UINT64_MAX);
    buf_add_format(&buf, "%s/%d", "b", -3);
    buf_add(&buf, (struct bytes){ NULL, 0 });
    CHECK_BYTES(bytes_make("a\0"
                           "018446744073709551615b/-3",
                           27),
                buf_bytes(&buf));
    CHECK(!buf.has_failed);
}

TEST(it_grows_past_its_first_room)
{
    SCOPED_BUF(buf, 100000);
    for (int i = 0; i < 10000; i++)
        buf_add_format(&buf, "%04d", i);
    CHECK_SIZE(40000, buf.len);
    CHECK_TEXT("9999", bytes_make(buf.ptr + 39996, 4));
}

TEST(the_maximum_may_be_reached_but_not_passed)
{
    SCOPED_BUF(buf, 4);
    buf_add_text(&buf, "abcd");
    CHECK(!buf.has_failed);
    buf_add_byte(&buf, 'e');
    CHECK(buf.has_failed);
    CHECK_TEXT("abcd", buf_bytes(&buf));
}

TEST(after_a_failure_nothing_more_is_added)
{
    SCOPED_BUF(buf, 4);
    buf_add_text(&buf, "abcde");
    buf_add_text(&buf, "a");
    CHECK(buf.has_failed);
    CHECK_SIZE(0, buf.len);
}

static void check_json(struct bytes text, const char *wanted)
{
    SCOPED_BUF(buf, 1000);
    buf_add_json_string(&buf, text);
    CHECK_TEXT(wanted, buf_bytes(&buf));
}

TEST(a_json_string_escapes_what_it_must_and_nothing_else)
{
    check_json(bytes_of(""), "\"\"");
    check_json(bytes_of("plain / text"), "\"plain / text\"");
    check_json(bytes_of("\"\\"), "\"\\\"\\\\\"");
    check_json(bytes_of("\n\r\t"), "\"\\n\\r\\t\"");
    check_json(bytes_make("\0\x01\x1f", 3), "\"\\u0000\\u0001\\u001f\"");
    check_json(bytes_of("\x7f"), "\"\\u007f\"");
    check_json(bytes_of("h\xc3\xa9 \xf0\x9f\x98\x80"), "\"h\xc3\xa9 \xf0\x9f\x98\x80\"");
}
