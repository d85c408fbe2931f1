/* ladder.h - how long somebody waits who guesses: failures in, waiting time out.
 *
 *     failure     1  2  3  4  5  6   7   8   9 ...
 *     then wait   -  -  -  -  1  5  15  60  60 minutes       (ladder_of_source)
 *
 * Some failures are free, each further one is a step up, the last step stays. A success or a quiet
 * time (24 h) leads back to the foot. What comes while one has to wait is refused and doesn't
 * count, so that waiting is always enough.
 *
 * Pure: the clock is an argument.
 */
#ifndef DOMAIN_LADDER_H
#define DOMAIN_LADDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LADDER_QUIET_MS (INT64_C(24) * 3600 * 1000)

/* A plain value; zeroed is the foot. Times are wall-clock milliseconds. */
struct ladder {
    uint32_t failures;
    int64_t failed_ms; /* the last failure */
    int64_t until_ms;  /* refused before that */
    int64_t good_ms;   /* the last success; 0: none yet */
};

struct ladder_rules {
    uint32_t free; /* the failure of this number is the first that makes one wait */
    const int64_t *waits_ms;
    size_t wait_count;
};

/* One account from one network: 5 failures, then 1, 5, 15, 60 minutes. */
extern const struct ladder_rules ladder_of_source;
/* One account from everywhere: 20 failures, then 10, 30, 60 s: slow, but never shut. */
extern const struct ladder_rules ladder_of_account;

/* How long the next guess has to wait from now; 0: it may come. */
int64_t ladder_wait_ms(const struct ladder *ladder, int64_t now_ms);

/* Counts a failure. */
void ladder_fail(struct ladder *ladder, const struct ladder_rules *rules, int64_t now_ms);

/* Takes the last failure back: it wasn't judged. */
void ladder_take_back(struct ladder *ladder, const struct ladder_rules *rules);

/* Back to the foot, by a success. */
void ladder_succeed(struct ladder *ladder, int64_t now_ms);

/* Whether a success is not longer ago than the quiet time. */
bool ladder_is_known(const struct ladder *ladder, int64_t now_ms);

#endif
