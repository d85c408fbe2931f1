/* The age guard: what is acknowledged and not in the store may not grow old unnoticed. The log here
 * keeps a record for 100 s; at 50 s it is an alarm, over 80 s sends are refused. */
#include "unit/gateway/rig.h"

enum { MAX_AGE_MS = 100000 };

static struct rig *start(void)
{
    struct rig *r = rig_create();
    gateway_set_log_max_age(rig_gateway(r, 0), MAX_AGE_MS);
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    rig_conversation(r, "unseen", CONVERSATION_GROUP, HISTORY_JOINED, "eve", NULL);
    return r;
}

/* The word of a living persister that has stored all there is, or only up to `seq`. */
static void say_applied(struct rig *r, const char *conversation, uint64_t seq, int64_t lag_ms)
{
    uint32_t p = rig_partition(conversation);
    char json[128];
    if (seq == 0)
        seq = generation_base(RIG_GENERATION) + r->streams[p].count;
    (void)snprintf(json, sizeof json, "{\"gen\":1,\"seq\":%llu,\"lagMs\":%lld,\"pending\":0}",
                   (unsigned long long)seq, (long long)lag_ms);
    rig_applied(r, p, json);
}

static void say_all_applied(struct rig *r)
{
    const char *names[] = { "c", "unseen" };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        say_applied(r, names[i], 0, 0);
}

static bool is_alarming(struct rig *r)
{
    struct gateway_stats stats;
    gateway_stats(rig_gateway(r, 0), &stats);
    return stats.is_lag_alarming;
}

/* Whether a send is accepted; if not, it must be for want of storage. */
static bool is_taken(struct rig *r, struct rig_link *link)
{
    static unsigned count;
    rig_mark(link);
    rig_say(link,
            "{\"type\":\"message.send\",\"id\":\"m\",\"conversationId\":\"c\","
            "\"clientMessageId\":\"lag-%u\",\"text\":\"x\"}",
            ++count);
    rig_settle(r);
    bool is_ok = rig_heard(link, "\"type\":\"ok\"");
    CHECK(is_ok || rig_heard(link, "\"code\":\"storage_full\""));
    return is_ok;
}

TEST(persisters_that_die_with_nothing_left_are_missed_once_there_is_something)
{
    struct rig *r = start();
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    say_all_applied(r); /* their last word: nothing is left */
    rig_advance(r, 300000);
    CHECK(!is_alarming(r)); /* idle: nothing can be lost, however long nobody persists */
    CHECK(is_taken(r, ann));
    rig_advance(r, 49000);
    CHECK(!is_alarming(r));
    rig_advance(r, 2000);
    CHECK(is_alarming(r));
    CHECK(is_taken(r, ann));
    rig_advance(r, 28000);
    CHECK(is_taken(r, ann));
    rig_advance(r, 2000);
    CHECK(!is_taken(r, ann));
    say_all_applied(r);
    rig_advance(r, 300);
    CHECK(!is_alarming(r));
    CHECK(is_taken(r, ann));
    rig_destroy(r);
}

TEST(what_others_published_counts_though_nobody_here_follows_it)
{
    struct rig *r = start();
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    say_all_applied(r);
    rig_advance(r, 10000);
    (void)rig_send(r, "unseen", "eve", "through another gateway");
    rig_advance(r, 95000); /* the heads are silent, so the log was asked */
    CHECK(is_alarming(r));
    CHECK(!is_taken(r, ann));
    rig_destroy(r);
}

TEST(a_persister_that_keeps_up_is_never_an_alarm)
{
    struct rig *r = start();
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    say_all_applied(r);
    for (int i = 0; i < 100; i++) {
        CHECK(is_taken(r, ann));
        rig_advance(r, 2000);
        say_applied(r, "c", rig_last_seq(r, "c") - 1, 0); /* always one behind */
        CHECK(!is_alarming(r));
    }
    rig_destroy(r);
}

TEST(a_persister_that_stands_still_and_says_zero_is_not_believed)
{
    struct rig *r = start();
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    say_all_applied(r);
    uint64_t stuck_at = rig_last_seq(r, "c");
    CHECK(is_taken(r, ann));
    for (int i = 0; i < 41; i++) {
        rig_advance(r, 2000);
        say_applied(r, "c", stuck_at, 0);
    }
    CHECK(!is_taken(r, ann));
    rig_destroy(r);
}

TEST(the_last_word_of_a_persister_that_was_behind_ages)
{
    struct rig *r = start();
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    say_all_applied(r);
    say_applied(r, "c", rig_last_seq(r, "c") - 1, 30000);
    rig_advance(r, 19000);
    CHECK(!is_alarming(r));
    rig_advance(r, 2000);
    CHECK(is_alarming(r));
    CHECK(is_taken(r, ann));
    rig_advance(r, 31000);
    CHECK(!is_taken(r, ann));
    rig_applied(r, rig_partition("c"), "{\"gen\":1,\"seq\":0}"); /* one that can't say */
    rig_advance(r, 300);
    CHECK(!is_taken(r, ann));
    say_all_applied(r);
    rig_advance(r, 300);
    CHECK(is_taken(r, ann));
    rig_destroy(r);
}

TEST(a_log_that_keeps_everything_refuses_nothing)
{
    struct rig *r = start();
    gateway_set_log_max_age(rig_gateway(r, 0), 0);
    struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
    rig_advance(r, 200000);
    CHECK(!is_alarming(r));
    CHECK(is_taken(r, ann));
    rig_destroy(r);
}
