/* The suite on a real nats-server, with buckets made from streams/; and what only a server can
 * show: ladders over a kill -9, a gateway that comes later or loses its link, a ticket used by many
 * at once, audit events written while the server is away. */
#include "suite.h"

#include <stdlib.h>
#include <time.h>

#include "adapters/nats/nats_attempts.h"
#include "adapters/nats/nats_audit.h"
#include "adapters/nats/nats_revocations.h"
#include "adapters/nats/nats_tickets.h"
#include "adapters/nats/streams.h"
#include "adapters/uv/workers.h"
#include "base/arena.h"
#include "support/nats_server.h"

enum { TURN_MS = 10 };

struct real {
    struct nats_server server;
    struct loop *loop;
    struct workers *workers;
    struct nats_link *link, *other, *feed;
    struct nats_revocations *revocations;
    struct nats_audit *audit;
    struct timer turn;
};

static void make_buckets(struct nats_link *link)
{
    const struct stream_vars vars = { 1, 1, 1, 64 << 20 };
    struct stream_set *set = NULL;
    struct fault fault = { 0 };
    struct stream_report report = { 0 };
    const struct stream_apply_options options = { .leaves_log = true };
    CHECK_RC(RC_OK, streams_load("streams", &vars, &set, &fault));
    CHECK_RC(RC_OK, streams_apply(set, link, &options, &report));
    stream_report_fini(&report);
    streams_destroy(set);
}

static struct nats_link *open_link(struct real *real, struct loop *loop)
{
    struct nats_link *link = NULL;
    struct fault fault = { 0 };
    const struct nats_link_options options = { .url = real->server.url,
                                               .name = "doors",
                                               .loop = loop };
    CHECK_RC(RC_OK, nats_link_create(&options, &link, &fault));
    CHECK_RC(RC_OK, nats_link_wait(link, 5000));
    return link;
}

static struct nats_revocations *listen_for(struct real *real, struct doors *d)
{
    const struct nats_revocations_options options = {
        .link = real->link,
        .feed_link = real->feed,
        .loop = real->loop,
        .executor = workers_executor(real->workers),
        .sink = { d, heard, current },
    };
    struct nats_revocations *made = nats_revocations_create(&options);
    CHECK(made != NULL);
    return made;
}

static void doors_open(struct doors *d)
{
    struct real *real = calloc(1, sizeof *real);
    CHECK(real != NULL);
    d->adapter = real;
    nats_server_start(&real->server, NULL);
    real->loop = loop_create();
    real->workers = workers_create(
        real->loop,
        &(struct workers_options){ .name = "worker", .thread_count = 2, .queue_max = 64 });
    CHECK(real->loop && real->workers);
    real->link = open_link(real, NULL);
    real->other = open_link(real, NULL);
    real->feed = open_link(real, real->loop);
    make_buckets(real->link);
    d->attempts = nats_attempts_port(real->link);
    d->others = nats_attempts_port(real->other);
    real->revocations = listen_for(real, d);
    d->revocations = nats_revocations_port(real->revocations);
    real->audit = nats_audit_create(real->link, 0);
    CHECK(real->audit != NULL);
    d->audit = nats_audit_port(real->audit);
}

static void doors_close(struct doors *d)
{
    struct real *real = d->adapter;
    nats_audit_destroy(real->audit);
    nats_revocations_stop(real->revocations);
    workers_destroy(real->workers);
    nats_revocations_destroy(real->revocations);
    nats_link_destroy(real->link);
    nats_link_destroy(real->other);
    nats_link_destroy(real->feed);
    loop_destroy(real->loop);
    nats_server_stop(&real->server);
    free(real);
}

static void stop(struct timer *timer)
{
    struct real *real = CONTAINER_OF(timer, struct real, turn);
    loop_stop(real->loop);
}

static void doors_turn(struct doors *d)
{
    struct real *real = d->adapter;
    real->turn.run = stop;
    timer_start(loop_timers(real->loop), &real->turn, TURN_MS, 0);
    loop_run(real->loop);
}

static size_t doors_audited(struct doors *d)
{
    struct real *real = d->adapter;
    SCOPED_ARENA(arena, 1 << 16);
    struct bytes reply;
    if (nats_link_request(real->link, "$JS.API.STREAM.INFO.AUDIT", bytes_of(""), 2000, &arena,
                          &reply) != RC_OK)
        return 0;
    const char *at = memmem(reply.ptr, reply.len, "\"messages\":", 11);
    return at ? strtoul(at + 11, NULL, 10) : 0;
}

static void wait_links(struct real *real)
{
    CHECK_RC(RC_OK, nats_link_wait(real->link, 20000));
    CHECK_RC(RC_OK, nats_link_wait(real->other, 20000));
    CHECK_RC(RC_OK, nats_link_wait(real->feed, 20000));
}

TEST(ladders_outlive_a_kill_of_the_server)
{
    struct doors d = { 0 };
    struct attempt ada = by("ada", "203.0.113.5");
    doors_open(&d);
    struct real *real = d.adapter;
    for (int i = 0; i < 5; i++)
        CHECK_RC(RC_OK, begin(&d.attempts, &ada, T0));
    nats_server_kill(&real->server);
    int64_t wait_ms = 0;
    enum rc rc = d.attempts.begin(d.attempts.self, &ada, T0, &wait_ms);
    CHECK(rc == RC_UNAVAILABLE || rc == RC_TIMEOUT);
    nats_server_restart(&real->server);
    wait_links(real);
    CHECK_INT(MINUTE, wait_of(&d.attempts, &ada, T0));
    doors_close(&d);
}

TEST(a_gateway_that_comes_later_hears_what_is_in_force_and_not_what_has_ended)
{
    struct doors d = { 0 };
    struct doors late = { 0 };
    struct revocation session = revocation_of("ada", "s-1"), over = revocation_of("bob", "s-2");
    doors_open(&d);
    struct real *real = d.adapter;
    over.until_s = clock_wall_us(clock_system()) / 1000000 + 1;
    CHECK_RC(RC_OK, d.revocations.publish(d.revocations.self, &session));
    CHECK_RC(RC_OK, d.revocations.publish(d.revocations.self, &over));
    CHECK(hears(&d, &session));
    for (int i = 0; i < 250; i++)
        doors_turn(&d); /* 2.5 s: its time to live is over */
    struct nats_revocations *other = listen_for(real, &late);
    for (int i = 0; i < UNTIL_TURNS && !late.current_count; i++)
        doors_turn(&d);
    CHECK_SIZE(1, late.current_count);
    CHECK(has_heard(&late, &session));
    for (size_t i = 0; i < late.heard_count; i++)
        CHECK(!id_equal(&late.heard[i].user, &over.user));
    nats_revocations_stop(other);
    for (int i = 0; i < 20; i++)
        doors_turn(&d); /* its last look ends */
    nats_revocations_destroy(other);
    doors_close(&d);
}

TEST(after_a_lost_link_everything_in_force_is_told_again)
{
    struct doors d = { 0 };
    struct revocation session = revocation_of("ada", "s-1");
    doors_open(&d);
    struct real *real = d.adapter;
    CHECK_RC(RC_OK, d.revocations.publish(d.revocations.self, &session));
    CHECK(hears(&d, &session));
    nats_server_kill(&real->server);
    for (int i = 0; i < 50; i++)
        doors_turn(&d); /* looks that find nobody */
    d.heard_count = 0;
    nats_server_restart(&real->server);
    wait_links(real);
    CHECK(hears(&d, &session)); /* nothing is published now: the look has found it */
    doors_close(&d);
}

TEST(audit_events_wait_for_a_server_that_is_away_and_are_dropped_past_the_bound)
{
    struct doors d = { 0 };
    struct audit_event event = { .kind = AUDIT_BAN, .is_success = true, .actor = "operator" };
    doors_open(&d);
    struct real *real = d.adapter;
    struct nats_audit *small = nats_audit_create(real->other, 10);
    struct audit_log port = nats_audit_port(small);
    nats_server_kill(&real->server);
    for (int i = 0; i < 25; i++)
        audit_write(&port, &event);
    CHECK_U64(15, nats_audit_counts(small).dropped);
    nats_server_restart(&real->server);
    wait_links(real);
    for (int i = 0; i < UNTIL_TURNS && nats_audit_counts(small).stored < 10; i++)
        doors_turn(&d);
    CHECK_U64(10, nats_audit_counts(small).stored);
    CHECK_SIZE(10, doors_audited(&d));
    nats_audit_destroy(small);
    doors_close(&d);
}

struct claimer {
    pthread_t thread;
    struct ticket_claims port;
    struct id ticket;
    enum rc rc;
};

static void *claim_one(void *arg)
{
    struct claimer *claimer = arg;
    claimer->rc = claimer->port.claim(claimer->port.self, &claimer->ticket);
    return NULL;
}

TEST(of_50_that_use_one_ticket_at_once_one_gets_in)
{
    struct doors d = { 0 };
    struct claimer claimers[50];
    int used = 0, refused = 0;
    doors_open(&d);
    struct real *real = d.adapter;
    struct id ticket = id_make(clock_system());
    for (size_t i = 0; i < COUNT_OF(claimers); i++) {
        claimers[i] = (struct claimer){ .ticket = ticket };
        claimers[i].port = nats_tickets_port(i % 2 ? real->link : real->other);
        CHECK_INT(0, pthread_create(&claimers[i].thread, NULL, claim_one, &claimers[i]));
    }
    for (size_t i = 0; i < COUNT_OF(claimers); i++) {
        CHECK_INT(0, pthread_join(claimers[i].thread, NULL));
        used += claimers[i].rc == RC_OK;
        refused += claimers[i].rc == RC_CONFLICT;
    }
    CHECK_INT(1, used);
    CHECK_INT(49, refused);
    doors_close(&d);
}
