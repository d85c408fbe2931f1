/* The table of events, and what events make of memberships and conversations. */
#include "domain/event.h"
#include "support/check.h"

TEST(every_kind_has_a_name_and_a_letter_of_its_own)
{
    for (int i = 0; i < EVENT_KIND_COUNT; i++) {
        enum event_kind kind = (enum event_kind)i, by_name, by_op;
        CHECK(event_kind_read(bytes_of(event_kind_name(kind)), &by_name));
        CHECK(event_kind_from_op(event_kind_op(kind), &by_op));
        CHECK_INT(kind, by_name);
        CHECK_INT(kind, by_op);
    }
}

TEST(the_letters_are_those_that_are_on_disk)
{
    char letters[EVENT_KIND_COUNT + 1] = { 0 };
    for (int i = 0; i < EVENT_KIND_COUNT; i++)
        letters[i] = event_kind_op((enum event_kind)i);
    CHECK_STR("medpqwrscuxalv0", letters);
}

TEST(unknown_names_and_letters_are_refused)
{
    enum event_kind kind = EVENT_VOID;
    CHECK(!event_kind_read(bytes_of("message"), &kind));
    CHECK(!event_kind_read(bytes_of("message.new "), &kind));
    CHECK(!event_kind_read(bytes_of(""), &kind));
    CHECK(!event_kind_from_op('z', &kind));
    CHECK(!event_kind_from_op(0, &kind));
    CHECK_INT(EVENT_VOID, kind);
}

static void apply_member(struct membership *m, enum event_kind kind, uint64_t seq,
                         enum member_role role)
{
    struct event event = { .kind = kind, .seq = seq, .role = role };
    membership_apply(m, &event);
}

TEST(a_membership_is_an_interval_with_both_ends)
{
    struct membership m = { 0 };
    apply_member(&m, EVENT_MEMBER_ADDED, 5, ROLE_MEMBER);
    CHECK(m.is_member);
    CHECK_U64(5, m.joined_seq);
    CHECK_INT(ROLE_MEMBER, m.role);
    apply_member(&m, EVENT_MEMBER_REMOVED, 9, ROLE_READER);
    CHECK(!m.is_member);
    CHECK_U64(5, m.joined_seq);
    CHECK_U64(9, m.removed_seq);
    CHECK_U64(9, m.changed_seq);
}

TEST(a_rejoin_opens_a_new_interval)
{
    struct membership m = { 0 };
    apply_member(&m, EVENT_MEMBER_ADDED, 5, ROLE_OWNER);
    apply_member(&m, EVENT_MEMBER_REMOVED, 9, ROLE_READER);
    apply_member(&m, EVENT_MEMBER_ADDED, 12, ROLE_READER);
    CHECK(m.is_member);
    CHECK_U64(12, m.joined_seq);
    CHECK_U64(0, m.removed_seq);
    CHECK_INT(ROLE_READER, m.role);
}

TEST(adding_a_member_again_keeps_the_interval)
{
    struct membership m = { 0 };
    apply_member(&m, EVENT_MEMBER_ADDED, 5, ROLE_MEMBER);
    apply_member(&m, EVENT_MEMBER_ADDED, 8, ROLE_ADMIN);
    CHECK_U64(5, m.joined_seq);
    CHECK_INT(ROLE_ADMIN, m.role);
}

TEST(a_role_is_for_members_only)
{
    struct membership m = { 0 };
    apply_member(&m, EVENT_MEMBER_UPDATED, 5, ROLE_OWNER);
    CHECK(!m.is_member);
    CHECK_INT(ROLE_READER, m.role);
    CHECK_U64(5, m.changed_seq);
    apply_member(&m, EVENT_MEMBER_REMOVED, 6, ROLE_READER);
    CHECK_U64(0, m.removed_seq); /* nobody left */
}

TEST(what_is_not_later_changes_nothing)
{
    struct membership m = { 0 };
    apply_member(&m, EVENT_MEMBER_ADDED, 5, ROLE_MEMBER);
    apply_member(&m, EVENT_MEMBER_REMOVED, 5, ROLE_READER);
    apply_member(&m, EVENT_MEMBER_REMOVED, 3, ROLE_READER);
    apply_member(&m, EVENT_MESSAGE_NEW, 9, ROLE_READER);
    CHECK(m.is_member);
    CHECK_U64(5, m.changed_seq);
}

TEST(history_is_readable_from_the_join_or_from_the_start)
{
    struct membership m = { .joined_seq = 7 };
    CHECK_U64(7, membership_first_readable(&m, HISTORY_JOINED));
    CHECK_U64(1, membership_first_readable(&m, HISTORY_ALL));
}

static const struct event log_of_settings[] = {
    { .kind = EVENT_CONVERSATION_CREATED,
      .seq = 2,
      .at_us = 20,
      .type = CONVERSATION_CHANNEL,
      .history = HISTORY_ALL,
      .name = { (const uint8_t *)"two", 3 } },
    { .kind = EVENT_CONVERSATION_CREATED,
      .seq = 3,
      .at_us = 30,
      .type = CONVERSATION_GROUP,
      .history = HISTORY_JOINED,
      .name = { (const uint8_t *)"three", 5 } },
    { .kind = EVENT_CONVERSATION_UPDATED,
      .seq = 4,
      .history = HISTORY_JOINED,
      .name = { (const uint8_t *)"four", 4 } },
    { .kind = EVENT_CONVERSATION_UPDATED,
      .seq = 6,
      .history = HISTORY_ALL,
      .name = { (const uint8_t *)"six", 3 } },
    { .kind = EVENT_CONVERSATION_DELETED, .seq = 7 },
    { .kind = EVENT_CONVERSATION_DELETED, .seq = 9 },
    { .kind = EVENT_MESSAGE_NEW, .seq = 8 },
};

static void check_settings(const unsigned order[], size_t count)
{
    struct conversation c = { 0 };
    for (size_t i = 0; i < count; i++)
        conversation_apply(&c, &log_of_settings[order[i]]);
    CHECK_INT(CONVERSATION_CHANNEL, c.type);
    CHECK_INT(HISTORY_ALL, c.history);
    CHECK_TEXT("six", c.name);
    CHECK_U64(2, c.created_seq);
    CHECK_INT(20, c.created_at_us);
    CHECK_U64(6, c.updated_seq);
    CHECK_U64(7, c.deleted_seq);
    CHECK_U64(9, c.last_seq);
}

/* Every order of the seven events: 5,040. */
static void permute(unsigned order[], size_t at, size_t count)
{
    if (at == count) {
        check_settings(order, count);
        return;
    }
    for (size_t i = at; i < count; i++) {
        unsigned kept = order[at];
        order[at] = order[i];
        order[i] = kept;
        permute(order, at + 1, count);
        order[i] = order[at];
        order[at] = kept;
    }
}

TEST(settings_end_the_same_in_every_order)
{
    unsigned order[] = { 0, 1, 2, 3, 4, 5, 6 };
    permute(order, 0, COUNT_OF(order));
}

TEST(without_an_update_the_first_creations_settings_hold)
{
    struct conversation c = { 0 };
    conversation_apply(&c, &log_of_settings[1]);
    conversation_apply(&c, &log_of_settings[0]);
    CHECK_TEXT("two", c.name);
    CHECK_INT(HISTORY_ALL, c.history);
    CHECK_INT(CONVERSATION_CHANNEL, c.type);
}

TEST(names_of_types_roles_and_rules_are_read_back)
{
    enum conversation_type type;
    enum member_role role;
    enum history_rule history;
    for (int i = CONVERSATION_DIRECT; i <= CONVERSATION_CHANNEL; i++) {
        CHECK(conversation_type_read(bytes_of(conversation_type_name((enum conversation_type)i)),
                                     &type));
        CHECK_INT(i, type);
    }
    for (int i = ROLE_READER; i <= ROLE_OWNER; i++) {
        CHECK(member_role_read(bytes_of(member_role_name((enum member_role)i)), &role));
        CHECK_INT(i, role);
    }
    for (int i = HISTORY_JOINED; i <= HISTORY_ALL; i++) {
        CHECK(history_rule_read(bytes_of(history_rule_name((enum history_rule)i)), &history));
        CHECK_INT(i, history);
    }
    CHECK(!conversation_type_read(bytes_of("Direct"), &type));
    CHECK(!member_role_read(bytes_of(""), &role));
    CHECK(!history_rule_read(bytes_of("none"), &history));
}

TEST(the_prefix_of_direct_conversations_is_reserved)
{
    struct id id;
    CHECK(id_read(bytes_of("d_x"), &id) && conversation_id_is_reserved(&id));
    CHECK(id_read(bytes_of("d_"), &id) && conversation_id_is_reserved(&id));
    CHECK(id_read(bytes_of("d"), &id) && !conversation_id_is_reserved(&id));
    CHECK(id_read(bytes_of("D_x"), &id) && !conversation_id_is_reserved(&id));
}
