/* rc.h - the one result type: a code says what the caller can do.
 *
 * Adapters turn foreign codes into these, one table a library. Out parameters are written on
 * success only.
 */
#ifndef BASE_RC_H
#define BASE_RC_H

#define MUST_CHECK __attribute__((warn_unused_result))
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum rc {
    RC_OK = 0,
    RC_INVALID, /* the sender is wrong: say so, do not retry */
    RC_DENIED,  /* understood, not allowed */
    RC_NOT_FOUND,
    RC_CONFLICT,    /* lost a race on a revision, or another thing has this name */
    RC_FULL,        /* a limit of ours: shed load or slow the sender */
    RC_UNAVAILABLE, /* a dependency is down: retry with back-off */
    RC_TIMEOUT,     /* outcome unknown: retry only what is idempotent */
    RC_NOMEM,
};

/* The code's name in lower case ("not_found"), for logs. Static storage. */
const char *rc_name(enum rc code);

/* Returns any code but RC_OK from the calling function: the only macro that hides control flow. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        enum rc try_rc_ = (call);                                                                  \
        if (try_rc_ != RC_OK)                                                                      \
            return try_rc_;                                                                        \
    } while (0)

#endif
