/* Subjects and message ids. The hashes were made with Python's hashlib.blake2b(digest_size=16). */
#include "wire/subjects.h"

#include "support/check.h"

static struct id id_of(const char *text)
{
    struct id id = { 0 };
    CHECK(id_read(bytes_of(text), &id));
    return id;
}

TEST(subjects_are_written_as_the_map_says)
{
    char text[SUBJECT_CHARS_MAX];
    struct id general = id_of("general"), ann = id_of("ann");
    CHECK_SIZE(16, subject_chat(text, 3, SUBJECT_CONVERSATION, &general));
    CHECK_STR("chat.3.c.general", text);
    (void)subject_chat(text, 15, SUBJECT_USER, &ann);
    CHECK_STR("chat.15.u.ann", text);
    (void)subject_live(text, 0, SUBJECT_SIGNAL, &general);
    CHECK_STR("live.0.s.general", text);
    (void)subject_live_any(text, 2, &general);
    CHECK_STR("live.2.*.general", text);
    (void)subject_stream(text, 7);
    CHECK_STR("CHAT_7", text);
}

TEST(the_longest_id_fits)
{
    char text[SUBJECT_CHARS_MAX], letters[65] = { 0 };
    memset(letters, 'x', 64);
    struct id id = id_of(letters), back;
    uint32_t p;
    enum subject_kind kind;
    size_t len = subject_chat(text, UINT32_MAX, SUBJECT_CONVERSATION, &id);
    CHECK_SIZE(strlen(text), len);
    CHECK(subject_split(bytes_make(text, len), &p, &kind, &back));
    CHECK_U64(UINT32_MAX, p);
    CHECK(id_equal(&id, &back));
}

TEST(what_was_written_is_split_again)
{
    static const enum subject_kind kinds[] = { SUBJECT_CONVERSATION, SUBJECT_USER, SUBJECT_SIGNAL,
                                               SUBJECT_RECEIPT };
    char text[SUBJECT_CHARS_MAX];
    struct id id = id_of("a-b_C9"), back;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        uint32_t p = 0;
        enum subject_kind kind;
        size_t len = subject_live(text, 12, kinds[i], &id);
        CHECK(subject_split(bytes_make(text, len), &p, &kind, &back));
        CHECK_INT(12, p);
        CHECK_INT(kinds[i], kind);
        CHECK(id_equal(&id, &back));
    }
}

TEST(other_subjects_are_refused)
{
    static const char *const bad[] = { "",
                                       "chat",
                                       "chat.1",
                                       "chat.1.c",
                                       "chat.1.c.",
                                       "chat..c.a",
                                       "chat.x.c.a",
                                       "chat.-1.c.a",
                                       "chat.1.z.a",
                                       "chat.1.cc.a",
                                       "chat.1.c.a.b",
                                       "chats.1.c.a",
                                       "heads.1",
                                       "chat.1.c.a b",
                                       "chat.4294967296.c.a",
                                       "chat.1.c.*",
                                       ".1.c.a",
                                       "chat.1..a" };
    uint32_t p;
    enum subject_kind kind;
    struct id id;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (subject_split(bytes_of(bad[i]), &p, &kind, &id))
            fail_msg("taken: %s", bad[i]);
}

TEST(the_partition_is_the_hash_modulo_the_count)
{
    struct id a = id_of("a"), general = id_of("general"), user = id_of("user_42");
    CHECK_INT(0xe40c292cu % 4, subject_partition(&a, 4));
    CHECK_INT(0x24b9216bu % 4, subject_partition(&general, 4));
    CHECK_INT(0x3d028cf1u % 16, subject_partition(&user, 16));
    CHECK_INT(0, subject_partition(&user, 1));
}

TEST(a_message_id_is_a_hash_over_its_four_parts)
{
    char text[MSG_ID_CHARS + 1];
    struct id general = id_of("general"), ann = id_of("ann"), c1 = id_of("c1");
    msg_id_write(text, 'm', &general, &ann, &c1);
    CHECK_STR("yTHldn980lwNpJt5bV5GbA", text);
    CHECK_SIZE(MSG_ID_CHARS, strlen(text));
}

TEST(each_part_of_a_message_id_matters_and_so_do_their_borders)
{
    static const char *const parts[][3] = { { "ab", "c", "d" },  { "a", "bc", "d" },
                                            { "a", "b", "cd" },  { "abc", "d", "e" },
                                            { "ab", "cd", "e" }, { "c", "ab", "d" },
                                            { "ab", "c", "e" },  { "ab", "x", "d" } };
    char texts[COUNT_OF(parts) + 1][MSG_ID_CHARS + 1];
    for (size_t i = 0; i <= COUNT_OF(parts); i++) {
        const char *const *part = parts[i % COUNT_OF(parts)];
        struct id a = id_of(part[0]), b = id_of(part[1]), c = id_of(part[2]);
        msg_id_write(texts[i], i < COUNT_OF(parts) ? 'm' : 'e', &a, &b, &c);
        for (size_t j = 0; j < i; j++)
            CHECK(strcmp(texts[i], texts[j]) != 0);
    }
}

TEST(a_direct_conversation_has_one_id_for_both_orders)
{
    struct id ann = id_of("ann"), bob = id_of("bob"), cyd = id_of("cyd"), again;
    struct id one = direct_conversation_id(&ann, &bob), two = direct_conversation_id(&bob, &ann);
    CHECK(id_equal(&one, &two));
    CHECK_ID("d_KmQv1-uRecUBSC7TyPK_-g", one);
    CHECK(id_read(id_bytes(&one), &again));
    CHECK(conversation_id_is_reserved(&one));
    two = direct_conversation_id(&ann, &cyd);
    CHECK(!id_equal(&one, &two));
}

TEST(a_body_hash_is_blake2b_of_16_bytes)
{
    static const uint8_t wanted[] = { 0xcf, 0x4a, 0xb7, 0x91, 0xc6, 0x2b, 0x8d, 0x2b,
                                      0x21, 0x09, 0xc9, 0x02, 0x75, 0x28, 0x78, 0x16 };
    uint8_t hash[BODY_HASH_BYTES];
    body_hash_write(hash, bytes_of("abc"));
    CHECK_BYTES(bytes_make(wanted, sizeof wanted), bytes_make(hash, sizeof hash));
}
