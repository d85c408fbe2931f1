/* The waits, failure by failure, with the clock in the test's hand. */
#include "domain/ladder.h"
#include "support/check.h"

enum { MINUTE = 60000 };

#define START INT64_C(1767323045678)

TEST(five_failures_then_1_5_15_and_60_minutes_and_60_stays)
{
    static const int64_t wanted[] = { 0, 0, 0, 0, 1, 5, 15, 60, 60, 60 };
    struct ladder ladder = { 0 };
    int64_t now = START;

    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        CHECK_INT(0, ladder_wait_ms(&ladder, now));
        ladder_fail(&ladder, &ladder_of_source, now);
        CHECK_INT(wanted[i] * MINUTE, ladder_wait_ms(&ladder, now));
        now += wanted[i] * MINUTE;
    }
}

TEST(a_wait_ends_on_its_millisecond)
{
    struct ladder ladder = { 0 };
    for (int i = 0; i < 5; i++)
        ladder_fail(&ladder, &ladder_of_source, START);
    CHECK_INT(1, ladder_wait_ms(&ladder, START + MINUTE - 1));
    CHECK_INT(0, ladder_wait_ms(&ladder, START + MINUTE));
}

TEST(the_account_is_slowed_after_20_failures_and_never_shut)
{
    static const int64_t wanted_s[] = { 10, 30, 60, 60, 60 };
    struct ladder ladder = { 0 };
    int64_t now = START;

    for (int i = 0; i < 19; i++)
        ladder_fail(&ladder, &ladder_of_account, now);
    CHECK_INT(0, ladder_wait_ms(&ladder, now));
    for (size_t i = 0; i < COUNT_OF(wanted_s); i++) {
        ladder_fail(&ladder, &ladder_of_account, now);
        CHECK_INT(wanted_s[i] * 1000, ladder_wait_ms(&ladder, now));
        now += wanted_s[i] * 1000;
    }
}

TEST(a_success_leads_back_to_the_foot_and_makes_the_source_known_for_a_day)
{
    struct ladder ladder = { 0 };
    for (int i = 0; i < 9; i++)
        ladder_fail(&ladder, &ladder_of_source, START);
    CHECK(!ladder_is_known(&ladder, START));
    ladder_succeed(&ladder, START);
    CHECK_INT(0, ladder_wait_ms(&ladder, START));
    ladder_fail(&ladder, &ladder_of_source, START);
    CHECK_INT(0, ladder_wait_ms(&ladder, START));
    CHECK(ladder_is_known(&ladder, START + LADDER_QUIET_MS));
    CHECK(!ladder_is_known(&ladder, START + LADDER_QUIET_MS + 1));
}

TEST(a_quiet_day_leads_back_to_the_foot)
{
    struct ladder ladder = { 0 };
    for (int i = 0; i < 8; i++)
        ladder_fail(&ladder, &ladder_of_source, START);
    struct ladder same = ladder;
    ladder_fail(&same, &ladder_of_source, START + LADDER_QUIET_MS);
    CHECK_INT(60 * MINUTE, ladder_wait_ms(&same, START + LADDER_QUIET_MS));
    ladder_fail(&ladder, &ladder_of_source, START + LADDER_QUIET_MS + 1);
    CHECK_INT(0, ladder_wait_ms(&ladder, START + LADDER_QUIET_MS + 1));
}

TEST(what_is_taken_back_was_not_there)
{
    struct ladder ladder = { 0 };
    ladder_take_back(&ladder, &ladder_of_source);
    CHECK_INT(0, ladder.failures);
    for (int i = 0; i < 5; i++)
        ladder_fail(&ladder, &ladder_of_source, START);
    ladder_take_back(&ladder, &ladder_of_source);
    CHECK_INT(4, ladder.failures);
    CHECK_INT(0, ladder_wait_ms(&ladder, START));
    ladder_fail(&ladder, &ladder_of_source, START);
    ladder_fail(&ladder, &ladder_of_source, START); /* two at once, one of them not judged */
    ladder_take_back(&ladder, &ladder_of_source);
    CHECK_INT(MINUTE, ladder_wait_ms(&ladder, START));
}

TEST(a_clock_that_is_set_back_locks_nobody_out_for_longer_than_the_step)
{
    struct ladder ladder = { 0 };
    for (int i = 0; i < 5; i++)
        ladder_fail(&ladder, &ladder_of_source, START);
    CHECK_INT(MINUTE, ladder_wait_ms(&ladder, START - 1000 * (int64_t)MINUTE));
}

TEST(failures_do_not_wrap)
{
    struct ladder ladder = { .failures = UINT32_MAX, .failed_ms = START };
    ladder_fail(&ladder, &ladder_of_source, START);
    CHECK_INT(60 * MINUTE, ladder_wait_ms(&ladder, START));
}
