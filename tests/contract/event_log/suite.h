/* suite.h - the contract of event_log and live_feed: what every adapter does. */
#ifndef TESTS_CONTRACT_EVENT_LOG_SUITE_H
#define TESTS_CONTRACT_EVENT_LOG_SUITE_H

#include "rig.h"

static struct rig rig;

TEST(publishing_stores_in_rising_order_and_answers_later)
{
    rig_open(&rig);
    struct id conv = rig_new_id();
    uint64_t first = rig_store(&rig, 'c', &conv, "1");
    uint64_t second = rig_store(&rig, 'c', &conv, "2");
    CHECK(first > log_floor(1));
    CHECK(second > first);
    rig_close(&rig);
}

TEST(the_same_message_id_is_stored_once)
{
    struct rig_message m;
    rig_open(&rig);
    struct id conv = rig_new_id();
    uint64_t first = rig_store(&rig, 'c', &conv, "1");
    (void)rig_store(&rig, 'c', &conv, "2");
    struct publish_result again = rig_publish(&rig, rig_request(&m, 'c', &conv, "1"));
    CHECK_INT(PUBLISH_DUPLICATE, again.outcome);
    CHECK_U64(first, again.seq);
    rig_close(&rig);
}

TEST(an_expected_last_seq_that_is_wrong_stores_nothing)
{
    struct rig_message m;
    uint64_t head = 0;
    rig_open(&rig);
    struct id conv = rig_new_id();
    (void)rig_request(&m, 'c', &conv, "created");
    m.request.has_expected_last_seq = true;
    struct publish_result first = rig_publish(&rig, &m.request);
    CHECK_INT(PUBLISH_STORED, first.outcome);

    (void)rig_request(&m, 'c', &conv, "created-too");
    m.request.has_expected_last_seq = true;
    CHECK_INT(PUBLISH_CONFLICT, rig_publish(&rig, &m.request).outcome);
    m.request.expected_last_seq = first.seq;
    struct publish_result next = rig_publish(&rig, &m.request);
    CHECK_INT(PUBLISH_STORED, next.outcome);
    CHECK_RC(RC_OK, rig.log.head(rig.log.self, rig_partition(&conv), 'c', &conv, &head));
    CHECK_U64(next.seq, head);
    rig_close(&rig);
}

TEST(a_payload_past_the_limit_is_refused_for_good)
{
    static char large[40000];
    struct rig_message m;
    rig_open(&rig);
    struct id conv = rig_new_id();
    memset(large, 'x', sizeof large);
    (void)rig_request(&m, 'c', &conv, "large");
    m.request.payload = bytes_make(large, sizeof large);
    CHECK_INT(PUBLISH_TOO_LARGE, rig_publish(&rig, &m.request).outcome);
    rig_close(&rig);
}

TEST(forbidden_bytes_never_leave)
{
    struct rig_message m;
    struct rig_done done = { .calls = 0 };
    rig_open(&rig);
    struct id conv = rig_new_id();
    static const char *const subjects[] = {
        "chat.0.c.*", "chat.0.c.>", "chat.0.c.a b", "", "chat.0.c.a\r\nPUB x 0",
        "chat..c",    "chat.0.c."
    };
    for (size_t i = 0; i < COUNT_OF(subjects); i++) {
        (void)rig_request(&m, 'c', &conv, "bad");
        m.request.subject = subjects[i];
        CHECK_RC(RC_INVALID, rig.log.publish(rig.log.self, &m.request, rig_on_done, &done));
    }
    static const char *const values[] = { "a\r\nNats-Rollup: all", "a\nb", "\x01", "caf\xc3\xa9" };
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        (void)rig_request(&m, 'c', &conv, "bad");
        m.headers[1].value = bytes_of(values[i]);
        CHECK_RC(RC_INVALID, rig.log.publish(rig.log.self, &m.request, rig_on_done, &done));
    }
    static const char *const names[] = { "Nats-Rollup", "nats-msg-id", "", "A:B", "A\r\nB" };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        (void)rig_request(&m, 'c', &conv, "bad");
        m.headers[1].name = names[i];
        CHECK_RC(RC_INVALID, rig.log.publish(rig.log.self, &m.request, rig_on_done, &done));
    }
    CHECK_INT(0, done.calls);
    rig_close(&rig);
}

TEST(many_publishes_are_answered_once_each_in_order)
{
    enum { COUNT = 300 };
    static struct rig_done done[COUNT];
    struct rig_message m;
    char what[16];
    size_t answered = 0;
    rig_open(&rig);
    struct id conv = rig_new_id();
    memset(done, 0, sizeof done);
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(what, sizeof what, "%d", i);
        CHECK_RC(RC_OK, rig.log.publish(rig.log.self, rig_request(&m, 'c', &conv, what),
                                        rig_on_done, &done[i]));
    }
    RIG_UNTIL(&rig, (answered = 0, ({
                         for (int i = 0; i < COUNT; i++)
                             answered += (size_t)done[i].calls;
                         answered == COUNT;
                     })));
    for (int i = 0; i < COUNT; i++) {
        CHECK_INT(1, done[i].calls);
        CHECK_INT(PUBLISH_STORED, done[i].result.outcome);
        if (i > 0)
            CHECK(done[i].result.seq > done[i - 1].result.seq);
    }
    rig_close(&rig);
}

TEST(head_is_the_last_record_of_its_subject_or_not_found)
{
    uint64_t head = 7;
    rig_open(&rig);
    struct id conv = rig_new_id(), other = rig_new_id();
    CHECK_RC(RC_NOT_FOUND, rig.log.head(rig.log.self, rig_partition(&conv), 'c', &conv, &head));
    CHECK_U64(7, head);
    (void)rig_store(&rig, 'c', &conv, "1");
    uint64_t last = rig_store(&rig, 'c', &conv, "2");
    (void)rig_store(&rig, 'c', &other, "1");
    (void)rig_store(&rig, 'u', &conv, "feed");
    CHECK_RC(RC_OK, rig.log.head(rig.log.self, rig_partition(&conv), 'c', &conv, &head));
    CHECK_U64(last, head);
    rig_close(&rig);
}

TEST(a_range_is_read_in_order_with_its_chain)
{
    static struct rig_read read;
    uint64_t seqs[6];
    char what[16];
    rig_open(&rig);
    struct id conv = rig_new_id(), other = rig_new_id();
    for (int i = 0; i < 6; i++) {
        (void)snprintf(what, sizeof what, "%d", i);
        seqs[i] = rig_store(&rig, 'c', &conv, what);
        (void)rig_store(&rig, 'c', &other, what);
    }
    read.count = read.stop_after = 0;
    CHECK_RC(RC_OK, rig_read(&rig, &conv, seqs[1], seqs[4], 100, &read));
    CHECK_SIZE(3, read.count);
    CHECK_U64(seqs[2], read.records[0].seq);
    CHECK_U64(seqs[2], read.records[1].prev);
    CHECK_U64(seqs[4], read.records[2].seq);
    CHECK_U64(seqs[3], read.records[2].prev);
    CHECK_STR("{\"text\":\"2\"}", read.records[0].text);
    CHECK_INT('m', read.records[0].op);
    CHECK_ID("alice", read.records[0].actor);
    CHECK_ID("client-1", read.records[0].client_id);
    CHECK(read.records[0].has_body_hash);
    CHECK(read.records[0].at_us > 1700000000000000);

    read.count = 0;
    CHECK_RC(RC_OK, rig_read(&rig, &conv, seqs[0], seqs[5], 2, &read));
    CHECK_SIZE(2, read.count);
    read.count = 0;
    read.stop_after = 1;
    CHECK_RC(RC_OK, rig_read(&rig, &conv, seqs[0], seqs[5], 100, &read));
    CHECK_SIZE(1, read.count);
    read.count = read.stop_after = 0;
    CHECK_RC(RC_OK, rig_read(&rig, &conv, seqs[5], seqs[5], 100, &read));
    CHECK_SIZE(0, read.count);
    rig_close(&rig);
}

TEST(a_target_that_is_not_there_is_not_found)
{
    static struct rig_read read;
    rig_open(&rig);
    struct id conv = rig_new_id(), other = rig_new_id();
    uint64_t first = rig_store(&rig, 'c', &conv, "1");
    uint64_t foreign = rig_store(&rig, 'c', &other, "x");
    read.count = read.stop_after = 0;
    CHECK_RC(RC_NOT_FOUND, rig_read(&rig, &conv, first, foreign + 1000000, 100, &read));
    read.count = 0;
    CHECK_RC(RC_NOT_FOUND, rig_read(&rig, &conv, first - 1, foreign + 1000000, 100, &read));
    rig_close(&rig);
}

TEST(one_record_is_got_by_its_place)
{
    SCOPED_ARENA(arena, 100000);
    struct log_record record;
    rig_open(&rig);
    struct id conv = rig_new_id();
    uint64_t seq = rig_store(&rig, 'c', &conv, "\\u00e9 and more");
    uint32_t p = rig_partition(&conv);
    CHECK_RC(RC_OK, rig.log.get(rig.log.self, p, seq, &arena, &record));
    CHECK_U64(seq, record.seq);
    CHECK_ID(conv.text, record.owner);
    CHECK_INT('c', record.kind);
    CHECK_INT(p, record.partition);
    CHECK_INT('m', record.op);
    CHECK_INT(1, record.schema);
    CHECK_ID("alice", record.actor);
    CHECK(record.has_body_hash);
    CHECK_INT(15, record.body_hash[15]);
    CHECK_TEXT("{\"text\":\"\\u00e9 and more\"}", record.payload);
    CHECK_RC(RC_NOT_FOUND, rig.log.get(rig.log.self, p, seq + 1000000, &arena, &record));
    rig_close(&rig);
}

TEST(heads_of_many_subjects_are_as_new_as_the_leader)
{
    enum { COUNT = 40 };
    static struct id owners[COUNT];
    uint64_t wanted[COUNT], got[COUNT], as_of = 0;
    size_t count = 0;
    rig_open(&rig);
    while (count < COUNT) {
        struct id owner = rig_new_id();
        if (rig_partition(&owner) != 1)
            continue;
        owners[count] = owner;
        wanted[count] = count % 3 == 0 ? 0 : rig_store(&rig, 'c', &owner, "1");
        if (count % 3 == 2)
            wanted[count] = rig_store(&rig, 'c', &owner, "2");
        count++;
    }
    CHECK_RC(RC_OK, rig.log.heads(rig.log.self, 1, 'c', owners, COUNT, got, &as_of));
    for (size_t i = 0; i < COUNT; i++) {
        CHECK_U64(wanted[i], got[i]);
        CHECK(as_of >= got[i]);
    }
    /* None of them has a record: the answer must still be a proof. */
    for (size_t i = 0; i < COUNT; i++)
        do
            owners[i] = rig_new_id();
        while (rig_partition(&owners[i]) != 1);
    CHECK_RC(RC_OK, rig.log.heads(rig.log.self, 1, 'c', owners, COUNT, got, &as_of));
    for (size_t i = 0; i < COUNT; i++)
        CHECK_U64(0, got[i]);
    rig_close(&rig);
}

TEST(the_state_names_generation_partitions_and_last_seq)
{
    struct log_state state;
    rig_open(&rig);
    struct id conv = rig_new_id();
    uint64_t seq = rig_store(&rig, 'c', &conv, "1");
    CHECK_RC(RC_OK, rig.log.state(rig.log.self, rig_partition(&conv), &state));
    CHECK_U64(seq, state.last_seq);
    CHECK_U64(log_floor(1) + 1, state.first_seq);
    CHECK_INT(1, state.generation);
    CHECK_INT(RIG_PARTITIONS, state.partitions);
    CHECK(rig.log.state(rig.log.self, 77, &state) != RC_OK);
    rig_close(&rig);
}

TEST(a_feed_hears_what_was_stored_with_its_chain_and_only_what_it_asked_for)
{
    rig_open(&rig);
    struct id conv = rig_new_id(), other = rig_new_id();
    uint32_t p = rig_partition(&conv);
    uint64_t handle = rig.feed.subscribe(rig.feed.self, p, &conv);
    CHECK(handle != 0);
    rig_flush(&rig);
    uint64_t first = rig_store(&rig, 'c', &conv, "1");
    (void)rig_store(&rig, 'c', &other, "x");
    uint64_t second = rig_store(&rig, 'c', &conv, "2");
    RIG_UNTIL(&rig, rig.seen_count >= 2);
    CHECK_SIZE(2, rig.seen_count);
    CHECK_U64(first, rig.seen[0].seq);
    CHECK_U64(0, rig.seen[0].prev);
    CHECK_U64(second, rig.seen[1].seq);
    CHECK_U64(first, rig.seen[1].prev);
    CHECK_INT('c', rig.seen[1].kind);
    CHECK_ID(conv.text, rig.seen[1].owner);
    CHECK_ID("alice", rig.seen[1].actor);
    CHECK(rig.seen[1].at_us > 1700000000000000);

    rig.feed.unsubscribe(rig.feed.self, handle);
    rig_flush(&rig);
    (void)rig_store(&rig, 'c', &conv, "3");
    rig_flush(&rig);
    CHECK_SIZE(2, rig.seen_count);
    rig_close(&rig);
}

TEST(a_duplicate_is_not_heard_again)
{
    struct rig_message m;
    rig_open(&rig);
    struct id conv = rig_new_id();
    (void)rig.feed.subscribe(rig.feed.self, rig_partition(&conv), &conv);
    rig_flush(&rig);
    (void)rig_store(&rig, 'c', &conv, "1");
    CHECK_INT(PUBLISH_DUPLICATE, rig_publish(&rig, rig_request(&m, 'c', &conv, "1")).outcome);
    (void)rig_store(&rig, 'c', &conv, "2");
    RIG_UNTIL(&rig, rig.seen_count >= 2);
    CHECK_SIZE(2, rig.seen_count);
    rig_close(&rig);
}

TEST(a_user_feed_and_signals_have_their_own_kinds)
{
    rig_open(&rig);
    struct id conv = rig_new_id(), user = rig_new_id();
    uint32_t p = rig_partition(&conv);
    (void)rig.feed.subscribe(rig.feed.self, rig_partition(&user), &user);
    (void)rig.feed.subscribe(rig.feed.self, p, &conv);
    rig_flush(&rig);
    (void)rig_store(&rig, 'u', &user, "wake");
    RIG_UNTIL(&rig, rig.seen_count >= 1);
    CHECK_INT('u', rig.seen[0].kind);
    CHECK_ID(user.text, rig.seen[0].owner);
    CHECK_RC(RC_OK, rig.feed.signal(rig.feed.self, p, &conv, bytes_of("{\"typing\":true}")));
    RIG_UNTIL(&rig, rig.seen_count >= 2);
    CHECK_INT('s', rig.seen[1].kind);
    CHECK_ID(conv.text, rig.seen[1].owner);
    CHECK_STR("{\"typing\":true}", rig.seen[1].text);
    /* Gateways speak to each other about a user beside the user's feed. */
    CHECK_RC(RC_OK, rig.feed.signal(rig.feed.self, rig_partition(&user), &user, bytes_of("{}")));
    RIG_UNTIL(&rig, rig.seen_count >= 3);
    CHECK_INT('s', rig.seen[2].kind);
    CHECK_ID(user.text, rig.seen[2].owner);
    rig_close(&rig);
}

static size_t present_count;
static struct rig_seen present[8];

static void take_present(void *closure, const struct presence_record *record)
{
    (void)closure;
    present[present_count % 8] = (struct rig_seen){ .user = record->user,
                                                    .session = record->session,
                                                    .is_gone = record->is_gone,
                                                    .seq = record->revision };
    present_count++;
}

TEST(presence_is_put_listed_heard_and_ended)
{
    rig_open(&rig);
    struct id user = rig_new_id(), nobody = rig_new_id(), s1 = rig_id("s1"), s2 = rig_id("s2");
    struct id both[2] = { user, nobody };
    uint64_t handle = rig.feed.watch_presence(rig.feed.self, &user);
    CHECK(handle != 0);
    rig_flush(&rig);
    struct bytes online = bytes_of("{\"status\":\"online\"}");
    CHECK_RC(RC_OK, rig.feed.put_presence(rig.feed.self, &user, &s1, online));
    CHECK_RC(RC_OK, rig.feed.put_presence(rig.feed.self, &user, &s2, online));
    RIG_UNTIL(&rig, rig.seen_count >= 2);
    CHECK_INT('p', rig.seen[0].kind);
    CHECK_ID(user.text, rig.seen[0].user);
    CHECK_ID("s1", rig.seen[0].session);
    CHECK(!rig.seen[0].is_gone);
    CHECK(rig.seen[1].seq > rig.seen[0].seq);

    present_count = 0;
    CHECK_RC(RC_OK, rig.feed.list_presence(rig.feed.self, both, 2, take_present, NULL));
    CHECK_SIZE(2, present_count);
    CHECK_RC(RC_OK, rig.feed.end_presence(rig.feed.self, &user, &s1));
    RIG_UNTIL(&rig, rig.seen_count >= 3);
    CHECK(rig.seen[2].is_gone);
    CHECK_ID("s1", rig.seen[2].session);
    present_count = 0;
    CHECK_RC(RC_OK, rig.feed.list_presence(rig.feed.self, both, 2, take_present, NULL));
    CHECK_SIZE(1, present_count);
    CHECK_ID("s2", present[0].session);
    rig.feed.unsubscribe(rig.feed.self, handle);
    rig_close(&rig);
}

#endif
