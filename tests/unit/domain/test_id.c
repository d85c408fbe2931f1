/* Ids reach subjects and headers, so what is let in is tried byte by byte. */
#include "domain/id.h"
#include "support/check.h"
#include "support/fake_clock.h"

#include <ctype.h>

TEST(only_letters_digits_underscore_and_hyphen_make_an_id)
{
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        struct id id = { .len = 77 };
        bool is_wanted = (c < 128 && isalnum(c)) || c == '_' || c == '-';
        CHECK(id_read(bytes_make(&byte, 1), &id) == is_wanted);
        CHECK_INT(is_wanted ? 1 : 77, id.len);
    }
}

TEST(an_id_has_1_to_64_characters)
{
    char text[66];
    struct id id = { 0 };
    memset(text, 'x', sizeof text);
    CHECK(!id_read(bytes_make(text, 0), &id));
    CHECK(id_read(bytes_make(text, 64), &id));
    CHECK_INT(64, id.len);
    CHECK_INT(0, id.text[64]);
    CHECK(!id_read(bytes_make(text, 65), &id));
    CHECK_INT(64, id.len);
}

TEST(what_would_change_a_subject_or_header_is_refused)
{
    static const char *const bad[] = {
        "a.b", "*", ">", "a b", "a\r\nb", "a\tb", "\xc3\xa9", "a/b"
    };
    struct id id;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK(!id_read(bytes_of(bad[i]), &id));
    CHECK(!id_read(bytes_make("a\0b", 3), &id));
}

TEST(ids_are_equal_by_content)
{
    struct id a, b, c;
    CHECK(id_read(bytes_of("abc"), &a) && id_read(bytes_of("abc"), &b) &&
          id_read(bytes_of("abcd"), &c));
    CHECK(id_equal(&a, &b));
    CHECK(!id_equal(&a, &c));
    CHECK_TEXT("abc", id_bytes(&a));
}

TEST(a_new_id_is_a_uuid_of_version_7_with_the_time_in_front)
{
    struct fake_clock clock;
    struct id again;
    fake_clock_init(&clock); /* 2026-01-02T03:04:05.678Z is 0x019b7ca98f2e ms */
    struct id id = id_make(&clock.source);
    CHECK_INT(36, id.len);
    CHECK(id_read(id_bytes(&id), &again));
    CHECK_TEXT("019b7ca9-8f2e-7", bytes_make(id.text, 15));
    CHECK(strchr("89ab", id.text[19]) != NULL);
    for (int i = 0; i < 36; i++)
        CHECK((id.text[i] == '-') == (i == 8 || i == 13 || i == 18 || i == 23));
}

TEST(new_ids_differ_and_rise_with_time)
{
    struct fake_clock clock;
    fake_clock_init(&clock);
    struct id one = id_make(&clock.source), two = id_make(&clock.source);
    CHECK(!id_equal(&one, &two));
    fake_clock_advance(&clock, 1);
    struct id later = id_make(&clock.source);
    CHECK(strcmp(one.text, later.text) < 0);
    CHECK(strcmp(two.text, later.text) < 0);
}

TEST(an_id_of_ours_tells_when_it_was_made)
{
    struct fake_clock clock;
    int64_t ms = 7;
    fake_clock_init(&clock);
    struct id id = id_make(&clock.source);
    CHECK(id_made_ms(&id, &ms));
    CHECK_INT(clock.now_us / 1000, ms);
}

TEST(other_ids_tell_nothing)
{
    static const char *const others[] = {
        "ada",
        "019b7ca9-8f2e-4000-8000-000000000000", /* version 4 */
        "019B7CA9-8F2E-7000-8000-000000000000",
        "019b7ca9-8f2e-7000-8000-00000000000",
        "019b7ca9_8f2e-7000-8000-000000000000",
        "019b7ca9-8f2e-7000-8000-00000000000g",
    };
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        struct id id;
        int64_t ms = 7;
        CHECK(id_read(bytes_of(others[i]), &id));
        CHECK(!id_made_ms(&id, &ms));
        CHECK_INT(7, ms);
    }
}
