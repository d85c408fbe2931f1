/* The four roles, by bit and by name. */
#include "domain/user_role.h"
#include "support/check.h"

TEST(each_role_has_one_name_and_nothing_else_is_one)
{
    static const unsigned bits[] = { USER_ROLE_USER, USER_ROLE_MODERATOR, USER_ROLE_ADMIN,
                                     USER_ROLE_SERVICE };
    static const char *const names[] = { "user", "moderator", "admin", "service" };
    static const char *const others[] = { "", "User", "admi", "admins", "root", "admin " };
    for (size_t i = 0; i < COUNT_OF(bits); i++)
        CHECK_INT((int)bits[i], (int)user_role_bit(bytes_of(names[i])));
    for (size_t i = 0; i < COUNT_OF(others); i++)
        CHECK_INT(0, (int)user_role_bit(bytes_of(others[i])));
}

TEST(what_is_written_of_any_set_is_read_as_that_set)
{
    for (unsigned roles = 1; roles < 16; roles++) {
        SCOPED_BUF(text, 256);
        unsigned again = 0;
        user_roles_write(&text, roles, false);
        CHECK(user_roles_read(buf_bytes(&text), &again));
        CHECK_INT((int)roles, (int)again);
    }
    SCOPED_BUF(json, 256);
    user_roles_write(&json, USER_ROLE_USER | USER_ROLE_ADMIN, true);
    CHECK(bytes_is(buf_bytes(&json), "[\"user\",\"admin\"]"));
}

TEST(a_list_with_a_word_that_is_no_role_is_refused_whole)
{
    static const char *const lists[] = { "",         ",",           "user,",
                                         ",user",    "user,,admin", "user, admin",
                                         "user,root" };
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        unsigned roles = 7;
        CHECK(!user_roles_read(bytes_of(lists[i]), &roles));
        CHECK_INT(7, (int)roles);
    }
}
