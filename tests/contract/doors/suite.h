/* suite.h - what every adapter of attempts, revocations and audit_log has to do.
 *
 * The including file defines these; the ports live until doors_close.
 *   doors_open(d)    fills in the ports; second attempts port: as another gateway would have it
 *   doors_turn(d)    lets time pass for what comes later
 *   doors_audited(d) how many audit events are stored
 */
#ifndef TESTS_CONTRACT_DOORS_SUITE_H
#define TESTS_CONTRACT_DOORS_SUITE_H

#include <pthread.h>

#include "base/clock.h"
#include "ports/attempts.h"
#include "ports/audit_log.h"
#include "ports/revocations.h"
#include "support/check.h"

#define T0 INT64_C(1767323045678)

enum { MINUTE = 60000, HEARD_MAX = 64, UNTIL_TURNS = 400 };

struct doors {
    struct attempts attempts, others;
    struct revocations revocations;
    struct audit_log audit;
    struct revocation heard[HEARD_MAX];
    size_t heard_count, current_count;
    void *adapter;
};

static void doors_open(struct doors *d);
static void doors_close(struct doors *d);
static void doors_turn(struct doors *d);
static size_t doors_audited(struct doors *d);

static void heard(void *closure, const struct revocation *revocation)
{
    struct doors *d = closure;
    if (d->heard_count < HEARD_MAX)
        d->heard[d->heard_count++] = *revocation;
}

static void current(void *closure)
{
    struct doors *d = closure;
    d->current_count++;
}

static struct attempt by(const char *account, const char *address)
{
    return (struct attempt){ .use = ATTEMPT_LOGIN,
                             .account = bytes_of(account),
                             .range = address_range_of(bytes_of(address)) };
}

static enum rc begin(struct attempts *port, const struct attempt *attempt, int64_t at_ms)
{
    int64_t wait_ms = 0;
    enum rc rc = port->begin(port->self, attempt, at_ms, &wait_ms);
    CHECK((rc == RC_FULL) == (wait_ms > 0));
    return rc;
}

static int64_t wait_of(struct attempts *port, const struct attempt *attempt, int64_t at_ms)
{
    int64_t wait_ms = 0;
    CHECK_RC(RC_FULL, port->begin(port->self, attempt, at_ms, &wait_ms));
    return wait_ms;
}

TEST(the_ladder_is_climbed_whichever_gateway_is_asked)
{
    static const int waits[] = { 1, 5, 15, 60, 60 };
    struct doors d = { 0 };
    struct attempt ada = by("ada", "203.0.113.5"), neighbour = by("ada", "203.0.113.99");
    int64_t now = T0;
    doors_open(&d);
    for (int i = 0; i < 5; i++)
        CHECK_RC(RC_OK, begin(i % 2 ? &d.attempts : &d.others, &ada, now));
    for (size_t i = 0; i < COUNT_OF(waits); i++) {
        CHECK_INT(waits[i] * MINUTE, wait_of(&d.attempts, &ada, now));
        CHECK_INT(waits[i] * MINUTE, wait_of(&d.others, &neighbour, now)); /* the same /24 */
        now += waits[i] * MINUTE;
        CHECK_RC(RC_OK, begin(&d.others, &ada, now));
    }
    doors_close(&d);
}

TEST(accounts_uses_and_networks_have_ladders_of_their_own)
{
    struct doors d = { 0 };
    struct attempt ada = by("ada", "203.0.113.5"), eve = by("eve", "203.0.113.5");
    struct attempt elsewhere = by("ada", "198.51.100.5"), reset = ada, nowhere = by("ada", "");
    doors_open(&d);
    for (int i = 0; i < 5; i++)
        CHECK_RC(RC_OK, begin(&d.attempts, &ada, T0));
    CHECK_RC(RC_FULL, begin(&d.attempts, &ada, T0));
    reset.use = ATTEMPT_RESET;
    CHECK_RC(RC_OK, begin(&d.attempts, &eve, T0));
    CHECK_RC(RC_OK, begin(&d.attempts, &elsewhere, T0));
    CHECK_RC(RC_OK, begin(&d.attempts, &reset, T0));
    CHECK_RC(RC_OK, begin(&d.attempts, &nowhere, T0));
    doors_close(&d);
}

TEST(a_success_leads_back_to_the_foot_and_what_was_not_judged_is_taken_back)
{
    struct doors d = { 0 };
    struct attempt ada = by("ada", "203.0.113.5");
    doors_open(&d);
    for (int i = 0; i < 5; i++)
        CHECK_RC(RC_OK, begin(&d.attempts, &ada, T0));
    CHECK_RC(RC_OK, d.others.take_back(d.others.self, &ada, T0));
    CHECK_RC(RC_OK, begin(&d.attempts, &ada, T0)); /* four again, and a fifth */
    CHECK_RC(RC_FULL, begin(&d.attempts, &ada, T0));
    CHECK_RC(RC_OK, begin(&d.attempts, &ada, T0 + MINUTE));
    CHECK_RC(RC_OK, d.attempts.succeeded(d.attempts.self, &ada, T0 + MINUTE));
    for (int i = 0; i < 5; i++)
        CHECK_RC(RC_OK, begin(&d.others, &ada, T0 + MINUTE));
    CHECK_RC(RC_FULL, begin(&d.others, &ada, T0 + MINUTE));
    doors_close(&d);
}

/* Twenty guesses from everywhere slow the account down, but not the owner's own network. */
TEST(an_attack_from_elsewhere_does_not_lock_the_owner_out)
{
    struct doors d = { 0 };
    struct attempt home = by("ada", "192.0.2.7");
    char address[32];
    doors_open(&d);
    CHECK_RC(RC_OK, begin(&d.attempts, &home, T0));
    CHECK_RC(RC_OK, d.attempts.succeeded(d.attempts.self, &home, T0));
    for (int i = 0; i < 20; i++) {
        (void)snprintf(address, sizeof address, "10.0.%d.1", i);
        struct attempt guess = by("ada", address);
        CHECK_RC(RC_OK, begin(&d.attempts, &guess, T0 + 1000));
    }
    struct attempt next = by("ada", "10.9.9.9");
    CHECK_INT(10000, wait_of(&d.attempts, &next, T0 + 1000));
    CHECK_RC(RC_OK, begin(&d.attempts, &next, T0 + 11000));
    CHECK_INT(30000, wait_of(&d.attempts, &next, T0 + 11000));
    CHECK_RC(RC_OK, begin(&d.others, &home, T0 + 11000)); /* not held up */
    CHECK_RC(RC_OK, d.others.succeeded(d.others.self, &home, T0 + 11000));
    CHECK(begin(&d.attempts, &next, T0 + 11001) == RC_FULL); /* nor did it help the attack */
    doors_close(&d);
}

struct crowd {
    pthread_t thread;
    struct attempts *port;
    int allowed, refused;
};

static void *guess_often(void *arg)
{
    struct crowd *crowd = arg;
    struct attempt ada = by("ada", "203.0.113.5");
    for (int i = 0; i < 10; i++) {
        int64_t wait_ms = 0;
        enum rc rc = crowd->port->begin(crowd->port->self, &ada, T0, &wait_ms);
        crowd->allowed += rc == RC_OK;
        crowd->refused += rc == RC_FULL;
    }
    return NULL;
}

TEST(of_80_guesses_at_once_on_two_gateways_five_are_judged)
{
    struct doors d = { 0 };
    struct crowd crowd[8] = { 0 };
    int allowed = 0, refused = 0;
    doors_open(&d);
    for (size_t i = 0; i < COUNT_OF(crowd); i++) {
        crowd[i].port = i % 2 ? &d.attempts : &d.others;
        CHECK_INT(0, pthread_create(&crowd[i].thread, NULL, guess_often, &crowd[i]));
    }
    for (size_t i = 0; i < COUNT_OF(crowd); i++) {
        CHECK_INT(0, pthread_join(crowd[i].thread, NULL));
        allowed += crowd[i].allowed;
        refused += crowd[i].refused;
    }
    CHECK_INT(5, allowed);
    CHECK_INT(75, refused);
    doors_close(&d);
}

static struct revocation revocation_of(const char *user, const char *session)
{
    struct revocation r = { .kind = session ? REVOKED_SESSION : REVOKED_USER,
                            .reason = REVOKED_PASSWORD };
    CHECK(id_read(bytes_of(user), &r.user));
    if (session)
        CHECK(id_read(bytes_of(session), &r.session));
    else
        r.before_ms = T0;
    return r;
}

static bool has_heard(const struct doors *d, const struct revocation *wanted)
{
    for (size_t i = 0; i < d->heard_count; i++) {
        const struct revocation *got = &d->heard[i];
        if (got->kind == wanted->kind && got->reason == wanted->reason &&
            id_equal(&got->user, &wanted->user) && id_equal(&got->session, &wanted->session) &&
            id_equal(&got->spared, &wanted->spared) && got->before_ms == wanted->before_ms &&
            got->until_s > clock_wall_us(clock_system()) / 1000000)
            return true;
    }
    return false;
}

static bool hears(struct doors *d, const struct revocation *wanted)
{
    for (int i = 0; i < UNTIL_TURNS && !has_heard(d, wanted); i++)
        doors_turn(d);
    return has_heard(d, wanted);
}

TEST(what_is_published_is_heard_whole)
{
    struct doors d = { 0 };
    struct revocation session = revocation_of("ada", "s-1"), user = revocation_of("bob", NULL);
    CHECK(id_read(bytes_of("spared"), &user.spared));
    doors_open(&d);
    for (int i = 0; i < UNTIL_TURNS && !d.current_count; i++)
        doors_turn(&d);
    CHECK_SIZE(1, d.current_count);
    CHECK_SIZE(0, d.heard_count);
    CHECK_RC(RC_OK, d.revocations.publish(d.revocations.self, &session));
    CHECK_RC(RC_OK, d.revocations.publish(d.revocations.self, &user));
    CHECK_RC(RC_OK, d.revocations.publish(d.revocations.self, &user)); /* twice does no harm */
    CHECK(hears(&d, &session));
    CHECK(hears(&d, &user));
    doors_close(&d);
}

TEST(an_event_that_was_written_is_stored)
{
    struct doors d = { 0 };
    struct audit_event event = { .kind = AUDIT_LOGIN,
                                 .reason = "wrong_password",
                                 .range = address_range_of(bytes_of("203.0.113.5")),
                                 .at_us = T0 * 1000 };
    doors_open(&d);
    for (int i = 0; i < 50; i++)
        audit_write(&d.audit, &event);
    for (int i = 0; i < UNTIL_TURNS && doors_audited(&d) < 50; i++)
        doors_turn(&d);
    CHECK_SIZE(50, doors_audited(&d));
    doors_close(&d);
}

#endif
