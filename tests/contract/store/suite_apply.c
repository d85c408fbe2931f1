/* What apply() makes of events: each sentence of ports/message_store.h about it, on every adapter.
 */
#include "contract/store/samples.h"

static struct event with_prev(struct event event, uint64_t prev)
{
    event.prev = prev;
    return event;
}

static enum rc try_apply(struct bench *b, uint32_t partition, struct event event)
{
    struct store_batch batch = { .partition = partition, .events = &event, .event_count = 1 };
    return b->m->apply(b->m->self, &batch, NULL);
}

TEST(an_event_is_new_once_and_again_after)
{
    SCOPED_BENCH(b);
    CHECK_INT(APPLIED_NEW, apply_one(&b, a_message(5, "ann", "c1", "hello")).as);
    CHECK_INT(APPLIED_AGAIN, apply_one(&b, a_message(5, "ann", "c1", "hello")).as);
    CHECK_STR("5m<0", events_of(&b, "room"));
    CHECK_STR("5:hello", messages_of(&b, "room"));
}

TEST(results_come_in_the_order_of_the_events)
{
    SCOPED_BENCH(b);
    struct applied_result results[4];
    apply_one(&b, a_message(3, "ann", "c1", "one"));
    const struct event events[] = { a_message(3, "ann", "c1", "one"), a_void(4, "refused"),
                                    a_message(5, "ann", "c1", "one"),
                                    a_message(6, "ann", "c2", "two") };
    apply(&b, events, 4, results);
    CHECK_INT(APPLIED_AGAIN, results[0].as);
    CHECK_INT(APPLIED_NEW, results[1].as);
    CHECK_INT(APPLIED_DOUBLE, results[2].as);
    CHECK_U64(3, results[2].of_seq);
    CHECK_INT(APPLIED_NEW, results[3].as);
}

TEST(a_double_is_void_and_the_lowest_seq_is_the_message)
{
    SCOPED_BENCH(b);
    APPLY(&b, a_message(5, "ann", "c1", "hello"));
    struct applied_result result = apply_one(&b, a_message(9, "ann", "c1", "hello"));
    CHECK_INT(APPLIED_DOUBLE, result.as);
    CHECK_U64(5, result.of_seq);
    CHECK_STR("5m<0 9"
              "0=5<5",
              events_of(&b, "room"));
    CHECK_STR("5:hello", messages_of(&b, "room"));
}

TEST(a_void_double_keeps_its_ids_and_hash_but_not_its_payload)
{
    SCOPED_BENCH(b);
    struct event *events;
    size_t count;
    struct event sent = a_message(9, "ann", "c1", "hello");
    APPLY(&b, a_message(5, "ann", "c1", "hello"), sent);
    CHECK_RC(RC_OK, b.m->events(b.m->self, &sent.conversation, 5, UINT64_MAX, 9, &b.arena, &events,
                                &count));
    CHECK_SIZE(1, count);
    CHECK_INT(EVENT_VOID, events[0].kind);
    CHECK_TEXT("duplicate", events[0].reason);
    CHECK_ID("ann", events[0].actor);
    CHECK_ID("c1", events[0].client_id);
    CHECK_BYTES(bytes_make(sent.body_hash, 16), bytes_make(events[0].body_hash, 16));
    CHECK_TEXT("", events[0].payload);
    CHECK_INT(at_of(9), events[0].at_us);
}

TEST(a_double_says_so_whenever_it_is_applied_again)
{
    SCOPED_BENCH(b);
    APPLY(&b, a_message(5, "ann", "c1", "hello"), a_message(9, "ann", "c1", "hello"));
    struct applied_result result = apply_one(&b, a_message(9, "ann", "c1", "hello"));
    CHECK_INT(APPLIED_DOUBLE, result.as);
    CHECK_U64(5, result.of_seq);
    CHECK_INT(APPLIED_AGAIN, apply_one(&b, a_message(5, "ann", "c1", "hello")).as);
}

TEST(a_lower_seq_that_comes_later_displaces_the_first)
{
    SCOPED_BENCH(b);
    APPLY(&b, a_message(9, "ann", "c1", "hello"), an_edit(10, 9, "HELLO"));
    struct applied_result result = apply_one(&b, a_message(5, "ann", "c1", "hello"));
    CHECK_INT(APPLIED_DISPLACED, result.as);
    CHECK_U64(9, result.of_seq);
    CHECK_STR("5m<0 9"
              "0=5<5 10e>9<9",
              events_of(&b, "room"));
    CHECK_STR("5:hello/10:HELLO", messages_of(&b, "room"));
}

TEST(the_third_of_three_doubles_settles_all)
{
    SCOPED_BENCH(b);
    APPLY(&b, a_message(7, "ann", "c1", "x"), a_message(9, "ann", "c1", "x"));
    struct applied_result result = apply_one(&b, a_message(5, "ann", "c1", "x"));
    CHECK_INT(APPLIED_DISPLACED, result.as);
    CHECK_U64(7, result.of_seq);
    CHECK_STR("5m<0 7"
              "0=5<5 9"
              "0=5<7",
              events_of(&b, "room"));
}

TEST(the_same_id_with_another_body_is_a_message_of_its_own)
{
    SCOPED_BENCH(b);
    struct message_row row;
    struct id room = id_of("room"), ann = id_of("ann"), c1 = id_of("c1");
    APPLY(&b, a_message(9, "ann", "c1", "other"));
    CHECK_INT(APPLIED_NEW, apply_one(&b, a_message(5, "ann", "c1", "hello")).as);
    CHECK_STR("5:hello 9:other", messages_of(&b, "room"));
    CHECK_RC(RC_OK, b.m->message_by_client_id(b.m->self, &room, &ann, &c1, &b.arena, &row));
    CHECK_U64(5, row.event.seq);
}

TEST(the_same_client_id_of_others_or_elsewhere_is_no_double)
{
    SCOPED_BENCH(b);
    APPLY(&b, a_message(5, "ann", "c1", "x"), a_message(6, "bob", "c1", "x"),
          in("hall", a_message(7, "ann", "c1", "x")), a_message(8, "ann", "c2", "x"));
    CHECK_STR("5:x 6:x 8:x", messages_of(&b, "room"));
    CHECK_STR("7:x", messages_of(&b, "hall"));
}

TEST(what_names_a_double_counts_for_the_first_in_any_order)
{
    SCOPED_BENCH(b);
    APPLY(&b, an_edit(20, 9, "edited"), a_pin(21, 9, true)); /* before either message */
    APPLY(&b, a_message(9, "ann", "c1", "x"), a_message(5, "ann", "c1", "x"));
    CHECK_STR("5:x/20:edited!", messages_of(&b, "room"));
    APPLY(&b, a_deletion(22, 9));
    CHECK_STR("5:x/20:edited-22!", messages_of(&b, "room"));
}

TEST(a_withdrawal_makes_its_target_void_even_without_the_first)
{
    SCOPED_BENCH(b);
    APPLY(&b, a_message(9, "ann", "c1", "x"), a_withdrawal(10, 9, 5));
    CHECK_STR("9"
              "0=5<0 10w>9=5<9",
              events_of(&b, "room"));
    CHECK_STR("", messages_of(&b, "room"));
    CHECK_INT(APPLIED_DOUBLE, apply_one(&b, a_message(9, "ann", "c1", "x")).as);
}

TEST(a_withdrawal_may_come_before_what_it_withdraws)
{
    SCOPED_BENCH(b);
    APPLY(&b, a_withdrawal(10, 9, 5), an_edit(11, 9, "edited"));
    struct applied_result result = apply_one(&b, a_message(9, "ann", "c1", "x"));
    CHECK_INT(APPLIED_DOUBLE, result.as);
    CHECK_U64(5, result.of_seq);
    APPLY(&b, a_message(5, "ann", "c1", "x"));
    CHECK_STR("5:x/11:edited", messages_of(&b, "room"));
}

TEST(a_withdrawal_of_what_is_not_a_later_message_changes_nothing)
{
    SCOPED_BENCH(b);
    APPLY(&b, a_message(5, "ann", "c1", "x"), a_joining(6, "bob", ROLE_MEMBER),
          a_withdrawal(7, 5, 6), a_withdrawal(8, 6, 5), a_withdrawal(9, 5, 0));
    CHECK_STR("5:x", messages_of(&b, "room"));
    CHECK(membership_of(&b, "bob").is_member);
}

TEST(the_highest_edit_counts_in_any_order)
{
    SCOPED_BENCH(b);
    APPLY(&b, an_edit(8, 5, "three"), a_message(5, "ann", "c1", "one"), an_edit(7, 5, "two"));
    CHECK_STR("5:one/8:three", messages_of(&b, "room"));
    CHECK_INT(at_of(8), message_at(&b, 5).edited_at_us);
}

TEST(a_deletion_is_the_first_one_and_no_edit_undoes_it)
{
    SCOPED_BENCH(b);
    APPLY(&b, a_message(5, "ann", "c1", "one"), a_deletion(9, 5), a_deletion(7, 5),
          an_edit(10, 5, "back"));
    CHECK_U64(7, message_at(&b, 5).delete_seq);
    CHECK_INT(at_of(7), message_at(&b, 5).deleted_at_us);
}

TEST(of_pins_and_unpins_the_last_counts)
{
    SCOPED_BENCH(b);
    APPLY(&b, a_message(5, "ann", "c1", "one"), a_pin(8, 5, true), a_pin(7, 5, false));
    CHECK(message_at(&b, 5).is_pinned);
    APPLY(&b, a_pin(9, 5, false));
    CHECK(!message_at(&b, 5).is_pinned);
}

TEST(an_overlay_of_nothing_is_kept_in_the_chain_only)
{
    SCOPED_BENCH(b);
    APPLY(&b, a_joining(4, "bob", ROLE_MEMBER), an_edit(5, 4, "x"), a_deletion(6, 99),
          an_edit(7, 0, "y"));
    CHECK_STR("4a<0 5e>4<4 6d>99<5 7e<6", events_of(&b, "room"));
    CHECK_STR("", messages_of(&b, "room"));
}

TEST(prev_is_what_the_event_carries_or_else_the_row_before_it)
{
    SCOPED_BENCH(b);
    APPLY(&b, with_prev(a_message(9, "ann", "c2", "x"), 7), a_message(12, "ann", "c3", "x"));
    CHECK_STR("9m<7 12m<9", events_of(&b, "room"));
    APPLY(&b, a_message(10, "ann", "c4", "x")); /* comes late: 12 follows it */
    CHECK_STR("9m<7 10m<9 12m<10", events_of(&b, "room"));
    APPLY(&b, in("hall", a_message(11, "ann", "c5", "x")));
    CHECK_STR("9m<7 10m<9 12m<10", events_of(&b, "room"));
    CHECK_U64(10, message_at(&b, 12).event.prev);
}

TEST(a_void_is_kept_without_its_payload)
{
    SCOPED_BENCH(b);
    struct event *events;
    size_t count;
    struct event poison = a_void(5, "unparseable");
    poison.payload = bytes_of("not for showing");
    APPLY(&b, poison);
    CHECK_RC(RC_OK, b.m->events(b.m->self, &poison.conversation, 0, UINT64_MAX, 9, &b.arena,
                                &events, &count));
    CHECK_SIZE(1, count);
    CHECK_TEXT("", events[0].payload);
    CHECK_TEXT("unparseable", events[0].reason);
}

TEST(a_dead_letter_is_found_by_its_ids_under_any_operation)
{
    SCOPED_BENCH(b);
    struct id room = id_of("room"), ann = id_of("ann"), c1 = id_of("c1");
    struct event found, poison = a_message(5, "ann", "c1", "x");
    struct message_row row;
    poison.kind = EVENT_VOID;
    APPLY(&b, poison);
    CHECK_RC(RC_OK, b.m->event_by_client_id(b.m->self, &room, 'm', &ann, &c1, &b.arena, &found));
    CHECK_U64(5, found.seq);
    CHECK_INT(EVENT_VOID, found.kind);
    CHECK_RC(RC_NOT_FOUND, b.m->message_by_client_id(b.m->self, &room, &ann, &c1, &b.arena, &row));
    APPLY(&b, a_message(7, "ann", "c1", "x")); /* a match of its own goes before */
    CHECK_RC(RC_OK, b.m->event_by_client_id(b.m->self, &room, 'm', &ann, &c1, &b.arena, &found));
    CHECK_U64(7, found.seq);
}

TEST(the_first_creation_counts_and_a_later_one_is_void)
{
    SCOPED_BENCH(b);
    struct conversation c;
    struct id room = id_of("room");
    APPLY(&b, a_creation(9, CONVERSATION_CHANNEL, HISTORY_ALL, "late"));
    CHECK_INT(APPLIED_NEW,
              apply_one(&b, a_creation(5, CONVERSATION_GROUP, HISTORY_JOINED, "first")).as);
    APPLY(&b, a_creation(12, CONVERSATION_DIRECT, HISTORY_ALL, "later"));
    CHECK_STR("5c<0 9"
              "0=5<5 12"
              "0=5<9",
              events_of(&b, "room"));
    CHECK_RC(RC_OK, b.m->conversation(b.m->self, &room, &b.arena, &c));
    CHECK_INT(CONVERSATION_GROUP, c.type);
    CHECK_INT(HISTORY_JOINED, c.history);
    CHECK_TEXT("first", c.name);
    CHECK_U64(5, c.created_seq);
    CHECK_U64(12, c.last_seq);
}

TEST(a_batch_is_kept_whole_or_not_at_all)
{
    SCOPED_BENCH(b);
    struct applied_result results[2] = { { .of_seq = 77 }, { .of_seq = 77 } };
    struct event events[] = { a_message(5, "ann", "c1", "x"), a_joining(6, "bob", ROLE_MEMBER) };
    events[1].user.len = 0;
    struct store_batch batch = { .events = events, .event_count = 2, .from = 1, .to = 6 };
    uint64_t applied = 7;
    CHECK_RC(RC_INVALID, b.m->apply(b.m->self, &batch, results));
    CHECK_U64(77, results[0].of_seq);
    CHECK_STR("", events_of(&b, "room"));
    CHECK_RC(RC_OK, b.m->applied(b.m->self, 0, 0, &applied));
    CHECK_U64(0, applied);
}

TEST(an_event_that_cannot_be_kept_is_refused)
{
    SCOPED_BENCH(b);
    CHECK_RC(RC_INVALID, try_apply(&b, 0, a_message(0, "ann", "c1", "x")));
    CHECK_RC(RC_INVALID, try_apply(&b, 0, a_message(1ULL << 53, "ann", "c1", "x")));
    CHECK_RC(RC_OK, try_apply(&b, 0, a_message((1ULL << 53) - 1, "ann", "c1", "x")));
    CHECK_RC(RC_INVALID, try_apply(&b, 0, in("", a_message(5, "ann", "c2", "x"))));
    CHECK_RC(RC_INVALID, try_apply(&b, 0, a_leaving(5, "")));
    CHECK_RC(RC_INVALID, try_apply(&b, 1024, a_message(5, "ann", "c2", "x")));
    CHECK_RC(RC_OK, try_apply(&b, 1023, in("hall", a_message(5, "ann", "c2", "x"))));
}

TEST(another_event_in_the_same_place_is_another_log)
{
    SCOPED_BENCH(b);
    CHECK_RC(RC_OK, try_apply(&b, 1, a_message(5, "ann", "c1", "x")));
    CHECK_RC(RC_CONFLICT, try_apply(&b, 1, in("hall", a_message(5, "ann", "c1", "x"))));
    CHECK_RC(RC_CONFLICT, try_apply(&b, 1, a_message(5, "ann", "c1", "y")));
    CHECK_RC(RC_CONFLICT, try_apply(&b, 2, a_message(5, "ann", "c1", "x")));
    CHECK_RC(RC_OK, try_apply(&b, 2, in("hall", a_message(5, "ann", "c1", "x"))));
    CHECK_STR("5m<0", events_of(&b, "room"));
}

TEST(text_comes_back_byte_for_byte)
{
    SCOPED_BENCH(b);
    static const uint8_t odd[] = { 'a', 0, 0xff, '\'', '"', '\\', '\n', 0xf0, 0x9f, 0x98, 0x80 };
    struct event e = a_message(5, "ann", "c1", "x");
    e.payload = bytes_make(odd, sizeof odd);
    APPLY(&b, e);
    CHECK_BYTES(e.payload, message_at(&b, 5).event.payload);
}

TEST(a_large_payload_comes_back_whole)
{
    SCOPED_BENCH(b);
    struct event e = a_message(5, "ann", "c1", "x");
    uint8_t *large = arena_alloc(&b.arena, 1 << 20);
    memset(large, 'x', 1 << 20);
    e.payload = bytes_make(large, 1 << 20);
    APPLY(&b, e);
    CHECK_BYTES(e.payload, message_at(&b, 5).event.payload);
}

TEST(every_field_of_an_event_comes_back)
{
    SCOPED_BENCH(b);
    struct event *got;
    size_t count;
    struct event sent = a_message(5, "ann", "c1", "x");
    sent.prev = 4;
    sent.thread_of = 3;
    struct event reaction = a_message(6, "bob", "c2", "y");
    reaction.kind = EVENT_REACTION_ADDED;
    reaction.emoji = bytes_of("\xf0\x9f\x98\x80");
    reaction.target_seq = 5;
    APPLY(&b, sent, reaction, a_role(7, "cyd", ROLE_ADMIN), a_leaving(8, "cyd"),
          an_update(9, HISTORY_ALL, "name"));
    CHECK_RC(RC_OK,
             b.m->events(b.m->self, &sent.conversation, 0, UINT64_MAX, 9, &b.arena, &got, &count));
    CHECK_SIZE(5, count);
    CHECK_ID("room", got[0].conversation);
    CHECK_U64(4, got[0].prev);
    CHECK_U64(3, got[0].thread_of);
    CHECK_INT(at_of(5), got[0].at_us);
    CHECK_BYTES(bytes_make(sent.body_hash, 16), bytes_make(got[0].body_hash, 16));
    CHECK_INT(EVENT_REACTION_ADDED, got[1].kind);
    CHECK_BYTES(reaction.emoji, got[1].emoji);
    CHECK_U64(5, got[1].target_seq);
    CHECK_ID("cyd", got[2].user);
    CHECK_INT(ROLE_ADMIN, got[2].role);
    CHECK_TEXT("left", got[3].reason);
    CHECK_INT(HISTORY_ALL, got[4].history);
    CHECK_TEXT("name", got[4].name);
}

TEST(what_was_applied_is_there_after_opening_again)
{
    SCOPED_BENCH(b);
    APPLY(&b, a_message(5, "ann", "c1", "x"), an_edit(6, 5, "y"));
    store_fixture_reopen(b.fixture);
    b.m = store_fixture_messages(b.fixture);
    CHECK_STR("5:x/6:y", messages_of(&b, "room"));
    CHECK_INT(APPLIED_AGAIN, apply_one(&b, an_edit(6, 5, "y")).as);
}
