/* The n-th command of an apply() goes wrong, for n = 1, 2, 3, … until none does, in each of the
 * ways that it can: refused, the connection cut before or after the server did it, not acknowledged
 * by a majority.
 *
 * Whatever was done by then, apply() answers RC_UNAVAILABLE, `applied` hasn't moved, nothing that
 * was there before has gone from what readers see, and the same batch applied again ends as if
 * nothing had happened: the state is the model's. On mongo-java-server, where it costs least.
 */
#include "property/orders.h"
#include "support/mongo_open.h"
#include "support/mongo_proxy.h"
#include "support/mongo_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { COMMANDS_MAX = 200, TRIES_MAX = 30 };

static struct mongo_server server;
static struct mongo_proxy proxy;
static struct mongo_store *store;

static void stop(void)
{
    mongo_store_close(store);
    mongo_proxy_stop(&proxy);
    mongo_server_stop(&server);
}

static const struct message_store *empty_store(void)
{
    char url[256];
    if (!store) {
        mongo_server_start(&server, MONGO_JAVA);
        mongo_proxy_start(&proxy, server.port);
        mongo_server_url(&server, "commands", proxy.port, "retryReads=false", url, sizeof url);
        store = mongo_open(url);
        (void)atexit(stop);
    }
    mongo_proxy_break(&proxy, 0, HARM_REFUSE);
    CHECK_RC(RC_OK, mongo_store_clear(store));
    return mongo_store_messages(store);
}

/* After a cut the driver looks around for up to half a second. */
static uint64_t applied_of(const struct message_store *m)
{
    uint64_t seq = 0;
    enum rc rc = RC_UNAVAILABLE;
    for (int i = 0; i < TRIES_MAX && rc != RC_OK; i++)
        rc = m->applied(m->self, 0, 0, &seq);
    CHECK_RC(RC_OK, rc);
    return seq;
}

/* ---- one batch of everything ---- */

/* What is there before: a message that a lower double will displace, one that is edited, a member.
 */
static const struct event *before(size_t *out_count)
{
    static struct event events[8];
    const struct event list[] = { a_creation(3, CONVERSATION_GROUP, HISTORY_ALL, "room"),
                                  a_joining(4, "bob", ROLE_MEMBER),
                                  a_message(12, "ann", "c1", "displaced"),
                                  a_message(13, "ann", "c2", "edited later"),
                                  an_edit(14, 13, "first edit") };
    memcpy(events, list, sizeof list);
    *out_count = COUNT_OF(list);
    return events;
}

/* The batch that is broken off: every kind of consequence that apply() has. */
static const struct event *broken(size_t *out_count)
{
    static struct event events[24];
    const struct event list[] = { a_message(5, "ann", "c1", "displaced"),
                                  a_message(6, "bob", "b1", "new"),
                                  a_message(7, "bob", "b1", "new"),
                                  an_edit(8, 13, "an older edit"),
                                  a_deletion(9, 6),
                                  a_pin(10, 12, true),
                                  a_joining(15, "cyd", ROLE_ADMIN),
                                  a_leaving(16, "bob"),
                                  a_creation(17, CONVERSATION_CHANNEL, HISTORY_JOINED, "second"),
                                  an_update(18, HISTORY_JOINED, "renamed"),
                                  a_withdrawal(19, 12, 5),
                                  an_edit(20, 13, "second edit"),
                                  in("hall",
                                     a_creation(21, CONVERSATION_CHANNEL, HISTORY_ALL, "hall")),
                                  in("hall", a_message(22, "ann", "c1", "elsewhere")),
                                  a_void(23, "schema") };
    memcpy(events, list, sizeof list);
    *out_count = COUNT_OF(list);
    return events;
}

static enum rc apply_broken(const struct message_store *m)
{
    static const char feed_user[] = "cyd";
    struct user_feed_entry feed = { id_of(feed_user), 24, id_of("room"), 15 };
    struct store_batch batch = { .feed = &feed, .feed_count = 1, .from = 1, .to = 24 };
    batch.events = broken(&batch.event_count);
    return m->apply(m->self, &batch, NULL);
}

static void apply_before(const struct message_store *m)
{
    struct store_batch batch = { .generation = 0 };
    batch.events = before(&batch.event_count);
    CHECK_RC(RC_OK, m->apply(m->self, &batch, NULL));
}

static const char *messages_now(struct bench *b)
{
    return messages_of(b, "room");
}

/* What a reader sees in the middle: each acknowledged message is there, by one of its seqs; the
 * edit that was there, or a newer one. */
static void check_nothing_gone(struct bench *b)
{
    const char *now = messages_now(b);
    CHECK(strstr(now, "12:displaced") || strstr(now, "5:displaced"));
    CHECK(strstr(now, "13:edited later/14:first edit") ||
          strstr(now, "13:edited later/20:second edit"));
}

static void check_end(struct bench *b)
{
    struct id room = id_of("room"), cyd = id_of("cyd");
    struct user_feed_entry *entries;
    struct membership *members;
    struct conversation c;
    size_t count;
    CHECK_STR("5:displaced! 6:new-9 13:edited later/20:second edit", messages_now(b));
    CHECK_STR("22:elsewhere", messages_of(b, "hall"));
    CHECK(strstr(events_of(b, "room"), " 120=5<10 "));
    CHECK(strstr(events_of(b, "room"), " 170=3<16 "));
    CHECK_RC(RC_OK, b->m->conversation(b->m->self, &room, &b->arena, &c));
    CHECK_TEXT("renamed", c.name);
    CHECK_U64(3, c.created_seq);
    CHECK_U64(23, c.last_seq);
    CHECK_RC(RC_OK, b->m->members(b->m->self, &room, NULL, 9, &b->arena, &members, &count));
    CHECK_SIZE(1, count);
    CHECK_ID("cyd", members[0].user);
    CHECK_RC(RC_OK, b->m->user_feed(b->m->self, &cyd, 0, 9, &b->arena, &entries, &count));
    CHECK_SIZE(1, count);
    CHECK_U64(24, applied_of(b->m));
}

/* false: the batch has fewer commands than that. */
static bool break_at(int64_t nth, enum proxy_harm harm)
{
    struct bench b = { .m = empty_store() };
    arena_init(&b.arena, 64 << 20);
    apply_before(b.m);
    uint64_t done = atomic_load(&proxy.done);
    mongo_proxy_break(&proxy, nth, harm);
    enum rc rc = apply_broken(b.m);
    mongo_proxy_break(&proxy, 0, harm);
    bool was_broken = atomic_load(&proxy.done) > done;
    CHECK_RC(was_broken ? RC_UNAVAILABLE : RC_OK, rc);
    uint64_t applied = applied_of(b.m);
    CHECK(applied == 0 || applied == 24); /* the last command may have been done, unanswered */
    if (was_broken) {
        check_nothing_gone(&b);
        CHECK_RC(RC_OK, apply_broken(b.m));
    }
    check_end(&b);
    arena_fini(&b.arena);
    return was_broken;
}

static int64_t break_all(enum proxy_harm harm)
{
    int64_t nth = 1;
    while (nth < COMMANDS_MAX && break_at(nth, harm))
        nth++;
    return nth - 1;
}

TEST(a_refusal_of_any_command_loses_and_doubles_nothing)
{
    CHECK(break_all(HARM_REFUSE) >= 20);
}

TEST(a_write_that_no_majority_has_is_tried_again)
{
    CHECK(break_all(HARM_CONCERN) >= 20);
}

TEST(a_connection_cut_before_any_command_loses_and_doubles_nothing)
{
    CHECK(break_all(HARM_CUT_BEFORE) >= 20);
}

TEST(a_connection_cut_after_any_command_loses_and_doubles_nothing)
{
    CHECK(break_all(HARM_CUT_AFTER) >= 20);
}

/* The same for reads: the error is told, and the next call goes through. */
static enum rc read_all(struct bench *b)
{
    struct id room = id_of("room"), ann = id_of("cyd"), c1 = id_of("c1");
    struct message_query query = { .conversation = room, .last_seq = UINT64_MAX, .limit = 9 };
    struct conversation_item *items;
    struct message_row *rows, row;
    struct event *events;
    size_t count;
    TRY(b->m->messages(b->m->self, &query, &b->arena, &rows, &count));
    TRY(b->m->events(b->m->self, &room, 0, UINT64_MAX, 99, &b->arena, &events, &count));
    TRY(b->m->conversations_of(b->m->self, &ann, NULL, 9, false, &b->arena, &items, &count));
    enum rc rc = b->m->message_by_client_id(b->m->self, &room, &ann, &c1, &b->arena, &row);
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

TEST(a_read_that_goes_wrong_is_told_and_the_next_one_is_right)
{
    struct bench b = { .m = empty_store() };
    uint64_t harmed = 0;
    arena_init(&b.arena, 64 << 20);
    apply_before(b.m);
    CHECK_RC(RC_OK, apply_broken(b.m));
    for (int64_t nth = 1; nth < COMMANDS_MAX; nth++) {
        uint64_t done = atomic_load(&proxy.done);
        mongo_proxy_break(&proxy, nth, HARM_REFUSE);
        enum rc rc = read_all(&b);
        mongo_proxy_break(&proxy, 0, HARM_REFUSE);
        if (atomic_load(&proxy.done) == done) {
            CHECK_RC(RC_OK, rc);
            break;
        }
        CHECK_RC(RC_UNAVAILABLE, rc);
        harmed++;
    }
    CHECK(harmed >= 8);
    check_end(&b);
    arena_fini(&b.arena);
}
