#include "support/fake_clock.h"

static int64_t fake_monotonic_ms(void *self)
{
    return atomic_load(&((struct fake_clock *)self)->now_ms);
}

static int64_t fake_wall_us(void *self)
{
    return atomic_load(&((struct fake_clock *)self)->now_us);
}

void fake_clock_init(struct fake_clock *clock)
{
    clock->source = (struct clock_source){ fake_monotonic_ms, fake_wall_us, clock };
    atomic_store(&clock->now_ms, 1000000);
    atomic_store(&clock->now_us, 1767323045678000);
}

void fake_clock_advance(struct fake_clock *clock, int64_t by_ms)
{
    atomic_fetch_add(&clock->now_ms, by_ms);
    atomic_fetch_add(&clock->now_us, by_ms * 1000);
}
