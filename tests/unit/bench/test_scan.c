/* test_scan.c - the one-pass reader finds fields whatever stands around them. */
#include "support/check.h"

#include "scan.h"

TEST(an_event_gives_its_fields)
{
    struct event ev;
    CHECK(scan_event(
        bytes_of("{\"type\":\"message.new\",\"conversationId\":\"c1\",\"seq\":1301,"
                 "\"prev\":1296,\"senderId\":\"u\",\"clientMessageId\":\"m-7\","
                 "\"text\":\"a \\\"b\\\" }{\",\"metadata\":{\"seq\":9,\"x\":[1,\"]\"]}}"),
        &ev));
    CHECK_TEXT("message.new", ev.type);
    CHECK_TEXT("c1", ev.conversation);
    CHECK_TEXT("m-7", ev.client_message_id);
    CHECK_TEXT("a \\\"b\\\" }{", ev.text);
    CHECK_U64(1301, ev.seq);
    CHECK_U64(1296, ev.prev);
    CHECK(ev.has_seq && ev.has_prev);
}

TEST(a_backslash_before_the_closing_quote_is_counted)
{
    struct event ev;
    CHECK(scan_event(bytes_of("{\"text\":\"ends with \\\\\",\"seq\":5}"), &ev));
    CHECK_TEXT("ends with \\\\", ev.text);
    CHECK_U64(5, ev.seq);
}

TEST(null_and_missing_are_the_same)
{
    struct event ev;
    CHECK(scan_event(bytes_of(" { \"id\" : null , \"duplicate\" : true } "), &ev));
    CHECK_SIZE(0, ev.id.len);
    CHECK(ev.duplicate && !ev.has_seq);
}

TEST(what_is_cut_off_or_no_object_is_refused)
{
    static const char whole[] = "{\"type\":\"ok\",\"id\":\"1\",\"seq\":12,\"m\":{\"a\":[1,2]}}";
    struct event ev;
    for (size_t len = 0; len + 1 < sizeof whole - 1; len++)
        CHECK(!scan_event(bytes_make(whole, len), &ev));
    CHECK(scan_event(bytes_make(whole, sizeof whole - 1), &ev));
    CHECK(!scan_event(bytes_of("[1]"), &ev));
    CHECK(!scan_event(bytes_of("hello"), &ev));
}

TEST(escapes_are_undone_before_hashing)
{
    struct sbuf out = { 0 };
    scan_unescape(bytes_of("\\u0041\\n\\/\\\\ \\u00e9\\u20ac\\ud83d\\ude00"), &out);
    CHECK_STR("A\n/\\ \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", sbuf_text(&out));
    CHECK_U64(scan_hash(HASH_START, bytes_of("\xc3\xa9")),
              scan_hash(HASH_START, bytes_of("\\u00e9")));
    CHECK(scan_hash(HASH_START, bytes_of("a")) != scan_hash(HASH_START, bytes_of("b")));
    sbuf_free(&out);
}

TEST(what_is_escaped_reads_back_the_same)
{
    char all[256];
    struct sbuf escaped = { 0 }, back = { 0 };
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    sbuf_json(&escaped, bytes_make(all, sizeof all));
    scan_unescape(bytes_make(escaped.ptr, escaped.len), &back);
    CHECK_BYTES(bytes_make(all, sizeof all), bytes_make(back.ptr, back.len));
    sbuf_free(&escaped);
    sbuf_free(&back);
}

TEST(an_array_is_stepped_through)
{
    struct bytes array = bytes_of("[{\"a\":[1]}, \"x,]\" ,3]"), item;
    size_t at = 0;
    CHECK(scan_next(array, &at, &item));
    CHECK_TEXT("{\"a\":[1]}", item);
    CHECK(scan_next(array, &at, &item));
    CHECK_TEXT("x,]", item);
    CHECK(scan_next(array, &at, &item));
    CHECK_TEXT("3", item);
    CHECK(!scan_next(array, &at, &item));
    at = 0;
    CHECK(!scan_next(bytes_of("[]"), &at, &item));
}

TEST(a_field_is_found_by_name_at_the_top_only)
{
    struct bytes object = bytes_of("{\"error\":{\"code\":\"inner\"},\"code\":\"outer\"}");
    CHECK_TEXT("outer", scan_field(object, "code"));
    CHECK_TEXT("inner", scan_field(scan_field(object, "error"), "code"));
    CHECK_SIZE(0, scan_field(object, "nothing").len);
}
