/* A conversation is cut at every place between store and log, and the pages must not show where:
 * the same facts, read with the persister at any point, give the same answer. What neither has must
 * be unavailable, never empty. */
#include "base/buf.h"
#include "support/check.h"
#include "unit/app/world.h"
#include "wire/subjects.h"

#define OPEN(w, name)                                                                              \
    SCOPED_ARENA(arena, VIEW_ARENA_BYTES);                                                         \
    struct conversation_view view;                                                                 \
    struct id conversation = id_of(name);                                                          \
    CHECK_RC(RC_OK, view_open(&(w)->reading, &conversation, &arena, &view))

static struct message_query query_of(int way, uint64_t seq, size_t limit)
{
    struct message_query q = { .conversation = id_of("room"),
                               .seq = seq,
                               .first_seq = 1,
                               .last_seq = UINT64_MAX,
                               .limit = limit };
    q.way = way;
    return q;
}

/* "5 4 3": the text of each message of the page, with ! for an edit and - for a deletion. */
static struct bytes texts_of(struct arena *arena, const struct message_row *rows, size_t count)
{
    SCOPED_BUF(out, 65536);
    for (size_t i = 0; i < count; i++) {
        const char *mark = rows[i].delete_seq ? "-" : rows[i].edit_seq ? "!" : "";
        buf_add_format(&out, "%s%s%s", i ? " " : "", rows[i].event.client_id.text, mark);
    }
    return arena_copy(arena, buf_bytes(&out));
}

static struct bytes page_of(struct conversation_view *view, const struct message_query *q)
{
    struct message_row *rows;
    size_t count;
    CHECK_RC(RC_OK, view_messages(view, q, &rows, &count));
    return texts_of(view->arena, rows, count);
}

/* m1…m10; m3 edited, m4 deleted, m8 edited, m9 deleted, and a garbage record in the middle. */
static void tell_story(struct world *w, uint64_t seqs[11], uint64_t *out_last)
{
    static const char *const names[] = { "m0", "m1", "m2", "m3", "m4", "m5",
                                         "m6", "m7", "m8", "m9", "m10" };
    (void)world_conversation(w, "room", CONVERSATION_GROUP, HISTORY_JOINED, "ann");
    (void)world_member(w, EVENT_MEMBER_ADDED, "room", "bob", ROLE_MEMBER);
    for (int i = 1; i <= 10; i++) {
        seqs[i] = world_send(w, "room", i % 2 ? "ann" : "bob", names[i], "hello");
        if (i == 5)
            (void)world_garbage(w, "room", "this is no JSON");
    }
    (void)world_change(w, EVENT_MESSAGE_EDITED, "room", "ann", seqs[3], "third");
    (void)world_change(w, EVENT_MESSAGE_DELETED, "room", "bob", seqs[4], NULL);
    (void)world_change(w, EVENT_MESSAGE_EDITED, "room", "bob", seqs[8], "eighth");
    *out_last = world_change(w, EVENT_MESSAGE_DELETED, "room", "ann", seqs[9], NULL);
}

static void check_pages(struct world *w, const uint64_t seqs[11])
{
    OPEN(w, "room");
    struct message_query q = query_of(MESSAGES_BEFORE, 0, 4);
    CHECK_TEXT("m10 m9- m8! m7", page_of(&view, &q));
    q = query_of(MESSAGES_BEFORE, seqs[7], 4);
    CHECK_TEXT("m6 m5 m4- m3!", page_of(&view, &q));
    q = query_of(MESSAGES_BEFORE, seqs[3], 50);
    CHECK_TEXT("m2 m1", page_of(&view, &q));
    q = query_of(MESSAGES_AFTER, seqs[2], 3);
    CHECK_TEXT("m3! m4- m5", page_of(&view, &q));
    q = query_of(MESSAGES_AFTER, seqs[8], 50);
    CHECK_TEXT("m9- m10", page_of(&view, &q));
    q = query_of(MESSAGES_AFTER, seqs[10], 50);
    CHECK_TEXT("", page_of(&view, &q));
    q = query_of(MESSAGES_AROUND, seqs[5], 5);
    CHECK_TEXT("m3! m4- m5 m6 m7", page_of(&view, &q));
    q = query_of(MESSAGES_AROUND, seqs[1], 4);
    CHECK_TEXT("m1 m2 m3! m4-", page_of(&view, &q));
    q = query_of(MESSAGES_AROUND, seqs[10], 4);
    CHECK_TEXT("m7 m8! m9- m10", page_of(&view, &q));
    q = query_of(MESSAGES_BEFORE, 0, 50);
    q.first_seq = seqs[6];
    q.last_seq = seqs[8];
    CHECK_TEXT("m8! m7 m6", page_of(&view, &q));
    q = query_of(MESSAGES_AFTER, 1, 50);
    q.first_seq = seqs[9];
    CHECK_TEXT("m9- m10", page_of(&view, &q));
}

static void check_chain(struct world *w, uint64_t last)
{
    OPEN(w, "room");
    struct event *events;
    size_t count;
    uint64_t before = 0;
    CHECK_RC(RC_OK, view_events(&view, 0, 100, &events, &count));
    CHECK_SIZE(18, count);
    for (size_t i = 0; i < count; i++) {
        CHECK_U64(before, events[i].prev);
        before = events[i].seq;
    }
    CHECK_U64(last, before);
    CHECK(events[8].kind == EVENT_VOID);
    CHECK_RC(RC_OK, view_events(&view, events[6].seq, 3, &events, &count));
    CHECK_SIZE(3, count);
    CHECK_U64(events[0].seq, events[1].prev);
}

TEST(pages_are_the_same_wherever_store_and_log_meet)
{
    uint64_t seqs[11], last;
    struct world *w = world_create();
    tell_story(w, seqs, &last);
    for (uint64_t cut = seqs[1] - 3; cut <= last; cut++) {
        world_apply_until(w, "room", cut);
        check_pages(w, seqs);
        check_chain(w, last);
    }
    world_destroy(w);
}

TEST(pages_by_time_are_strictly_before_and_after)
{
    uint64_t seqs[11], last;
    struct world *w = world_create();
    tell_story(w, seqs, &last);
    for (int step = 0; step < 3; step++) {
        OPEN(w, "room");
        struct message_row row;
        CHECK_RC(RC_OK, view_message(&view, seqs[6], &row));
        struct message_query q = query_of(MESSAGES_BEFORE, 0, 2);
        q.by_time = true;
        q.at_us = row.event.at_us;
        CHECK_TEXT("m5 m4-", page_of(&view, &q));
        q.way = MESSAGES_AFTER;
        CHECK_TEXT("m7 m8!", page_of(&view, &q));
        world_apply_until(w, "room", step == 0 ? seqs[6] : last);
    }
    world_destroy(w);
}

TEST(a_message_is_found_with_its_edit_wherever_it_is)
{
    uint64_t seqs[11], last;
    struct world *w = world_create();
    tell_story(w, seqs, &last);
    for (uint64_t cut = seqs[1]; cut <= last; cut++) {
        world_apply_until(w, "room", cut);
        OPEN(w, "room");
        struct message_row row;
        CHECK_RC(RC_OK, view_message(&view, seqs[3], &row));
        CHECK(row.edit_seq != 0 && row.edit_payload.len > 0);
        CHECK_RC(RC_OK, view_message(&view, seqs[9], &row));
        CHECK(row.delete_seq != 0);
        CHECK_RC(RC_NOT_FOUND, view_message(&view, seqs[5] + 1, &row)); /* the garbage */
        CHECK_RC(RC_NOT_FOUND, view_message(&view, last, &row));        /* a deletion */
        CHECK_RC(RC_NOT_FOUND, view_message(&view, last + 100, &row));
    }
    world_destroy(w);
}

TEST(an_operation_is_found_by_its_ids_wherever_it_is)
{
    uint64_t seqs[11], last;
    struct world *w = world_create();
    tell_story(w, seqs, &last);
    struct id ann = id_of("ann"), bob = id_of("bob"), m3 = id_of("m3");
    for (uint64_t cut = seqs[1]; cut <= last; cut++) {
        world_apply_until(w, "room", cut);
        OPEN(w, "room");
        struct event event;
        CHECK_RC(RC_OK, view_find(&view, 'm', &ann, &m3, &event));
        CHECK_U64(seqs[3], event.seq);
        CHECK_RC(RC_NOT_FOUND, view_find(&view, 'm', &bob, &m3, &event));
        CHECK_RC(RC_NOT_FOUND, view_find(&view, 'e', &ann, &m3, &event));
    }
    world_destroy(w);
}

TEST(nothing_is_read_from_the_log_when_the_store_has_all)
{
    uint64_t seqs[11], last;
    struct world *w = world_create();
    tell_story(w, seqs, &last);
    world_apply(w);
    OPEN(w, "room");
    CHECK_INT(0, w->reads_asked);
    CHECK_INT(1, w->heads_asked);
    CHECK_SIZE(0, view.tail_count);
    world_destroy(w);
}

TEST(an_unknown_conversation_is_not_found)
{
    struct world *w = world_create();
    SCOPED_ARENA(arena, VIEW_ARENA_BYTES);
    struct conversation_view view;
    struct id nobody = id_of("nowhere");
    CHECK_RC(RC_NOT_FOUND, view_open(&w->reading, &nobody, &arena, &view));
    world_set_store_away(w, true);
    CHECK_RC(RC_UNAVAILABLE, view_open(&w->reading, &nobody, &arena, &view));
    world_destroy(w);
}

TEST(without_the_log_nothing_is_answered_even_if_the_store_could)
{
    uint64_t seqs[11], last;
    struct world *w = world_create();
    tell_story(w, seqs, &last);
    world_apply(w);
    w->is_log_away = true;
    SCOPED_ARENA(arena, VIEW_ARENA_BYTES);
    struct conversation_view view;
    struct id room = id_of("room");
    CHECK_RC(RC_UNAVAILABLE, view_open(&w->reading, &room, &arena, &view));
    world_destroy(w);
}

TEST(a_young_conversation_is_whole_while_the_store_is_away)
{
    uint64_t seqs[11], last;
    struct world *w = world_create();
    tell_story(w, seqs, &last);
    world_apply_until(w, "room", seqs[5]);
    world_set_store_away(w, true);
    check_pages(w, seqs);
    check_chain(w, last);
    OPEN(w, "room");
    CHECK(view.is_store_away);
    CHECK(view.conversation.type == CONVERSATION_GROUP);
    CHECK_TEXT("a name", view.conversation.name);
    struct membership m;
    struct id bob = id_of("bob"), eve = id_of("eve");
    CHECK_RC(RC_OK, view_membership(&view, &bob, &m));
    CHECK(m.is_member);
    CHECK_RC(RC_NOT_FOUND, view_membership(&view, &eve, &m));
    world_destroy(w);
}

TEST(of_an_old_conversation_the_recent_past_is_shown_while_the_store_is_away)
{
    uint64_t seqs[11], last;
    struct world *w = world_create();
    tell_story(w, seqs, &last);
    world_apply(w);
    world_forget(w, "room", seqs[6]);
    world_set_store_away(w, true);
    OPEN(w, "room");
    struct message_query q = query_of(MESSAGES_BEFORE, 0, 3);
    CHECK_TEXT("m10 m9- m8!", page_of(&view, &q));
    CHECK(!view.is_page_cut);
    q = query_of(MESSAGES_BEFORE, 0, 50);
    CHECK_TEXT("m10 m9- m8! m7", page_of(&view, &q));
    CHECK(view.is_page_cut); /* there is more, but not here */
    q = query_of(MESSAGES_AFTER, seqs[7], 50);
    CHECK_TEXT("m8! m9- m10", page_of(&view, &q));
    struct message_row *rows, row;
    size_t count;
    q = query_of(MESSAGES_BEFORE, seqs[7], 50);
    CHECK_RC(RC_UNAVAILABLE, view_messages(&view, &q, &rows, &count));
    q = query_of(MESSAGES_AFTER, seqs[2], 50);
    CHECK_RC(RC_UNAVAILABLE, view_messages(&view, &q, &rows, &count));
    CHECK_RC(RC_UNAVAILABLE, view_message(&view, seqs[2], &row));
    struct event *events, event;
    CHECK_RC(RC_UNAVAILABLE, view_events(&view, 0, 50, &events, &count));
    struct id ann = id_of("ann"), m3 = id_of("m3"), m7 = id_of("m7");
    CHECK_RC(RC_UNAVAILABLE, view_find(&view, 'm', &ann, &m3, &event));
    CHECK_RC(RC_OK, view_find(&view, 'm', &ann, &m7, &event));
    struct membership m;
    CHECK_RC(RC_UNAVAILABLE, view_membership(&view, &ann, &m)); /* the join is older than the log */
    CHECK(view.conversation.type == CONVERSATION_GROUP);        /* tells strangers least */
    world_destroy(w);
}

TEST(readers_get_what_the_store_has_while_the_log_is_away_and_nobody_decides_by_it)
{
    uint64_t seqs[11], last;
    struct world *w = world_create();
    tell_story(w, seqs, &last);
    world_apply(w);
    (void)world_send(w, "room", "ann", "late", "not stored yet");
    w->is_log_away = true;
    SCOPED_ARENA(refused, VIEW_ARENA_BYTES);
    struct conversation_view none;
    struct id room = id_of("room"), ann = id_of("ann"), m3 = id_of("m3"), other = id_of("other");
    CHECK_RC(RC_UNAVAILABLE, view_open(&w->reading, &room, &refused, &none));
    w->reading.does_without_log = true;
    OPEN(w, "room");
    CHECK(view.is_log_away);
    struct message_query q = query_of(MESSAGES_BEFORE, 0, 4);
    CHECK_TEXT("m10 m9- m8! m7", page_of(&view, &q));
    struct event event;
    CHECK_RC(RC_OK, view_find(&view, 'm', &ann, &m3, &event));
    CHECK_RC(RC_UNAVAILABLE,
             view_find(&view, 'm', &ann, &other, &event)); /* it may be in the log */
    struct conversation_item *items;
    size_t count;
    struct list_place from = { .after = { 0 } }, next;
    CHECK_RC(RC_OK,
             reading_conversations(&w->reading, &ann, &from, 10, &refused, &items, &count, &next));
    CHECK_SIZE(1, count);
    world_set_store_away(w, true);
    CHECK_RC(RC_UNAVAILABLE, view_open(&w->reading, &room, &refused, &none));
    world_destroy(w);
}

TEST(a_member_reads_the_recent_past_when_the_log_shows_the_join)
{
    struct world *w = world_create();
    uint64_t created = world_conversation(w, "room", CONVERSATION_CHANNEL, HISTORY_ALL, "ann");
    uint64_t old = world_send(w, "room", "ann", "old", "x");
    uint64_t joined = world_member(w, EVENT_MEMBER_ADDED, "room", "bob", ROLE_MEMBER);
    (void)world_send(w, "room", "ann", "new", "x");
    world_apply(w);
    world_forget(w, "room", old);
    world_set_store_away(w, true);
    OPEN(w, "room");
    struct membership m;
    struct id bob = id_of("bob");
    uint64_t first;
    CHECK_RC(RC_OK, view_membership(&view, &bob, &m));
    CHECK(view_authorize_read(&view, &m, &first) == ERROR_NONE);
    CHECK_U64(joined, first); /* that all history is open can't be known: less is shown */
    CHECK(created < first);
    world_destroy(w);
}

TEST(prev_comes_from_the_store_when_the_log_forgot_it)
{
    uint64_t seqs[11], last;
    struct world *w = world_create();
    tell_story(w, seqs, &last);
    world_apply_until(w, "room", seqs[6]);
    world_forget(w, "room", seqs[6]);
    check_chain(w, last);
    check_pages(w, seqs);
    world_destroy(w);
}

TEST(a_hole_between_store_and_log_is_unavailable)
{
    uint64_t seqs[11], last;
    struct world *w = world_create();
    tell_story(w, seqs, &last);
    world_apply_until(w, "room", seqs[3]);
    world_forget(w, "room", seqs[6]);
    SCOPED_ARENA(arena, VIEW_ARENA_BYTES);
    struct conversation_view view;
    struct id room = id_of("room");
    CHECK_RC(RC_UNAVAILABLE, view_open(&w->reading, &room, &arena, &view));
    world_destroy(w);
}

TEST(a_withdrawn_double_is_hidden_from_messages_and_void_in_events)
{
    struct world *w = world_create();
    (void)world_conversation(w, "room", CONVERSATION_GROUP, HISTORY_JOINED, "ann");
    uint64_t first = world_send(w, "room", "ann", "m1", "x");
    uint64_t again = world_send(w, "room", "ann", "m1", "x");
    struct event withdrawn = { .kind = EVENT_MESSAGE_WITHDRAWN,
                               .conversation = id_of("room"),
                               .target_seq = again,
                               .of_seq = first };
    (void)world_append(w, &withdrawn, "");
    for (int step = 0; step < 2; step++) {
        OPEN(w, "room");
        struct message_query q = query_of(MESSAGES_BEFORE, 0, 10);
        struct event *events;
        size_t count;
        CHECK_TEXT("m1", page_of(&view, &q));
        CHECK_RC(RC_OK, view_events(&view, first, 10, &events, &count));
        CHECK_SIZE(2, count);
        CHECK(events[0].kind == EVENT_VOID);
        CHECK_U64(first, events[0].of_seq);
        CHECK_U64(again, events[1].prev);
        struct message_row row;
        CHECK_RC(RC_NOT_FOUND, view_message(&view, again, &row));
        CHECK_RC(RC_OK, view_message_meant(&view, again, &row));
        CHECK_U64(first, row.event.seq);
        CHECK_RC(RC_NOT_FOUND, view_message_meant(&view, events[1].seq, &row)); /* the withdrawal */
        world_apply(w);
    }
    world_destroy(w);
}

TEST(a_second_creation_changes_nothing_and_is_void)
{
    struct world *w = world_create();
    uint64_t first = world_conversation(w, "room", CONVERSATION_GROUP, HISTORY_JOINED, "ann");
    world_apply(w);
    struct event again = { .kind = EVENT_CONVERSATION_CREATED,
                           .conversation = id_of("room"),
                           .actor = id_of("eve"),
                           .type = CONVERSATION_CHANNEL };
    uint64_t seq = world_append(w, &again, "");
    for (int step = 0; step < 2; step++) {
        OPEN(w, "room");
        struct event *events;
        size_t count;
        CHECK_U64(first, view.conversation.created_seq);
        CHECK(view.conversation.type == CONVERSATION_GROUP);
        CHECK_ID("ann", view.conversation.created_by);
        CHECK_RC(RC_OK, view_events(&view, seq - 1, 10, &events, &count));
        CHECK_SIZE(1, count);
        CHECK(events[0].kind == EVENT_VOID);
        world_apply(w);
    }
    world_destroy(w);
}

static enum error_code authorize(struct world *w, const char *name, const char *user,
                                 uint64_t *out_first)
{
    OPEN(w, name);
    struct membership m = { .is_member = false };
    struct id id = id_of(user);
    enum rc rc = view_membership(&view, &id, &m);
    CHECK(rc == RC_OK || rc == RC_NOT_FOUND);
    enum error_code code = view_authorize_read(&view, rc == RC_OK ? &m : NULL, out_first);
    return code;
}

TEST(who_may_read_follows_the_membership_wherever_it_is)
{
    struct world *w = world_create();
    uint64_t group = world_conversation(w, "room", CONVERSATION_GROUP, HISTORY_JOINED, "ann");
    (void)world_conversation(w, "open", CONVERSATION_CHANNEL, HISTORY_ALL, "ann");
    uint64_t joined = world_member(w, EVENT_MEMBER_ADDED, "room", "bob", ROLE_MEMBER);
    (void)world_member(w, EVENT_MEMBER_ADDED, "open", "bob", ROLE_READER);
    (void)world_member(w, EVENT_MEMBER_ADDED, "room", "ex", ROLE_MEMBER);
    (void)world_member(w, EVENT_MEMBER_REMOVED, "room", "ex", ROLE_MEMBER);
    for (int step = 0; step < 2; step++) {
        uint64_t first = 0;
        CHECK_INT(ERROR_NONE, authorize(w, "room", "bob", &first));
        CHECK_U64(joined, first);
        CHECK_INT(ERROR_NONE, authorize(w, "open", "bob", &first));
        CHECK_U64(1, first);
        CHECK_INT(ERROR_NONE, authorize(w, "room", "ann", &first));
        CHECK_U64(group + 1, first);
        CHECK_INT(ERROR_NOT_FOUND, authorize(w, "room", "ex", &first));
        CHECK_INT(ERROR_NOT_FOUND, authorize(w, "room", "eve", &first));
        CHECK_INT(ERROR_NOT_MEMBER, authorize(w, "open", "eve", &first));
        world_apply(w);
    }
    struct event deleted = { .kind = EVENT_CONVERSATION_DELETED, .actor = id_of("ann") };
    deleted.conversation = id_of("room");
    (void)world_append(w, &deleted, "");
    deleted.conversation = id_of("open");
    (void)world_append(w, &deleted, "");
    for (int step = 0; step < 2; step++) {
        uint64_t first = 0;
        CHECK_INT(ERROR_GONE, authorize(w, "room", "bob", &first));
        CHECK_INT(ERROR_NOT_FOUND, authorize(w, "room", "ex", &first));
        CHECK_INT(ERROR_NOT_FOUND, authorize(w, "room", "eve", &first));
        CHECK_INT(ERROR_GONE, authorize(w, "open", "eve", &first));
        world_apply(w);
    }
    world_destroy(w);
}

TEST(a_rejoin_opens_a_new_interval)
{
    struct world *w = world_create();
    (void)world_conversation(w, "room", CONVERSATION_GROUP, HISTORY_JOINED, "ann");
    (void)world_member(w, EVENT_MEMBER_ADDED, "room", "bob", ROLE_MEMBER);
    world_apply(w);
    (void)world_member(w, EVENT_MEMBER_REMOVED, "room", "bob", ROLE_MEMBER);
    uint64_t again = world_member(w, EVENT_MEMBER_ADDED, "room", "bob", ROLE_ADMIN);
    for (int step = 0; step < 2; step++) {
        uint64_t first;
        CHECK_INT(ERROR_NONE, authorize(w, "room", "bob", &first));
        CHECK_U64(again, first);
        world_apply(w);
    }
    world_destroy(w);
}

static struct bytes members_of(struct conversation_view *view, const char *after, size_t limit)
{
    SCOPED_BUF(out, 65536);
    struct membership *members;
    size_t count;
    struct id from = after ? id_of(after) : (struct id){ .len = 0 };
    CHECK_RC(RC_OK, view_members(view, after ? &from : NULL, limit, &members, &count));
    for (size_t i = 0; i < count; i++)
        buf_add_format(&out, "%s%s", i ? " " : "", members[i].user.text);
    return arena_copy(view->arena, buf_bytes(&out));
}

TEST(members_are_listed_in_pages_wherever_store_and_log_meet)
{
    static const char *const users[] = { "a", "c", "e", "g", "i", "k", "m" };
    struct world *w = world_create();
    (void)world_conversation(w, "room", CONVERSATION_GROUP, HISTORY_JOINED, "a");
    for (size_t i = 1; i < COUNT_OF(users); i++)
        (void)world_member(w, EVENT_MEMBER_ADDED, "room", users[i], ROLE_MEMBER);
    (void)world_member(w, EVENT_MEMBER_ADDED, "room", "b", ROLE_MEMBER);
    (void)world_member(w, EVENT_MEMBER_REMOVED, "room", "c", ROLE_MEMBER);
    (void)world_member(w, EVENT_MEMBER_REMOVED, "room", "e", ROLE_MEMBER);
    (void)world_member(w, EVENT_MEMBER_REMOVED, "room", "g", ROLE_MEMBER);
    uint64_t last = world_member(w, EVENT_MEMBER_ADDED, "room", "z", ROLE_MEMBER);
    for (uint64_t cut = last - 30; cut <= last; cut++) {
        world_apply_until(w, "room", cut);
        OPEN(w, "room");
        CHECK_TEXT("a b i k m z", members_of(&view, NULL, 50));
        CHECK_TEXT("a b", members_of(&view, NULL, 2));
        CHECK_TEXT("i k", members_of(&view, "b", 2));
        CHECK_TEXT("m z", members_of(&view, "k", 2));
        CHECK_TEXT("", members_of(&view, "z", 2));
    }
    world_destroy(w);
}

TEST(a_long_tail_keeps_its_newest_messages_and_every_member)
{
    struct world *w = world_create();
    (void)world_conversation(w, "room", CONVERSATION_GROUP, HISTORY_JOINED, "ann");
    uint64_t before = world_send(w, "room", "ann", "m-1", "x");
    world_apply(w);
    (void)world_member(w, EVENT_MEMBER_ADDED, "room", "bob", ROLE_MEMBER);
    for (int i = 0; i < 5000; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "n%d", i);
        (void)world_send(w, "room", "ann", name, "x");
    }
    OPEN(w, "room");
    struct membership m;
    struct message_row *rows;
    size_t count;
    struct id bob = id_of("bob");
    CHECK_RC(RC_OK, view_membership(&view, &bob, &m));
    CHECK(m.is_member);
    CHECK(view.tail_from > view.applied);
    struct message_query q = query_of(MESSAGES_BEFORE, 0, 2);
    CHECK_TEXT("n4999 n4998", page_of(&view, &q));
    q = query_of(MESSAGES_BEFORE, view.tail_from, 5); /* in neither */
    CHECK_RC(RC_UNAVAILABLE, view_messages(&view, &q, &rows, &count));
    q = query_of(MESSAGES_AFTER, 1, 50); /* the store's part, and no further */
    CHECK_TEXT("m-1", page_of(&view, &q));
    CHECK(view.is_page_cut);
    q = query_of(MESSAGES_BEFORE, before + 1, 5);
    CHECK_TEXT("m-1", page_of(&view, &q));
    struct event event;
    struct id ann = id_of("ann"), lost = id_of("n3"), kept = id_of("n4999");
    CHECK_RC(RC_UNAVAILABLE, view_find(&view, 'm', &ann, &lost, &event));
    CHECK_RC(RC_OK, view_find(&view, 'm', &ann, &kept, &event));
    world_destroy(w);
}
