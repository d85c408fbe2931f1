#include "app/breaker.h"

void breaker_init(struct breaker *breaker)
{
    *breaker = (struct breaker){ .state = BREAKER_CLOSED };
}

int64_t breaker_wait_ms(const struct breaker *breaker, int64_t now_ms)
{
    if (breaker->state != BREAKER_OPEN)
        return 0;
    int64_t left_ms = breaker->opened_at_ms + BREAKER_OPEN_MS - now_ms;
    return left_ms > 0 ? left_ms : 0;
}

bool breaker_allows(struct breaker *breaker, int64_t now_ms)
{
    if (breaker_wait_ms(breaker, now_ms) > 0)
        return false;
    if (breaker->state == BREAKER_OPEN)
        breaker->state = BREAKER_HALF_OPEN;
    return true;
}

static void open_breaker(struct breaker *breaker, int64_t now_ms)
{
    breaker_init(breaker);
    breaker->state = BREAKER_OPEN;
    breaker->opened_at_ms = now_ms;
}

static bool is_half_failed(const struct breaker *breaker)
{
    uint32_t seen = breaker->failed_bits & ((1u << breaker->call_count) - 1);
    return breaker->call_count >= BREAKER_CALLS_MIN &&
           __builtin_popcount(seen) * 2 >= breaker->call_count;
}

void breaker_record(struct breaker *breaker, bool is_ok, int64_t took_ms, int64_t now_ms)
{
    bool is_slow = took_ms >= BREAKER_SLOW_MS;
    bool has_failed = !is_ok || is_slow;
    if (breaker->state == BREAKER_HALF_OPEN) {
        if (has_failed)
            open_breaker(breaker, now_ms);
        else
            breaker_init(breaker);
        return;
    }
    breaker->failed_bits = breaker->failed_bits << 1 | (has_failed ? 1u : 0u);
    if (breaker->call_count < BREAKER_WINDOW)
        breaker->call_count++;
    if ((!is_ok && is_slow) || is_half_failed(breaker))
        open_breaker(breaker, now_ms);
}
