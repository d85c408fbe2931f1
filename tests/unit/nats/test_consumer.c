/* Two persisters at one partition: who is active, how fast the other takes over, and what a dead
 * letter keeps. A consumer stands for a process; one that is no longer asked is a frozen one. */
#include "adapters/nats/nats_consumer.h"
#include "adapters/nats/nats_log.h"
#include "adapters/nats/streams.h"
#include "support/check.h"
#include "support/nats_server.h"
#include "wire/subjects.h"

#include <stdio.h>

enum { WAIT_MS = 8000 };

static struct nats_server server;

static void stop_server(void)
{
    nats_server_stop(&server);
}

static int64_t now_ms(void)
{
    return clock_monotonic_ms(clock_system());
}

static void need_server(void)
{
    const struct stream_vars vars = { 1, 1, 1, 64 << 20 };
    struct stream_set *set = NULL;
    struct stream_report report;
    struct nats_link *link = NULL;
    if (server.port)
        return;
    nats_server_start(&server, NULL);
    (void)atexit(stop_server);
    CHECK_RC(RC_OK,
             nats_link_create(&(struct nats_link_options){ .url = server.url }, &link, NULL));
    CHECK_RC(RC_OK, nats_link_wait(link, 5000));
    CHECK_RC(RC_OK, streams_load("streams", &vars, &set, NULL));
    CHECK_RC(RC_OK, streams_apply(set, link, &(struct stream_apply_options){ 0 }, &report));
    CHECK(report.is_ready);
    stream_report_fini(&report);
    streams_destroy(set);
    nats_link_destroy(link);
}

struct persister {
    struct nats_consumers *source;
    struct log_consumer log;
};

static struct persister persister_open(void)
{
    struct persister p;
    need_server();
    CHECK_RC(RC_OK, nats_consumers_create(&(struct nats_consumers_options){ .url = server.url },
                                          &p.source, NULL));
    struct log_consumer_source source = nats_consumers_port(p.source);
    CHECK_RC(RC_OK, source.open(source.self, 0, &p.log));
    return p;
}

static void persister_close(struct persister *p)
{
    p->log.close(p->log.self);
    nats_consumers_destroy(p->source);
}

static uint64_t store(struct persister *p, const char *id, struct bytes payload,
                      const struct publish_header *headers, size_t header_count)
{
    struct publish_result result;
    const struct publish_request request = { .subject = "chat.0.c.room",
                                             .msg_id = id,
                                             .payload = payload,
                                             .headers = headers,
                                             .header_count = header_count,
                                             .timeout_ms = 4000 };
    CHECK_RC(RC_OK, p->log.publish(p->log.self, &request, 1, &result));
    CHECK_INT(PUBLISH_STORED, result.outcome);
    return result.seq;
}

static uint64_t store_text(struct persister *p, const char *id)
{
    return store(p, id, bytes_of("{}"), NULL, 0);
}

/* Fetches until something comes. */
static struct consumed_batch take(struct persister *p)
{
    struct consumed_batch batch = { .count = 0 };
    int64_t stop = now_ms() + WAIT_MS;
    while (now_ms() < stop) {
        enum rc rc = p->log.fetch(p->log.self, 100, 200, &batch);
        if (rc == RC_OK && batch.count > 0)
            return batch;
        if (rc == RC_OK)
            p->log.release(p->log.self, &batch);
    }
    CHECK(!"nothing came");
    return batch;
}

static void finish(struct persister *p, struct consumed_batch *batch)
{
    p->log.ack(p->log.self, batch);
    p->log.release(p->log.self, batch);
}

TEST(only_one_is_active_and_the_other_is_told)
{
    struct persister a = persister_open(), b = persister_open();
    struct consumed_batch batch;
    (void)store_text(&a, "t1-1");
    batch = take(&a);
    finish(&a, &batch);
    uint64_t second = store_text(&a, "t1-2");
    CHECK_RC(RC_CONFLICT, b.log.fetch(b.log.self, 100, 300, &batch));
    batch = take(&a);
    CHECK_U64(second, batch.items[0].record.seq);
    finish(&a, &batch);
    /* Quiet: the active one stays it as long as it asks. */
    for (int64_t stop = now_ms() + 2500; now_ms() < stop;) {
        CHECK_RC(RC_OK, a.log.fetch(a.log.self, 100, 300, &batch));
        CHECK_SIZE(0, batch.count);
        a.log.release(a.log.self, &batch);
    }
    CHECK_RC(RC_CONFLICT, b.log.fetch(b.log.self, 100, 300, &batch));
    persister_close(&b);
    persister_close(&a);
}

TEST(one_that_ends_hands_over_at_once_and_one_that_freezes_within_three_seconds)
{
    struct persister a = persister_open(), b = persister_open(), c = persister_open();
    (void)store_text(&a, "t2-1");
    struct consumed_batch batch = take(&a);
    finish(&a, &batch);
    uint64_t second = store_text(&b, "t2-2"); /* on its way to the one that ends */
    persister_close(&a);
    int64_t began = now_ms();
    batch = take(&b);
    CHECK(now_ms() - began < 1500);
    CHECK_U64(second, batch.items[0].record.seq);
    b.log.release(b.log.self, &batch); /* frozen with one that isn't acknowledged */

    /* Its open request runs out meanwhile; what comes in that time would be its own. */
    struct consumed_batch none;
    CHECK_RC(RC_CONFLICT, c.log.fetch(c.log.self, 100, 400, &none));
    uint64_t third = store_text(&c, "t2-3");
    began = now_ms();
    batch = take(&c);
    CHECK(now_ms() - began < 3500);
    CHECK_U64(third, batch.items[0].record.seq); /* the frozen one's comes after ack_wait */
    finish(&c, &batch);
    /* The frozen one wakes up and is told. */
    CHECK_RC(RC_CONFLICT, b.log.fetch(b.log.self, 100, 300, &batch));
    persister_close(&b);
    persister_close(&c);
}

TEST(a_dead_letter_keeps_body_and_headers_and_says_why)
{
    SCOPED_ARENA(arena, 1 << 20);
    struct persister p = persister_open();
    struct nats_link *link = NULL;
    struct bytes reply;
    const struct publish_header headers[] = { { HEADER_SENDER, bytes_of("alice") },
                                              { "X-Own", bytes_of("kept") } };
    uint64_t seq = store(&p, "t3", bytes_of("not json"), headers, 2);
    struct consumed_batch batch = { .count = 0 };
    do { /* what another test left unacknowledged may come first */
        if (batch.count > 0)
            finish(&p, &batch);
        batch = take(&p);
    } while (batch.items[batch.count - 1].record.seq != seq);
    const struct log_record copy = batch.items[batch.count - 1].record; /* batches are reordered */
    const struct dead_letter letter = { &copy, "unparseable", "line 1:\nbad \x07", 3 };
    CHECK_RC(RC_OK, p.log.dead_letter(p.log.self, &letter));
    CHECK_RC(RC_OK, p.log.dead_letter(p.log.self, &letter));
    finish(&p, &batch);

    CHECK_RC(RC_OK,
             nats_link_create(&(struct nats_link_options){ .url = server.url }, &link, NULL));
    CHECK_RC(RC_OK, nats_link_request(link, "$JS.API.DIRECT.GET.CHAT_DLQ",
                                      bytes_of("{\"last_by_subj\":\"dlq.persister.unparseable\"}"),
                                      2000, &arena, &reply));
    CHECK_TEXT("not json", reply);
    CHECK_RC(RC_OK, nats_link_request(link, "$JS.API.STREAM.INFO.CHAT_DLQ", bytes_of(""), 2000,
                                      &arena, &reply));
    CHECK(memmem(reply.ptr, reply.len, "\"messages\":1,", 13) != NULL); /* stored once */
    CHECK_RC(RC_OK, nats_link_request(link, "$JS.API.STREAM.MSG.GET.CHAT_DLQ",
                                      bytes_of("{\"seq\":1}"), 2000, &arena, &reply));
    nats_link_destroy(link);
    persister_close(&p);

    /* The headers, as `parleyctl dlq` reads them: base64 of the block. */
    const uint8_t *at = memmem(reply.ptr, reply.len, "\"hdrs\":\"", 8);
    CHECK(at != NULL);
    CHECK(memmem(reply.ptr, reply.len, "\"subject\":\"dlq.persister.unparseable\"", 37) != NULL);
}

TEST(a_server_that_ends_is_seen_at_once_and_work_goes_on_after_it)
{
    struct persister p = persister_open();
    struct consumed_batch batch;
    uint64_t to = 0;
    (void)store_text(&p, "t4-1");
    batch = take(&p);
    finish(&p, &batch);
    nats_server_kill(&server);
    int64_t began = now_ms();
    enum rc rc = RC_OK;
    while (rc == RC_OK && now_ms() - began < 3000) {
        rc = p.log.fetch(p.log.self, 10, 200, &batch);
        if (rc == RC_OK)
            p.log.release(p.log.self, &batch);
    }
    CHECK_RC(RC_UNAVAILABLE, rc);
    CHECK_RC(RC_UNAVAILABLE, p.log.announce(p.log.self, "heads.0", bytes_of("{}")));
    CHECK_RC(RC_UNAVAILABLE, p.log.tail(p.log.self, 1, 100, NULL, NULL, &to));
    nats_server_restart(&server);
    began = now_ms();
    while (!nats_consumers_is_up(p.source) && now_ms() - began < WAIT_MS)
        (void)p.log.fetch(p.log.self, 10, 10, &batch); /* unavailable at once */
    uint64_t seq = 0;
    for (struct publish_result result = { .outcome = PUBLISH_UNAVAILABLE }; seq == 0;) {
        const struct publish_request request = { .subject = "chat.0.c.room",
                                                 .msg_id = "t4-2",
                                                 .payload = bytes_of("{}"),
                                                 .timeout_ms = 4000 };
        CHECK(now_ms() - began < WAIT_MS);
        if (p.log.publish(p.log.self, &request, 1, &result) == RC_OK)
            seq = result.seq;
    }
    do {
        batch = take(&p);
        to = batch.items[batch.count - 1].record.seq;
        finish(&p, &batch);
    } while (to != seq);
    persister_close(&p);
}
