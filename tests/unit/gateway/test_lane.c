/* One FIFO per connection and conversation: a command that must read before it is published is not
 * overtaken by a later one of the same connection into the same conversation, and by nothing else
 * is anybody held up.
 *
 * Jobs run only when the test says so; the order is read from the frames that bob gets. */
#include "unit/gateway/rig.h"

static void send_text(struct rig_link *link, const char *conversation, const char *text,
                      const char *more)
{
    rig_say(link,
            "{\"type\":\"message.send\",\"id\":\"%s\",\"conversationId\":\"%s\","
            "\"clientMessageId\":\"%s\",\"text\":\"%s\"%s}",
            text, conversation, text, text, more);
}

static const char *reply_to(uint64_t seq)
{
    static char more[64];
    (void)snprintf(more, sizeof more, ",\"replyTo\":%llu", (unsigned long long)seq);
    return more;
}

/* What the link heard since its mark is these, in this order; ends with NULL. */
static void check_order(const struct rig_link *link, const char *const *parts)
{
    size_t at = link->mark;
    for (; *parts; parts++) {
        while (at < link->said_count && !strstr(link->said[at].text, *parts))
            at++;
        CHECK(at < link->said_count);
        at++;
    }
}
#define CHECK_ORDER(link, ...) check_order((link), (const char *const[]){ __VA_ARGS__, NULL })

struct lane_world {
    struct rig *r;
    struct rig_link *ann, *bob;
    uint64_t first; /* a message of bob's in c */
};

static struct lane_world world_of(void)
{
    struct lane_world w = { .r = rig_create() };
    rig_conversation(w.r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    rig_conversation(w.r, "other", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    w.first = rig_send(w.r, "c", "bob", "first");
    w.ann = rig_connect_flowing(w.r, 0, "ann");
    w.bob = rig_connect_flowing(w.r, 0, "bob");
    rig_settle(w.r);
    rig_mark(w.ann);
    rig_mark(w.bob);
    w.r->auto_jobs = false;
    w.r->publishes = 0;
    return w;
}

TEST(a_send_is_not_overtaken_by_a_later_one_that_needs_no_reading)
{
    struct lane_world w = world_of();
    struct gateway_stats stats;
    send_text(w.ann, "c", "reply", reply_to(w.first));
    send_text(w.ann, "c", "plain1", "");
    send_text(w.ann, "c", "plain2", "");
    rig_settle(w.r);
    CHECK_U64(0, w.r->publishes);
    gateway_stats(rig_gateway(w.r, 0), &stats);
    CHECK_U64(3, stats.commands); /* they count as under way, though nothing is published */
    w.r->auto_jobs = true;
    rig_settle(w.r);
    gateway_stats(rig_gateway(w.r, 0), &stats);
    CHECK_U64(0, stats.commands);
    CHECK_ORDER(w.bob, "\"text\":\"reply\"", "\"text\":\"plain1\"", "\"text\":\"plain2\"");
    CHECK_SIZE(3, rig_count(w.ann, "\"type\":\"ok\""));
    rig_destroy(w.r);
}

TEST(reads_are_beside_each_other_and_what_comes_of_them_is_in_order)
{
    struct lane_world w = world_of();
    send_text(w.ann, "c", "reply1", reply_to(w.first));
    send_text(w.ann, "c", "retry", ",\"retry\":true");
    rig_say(w.ann, "{\"type\":\"message.delete\",\"id\":\"d\",\"conversationId\":\"c\",\"seq\":1}");
    send_text(w.ann, "c", "reply2", reply_to(w.first));
    send_text(w.ann, "c", "plain", "");
    rig_settle(w.r);
    CHECK_U64(0, w.r->publishes);
    /* All reads have begun. The first one's is run last. */
    CHECK(w.r->jobs && w.r->jobs->next);
    struct job *first = w.r->jobs;
    w.r->jobs = first->next;
    first->next = NULL;
    while (rig_job_run(w.r))
        continue;
    w.r->jobs = w.r->last_job = first;
    while (rig_job_done(w.r))
        continue;
    rig_settle(w.r);
    CHECK_U64(0, w.r->publishes);
    w.r->auto_jobs = true;
    rig_settle(w.r);
    CHECK_ORDER(w.bob, "\"text\":\"reply1\"", "\"text\":\"retry\"", "\"text\":\"reply2\"",
                "\"text\":\"plain\"");
    CHECK(rig_heard(w.ann, "\"code\":\"not_found\"")); /* the deletion; those after it went on */
    CHECK_U64(4, w.r->publishes);
    rig_destroy(w.r);
}

TEST(another_conversation_and_another_connection_do_not_wait)
{
    struct lane_world w = world_of();
    struct rig_link *again;
    w.r->auto_jobs = true;
    again = rig_connect_flowing(w.r, 0, "ann");
    w.r->auto_jobs = false;
    w.r->publishes = 0;
    send_text(w.ann, "c", "reply", reply_to(w.first));
    send_text(w.ann, "other", "elsewhere", "");
    send_text(again, "c", "device", "");
    rig_settle(w.r);
    CHECK_U64(2, w.r->publishes);
    CHECK(rig_heard(w.bob, "\"text\":\"elsewhere\""));
    CHECK(rig_heard(w.bob, "\"text\":\"device\""));
    w.r->auto_jobs = true;
    rig_settle(w.r);
    CHECK(rig_heard(w.bob, "\"text\":\"reply\""));
    rig_destroy(w.r);
}

TEST(a_connection_that_ends_leaves_what_it_asked_for_in_order)
{
    struct lane_world w = world_of();
    send_text(w.ann, "c", "reply1", reply_to(w.first));
    send_text(w.ann, "other", "reply-other", ",\"retry\":true");
    send_text(w.ann, "c", "reply2", reply_to(w.first));
    send_text(w.ann, "other", "plain-other", "");
    send_text(w.ann, "c", "plain", "");
    rig_settle(w.r);
    rig_cut(w.ann);
    rig_settle(w.r);
    w.r->auto_jobs = true;
    rig_settle(w.r);
    CHECK_U64(5, w.r->publishes);
    CHECK_ORDER(w.bob, "\"text\":\"reply1\"", "\"text\":\"reply2\"", "\"text\":\"plain\"");
    CHECK_ORDER(w.bob, "\"text\":\"reply-other\"", "\"text\":\"plain-other\"");
    rig_destroy(w.r);
}

/* A read that fails ends its own command alone, and those behind it have their turn. */
TEST(a_read_that_fails_holds_nobody_up)
{
    struct lane_world w = world_of();
    send_text(w.ann, "c", "reply", reply_to(w.first));
    send_text(w.ann, "c", "plain", "");
    rig_settle(w.r);
    w.r->fail_log_at = w.r->log_calls + 1;
    w.r->fail_log_count = 1;
    w.r->auto_jobs = true;
    rig_settle(w.r);
    CHECK(rig_heard(w.ann, "\"code\":\"unavailable\""));
    CHECK(rig_heard(w.bob, "\"text\":\"plain\""));
    CHECK(!rig_heard(w.bob, "\"text\":\"reply\""));
    rig_destroy(w.r);
}

TEST(who_was_removed_while_waiting_sends_nothing)
{
    struct lane_world w = world_of();
    send_text(w.ann, "c", "reply1", reply_to(w.first));
    send_text(w.ann, "c", "reply2", reply_to(w.first));
    send_text(w.ann, "c", "plain", "");
    rig_settle(w.r);
    /* The reads of the second are done before, that of the first after the removal. */
    struct job *first = w.r->jobs;
    CHECK(first && first->next);
    w.r->jobs = first->next;
    first->next = NULL;
    CHECK(rig_job_run(w.r));
    CHECK(rig_job_done(w.r));
    (void)rig_member(w.r, EVENT_MEMBER_REMOVED, "c", "ann");
    rig_settle(w.r);
    w.r->jobs = w.r->last_job = first;
    w.r->auto_jobs = true;
    rig_settle(w.r);
    CHECK_U64(0, w.r->publishes);
    CHECK_SIZE(3, rig_count(w.ann, "\"type\":\"error\""));
    rig_destroy(w.r);
}

TEST(what_waited_for_a_minute_is_answered_timeout_and_not_published)
{
    struct lane_world w = world_of();
    send_text(w.ann, "c", "reply", reply_to(w.first));
    send_text(w.ann, "c", "plain", "");
    rig_advance(w.r, 61000);
    w.r->auto_jobs = true;
    rig_settle(w.r);
    CHECK_U64(0, w.r->publishes);
    CHECK_SIZE(2, rig_count(w.ann, "\"code\":\"timeout\""));
    rig_destroy(w.r);
}
