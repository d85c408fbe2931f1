/* What a username, an address and a password may be: both sides of each border. */
#include "domain/account.h"
#include "support/check.h"

#include <stdio.h>

static enum rc name(const char *text, size_t chars, bool is_plain)
{
    struct fault fault = { .text = "" };
    const struct text_facts facts = { chars, is_plain };
    enum rc rc = username_check(bytes_of(text), bytes_of(text), &facts, &fault);
    CHECK((rc == RC_OK) == (fault.text[0] == 0));
    return rc;
}

TEST(a_username_has_1_to_32_characters_that_can_be_seen)
{
    CHECK_RC(RC_OK, name("a", 1, true));
    CHECK_RC(RC_OK, name("12345678901234567890123456789012", 32, true));
    CHECK_RC(RC_INVALID, name("", 0, true));
    CHECK_RC(RC_INVALID, name("123456789012345678901234567890123", 33, true));
    CHECK_RC(RC_INVALID, name("a", 1, false));
    CHECK_RC(RC_INVALID, name("a@b", 3, true));
}

TEST(a_username_that_folds_to_nothing_is_none)
{
    const struct text_facts facts = { 1, true };
    CHECK_RC(RC_INVALID, username_check(bytes_of("x"), bytes_of(NULL), &facts, NULL));
}

static enum rc email(const char *text)
{
    const struct text_facts facts = { strlen(text), true };
    return email_check(bytes_of(text), &facts, NULL);
}

TEST(an_address_has_two_sides_and_nothing_that_a_mail_server_would_read)
{
    static const char *const good[] = { "a@b", "ada@example.org", "a.b+c@d-e.f", "\xc3\xa9@x.org",
                                        "a@\xc3\xa9.org" };
    static const char *const bad[] = { "",        "a",       "@",     "a@",    "@b",
                                       "a@b@c",   "a b@c",   "a@b c", "a@.b",  "a@b.",
                                       "a@b..c",  "<a@b>",   "a@b>",  "a,b@c", "a\n@b",
                                       "a@b\r\n", "\"a\"@b", "-a@b",  "a@b_c", "a@[::1]" };
    for (size_t i = 0; i < COUNT_OF(good); i++)
        CHECK_RC(RC_OK, email(good[i]));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK_RC(RC_INVALID, email(bad[i]));
}

static enum rc password(const char *text, size_t chars, const char *username, const char *address)
{
    const struct password_rules rules = { .chars_min = 8 };
    struct fault fault = { .text = "" };
    enum rc rc = password_check(&rules, "password", bytes_of(text), bytes_of(text), chars,
                                bytes_of(username), bytes_of(address), &fault);
    CHECK((rc == RC_OK) == (fault.text[0] == 0));
    return rc;
}

TEST(a_password_is_long_enough_and_not_too_long)
{
    char text[130];
    memset(text, 'q', sizeof text);
    text[128] = 0;
    CHECK_RC(RC_OK, password(text, 128, "", ""));
    CHECK_RC(RC_OK, password("fjord 7x", 8, "", ""));
    CHECK_RC(RC_INVALID, password("fjord 7", 7, "", ""));
    text[128] = 'q';
    text[129] = 0;
    CHECK_RC(RC_INVALID, password(text, 129, "", ""));
}

TEST(a_password_is_not_one_that_everybody_tries)
{
    static const char *const common[] = { "password", "12345678",  "qwerty123", "football",
                                          "iloveyou", "password1", "11111111" };
    for (size_t i = 0; i < COUNT_OF(common); i++)
        CHECK_RC(RC_INVALID, password(common[i], 8, "", ""));
}

TEST(the_list_of_common_passwords_is_found_from_its_first_to_its_last_line)
{
    FILE *file = fopen("internal/domain/passwords_common.txt", "re");
    char line[256], before[256] = "";
    size_t count = 0;
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        CHECK(strcmp(before, line) < 0);
        CHECK(password_is_common(bytes_of(line)));
        memcpy(before, line, sizeof before);
        count++;
    }
    CHECK_INT(0, fclose(file));
    CHECK(count >= 10000);
    CHECK(!password_is_common(bytes_of("correct horse 7")));
    CHECK(!password_is_common(bytes_of("\n")));
    CHECK(!password_is_common(bytes_of(" ")));
    CHECK(!password_is_common(bytes_of("zzzzzzzzzzzzzzzzzzzz")));
}

TEST(a_password_is_not_ones_name_or_address)
{
    CHECK_RC(RC_INVALID, password("lovelace1", 9, "lovelace", ""));
    CHECK_RC(RC_INVALID, password("1lovelace!", 10, "lovelace", ""));
    CHECK_RC(RC_INVALID, password("lovelace@x", 10, "", "lovelace@x"));
    CHECK_RC(RC_INVALID, password("lovelace99", 10, "", "lovelace@x"));
    CHECK_RC(RC_OK, password("lovelace and babbage", 20, "lovelace", ""));
    CHECK_RC(RC_OK, password("a long sentence", 15, "a", ""));
}
