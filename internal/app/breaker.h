/* breaker.h - stops asking a dependency that doesn't answer, and finds out when it does again.
 *
 *   CLOSED     calls are made. Half of the last ten failed (of at least four), or one failed after
 *              slow_ms: -> OPEN
 *   OPEN       no calls for open_ms, then -> HALF_OPEN
 *   HALF_OPEN  one call is made: well -> CLOSED with a clean record, badly -> OPEN again
 *
 * A call that was answered, but took slow_ms or more, counts as failed. Times are the caller's
 * monotonic milliseconds, so a test needs no sleep.
 *
 * Thread: one at a time.
 */
#ifndef APP_BREAKER_H
#define APP_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

enum { BREAKER_WINDOW = 10, BREAKER_CALLS_MIN = 4 };
enum { BREAKER_SLOW_MS = 3000, BREAKER_OPEN_MS = 30000 };

struct breaker {
    enum breaker_state state;
    uint32_t failed_bits; /* the last calls, newest in bit 0; 1: failed */
    int call_count;       /* at most BREAKER_WINDOW */
    int64_t opened_at_ms;
};

void breaker_init(struct breaker *breaker);

/* Whether a call may be made now. Turns OPEN into HALF_OPEN when its time has come. */
bool breaker_allows(struct breaker *breaker, int64_t now_ms);

/* How long until the next call may be made; 0: now. */
int64_t breaker_wait_ms(const struct breaker *breaker, int64_t now_ms);

/* What became of a call that was made. */
void breaker_record(struct breaker *breaker, bool is_ok, int64_t took_ms, int64_t now_ms);

#endif
