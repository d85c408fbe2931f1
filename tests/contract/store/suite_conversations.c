/* Conversations, memberships, lists and user feeds. */
#include "base/buf.h"
#include "contract/store/samples.h"

#include <inttypes.h>
#include <stdio.h>

static struct conversation conversation_of(struct bench *b, const char *name)
{
    struct conversation c;
    struct id id = id_of(name);
    CHECK_RC(RC_OK, b->m->conversation(b->m->self, &id, &b->arena, &c));
    return c;
}

static struct conversation_item *list_of(struct bench *b, const char *user, bool is_brief,
                                         size_t *out_count)
{
    struct conversation_item *items;
    struct id id = id_of(user);
    CHECK_RC(RC_OK, b->m->conversations_of(b->m->self, &id, NULL, 99, is_brief, &b->arena, &items,
                                           out_count));
    return items;
}

static struct conversation_item only_item_of(struct bench *b, const char *user)
{
    size_t count;
    struct conversation_item *items = list_of(b, user, false, &count);
    CHECK_SIZE(1, count);
    return items[0];
}

TEST(a_conversation_is_not_there_before_its_creation)
{
    SCOPED_BENCH(b);
    struct conversation c;
    struct id room = id_of("room");
    CHECK_RC(RC_NOT_FOUND, b.m->conversation(b.m->self, &room, &b.arena, &c));
    APPLY(&b, a_message(9, "ann", "c1", "x"), an_update(8, HISTORY_ALL, "name"));
    CHECK_RC(RC_NOT_FOUND, b.m->conversation(b.m->self, &room, &b.arena, &c));
    APPLY(&b, a_creation(5, CONVERSATION_GROUP, HISTORY_JOINED, "first"));
    CHECK_TEXT("name", conversation_of(&b, "room").name);
    CHECK_INT(at_of(5), conversation_of(&b, "room").created_at_us);
    CHECK_ID("ann", conversation_of(&b, "room").created_by);
    CHECK_U64(9, conversation_of(&b, "room").last_seq);
}

TEST(settings_are_those_of_the_highest_update)
{
    SCOPED_BENCH(b);
    APPLY(&b, a_creation(5, CONVERSATION_GROUP, HISTORY_JOINED, "one"),
          an_update(9, HISTORY_ALL, "three"), an_update(7, HISTORY_JOINED, "two"));
    struct conversation c = conversation_of(&b, "room");
    CHECK_TEXT("three", c.name);
    CHECK_INT(HISTORY_ALL, c.history);
    CHECK_U64(9, c.updated_seq);
    CHECK_U64(0, c.deleted_seq);
    APPLY(&b, an_end(12), an_end(11));
    CHECK_U64(11, conversation_of(&b, "room").deleted_seq);
}

TEST(a_membership_is_derived_in_order_of_seq)
{
    SCOPED_BENCH(b);
    APPLY(&b, a_role(8, "bob", ROLE_ADMIN), a_joining(5, "bob", ROLE_MEMBER));
    struct membership m = membership_of(&b, "bob");
    CHECK(m.is_member);
    CHECK_INT(ROLE_ADMIN, m.role);
    CHECK_U64(5, m.joined_seq);
    CHECK_U64(8, m.changed_seq);
    APPLY(&b, a_joining(12, "bob", ROLE_READER), a_leaving(10, "bob"));
    m = membership_of(&b, "bob");
    CHECK(m.is_member);
    CHECK_INT(ROLE_READER, m.role);
    CHECK_U64(12, m.joined_seq);
    CHECK_U64(0, m.removed_seq);
    APPLY(&b, a_leaving(15, "bob"));
    m = membership_of(&b, "bob");
    CHECK(!m.is_member);
    CHECK_U64(15, m.removed_seq);
}

TEST(who_was_never_heard_of_has_no_membership)
{
    SCOPED_BENCH(b);
    struct membership m;
    struct id room = id_of("room"), hall = id_of("hall"), bob = id_of("bob"), cyd = id_of("cyd");
    APPLY(&b, a_joining(5, "bob", ROLE_MEMBER));
    CHECK_RC(RC_NOT_FOUND, b.m->membership(b.m->self, &room, &cyd, &m));
    CHECK_RC(RC_NOT_FOUND, b.m->membership(b.m->self, &hall, &bob, &m));
}

TEST(members_are_the_present_ones_by_id)
{
    SCOPED_BENCH(b);
    struct id room = id_of("room"), after = id_of("ann");
    struct membership *members;
    size_t count;
    APPLY(&b, a_joining(5, "dan", ROLE_OWNER), a_joining(6, "bob", ROLE_MEMBER),
          a_joining(7, "ann", ROLE_MEMBER), a_joining(8, "cyd", ROLE_READER), a_leaving(9, "bob"),
          in("hall", a_joining(10, "eve", ROLE_MEMBER)));
    CHECK_RC(RC_OK, b.m->members(b.m->self, &room, NULL, 99, &b.arena, &members, &count));
    CHECK_SIZE(3, count);
    CHECK_ID("ann", members[0].user);
    CHECK_ID("cyd", members[1].user);
    CHECK_ID("dan", members[2].user);
    CHECK_INT(ROLE_OWNER, members[2].role);
    CHECK_RC(RC_OK, b.m->members(b.m->self, &room, &after, 1, &b.arena, &members, &count));
    CHECK_SIZE(1, count);
    CHECK_ID("cyd", members[0].user);
}

TEST(a_list_has_what_the_user_belongs_to_by_conversation_id)
{
    SCOPED_BENCH(b);
    struct id bob = id_of("bob"), after = id_of("attic");
    struct conversation_item *items;
    size_t count;
    APPLY(&b, in("room", a_creation(1, CONVERSATION_GROUP, HISTORY_JOINED, "r")),
          in("hall", a_creation(2, CONVERSATION_GROUP, HISTORY_JOINED, "h")),
          in("attic", a_creation(3, CONVERSATION_GROUP, HISTORY_JOINED, "a")),
          in("gone", a_creation(4, CONVERSATION_GROUP, HISTORY_JOINED, "g")),
          in("room", a_joining(5, "bob", ROLE_MEMBER)), in("hall", a_joining(6, "bob", ROLE_ADMIN)),
          in("attic", a_joining(7, "bob", ROLE_MEMBER)),
          in("gone", a_joining(8, "bob", ROLE_MEMBER)), in("gone", a_leaving(9, "bob")),
          in("unmade", a_joining(10, "bob", ROLE_MEMBER)));
    items = list_of(&b, "bob", true, &count);
    CHECK_SIZE(3, count);
    CHECK_ID("attic", items[0].conversation.id);
    CHECK_ID("hall", items[1].conversation.id);
    CHECK_INT(ROLE_ADMIN, items[1].membership.role);
    CHECK_U64(6, items[1].membership.joined_seq);
    CHECK_ID("room", items[2].conversation.id);
    CHECK_RC(RC_OK,
             b.m->conversations_of(b.m->self, &bob, &after, 1, false, &b.arena, &items, &count));
    CHECK_SIZE(1, count);
    CHECK_ID("hall", items[0].conversation.id);
}

TEST(a_deleted_conversation_stays_in_the_list_and_says_so)
{
    SCOPED_BENCH(b);
    APPLY(&b, a_creation(1, CONVERSATION_GROUP, HISTORY_JOINED, "r"),
          a_joining(2, "bob", ROLE_MEMBER), an_end(3));
    CHECK_U64(3, only_item_of(&b, "bob").conversation.deleted_seq);
}

TEST(the_last_message_is_the_newest_that_is_left_and_may_be_read)
{
    SCOPED_BENCH(b);
    APPLY(&b, a_creation(1, CONVERSATION_GROUP, HISTORY_JOINED, "r"),
          a_message(2, "ann", "c0", "before"), a_joining(3, "bob", ROLE_MEMBER));
    CHECK(!only_item_of(&b, "bob").has_last_message);
    APPLY(&b, a_message(4, "ann", "c1", "one"), a_message(5, "ann", "c2", "two"),
          a_message(6, "ann", "c1", "one"), a_void(7, "schema"), a_deletion(8, 5),
          an_edit(9, 4, "ONE"));
    struct conversation_item item = only_item_of(&b, "bob");
    CHECK(item.has_last_message);
    CHECK_U64(4, item.last_message.event.seq);
    CHECK_TEXT("ONE", item.last_message.edit_payload);
    APPLY(&b, an_update(10, HISTORY_ALL, "r"), a_deletion(11, 4));
    CHECK_U64(2, only_item_of(&b, "bob").last_message.event.seq);
}

TEST(unread_are_messages_of_others_since_the_join_or_the_users_own_last_one)
{
    SCOPED_BENCH(b);
    APPLY(&b, a_creation(1, CONVERSATION_GROUP, HISTORY_ALL, "r"),
          a_message(2, "ann", "c0", "before"), a_joining(3, "bob", ROLE_MEMBER),
          a_message(4, "ann", "c1", "a"), a_message(5, "cyd", "c1", "b"),
          a_message(6, "ann", "c1", "a"), a_void(7, "schema"), a_message(8, "ann", "c2", "c"),
          a_deletion(9, 8), an_edit(10, 4, "A"));
    CHECK_INT(2, only_item_of(&b, "bob").unread);
    CHECK_U64(0, only_item_of(&b, "bob").read_seq);
    APPLY(&b, a_message(12, "bob", "b1", "mine"));
    CHECK_INT(0, only_item_of(&b, "bob").unread);
    APPLY(&b, a_message(13, "ann", "c3", "d"));
    CHECK_INT(1, only_item_of(&b, "bob").unread);
}

TEST(unread_stops_at_a_hundred)
{
    SCOPED_BENCH(b);
    char client_id[16];
    APPLY(&b, a_creation(1, CONVERSATION_GROUP, HISTORY_ALL, "r"),
          a_joining(2, "bob", ROLE_MEMBER));
    for (uint64_t seq = 3; seq < 3 + 99; seq++) {
        (void)snprintf(client_id, sizeof client_id, "c%" PRIu64, seq);
        APPLY(&b, a_message(seq, "ann", client_id, "x"));
    }
    CHECK_INT(99, only_item_of(&b, "bob").unread);
    APPLY(&b, a_message(200, "ann", "x1", "x"), a_message(201, "ann", "x2", "x"));
    CHECK_INT(100, only_item_of(&b, "bob").unread);
}

TEST(a_brief_list_leaves_out_what_costs)
{
    SCOPED_BENCH(b);
    size_t count;
    APPLY(&b, a_creation(1, CONVERSATION_DIRECT, HISTORY_ALL, ""), a_joining(2, "bob", ROLE_MEMBER),
          a_joining(3, "ann", ROLE_MEMBER), a_message(4, "ann", "c1", "x"));
    struct conversation_item item = list_of(&b, "bob", true, &count)[0];
    CHECK(!item.has_last_message);
    CHECK_INT(0, item.unread);
    CHECK_ID("ann", item.direct_peer);
}

TEST(the_peer_of_a_direct_conversation_is_the_other_one)
{
    SCOPED_BENCH(b);
    APPLY(&b, a_creation(1, CONVERSATION_DIRECT, HISTORY_ALL, ""), a_joining(2, "bob", ROLE_MEMBER),
          a_joining(3, "ann", ROLE_MEMBER));
    CHECK_ID("ann", only_item_of(&b, "bob").direct_peer);
    CHECK_ID("bob", only_item_of(&b, "ann").direct_peer);
    APPLY(&b, a_leaving(4, "ann")); /* who has left is still the other one */
    CHECK_ID("ann", only_item_of(&b, "bob").direct_peer);
}

TEST(a_group_has_no_peer)
{
    SCOPED_BENCH(b);
    APPLY(&b, a_creation(1, CONVERSATION_GROUP, HISTORY_ALL, ""), a_joining(2, "bob", ROLE_MEMBER),
          a_joining(3, "ann", ROLE_MEMBER));
    CHECK_INT(0, only_item_of(&b, "bob").direct_peer.len);
}

static const char *channels_of(struct bench *b, const char *query, const char *after, size_t limit)
{
    SCOPED_BUF(text, 4096);
    struct conversation *list;
    struct id id = id_of(after);
    size_t count;
    CHECK_RC(RC_OK, b->m->channels(b->m->self, bytes_of(query), after ? &id : NULL, limit,
                                   &b->arena, &list, &count));
    for (size_t i = 0; i < count; i++)
        buf_add_format(&text, " %s", list[i].id.text);
    return (const char *)arena_copy(&b->arena, buf_bytes(&text)).ptr;
}

TEST(channels_are_found_by_name_without_regard_to_case)
{
    SCOPED_BENCH(b);
    APPLY(&b, in("k1", a_creation(1, CONVERSATION_CHANNEL, HISTORY_ALL, "Ubuntu Help")),
          in("k3", a_creation(2, CONVERSATION_CHANNEL, HISTORY_ALL, "help 100%")),
          in("k2", a_creation(3, CONVERSATION_CHANNEL, HISTORY_ALL, "offtopic_")),
          in("k4", a_creation(4, CONVERSATION_GROUP, HISTORY_ALL, "help, private")),
          in("k5", a_creation(5, CONVERSATION_CHANNEL, HISTORY_ALL, "help, ended")),
          in("k5", an_end(6)), in("k6", a_creation(7, CONVERSATION_CHANNEL, HISTORY_ALL, "")));
    CHECK_STR(" k1 k3", channels_of(&b, "HELP", NULL, 99));
    CHECK_STR(" k3", channels_of(&b, "help", "k1", 99));
    CHECK_STR(" k1", channels_of(&b, "help", NULL, 1));
    CHECK_STR(" k3", channels_of(&b, "0%", NULL, 99));
    CHECK_STR(" k2", channels_of(&b, "c_", NULL, 99)); /* no wildcard */
    CHECK_STR("", channels_of(&b, "%", "k3", 99));
    CHECK_STR(" k1 k2 k3 k6", channels_of(&b, "", NULL, 99));
}

static void feed_one(struct bench *b, const char *user, uint64_t seq, const char *conversation,
                     uint64_t conversation_seq)
{
    struct user_feed_entry entry = { id_of(user), seq, id_of(conversation), conversation_seq };
    struct store_batch batch = { .feed = &entry, .feed_count = 1 };
    CHECK_RC(RC_OK, b->m->apply(b->m->self, &batch, NULL));
}

static const char *feed_of(struct bench *b, const char *user, uint64_t after, size_t limit)
{
    SCOPED_BUF(text, 4096);
    struct user_feed_entry *entries;
    struct id id = id_of(user);
    size_t count;
    CHECK_RC(RC_OK, b->m->user_feed(b->m->self, &id, after, limit, &b->arena, &entries, &count));
    for (size_t i = 0; i < count; i++)
        buf_add_format(&text, " %" PRIu64 "%s%" PRIu64, entries[i].feed_seq,
                       entries[i].conversation.text, entries[i].conversation_seq);
    return (const char *)arena_copy(&b->arena, buf_bytes(&text)).ptr;
}

TEST(a_feed_has_the_newest_entry_of_each_conversation_in_order)
{
    SCOPED_BENCH(b);
    feed_one(&b, "bob", 5, "room", 4);
    feed_one(&b, "bob", 9, "room", 8);
    feed_one(&b, "bob", 7, "room", 6); /* late, older */
    feed_one(&b, "bob", 6, "hall", 3);
    feed_one(&b, "ann", 8, "hall", 3);
    CHECK_STR(" 6hall3 9room8", feed_of(&b, "bob", 0, 99));
    CHECK_STR(" 9room8", feed_of(&b, "bob", 6, 99));
    CHECK_STR(" 6hall3", feed_of(&b, "bob", 0, 1));
    CHECK_STR("", feed_of(&b, "bob", 9, 99));
    CHECK_STR(" 8hall3", feed_of(&b, "ann", 0, 99));
    CHECK_STR("", feed_of(&b, "cyd", 0, 99));
}
