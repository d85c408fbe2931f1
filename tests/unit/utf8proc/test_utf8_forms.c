/* One name, however it is typed; and what can't be seen is no name. */
#include "adapters/utf8proc/utf8_forms.h"
#include "support/check.h"

static const char *folded(struct arena *arena, const char *text)
{
    struct bytes out;
    CHECK_RC(RC_OK, utf8_forms()->fold(bytes_of(text), arena, &out));
    return (const char *)out.ptr;
}

TEST(names_that_look_alike_fold_into_one)
{
    SCOPED_ARENA(arena, 1 << 16);
    static const struct {
        const char *a, *b;
    } pairs[] = {
        { "Ada", "ada" },
        { "\xef\xbc\xa1\xef\xbd\x84\xef\xbd\x81", "ada" }, /* full width */
        { "STRASSE", "stra\xc3\x9f"
                     "e" },                                       /* sharp s */
        { "\xc3\x85ngstr\xc3\xb6m", "A\xcc\x8angstro\xcc\x88m" }, /* composed or not */
        { "\xef\xac\x81sh", "FISH" },                             /* a ligature */
        { "\xe2\x84\xaa", "k" },                                  /* the Kelvin sign */
        { "a\xe2\x80\x8b"
          "da",
          "ada" }, /* a zero-width space inside */
        { "\xce\xa3\xce\xaf\xcf\x83\xcf\x85\xcf\x86\xce\xbf\xcf\x82",
          "\xcf\x83\xce\xaf\xcf\x83\xcf\x85\xcf\x86\xce\xbf\xcf\x83" }, /* both sigmas */
    };
    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        CHECK_STR(folded(&arena, pairs[i].a), folded(&arena, pairs[i].b));
    CHECK(strcmp(folded(&arena, "ada"), folded(&arena, "\xc3\xa1"
                                                       "da")) != 0);
}

TEST(a_folded_name_folds_into_itself)
{
    SCOPED_ARENA(arena, 1 << 20);
    for (uint32_t point = 0x20; point < 0x3000; point++) {
        char text[5] = "";
        if (point < 0x80) {
            text[0] = (char)point;
        } else if (point < 0x800) {
            text[0] = (char)(0xc0 | point >> 6);
            text[1] = (char)(0x80 | (point & 63));
        } else {
            text[0] = (char)(0xe0 | point >> 12);
            text[1] = (char)(0x80 | (point >> 6 & 63));
            text[2] = (char)(0x80 | (point & 63));
        }
        const char *once = folded(&arena, text);
        CHECK_STR(once, folded(&arena, once));
    }
}

static struct text_facts facts_of(const char *text)
{
    struct text_facts facts;
    CHECK_RC(RC_OK, utf8_forms()->facts(bytes_of(text), &facts));
    return facts;
}

TEST(what_cant_be_seen_is_not_plain)
{
    static const char *const plain[] = { "a", "Ada Lovelace", "\xe6\x97\xa5\xe6\x9c\xac",
                                         "\xf0\x9f\x98\x80", "it's!" };
    static const char *const not_plain[] = {
        "",
        " a",
        "a ",
        "a  b",
        "a\tb",
        "a\nb",
        "\x7f",
        "a\xe2\x80\x8b"
        "b", /* zero width */
        "\xe2\x80\xae"
        "b", /* right to left */
        "a\xc2\xa0"
        "b",            /* a blank that doesn't break */
        "\xee\x80\x80", /* private */
        "\xef\xbf\xbf", /* no character */
    };
    for (size_t i = 0; i < COUNT_OF(plain); i++)
        CHECK(facts_of(plain[i]).is_plain);
    for (size_t i = 0; i < COUNT_OF(not_plain); i++)
        CHECK(!facts_of(not_plain[i]).is_plain);
    CHECK_SIZE(2, facts_of("\xe6\x97\xa5\xe6\x9c\xac").chars);
}

TEST(what_is_no_utf8_is_refused)
{
    SCOPED_ARENA(arena, 1 << 16);
    static const char *const bad[] = { "\xff", "\xc3", "\xed\xa0\x80", "\xc0\xaf", "a\xf5" };
    struct bytes out;
    struct text_facts facts;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        CHECK_RC(RC_INVALID, utf8_forms()->fold(bytes_of(bad[i]), &arena, &out));
        CHECK_RC(RC_INVALID, utf8_forms()->compose(bytes_of(bad[i]), &arena, &out));
        CHECK_RC(RC_INVALID, utf8_forms()->facts(bytes_of(bad[i]), &facts));
    }
    CHECK_RC(RC_OK, utf8_forms()->fold(bytes_of(NULL), &arena, &out));
    CHECK_SIZE(0, out.len);
}
