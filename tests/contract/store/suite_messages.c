/* Reading events and messages. */
#include "base/buf.h"
#include "contract/store/samples.h"

#include <inttypes.h>

static const char *page(struct bench *b, struct message_query query)
{
    SCOPED_BUF(text, 4096);
    struct message_row *rows;
    size_t count;
    query.conversation = id_of("room");
    if (query.last_seq == 0)
        query.last_seq = UINT64_MAX;
    CHECK_RC(RC_OK, b->m->messages(b->m->self, &query, &b->arena, &rows, &count));
    for (size_t i = 0; i < count; i++)
        buf_add_format(&text, "%s%" PRIu64, i ? " " : "", rows[i].event.seq);
    return (const char *)arena_copy(&b->arena, buf_bytes(&text)).ptr;
}

#define PAGE(b, ...) page((b), (struct message_query){ __VA_ARGS__ })

/* Messages 10, 20, … 90, with other events between them. */
static void fill(struct bench *b)
{
    static const char *const ids[] = { "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9" };
    for (uint64_t i = 1; i <= 9; i++)
        APPLY(b, a_message(i * 10, "ann", ids[i], "x"), a_role(i * 10 + 1, "bob", ROLE_MEMBER));
}

TEST(before_gives_the_newest_first)
{
    SCOPED_BENCH(b);
    fill(&b);
    CHECK_STR("40 30 20", PAGE(&b, .way = MESSAGES_BEFORE, .seq = 50, .limit = 3));
    CHECK_STR("50 40", PAGE(&b, .way = MESSAGES_BEFORE, .seq = 51, .limit = 2));
    CHECK_STR("10", PAGE(&b, .way = MESSAGES_BEFORE, .seq = 20, .limit = 9));
    CHECK_STR("", PAGE(&b, .way = MESSAGES_BEFORE, .seq = 10, .limit = 9));
}

TEST(before_nothing_is_from_the_newest)
{
    SCOPED_BENCH(b);
    fill(&b);
    CHECK_STR("90 80", PAGE(&b, .way = MESSAGES_BEFORE, .limit = 2));
    CHECK_STR("90 80", PAGE(&b, .way = MESSAGES_BEFORE, .seq = UINT64_MAX, .limit = 2));
}

TEST(after_gives_the_oldest_first)
{
    SCOPED_BENCH(b);
    fill(&b);
    CHECK_STR("60 70", PAGE(&b, .way = MESSAGES_AFTER, .seq = 50, .limit = 2));
    CHECK_STR("10 20", PAGE(&b, .way = MESSAGES_AFTER, .limit = 2));
    CHECK_STR("", PAGE(&b, .way = MESSAGES_AFTER, .seq = 90, .limit = 2));
}

TEST(around_gives_half_before_and_goes_on_from_the_seq)
{
    SCOPED_BENCH(b);
    fill(&b);
    CHECK_STR("30 40 50 60", PAGE(&b, .way = MESSAGES_AROUND, .seq = 50, .limit = 4));
    CHECK_STR("40 50 60", PAGE(&b, .way = MESSAGES_AROUND, .seq = 50, .limit = 3));
    CHECK_STR("50", PAGE(&b, .way = MESSAGES_AROUND, .seq = 50, .limit = 1));
    CHECK_STR("40 50 60 70", PAGE(&b, .way = MESSAGES_AROUND, .seq = 51, .limit = 4));
    CHECK_STR("10 20", PAGE(&b, .way = MESSAGES_AROUND, .seq = 5, .limit = 4));
    CHECK_STR("80 90", PAGE(&b, .way = MESSAGES_AROUND, .seq = 99, .limit = 4));
}

TEST(a_limit_of_nothing_gives_nothing)
{
    SCOPED_BENCH(b);
    fill(&b);
    CHECK_STR("", PAGE(&b, .way = MESSAGES_BEFORE, .limit = 0));
    CHECK_STR("", PAGE(&b, .way = MESSAGES_AROUND, .seq = 50, .limit = 0));
}

TEST(nothing_outside_the_bounds_is_shown)
{
    SCOPED_BENCH(b);
    fill(&b);
    CHECK_STR("50 40 30",
              PAGE(&b, .way = MESSAGES_BEFORE, .first_seq = 30, .last_seq = 50, .limit = 9));
    CHECK_STR("30 40 50",
              PAGE(&b, .way = MESSAGES_AFTER, .first_seq = 30, .last_seq = 50, .limit = 9));
    CHECK_STR("30 40 50", PAGE(&b, .way = MESSAGES_AROUND, .seq = 40, .first_seq = 30,
                               .last_seq = 50, .limit = 9));
    CHECK_STR("40", PAGE(&b, .way = MESSAGES_BEFORE, .first_seq = 31, .last_seq = 49, .limit = 9));
}

TEST(by_time_is_strictly_before_or_after)
{
    SCOPED_BENCH(b);
    fill(&b);
    CHECK_STR("40 30",
              PAGE(&b, .way = MESSAGES_BEFORE, .by_time = true, .at_us = at_of(50), .limit = 2));
    CHECK_STR("50 40", PAGE(&b, .way = MESSAGES_BEFORE, .by_time = true, .at_us = at_of(50) + 1,
                            .limit = 2));
    CHECK_STR("60 70",
              PAGE(&b, .way = MESSAGES_AFTER, .by_time = true, .at_us = at_of(50), .limit = 2));
    CHECK_STR("40 50 60",
              PAGE(&b, .way = MESSAGES_AROUND, .by_time = true, .at_us = at_of(50), .limit = 3));
    CHECK_STR("40", PAGE(&b, .way = MESSAGES_BEFORE, .by_time = true, .at_us = at_of(50),
                         .first_seq = 40, .limit = 9));
}

TEST(messages_of_one_time_are_told_apart_by_seq)
{
    SCOPED_BENCH(b);
    struct event early = a_message(5, "ann", "c1", "x"), late = a_message(6, "ann", "c2", "x");
    struct event stepped = a_message(7, "ann", "c3", "x");
    late.at_us = early.at_us;
    stepped.at_us = early.at_us - 1; /* the clock went back when another server led */
    APPLY(&b, late, early, stepped);
    CHECK_STR("6 5 7",
              PAGE(&b, .way = MESSAGES_BEFORE, .by_time = true, .at_us = at_of(9), .limit = 9));
    CHECK_STR("7 6 5", PAGE(&b, .way = MESSAGES_BEFORE, .limit = 9));
}

TEST(a_page_leaves_out_doubles_and_voids_and_shows_deletions)
{
    SCOPED_BENCH(b);
    APPLY(&b, a_message(5, "ann", "c1", "x"), a_message(6, "ann", "c1", "x"), a_void(7, "schema"),
          a_message(8, "ann", "c2", "y"), a_deletion(9, 8));
    CHECK_STR("8 5", PAGE(&b, .way = MESSAGES_BEFORE, .limit = 9));
    CHECK_U64(9, message_at(&b, 8).delete_seq);
}

TEST(an_unknown_conversation_has_no_messages_and_no_events)
{
    SCOPED_BENCH(b);
    CHECK_STR("", messages_of(&b, "nowhere"));
    CHECK_STR("", events_of(&b, "nowhere"));
}

TEST(events_are_a_range_in_order)
{
    SCOPED_BENCH(b);
    struct id room = id_of("room");
    struct event *events;
    size_t count;
    fill(&b);
    CHECK_RC(RC_OK, b.m->events(b.m->self, &room, 20, 31, 99, &b.arena, &events, &count));
    CHECK_SIZE(3, count);
    CHECK_U64(21, events[0].seq);
    CHECK_U64(31, events[2].seq);
    CHECK_U64(20, events[0].prev);
    CHECK_RC(RC_OK, b.m->events(b.m->self, &room, 20, UINT64_MAX, 2, &b.arena, &events, &count));
    CHECK_SIZE(2, count);
    CHECK_U64(30, events[1].seq);
}

TEST(a_single_message_is_found_or_not)
{
    SCOPED_BENCH(b);
    struct id room = id_of("room"), hall = id_of("hall");
    struct message_row row;
    APPLY(&b, a_message(5, "ann", "c1", "x"), a_message(6, "ann", "c1", "x"),
          a_joining(7, "bob", ROLE_MEMBER));
    CHECK_U64(5, message_at(&b, 5).event.seq);
    CHECK_RC(RC_NOT_FOUND, b.m->message(b.m->self, &room, 6, &b.arena, &row)); /* a double */
    CHECK_RC(RC_NOT_FOUND, b.m->message(b.m->self, &room, 7, &b.arena, &row)); /* no message */
    CHECK_RC(RC_NOT_FOUND, b.m->message(b.m->self, &room, 8, &b.arena, &row));
    CHECK_RC(RC_NOT_FOUND, b.m->message(b.m->self, &hall, 5, &b.arena, &row));
}

TEST(a_message_is_found_by_the_clients_id_of_its_sender)
{
    SCOPED_BENCH(b);
    struct id room = id_of("room"), hall = id_of("hall"), ann = id_of("ann"), bob = id_of("bob");
    struct id c1 = id_of("c1"), c2 = id_of("c2");
    struct message_row row;
    APPLY(&b, a_message(9, "ann", "c1", "x"), a_message(5, "ann", "c1", "x"));
    CHECK_RC(RC_OK, b.m->message_by_client_id(b.m->self, &room, &ann, &c1, &b.arena, &row));
    CHECK_U64(5, row.event.seq);
    CHECK_RC(RC_NOT_FOUND, b.m->message_by_client_id(b.m->self, &room, &bob, &c1, &b.arena, &row));
    CHECK_RC(RC_NOT_FOUND, b.m->message_by_client_id(b.m->self, &room, &ann, &c2, &b.arena, &row));
    CHECK_RC(RC_NOT_FOUND, b.m->message_by_client_id(b.m->self, &hall, &ann, &c1, &b.arena, &row));
}

TEST(an_event_is_found_by_its_operation)
{
    SCOPED_BENCH(b);
    struct id room = id_of("room"), ann = id_of("ann"), o1 = id_of("o1");
    struct event found, edit = an_edit(8, 5, "y"), again = an_edit(12, 5, "y");
    edit.client_id = again.client_id = o1;
    APPLY(&b, a_message(5, "ann", "c1", "x"), again, edit);
    CHECK_RC(RC_OK, b.m->event_by_client_id(b.m->self, &room, 'e', &ann, &o1, &b.arena, &found));
    CHECK_U64(8, found.seq); /* the lowest, whichever came first */
    CHECK_INT(EVENT_MESSAGE_EDITED, found.kind);
    CHECK_TEXT("y", found.payload);
    CHECK_RC(RC_NOT_FOUND,
             b.m->event_by_client_id(b.m->self, &room, 'd', &ann, &o1, &b.arena, &found));
    CHECK_RC(RC_NOT_FOUND,
             b.m->event_by_client_id(b.m->self, &room, 'm', &ann, &o1, &b.arena, &found));
}

TEST(an_arena_that_is_full_is_an_error_and_nothing_else)
{
    SCOPED_BENCH(b);
    struct message_query query = { .conversation = id_of("room"),
                                   .last_seq = UINT64_MAX,
                                   .limit = 9 };
    struct message_row *rows;
    struct event *events;
    size_t count = 77;
    fill(&b);
    for (size_t room = 0; room < 6000; room += 500) {
        SCOPED_ARENA(small, room);
        enum rc rc = b.m->messages(b.m->self, &query, &small, &rows, &count);
        CHECK(rc == RC_NOMEM || (rc == RC_OK && count == 9));
        CHECK(rc == RC_OK || count == 77);
        count = 77;
        rc =
            b.m->events(b.m->self, &query.conversation, 0, UINT64_MAX, 18, &small, &events, &count);
        CHECK(rc == RC_NOMEM || (rc == RC_OK && count == 18));
        count = 77;
    }
    CHECK_STR("90", PAGE(&b, .way = MESSAGES_BEFORE, .limit = 1));
}
