/* Three servers, three replicas: what one server hides. Any replica may answer a Direct Get, and
 * lags a little; a SUB and a request travel on different routes; a killed leader loses copies.
 * Each test says how often the trouble came up, so that a run in which it never did can be told. */
#include "rig.h"

#include "adapters/nats/nats_feed.h"
#include "adapters/nats/nats_log.h"
#include "adapters/nats/streams.h"
#include "support/nats_server.h"

enum { SERVERS = 3, READS = 700, JOINS = 400 };

struct cluster_rig {
    struct loop *loop;
    struct nats_link *log_link, *feed_link, *read_links[SERVERS];
    struct nats_log *log, *readers[SERVERS];
    struct nats_feed *feed;
    struct timer turn;
};

static struct nats_server servers[SERVERS];
static struct rig rig;
static char all_urls[256];

static void stop_servers(void)
{
    for (int i = 0; i < SERVERS; i++)
        nats_server_stop(&servers[i]);
}

static struct nats_link *open_link(struct loop *loop, const char *url, const char *name)
{
    struct nats_link *link = NULL;
    const struct nats_link_options options = { .url = url, .name = name, .loop = loop };
    CHECK_RC(RC_OK, nats_link_create(&options, &link, NULL));
    CHECK_RC(RC_OK, nats_link_wait(link, 5000));
    return link;
}

static void apply_streams(void)
{
    const struct stream_vars vars = { RIG_PARTITIONS, 1, SERVERS, 256 << 20 };
    const struct stream_apply_options options = { .is_forced = false };
    struct stream_report report = { .is_ready = false };
    struct stream_set *set = NULL;
    struct nats_link *link = open_link(NULL, servers[0].url, "setup");
    CHECK_RC(RC_OK, streams_load("streams", &vars, &set, NULL));
    for (int i = 0; i < 20 && !report.is_ready; i++) { /* the first ones wait for a meta leader */
        stream_report_fini(&report);
        if (streams_apply(set, link, &options, &report) != RC_OK)
            report.is_ready = false;
    }
    CHECK(report.is_ready);
    stream_report_fini(&report);
    streams_destroy(set);
    nats_link_destroy(link);
}

static void need_servers(void)
{
    if (servers[0].port)
        return;
    (void)atexit(stop_servers);
    nats_cluster_start(servers);
    (void)snprintf(all_urls, sizeof all_urls, "%s,%s,%s", servers[0].url, servers[1].url,
                   servers[2].url);
    apply_streams();
}

static void on_turn(struct timer *timer)
{
    loop_stop(CONTAINER_OF(timer, struct cluster_rig, turn)->loop);
}

static void rig_turn(struct rig *r)
{
    struct cluster_rig *c = r->adapter;
    timer_start(loop_timers(c->loop), &c->turn, 1, 0);
    loop_run(c->loop);
}

/* Publishes over the first server (or any), hears over the second, reads over each of the three. */
static void open_rig(struct rig *r, const char *log_url)
{
    static struct cluster_rig c;
    need_servers();
    memset(r, 0, sizeof *r);
    c = (struct cluster_rig){ .turn = { .run = on_turn } };
    c.loop = loop_create();
    c.log_link = open_link(c.loop, log_url ? log_url : servers[0].url, "log");
    c.feed_link = open_link(c.loop, servers[1].url, "feed");
    c.log = nats_log_create(
        &(struct nats_log_options){ .link = c.log_link, .loop = c.loop, .hold_ms = 12000 });
    c.feed = nats_feed_create(&(struct nats_feed_options){
        .link = c.feed_link, .loop = c.loop, .events = rig_events(r) });
    for (int i = 0; i < SERVERS; i++) {
        c.read_links[i] = open_link(NULL, servers[i].url, "read");
        c.readers[i] = nats_log_create(&(struct nats_log_options){ .link = c.read_links[i] });
    }
    r->adapter = &c;
    r->log = nats_log_port(c.log);
    r->feed = nats_feed_port(c.feed);
    RIG_UNTIL(r, r->ups > 0);
}

static void rig_open(struct rig *r)
{
    open_rig(r, NULL);
}

static void rig_close(struct rig *r)
{
    struct cluster_rig *c = r->adapter;
    nats_log_destroy(c->log);
    nats_feed_destroy(c->feed);
    nats_link_destroy(c->log_link);
    nats_link_destroy(c->feed_link);
    for (int i = 0; i < SERVERS; i++) {
        nats_log_destroy(c->readers[i]);
        nats_link_destroy(c->read_links[i]);
    }
    loop_destroy(c->loop);
}

static bool take_last(void *closure, const struct log_record *record)
{
    *(uint64_t *)closure = record->seq;
    return true;
}

TEST(reads_right_after_an_ack_are_right_over_every_server)
{
    char what[16];
    uint64_t before = 0;
    rig_open(&rig);
    struct cluster_rig *c = rig.adapter;
    struct id conv = rig_new_id();
    uint32_t p = rig_partition(&conv);
    for (int i = 0; i < READS; i++) {
        (void)snprintf(what, sizeof what, "%d", i);
        uint64_t seq = rig_store(&rig, 'c', &conv, what), last = 0, head = 0, as_of = 0;
        struct event_log log = nats_log_port(c->readers[i % SERVERS]);
        const struct log_range range = {
            .partition = p, .kind = 'c', .owner = &conv, .after = before, .until = seq
        };
        switch (i / SERVERS % 3) { /* each straight after its own ack */
        case 0:
            CHECK_RC(RC_OK, log.read(log.self, &range, take_last, &last));
            CHECK_U64(seq, last);
            break;
        case 1:
            CHECK_RC(RC_OK, log.heads(log.self, p, 'c', &conv, 1, &head, &as_of));
            CHECK_U64(seq, head);
            CHECK(as_of >= seq);
            break;
        default:
            CHECK_RC(RC_OK, log.head(log.self, p, 'c', &conv, &head));
            CHECK_U64(seq, head);
            break;
        }
        before = seq;
    }
    uint64_t stale = 0;
    for (int i = 0; i < SERVERS; i++)
        stale += nats_log_counts(c->readers[i]).stale_reads;
    print_message("%d reads right after their acks, %llu times a replica was behind\n", READS,
                  (unsigned long long)stale);
    rig_close(&rig);
}

static bool take_seen(void *closure, const struct log_record *record)
{
    rig_on_record(closure, record);
    return true;
}

static bool has_seen(const struct id *conv, uint64_t seq)
{
    for (size_t i = 0; i < rig.seen_count && i < RIG_SEEN_MAX; i++)
        if (rig.seen[i].seq == seq && id_equal(&rig.seen[i].owner, conv))
            return true;
    return false;
}

static void wait_us(long us)
{
    const struct timespec span = { .tv_nsec = us * 1000 };
    (void)nanosleep(&span, NULL);
}

/* SUB and flush, the head from the leader; what falls between shows at the next look at the heads,
 * and is read then. Live, head and repair together have every record. */
TEST(joining_a_feed_while_others_publish_loses_nothing_once_heads_were_compared)
{
    struct rig_message m;
    size_t holes = 0;
    rig_open(&rig);
    struct cluster_rig *c = rig.adapter;
    struct event_log log = nats_log_port(c->readers[1]);
    for (int i = 0; i < JOINS; i++) {
        struct id conv = rig_new_id();
        uint32_t p = rig_partition(&conv);
        uint64_t known = rig_store(&rig, 'c', &conv, "before"), head = 0, later = 0, as_of;
        struct rig_done during = { .calls = 0 };
        int flushed = 0;
        rig.seen_count = 0;
        CHECK_RC(RC_OK, rig.log.publish(rig.log.self, rig_request(&m, 'c', &conv, "during"),
                                        rig_on_done, &during));
        wait_us(i % 10 * 150); /* the SUB comes a little sooner or later than the record */
        uint64_t handle = rig.feed.subscribe(rig.feed.self, p, &conv);
        CHECK_RC(RC_OK, rig.feed.flush(rig.feed.self, rig_set, &flushed));
        RIG_UNTIL(&rig, flushed != 0);
        CHECK_RC(RC_OK, log.head(log.self, p, 'c', &conv, &head));
        CHECK(head >= known);
        RIG_UNTIL(&rig, during.calls > 0);
        CHECK_INT(PUBLISH_STORED, during.result.outcome);
        rig_turn(&rig);
        rig_turn(&rig);

        CHECK_RC(RC_OK, log.heads(log.self, p, 'c', &conv, 1, &later, &as_of));
        CHECK_U64(during.result.seq, later);
        if (head < later && !has_seen(&conv, later)) {
            const struct log_range range = {
                .partition = p, .kind = 'c', .owner = &conv, .after = head, .until = later
            };
            holes++;
            CHECK_RC(RC_OK, log.read(log.self, &range, take_seen, &rig));
        }
        CHECK(head >= during.result.seq || has_seen(&conv, during.result.seq));
        rig.feed.unsubscribe(rig.feed.self, handle);
    }
    print_message("%d joins, %zu were closed by the heads\n", JOINS, holes);
    rig_close(&rig);
}

enum { KILLED_LOAD = 1500, KILLED_IN_FLIGHT = 64 };

static struct rig_done load_done[KILLED_LOAD];
static uint64_t heard_last; /* of the conversation that is under load */
static size_t heard_repairs;
static uint8_t heard[KILLED_LOAD];

static void note(const struct log_record *record)
{
    uint64_t i = 0;
    struct bytes text = record->payload; /* {"text":"<i>"} */
    CHECK(text.len > 11 &&
          bytes_to_u64(bytes_make(text.ptr + 9, text.len - 11), KILLED_LOAD - 1, &i));
    heard[i]++;
    heard_last = record->seq;
}

static bool take_repaired(void *closure, const struct log_record *record)
{
    (void)closure;
    if (record->seq > heard_last)
        note(record);
    return true;
}

/* Reads up to a known seq over a server that lives; tries while leaders are being elected. */
static void repair(const struct id *conv, uint64_t until)
{
    struct cluster_rig *c = rig.adapter;
    int64_t stop = rig_now_ms() + RIG_WAIT_MS;
    enum rc rc = RC_UNAVAILABLE;
    for (int i = 0; rc != RC_OK && rig_now_ms() < stop; i++) {
        struct event_log log = nats_log_port(c->readers[i % SERVERS]);
        const struct log_range range = { .partition = rig_partition(conv),
                                         .kind = 'c',
                                         .owner = conv,
                                         .after = heard_last,
                                         .until = until };
        rc = log.read(log.self, &range, take_repaired, NULL);
    }
    CHECK_RC(RC_OK, rc);
    heard_repairs++;
}

/* The gap test: a record whose prev isn't what was heard last shows a hole before it. */
static void hear(const struct id *conv, size_t *at)
{
    for (; *at < rig.seen_count; (*at)++) {
        const struct rig_seen *seen = &rig.seen[*at % RIG_SEEN_MAX];
        if (seen->kind != 'c' || seen->seq <= heard_last)
            continue;
        if (seen->prev != heard_last)
            repair(conv, seen->seq);
        if (seen->seq > heard_last) {
            const struct log_record record = { .seq = seen->seq, .payload = bytes_of(seen->text) };
            note(&record);
        }
    }
}

static size_t open_count(size_t count)
{
    size_t open = 0;
    for (size_t i = 0; i < count; i++)
        open += load_done[i].calls == 0;
    return open;
}

TEST(servers_killed_one_after_the_other_lose_and_double_nothing)
{
    struct rig_message m;
    char what[16];
    size_t count = 0, at = 0, outcomes[8] = { 0 };
    int kills = 0;
    const struct nats_server *recovering = NULL;
    need_servers();
    open_rig(&rig, all_urls);
    struct id conv = rig_new_id();
    (void)rig.feed.subscribe(rig.feed.self, rig_partition(&conv), &conv);
    rig_flush(&rig);
    while (count < KILLED_LOAD || open_count(count) > 0) {
        for (size_t open = open_count(count); count < KILLED_LOAD && open < KILLED_IN_FLIGHT;
             open++, count++) {
            /* While there is no leader each is refused at once: don't burn them all. */
            if (count > 0 && load_done[count - 1].calls &&
                load_done[count - 1].result.outcome == PUBLISH_UNAVAILABLE)
                wait_us(5000);
            (void)snprintf(what, sizeof what, "%zu", count);
            (void)rig_request(&m, 'c', &conv, what);
            m.request.timeout_ms = 15000;
            CHECK_RC(RC_OK,
                     rig.log.publish(rig.log.self, &m.request, rig_on_done, &load_done[count]));
        }
        /* Not the feed's own server: its copies are lost anyway, and that is the link's matter. */
        if ((kills == 0 && count > KILLED_LOAD / 4) || (kills == 1 && count > KILLED_LOAD / 2)) {
            struct nats_server *victim = &servers[kills == 0 ? 0 : 2];
            nats_server_kill(victim);
            nats_server_restart(victim);
            kills++;
            recovering = victim;
        }
        rig_turn(&rig);
        hear(&conv, &at);
        if (recovering && open_count(count) < KILLED_IN_FLIGHT / 2) {
            nats_server_wait_healthy(recovering); /* two at once would take the quorum away */
            recovering = NULL;
        }
    }
    for (size_t i = 0; i < count; i++)
        outcomes[load_done[i].result.outcome]++;
    print_message("%zu published over %d kills: %zu stored, %zu duplicate, %zu unavailable, "
                  "%zu unknown; %zu repairs\n",
                  count, kills, outcomes[PUBLISH_STORED], outcomes[PUBLISH_DUPLICATE],
                  outcomes[PUBLISH_UNAVAILABLE], outcomes[PUBLISH_UNKNOWN], heard_repairs);
    uint64_t head = 0;
    struct cluster_rig *c = rig.adapter;
    struct event_log log = nats_log_port(c->readers[1]);
    RIG_UNTIL(&rig, log.head(log.self, rig_partition(&conv), 'c', &conv, &head) == RC_OK);
    if (heard_last < head)
        repair(&conv, head);
    for (size_t i = 0; i < count; i++) {
        const struct publish_result *result = &load_done[i].result;
        CHECK_INT(1, load_done[i].calls);
        CHECK(heard[i] <= 1);
        if (result->outcome == PUBLISH_STORED || result->outcome == PUBLISH_DUPLICATE)
            CHECK_INT(1, heard[i]);
        else if (result->outcome != PUBLISH_UNKNOWN)
            CHECK_INT(0, heard[i]);
    }
    /* An election takes up to nine seconds: what finds nobody meanwhile is held, not refused. */
    CHECK_SIZE(0, outcomes[PUBLISH_UNAVAILABLE]);
    CHECK(outcomes[PUBLISH_STORED] + outcomes[PUBLISH_DUPLICATE] > KILLED_LOAD * 9 / 10);
    rig_close(&rig);
}
