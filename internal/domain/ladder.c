#include "domain/ladder.h"

#include "base/rc.h"

#define SECONDS INT64_C(1000)
#define MINUTES (60 * SECONDS)

static const int64_t source_waits_ms[] = { 1 * MINUTES, 5 * MINUTES, 15 * MINUTES, 60 * MINUTES };
static const int64_t account_waits_ms[] = { 10 * SECONDS, 30 * SECONDS, 60 * SECONDS };

const struct ladder_rules ladder_of_source = {
    .free = 5,
    .waits_ms = source_waits_ms,
    .wait_count = COUNT_OF(source_waits_ms),
};
const struct ladder_rules ladder_of_account = {
    .free = 20,
    .waits_ms = account_waits_ms,
    .wait_count = COUNT_OF(account_waits_ms),
};

static int64_t wait_after(const struct ladder_rules *rules, uint32_t failures)
{
    size_t step;

    if (failures < rules->free)
        return 0;
    step = failures - rules->free;
    return rules->waits_ms[step < rules->wait_count ? step : rules->wait_count - 1];
}

/* A wall clock that was set back must not lock anybody out for longer than the longest wait. */
int64_t ladder_wait_ms(const struct ladder *ladder, int64_t now_ms)
{
    int64_t left = ladder->until_ms - now_ms;
    int64_t whole = ladder->until_ms - ladder->failed_ms;

    if (left <= 0)
        return 0;
    return left < whole ? left : whole;
}

void ladder_fail(struct ladder *ladder, const struct ladder_rules *rules, int64_t now_ms)
{
    if (now_ms - ladder->failed_ms > LADDER_QUIET_MS)
        ladder->failures = 0;
    if (ladder->failures < UINT32_MAX)
        ladder->failures++;
    ladder->failed_ms = now_ms;
    ladder->until_ms = now_ms + wait_after(rules, ladder->failures);
}

void ladder_take_back(struct ladder *ladder, const struct ladder_rules *rules)
{
    if (ladder->failures == 0)
        return;
    ladder->failures--;
    /* What others have failed meanwhile still counts, from the last time on. */
    ladder->until_ms = ladder->failed_ms + wait_after(rules, ladder->failures);
}

void ladder_succeed(struct ladder *ladder, int64_t now_ms)
{
    *ladder = (struct ladder){ .good_ms = now_ms };
}

bool ladder_is_known(const struct ladder *ladder, int64_t now_ms)
{
    return ladder->good_ms > 0 && now_ms - ladder->good_ms <= LADDER_QUIET_MS;
}
