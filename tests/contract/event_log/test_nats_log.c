/* The contract on a real nats-server, and what only a server can do: end, freeze, come back.
 * Each claim about an outage ends with what the stream really holds. */
#include "rig.h"

#include "adapters/nats/nats_consumer.h"
#include "adapters/nats/nats_feed.h"
#include "adapters/nats/nats_log.h"
#include "adapters/nats/streams.h"
#include "support/nats_server.h"

#include <pthread.h>
#include <stdatomic.h>

struct nats_rig {
    struct loop *loop;
    struct nats_link *log_link, *feed_link, *read_link;
    struct nats_log *log;
    struct nats_feed *feed;
    struct nats_consumers *consumers;
    struct timer turn;
};

static struct nats_server server;
static int64_t hold_ms; /* of the next rig */

static void stop_server(void)
{
    nats_server_stop(&server);
}

static struct nats_link *open_link(struct loop *loop, const char *name)
{
    struct nats_link *link = NULL;
    CHECK_RC(RC_OK,
             nats_link_create(
                 &(struct nats_link_options){ .url = server.url, .name = name, .loop = loop },
                 &link, NULL));
    return link;
}

static void apply_streams(void)
{
    struct fault fault = { .field = "" };
    struct stream_set *set = NULL;
    struct stream_report report;
    const struct stream_vars vars = {
        .partitions = RIG_PARTITIONS, .generation = 1, .replicas = 1, .chat_max_bytes = 64 << 20
    };
    struct nats_link *link = open_link(NULL, "setup");
    CHECK_RC(RC_OK, nats_link_wait(link, 5000));
    CHECK_RC(RC_OK, streams_load("streams", &vars, &set, &fault));
    CHECK_RC(RC_OK, streams_apply(set, link, &(struct stream_apply_options){ 0 }, &report));
    CHECK(report.is_ready);
    stream_report_fini(&report);
    streams_destroy(set);
    nats_link_destroy(link);
}

static void need_server(void)
{
    if (server.port)
        return;
    nats_server_start(&server, NULL);
    (void)atexit(stop_server);
    apply_streams();
}

static void on_turn(struct timer *timer)
{
    struct nats_rig *n = CONTAINER_OF(timer, struct nats_rig, turn);
    loop_stop(n->loop);
}

static void rig_turn(struct rig *rig)
{
    struct nats_rig *n = rig->adapter;
    timer_start(loop_timers(n->loop), &n->turn, 2, 0);
    loop_run(n->loop);
}

/* The machine's clock, and what a test adds to it: as if the process had been stopped for so long,
 * with its timers still to come. */
static _Atomic int64_t stopped_ms;

static int64_t clock_with_stops(void *self)
{
    (void)self;
    return clock_monotonic_ms(clock_system()) + atomic_load(&stopped_ms);
}

static const struct clock_source stop_clock = { .monotonic_ms = clock_with_stops };

static void rig_open(struct rig *rig)
{
    static struct nats_rig n;
    need_server();
    memset(rig, 0, sizeof *rig);
    n = (struct nats_rig){ .turn = { .run = on_turn } };
    n.loop = loop_create();
    n.log_link = open_link(n.loop, "log");
    n.feed_link = open_link(n.loop, "feed");
    n.read_link = open_link(NULL, "read");
    n.log = nats_log_create(&(struct nats_log_options){ .link = n.log_link,
                                                        .read_link = n.read_link,
                                                        .loop = n.loop,
                                                        .in_flight_max = 4096,
                                                        .hold_ms = hold_ms,
                                                        .clock = &stop_clock });
    n.feed = nats_feed_create(&(struct nats_feed_options){
        .link = n.feed_link, .read_link = n.read_link, .loop = n.loop, .events = rig_events(rig) });
    CHECK(n.log && n.feed);
    CHECK_RC(RC_OK, nats_consumers_create(&(struct nats_consumers_options){ .url = server.url },
                                          &n.consumers, NULL));
    rig->consumers = nats_consumers_port(n.consumers);
    rig->adapter = &n;
    rig->log = nats_log_port(n.log);
    rig->feed = nats_feed_port(n.feed);
    RIG_UNTIL(rig, rig->ups > 0 && nats_link_is_up(n.log_link));
}

static void rig_close(struct rig *rig)
{
    struct nats_rig *n = rig->adapter;
    nats_consumers_destroy(n->consumers);
    nats_log_destroy(n->log);
    nats_feed_destroy(n->feed);
    nats_link_destroy(n->log_link);
    nats_link_destroy(n->feed_link);
    nats_link_destroy(n->read_link);
    loop_destroy(n->loop);
}

#include "suite.h"
#include "suite_consumer.h"

/* ---- outages ---- */

enum { LOAD_MAX = 60000, LOAD_IN_FLIGHT = 400 };

struct load {
    struct id conv;
    struct rig_done done[LOAD_MAX];
    uint8_t found[LOAD_MAX]; /* times in the stream */
    uint64_t found_seq[LOAD_MAX];
    size_t count;
};

static struct load load;

static size_t load_open_count(void)
{
    size_t open = 0;
    for (size_t i = 0; i < load.count; i++)
        open += load.done[i].calls == 0;
    return open;
}

/* Publishes for so long, with a bound in flight. */
static void load_run(int64_t for_ms, int64_t timeout_ms)
{
    struct rig_message m;
    char what[16];
    int64_t stop = rig_now_ms() + for_ms;
    while (rig_now_ms() < stop && load.count < LOAD_MAX) {
        for (size_t open = load_open_count(); open < LOAD_IN_FLIGHT && load.count < LOAD_MAX;
             open++) {
            (void)snprintf(what, sizeof what, "%zu", load.count);
            (void)rig_request(&m, 'c', &load.conv, what);
            m.request.timeout_ms = timeout_ms;
            if (rig.log.publish(rig.log.self, &m.request, rig_on_done, &load.done[load.count]))
                break;
            load.count++;
        }
        rig_turn(&rig);
    }
}

static bool load_find(void *closure, const struct log_record *record)
{
    uint64_t i = 0;
    (void)closure;
    if (!id_equal(&record->owner, &load.conv))
        return true;
    struct bytes text = record->payload; /* {"text":"<i>"} */
    CHECK(text.len > 11 && bytes_to_u64(bytes_make(text.ptr + 9, text.len - 11), LOAD_MAX, &i));
    load.found[i]++;
    load.found_seq[i] = record->seq;
    return true;
}

static bool load_last(void *closure, const struct log_record *record)
{
    *(uint64_t *)closure = record->seq;
    return true;
}

/* What was answered against what the stream holds. */
static void load_verify(size_t out_counts[8])
{
    struct log_consumer consumer;
    struct log_state state = { 0 };
    RIG_UNTIL(&rig, rig.consumers.open(rig.consumers.self, rig_partition(&load.conv), &consumer) ==
                        RC_OK);
    RIG_UNTIL(&rig, consumer.state(consumer.self, &state) == RC_OK);
    CHECK_RC(RC_OK,
             consumer.read_run(consumer.self, state.first_seq, state.last_seq, load_find, NULL));
    consumer.close(consumer.self);
    for (size_t i = 0; i < load.count; i++) {
        const struct publish_result *result = &load.done[i].result;
        CHECK_INT(1, load.done[i].calls);
        CHECK(load.found[i] <= 1);
        out_counts[result->outcome]++;
        if (result->outcome == PUBLISH_STORED || result->outcome == PUBLISH_DUPLICATE) {
            CHECK_INT(1, load.found[i]);
            CHECK_U64(load.found_seq[i], result->seq);
        } else if (result->outcome != PUBLISH_UNKNOWN) {
            CHECK_INT(0, load.found[i]); /* definite errors are true */
        }
    }
}

TEST(a_server_killed_under_load_leaves_no_publish_open_and_no_outcome_wrong)
{
    size_t counts[8] = { 0 };
    rig_open(&rig);
    memset(&load, 0, sizeof load);
    load.conv = rig_new_id();
    (void)rig.feed.subscribe(rig.feed.self, rig_partition(&load.conv), &load.conv);
    rig_flush(&rig);
    for (int i = 0; i < 2; i++) {
        load_run(500, 5000);
        nats_server_kill(&server);
        load_run(100, 5000);
        nats_server_restart(&server);
        load_run(500, 5000);
    }
    RIG_UNTIL(&rig, load_open_count() == 0);
    load_verify(counts);
    print_message("%zu published: %zu stored, %zu duplicate, %zu unavailable, %zu unknown\n",
                  load.count, counts[PUBLISH_STORED], counts[PUBLISH_DUPLICATE],
                  counts[PUBLISH_UNAVAILABLE], counts[PUBLISH_UNKNOWN]);
    CHECK(counts[PUBLISH_STORED] > 100);
    struct nats_rig *n = rig.adapter;
    CHECK(nats_log_counts(n->log).resent > 0); /* some were open while it was away */
    CHECK_SIZE(load.count, counts[PUBLISH_STORED] + counts[PUBLISH_DUPLICATE] +
                               counts[PUBLISH_UNAVAILABLE] + counts[PUBLISH_UNKNOWN]);
    RIG_UNTIL(&rig, rig.boundaries >= 2 && rig.ups >= 3);

    /* The feed hears again, without having asked again. */
    size_t before = rig.seen_count;
    uint64_t seq = rig_store(&rig, 'c', &load.conv, "59999");
    RIG_UNTIL(&rig,
              rig.seen_count > before && rig.seen[(rig.seen_count - 1) % RIG_SEEN_MAX].seq == seq);
    rig_close(&rig);
    apply_streams(); /* the bucket in memory went with the server */
}

/* Its only copy went with the server. Two minutes later the log has forgotten its id, and whoever
 * sent it may have sent it again elsewhere. */
TEST(a_publish_whose_time_passed_while_the_process_was_stopped_is_not_sent_again)
{
    struct rig_message m;
    struct rig_done late = { .calls = 0 }, fresh = { .calls = 0 };
    uint64_t head;
    rig_open(&rig);
    struct nats_rig *n = rig.adapter;
    struct id conv = rig_new_id(), other = rig_new_id();
    nats_server_freeze(&server, true);
    (void)rig_request(&m, 'c', &conv, "late");
    m.request.timeout_ms = 60000;
    CHECK_RC(RC_OK, rig.log.publish(rig.log.self, &m.request, rig_on_done, &late));
    for (int i = 0; i < 50; i++)
        rig_turn(&rig);
    nats_server_kill(&server);
    RIG_UNTIL(&rig, !nats_link_is_up(n->log_link));
    CHECK_INT(0, late.calls);
    uint64_t resent = nats_log_counts(n->log).resent;
    atomic_fetch_add(&stopped_ms, 130000);
    nats_server_restart(&server);
    RIG_UNTIL(&rig, late.calls == 1);
    CHECK_INT(PUBLISH_UNKNOWN, late.result.outcome);
    CHECK_U64(resent, nats_log_counts(n->log).resent);
    RIG_UNTIL(&rig, nats_link_is_up(n->log_link) && nats_link_is_up(n->read_link));
    RIG_UNTIL(&rig,
              rig.log.head(rig.log.self, rig_partition(&conv), 'c', &conv, &head) == RC_NOT_FOUND);
    /* What is published after the stop has its whole time. */
    (void)rig_request(&m, 'c', &other, "fresh");
    CHECK_RC(RC_OK, rig.log.publish(rig.log.self, &m.request, rig_on_done, &fresh));
    RIG_UNTIL(&rig, fresh.calls == 1);
    CHECK_INT(PUBLISH_STORED, fresh.result.outcome);
    rig_close(&rig);
    apply_streams(); /* the bucket in memory went with the server */
}

static bool are_links_down(const struct nats_rig *n)
{
    return !nats_link_is_up(n->log_link) && !nats_link_is_up(n->feed_link) &&
           !nats_link_is_up(n->read_link);
}

TEST(while_the_link_is_down_a_publish_is_refused_at_once)
{
    struct rig_message m;
    rig_open(&rig);
    struct id conv = rig_new_id();
    struct nats_rig *n = rig.adapter;
    nats_server_kill(&server);
    RIG_UNTIL(&rig, are_links_down(n));
    int64_t began = rig_now_ms();
    CHECK_INT(PUBLISH_UNAVAILABLE, rig_publish(&rig, rig_request(&m, 'c', &conv, "1")).outcome);
    CHECK(rig_now_ms() - began < 500);
    uint64_t head;
    CHECK_RC(RC_UNAVAILABLE, rig.log.head(rig.log.self, 0, 'c', &conv, &head));
    CHECK_RC(RC_UNAVAILABLE, rig.feed.signal(rig.feed.self, 0, &conv, bytes_of("{}")));
    CHECK(!rig.feed.is_up(rig.feed.self));
    nats_server_restart(&server);
    RIG_UNTIL(&rig, nats_link_is_up(n->log_link) && nats_link_is_up(n->read_link));
    RIG_UNTIL(&rig, rig.log.head(rig.log.self, 0, 'c', &conv, &head) == RC_NOT_FOUND);
    rig_close(&rig);
    apply_streams();
}

static void open_holding(int64_t ms)
{
    hold_ms = ms;
    rig_open(&rig);
    hold_ms = 0;
}

TEST(a_held_publish_waits_for_the_link_and_is_stored_once)
{
    struct rig_message m;
    struct rig_done done = { .calls = 0 };
    open_holding(8000);
    struct id conv = rig_new_id();
    struct nats_rig *n = rig.adapter;
    nats_server_kill(&server);
    RIG_UNTIL(&rig, !nats_link_is_up(n->log_link));
    CHECK_RC(RC_OK,
             rig.log.publish(rig.log.self, rig_request(&m, 'c', &conv, "1"), rig_on_done, &done));
    for (int64_t until = rig_now_ms() + 700; rig_now_ms() < until;)
        rig_turn(&rig);
    CHECK_INT(0, done.calls);
    nats_server_restart(&server);
    RIG_UNTIL(&rig, done.calls > 0);
    CHECK_INT(PUBLISH_STORED, done.result.outcome);
    CHECK_INT(PUBLISH_DUPLICATE, rig_publish(&rig, &m.request).outcome);
    rig_close(&rig);
    apply_streams();
}

TEST(an_outage_that_lasts_is_told_and_then_at_once)
{
    struct rig_message m;
    open_holding(600);
    struct id conv = rig_new_id();
    struct nats_rig *n = rig.adapter;
    nats_server_kill(&server);
    RIG_UNTIL(&rig, !nats_link_is_up(n->log_link));
    int64_t began = rig_now_ms();
    CHECK_INT(PUBLISH_UNAVAILABLE, rig_publish(&rig, rig_request(&m, 'c', &conv, "1")).outcome);
    CHECK(rig_now_ms() - began >= 400);
    began = rig_now_ms();
    CHECK_INT(PUBLISH_UNAVAILABLE, rig_publish(&rig, rig_request(&m, 'c', &conv, "2")).outcome);
    CHECK(rig_now_ms() - began < 300);
    nats_server_restart(&server);
    RIG_UNTIL(&rig, nats_link_is_up(n->log_link));
    rig_close(&rig);
    apply_streams();
}

static void ask_server(const char *subject, const char *body)
{
    SCOPED_ARENA(arena, 1 << 20);
    struct bytes reply;
    struct nats_link *link = open_link(NULL, "setup");
    CHECK_RC(RC_OK, nats_link_wait(link, 5000));
    CHECK_RC(RC_OK, nats_link_request(link, subject, bytes_of(body), 5000, &arena, &reply));
    CHECK(!memmem(reply.ptr, reply.len, "\"error\"", 7));
    nats_link_destroy(link);
}

/* What a partition without a leader looks like from outside: nobody answers for its subjects. */
TEST(a_held_publish_waits_for_somebody_to_answer_and_else_never_takes_effect)
{
    struct rig_message m;
    struct rig_done done = { .calls = 0 };
    open_holding(1200);
    struct id conv = rig_new_id();
    (void)rig_request(&m, 'c', &conv, "1");
    (void)snprintf(m.subject, sizeof m.subject, "chat.77.c.%s", conv.text);
    m.request.partition = 77;
    int64_t began = rig_now_ms();
    CHECK_INT(PUBLISH_UNAVAILABLE, rig_publish(&rig, &m.request).outcome);
    CHECK(rig_now_ms() - began >= 1000);
    CHECK(rig_now_ms() - began < 3000);
    began = rig_now_ms();
    CHECK_INT(PUBLISH_UNAVAILABLE, rig_publish(&rig, &m.request).outcome);
    CHECK(rig_now_ms() - began < 300);
    for (int64_t until = rig_now_ms() + 2200; rig_now_ms() < until;)
        rig_turn(&rig); /* another outage, a while later */
    CHECK_RC(RC_OK, rig.log.publish(rig.log.self, &m.request, rig_on_done, &done));
    for (int64_t until = rig_now_ms() + 300; rig_now_ms() < until;)
        rig_turn(&rig);
    CHECK_INT(0, done.calls);
    ask_server("$JS.API.STREAM.CREATE.HELD",
               "{\"name\":\"HELD\",\"subjects\":[\"chat.77.c.*\"],\"storage\":\"memory\"}");
    RIG_UNTIL(&rig, done.calls > 0);
    CHECK_INT(PUBLISH_STORED, done.result.outcome);
    CHECK_U64(1, done.result.seq); /* neither of the refused ones came in late */
    ask_server("$JS.API.STREAM.DELETE.HELD", "");
    rig_close(&rig);
}

TEST(a_frozen_server_gives_unknown_at_the_deadline_and_the_same_id_finds_it_later)
{
    struct rig_message m;
    rig_open(&rig);
    struct id conv = rig_new_id();
    (void)rig_store(&rig, 'c', &conv, "0");
    nats_server_freeze(&server, true);
    (void)rig_request(&m, 'c', &conv, "1");
    m.request.timeout_ms = 600;
    int64_t began = rig_now_ms();
    CHECK_INT(PUBLISH_UNKNOWN, rig_publish(&rig, &m.request).outcome);
    CHECK(rig_now_ms() - began >= 550);
    nats_server_freeze(&server, false);
    m.request.timeout_ms = 4000;
    struct publish_result again = rig_publish(&rig, &m.request);
    CHECK_INT(PUBLISH_DUPLICATE, again.outcome);
    uint64_t head = 0;
    CHECK_RC(RC_OK, rig.log.head(rig.log.self, rig_partition(&conv), 'c', &conv, &head));
    CHECK_U64(head, again.seq);
    struct nats_rig *n = rig.adapter;
    CHECK(nats_log_counts(n->log).late_answers > 0);
    rig_close(&rig);
}

TEST(a_subject_without_a_stream_is_unavailable_at_once)
{
    struct rig_message m;
    rig_open(&rig);
    struct id conv = rig_new_id();
    (void)rig_request(&m, 'c', &conv, "1");
    m.request.subject = "chat.99.c.nobody";
    int64_t began = rig_now_ms();
    CHECK_INT(PUBLISH_UNAVAILABLE, rig_publish(&rig, &m.request).outcome);
    CHECK(rig_now_ms() - began < 1000);
    rig_close(&rig);
}

TEST(a_full_stream_refuses_for_good_and_still_knows_what_it_has)
{
    SCOPED_ARENA(arena, 65536);
    struct rig_message m;
    struct bytes reply;
    rig_open(&rig);
    struct nats_rig *n = rig.adapter;
    struct id conv = rig_new_id();
    CHECK_RC(RC_OK,
             nats_link_request(n->read_link, "$JS.API.STREAM.CREATE.FULL",
                               bytes_of("{\"name\":\"FULL\",\"subjects\":[\"chat.77.c.*\"],"
                                        "\"storage\":\"file\",\"discard\":\"new\",\"max_msgs\":1}"),
                               4000, &arena, &reply));
    (void)rig_request(&m, 'c', &conv, "1");
    m.request.subject = "chat.77.c.room";
    struct publish_result first = rig_publish(&rig, &m.request);
    CHECK_INT(PUBLISH_STORED, first.outcome);
    (void)rig_request(&m, 'c', &conv, "2");
    m.request.subject = "chat.77.c.room";
    CHECK_INT(PUBLISH_FULL, rig_publish(&rig, &m.request).outcome);
    (void)rig_request(&m, 'c', &conv, "1");
    m.request.subject = "chat.77.c.room";
    struct publish_result again = rig_publish(&rig, &m.request);
    CHECK_INT(PUBLISH_DUPLICATE, again.outcome);
    CHECK_U64(first.seq, again.seq);
    rig_close(&rig);
}

TEST(only_so_many_are_in_flight)
{
    struct rig_message m;
    static struct rig_done done[5000];
    char what[16];
    size_t accepted = 0;
    rig_open(&rig);
    memset(done, 0, sizeof done);
    struct id conv = rig_new_id();
    nats_server_freeze(&server, true);
    for (size_t i = 0; i < 5000; i++) {
        (void)snprintf(what, sizeof what, "%zu", i);
        enum rc rc =
            rig.log.publish(rig.log.self, rig_request(&m, 'c', &conv, what), rig_on_done, &done[i]);
        CHECK(rc == RC_OK || rc == RC_FULL);
        accepted += rc == RC_OK;
    }
    CHECK_SIZE(4096, accepted);
    nats_server_freeze(&server, false);
    size_t answered;
    RIG_UNTIL(&rig, (answered = 0, ({
                         for (size_t i = 0; i < accepted; i++)
                             answered += done[i].calls == 1;
                         answered == accepted;
                     })));
    (void)rig_store(&rig, 'c', &conv, "more");
    rig_close(&rig);
}

struct reads {
    uint64_t good, wrong;
};

/* nats.c 3.4 frees a subscription under its reader's hands if one lets it. A server that is busy
 * with thousands of publishes may leave a read without an answer for longer than it waits: then it
 * says so, and the next one is tried, until one was good after the noise. What is answered is right
 * in any case. */
static void *read_all_the_time(void *arg)
{
    struct id conv = { 0 };
    struct event_log log = nats_log_port(arg);
    uint64_t head;
    struct reads *reads = calloc(1, sizeof *reads);
    (void)id_read(bytes_of("churn-0"), &conv);
    int64_t stop = rig_now_ms() + 1500;
    while (reads && (rig_now_ms() < stop || (!reads->good && rig_now_ms() < stop + 30000))) {
        uint64_t last = 0;
        if (log.head(log.self, rig_partition(&conv), 'c', &conv, &head) != RC_OK)
            continue; /* nothing there yet */
        const struct log_range range = { .partition = rig_partition(&conv),
                                         .kind = 'c',
                                         .owner = &conv,
                                         .after = head > 50 ? head - 50 : 0,
                                         .until = head };
        enum rc rc = log.read(log.self, &range, load_last, &last);
        reads->good += rc == RC_OK && last == head;
        reads->wrong += rc == RC_OK ? last != head : rc != RC_TIMEOUT;
    }
    return reads;
}

static size_t count_seen(const struct id *owner)
{
    size_t count = 0;
    for (size_t i = 0; i < rig.seen_count && i < RIG_SEEN_MAX; i++)
        count += id_equal(&rig.seen[i].owner, owner);
    return count;
}

TEST(subscriptions_come_and_go_while_messages_and_answers_fly)
{
    enum { CONVERSATIONS = 20, COUNT = 40000 };
    static struct rig_done done[COUNT];
    struct rig_message m;
    uint64_t handles[CONVERSATIONS] = { 0 };
    struct id convs[CONVERSATIONS];
    pthread_t readers[2];
    char what[32];
    size_t count = 0, answered, churned = 0, stored = 0;
    rig_open(&rig);
    struct nats_rig *n = rig.adapter;
    memset(done, 0, sizeof done);
    for (int i = 0; i < CONVERSATIONS; i++) {
        (void)snprintf(what, sizeof what, "churn-%d", i);
        convs[i] = rig_id(what);
    }
    (void)rig.feed.subscribe(rig.feed.self, rig_partition(&convs[0]), &convs[0]);
    rig_flush(&rig);
    for (int i = 0; i < 2; i++)
        CHECK_INT(0, pthread_create(&readers[i], NULL, read_all_the_time, n->log));
    for (int64_t stop = rig_now_ms() + 1500; rig_now_ms() < stop;) {
        for (int i = 0; i < 100 && count < COUNT; i++) {
            (void)snprintf(what, sizeof what, "%zu", count);
            if (rig.log.publish(rig.log.self,
                                rig_request(&m, 'c', &convs[count % CONVERSATIONS], what),
                                rig_on_done, &done[count]) != RC_OK)
                break;
            count++;
        }
        for (int i = 1; i < CONVERSATIONS; i++, churned++) {
            rig.feed.unsubscribe(rig.feed.self, handles[i]);
            handles[i] = rig.feed.subscribe(rig.feed.self, rig_partition(&convs[i]), &convs[i]);
            CHECK(handles[i] != 0);
        }
        rig_turn(&rig);
    }
    RIG_UNTIL(&rig, (answered = 0, ({
                         for (size_t i = 0; i < count; i++)
                             answered += (size_t)done[i].calls;
                         answered == count;
                     })));
    for (int i = 0; i < 2; i++) {
        struct reads *reads = NULL;
        CHECK_INT(0, pthread_join(readers[i], (void **)&reads));
        CHECK_U64(0, reads->wrong);
        CHECK(reads->good > 0);
        free(reads);
    }
    for (size_t i = 0; i < count; i += CONVERSATIONS) /* each id once: a duplicate was resent */
        stored +=
            done[i].result.outcome == PUBLISH_STORED || done[i].result.outcome == PUBLISH_DUPLICATE;
    /* The server's copies come over another link than its acks, and may come after them. */
    RIG_UNTIL(&rig, rig.seen_count >= RIG_SEEN_MAX || count_seen(&convs[0]) >= stored);
    rig_flush(&rig);
    print_message("%zu published, %zu subscriptions ended, %zu stored, %zu heard\n", count, churned,
                  stored, count_seen(&convs[0]));
    CHECK(rig.seen_count >= RIG_SEEN_MAX || count_seen(&convs[0]) == stored);
    rig_close(&rig);
}

TEST(a_log_that_ends_answers_what_is_open)
{
    struct rig_message m;
    struct rig_done done = { .calls = 0 };
    rig_open(&rig);
    struct id conv = rig_new_id();
    nats_server_freeze(&server, true);
    CHECK_RC(RC_OK,
             rig.log.publish(rig.log.self, rig_request(&m, 'c', &conv, "1"), rig_on_done, &done));
    rig_turn(&rig);
    rig_turn(&rig);
    CHECK_INT(0, done.calls);
    rig_close(&rig);
    CHECK_INT(1, done.calls);
    CHECK_INT(PUBLISH_UNKNOWN, done.result.outcome);
    nats_server_freeze(&server, false);
}

/* What wants more of whatever has answered, as a room does that joins. */
struct greedy {
    struct rig_message m;
    struct id conv;
    int calls;
    enum rc flush_rc, publish_rc;
    uint64_t handle;
};

static void on_answer(void *closure, enum rc rc)
{
    struct greedy *g = closure;
    (void)rc;
    g->calls++;
    g->handle = rig.feed.subscribe(rig.feed.self, 0, &g->conv);
    g->flush_rc = rig.feed.flush(rig.feed.self, on_answer, g);
}

TEST(a_feed_that_ends_begins_nothing_more)
{
    struct greedy g = { .calls = 0 };
    rig_open(&rig);
    g.conv = rig_new_id();
    CHECK_RC(RC_OK, rig.feed.flush(rig.feed.self, on_answer, &g));
    nats_feed_stop(((struct nats_rig *)rig.adapter)->feed);
    CHECK_INT(1, g.calls);
    CHECK_RC(RC_UNAVAILABLE, g.flush_rc);
    CHECK_U64(0, g.handle);
    rig_close(&rig);
}

static void on_outcome(void *closure, const struct publish_result *result)
{
    struct greedy *g = closure;
    (void)result;
    g->calls++;
    g->publish_rc =
        rig.log.publish(rig.log.self, rig_request(&g->m, 'c', &g->conv, "again"), on_outcome, g);
}

TEST(a_log_that_ends_takes_nothing_more)
{
    struct greedy g = { .calls = 0 };
    rig_open(&rig);
    g.conv = rig_new_id();
    nats_server_freeze(&server, true);
    CHECK_RC(RC_OK,
             rig.log.publish(rig.log.self, rig_request(&g.m, 'c', &g.conv, "1"), on_outcome, &g));
    rig_close(&rig);
    nats_server_freeze(&server, false);
    CHECK_INT(1, g.calls);
    CHECK_RC(RC_UNAVAILABLE, g.publish_rc);
}
