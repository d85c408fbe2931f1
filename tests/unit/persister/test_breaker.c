/* The breaker's table, walked by numbers: what opens it, for how long, and what closes it. */
#include "app/breaker.h"
#include "support/check.h"

TEST(half_of_the_calls_failing_opens_it)
{
    struct breaker b;
    breaker_init(&b);
    breaker_record(&b, true, 5, 1000);
    breaker_record(&b, false, 5, 1000);
    breaker_record(&b, true, 5, 1000);
    CHECK(breaker_allows(&b, 1000));
    breaker_record(&b, false, 5, 1000); /* 2 of 4 */
    CHECK_INT(BREAKER_OPEN, b.state);
    CHECK(!breaker_allows(&b, 1000));
}

TEST(less_than_half_failing_leaves_it_closed)
{
    struct breaker b;
    breaker_init(&b);
    for (int i = 0; i < 100; i++)
        breaker_record(&b, i % 5 < 3, 5, i); /* 40 % fail */
    CHECK_INT(BREAKER_CLOSED, b.state);
}

TEST(few_failures_say_nothing)
{
    struct breaker b;
    breaker_init(&b);
    for (int i = 0; i < BREAKER_CALLS_MIN - 1; i++)
        breaker_record(&b, false, 5, 0);
    CHECK_INT(BREAKER_CLOSED, b.state);
}

TEST(old_calls_are_forgotten)
{
    struct breaker b;
    breaker_init(&b);
    for (int i = 0; i < 1000; i++)
        breaker_record(&b, true, 5, 0);
    for (int i = 0; i < BREAKER_WINDOW / 2; i++)
        breaker_record(&b, false, 5, 0);
    CHECK_INT(BREAKER_OPEN, b.state);
}

TEST(one_time_out_of_three_seconds_opens_it)
{
    struct breaker b;
    breaker_init(&b);
    breaker_record(&b, false, BREAKER_SLOW_MS, 0);
    CHECK_INT(BREAKER_OPEN, b.state);
}

TEST(slow_answers_count_as_failed)
{
    struct breaker b;
    breaker_init(&b);
    breaker_record(&b, true, BREAKER_SLOW_MS, 0);
    CHECK_INT(BREAKER_CLOSED, b.state); /* one that was answered isn't enough */
    for (int i = 1; i < BREAKER_CALLS_MIN; i++)
        breaker_record(&b, true, BREAKER_SLOW_MS, 0);
    CHECK_INT(BREAKER_OPEN, b.state);
}

TEST(it_stays_open_for_thirty_seconds_then_lets_one_call_through)
{
    struct breaker b;
    breaker_init(&b);
    breaker_record(&b, false, BREAKER_SLOW_MS, 7000);
    CHECK(!breaker_allows(&b, 7000 + 29999));
    CHECK_INT(1, breaker_wait_ms(&b, 7000 + 29999));
    CHECK(breaker_allows(&b, 7000 + 30000));
    CHECK_INT(BREAKER_HALF_OPEN, b.state);
}

TEST(the_probe_closes_it_or_opens_it_again)
{
    struct breaker b;
    breaker_init(&b);
    breaker_record(&b, false, BREAKER_SLOW_MS, 0);
    CHECK(breaker_allows(&b, 30000));
    breaker_record(&b, false, 5, 30000);
    CHECK(!breaker_allows(&b, 59999)); /* another thirty seconds */
    CHECK(breaker_allows(&b, 60000));
    breaker_record(&b, true, 5, 60000);
    CHECK_INT(BREAKER_CLOSED, b.state);
    breaker_record(&b, false, 5, 60000); /* and with a clean record: one failure is one again */
    CHECK(breaker_allows(&b, 60000));
}
