/* fake_clock.h - a clock that stands still until a test moves it. Safe to read from any thread. */
#ifndef TESTS_SUPPORT_FAKE_CLOCK_H
#define TESTS_SUPPORT_FAKE_CLOCK_H

#include "base/clock.h"

#include <stdatomic.h>

struct fake_clock {
    struct clock_source source; /* give &clock.source to what is tested; the fake must outlive it */
    _Atomic int64_t now_ms;     /* monotonic */
    _Atomic int64_t now_us;     /* wall */
};

/* Starts at monotonic 1,000,000 ms and wall 2026-01-02T03:04:05.678Z. */
void fake_clock_init(struct fake_clock *clock);

/* Moves both clocks on. */
void fake_clock_advance(struct fake_clock *clock, int64_t by_ms);

#endif
