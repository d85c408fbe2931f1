/* error.h - the errors that clients see: PROTOCOL section 5, one row each. */
#ifndef DOMAIN_ERROR_H
#define DOMAIN_ERROR_H

#include "base/fault.h"
#include "base/rc.h"

#include <stdbool.h>
#include <stdint.h>

enum error_code {
    ERROR_NONE,
    ERROR_VALIDATION,
    ERROR_UNAUTHENTICATED,
    ERROR_TOKEN_EXPIRED,
    ERROR_FORBIDDEN,
    ERROR_NOT_MEMBER, /* channels only; others answer ERROR_NOT_FOUND */
    ERROR_READ_ONLY,
    ERROR_NOT_FOUND,
    ERROR_METHOD_NOT_ALLOWED,
    ERROR_CONFLICT,
    ERROR_GONE,
    ERROR_PAYLOAD_TOO_LARGE,
    ERROR_UNSUPPORTED_MEDIA,
    ERROR_RATE_LIMITED,
    ERROR_OVERLOADED,
    ERROR_UNAVAILABLE,
    ERROR_STORAGE_FULL,
    ERROR_TIMEOUT, /* outcome unknown: the same request with the same id may be tried again */
    ERROR_INTERNAL,
    ERROR_CODE_COUNT,
};

struct error_info {
    const char *code; /* "conversation.not_member" */
    int status;       /* HTTP */
    bool is_retryable;
    const char *title; /* a short sentence, the default message */
};

const struct error_info *error_info(enum error_code code);

/* An error as an answer carries it. */
struct error {
    enum error_code code;
    int64_t retry_after_ms; /* 0: none */
    struct fault fault;     /* field and text; empty text: the row's title */
};

/* The client's view of a result code of a store or the log; is_write: an unknown outcome is
 * ERROR_TIMEOUT, for reads it is ERROR_UNAVAILABLE. */
enum error_code error_from_rc(enum rc rc, bool is_write);

/* TRY (base/rc.h) for functions that answer a client: returns any code but ERROR_NONE. */
#define ERROR_TRY(call)                                                                            \
    do {                                                                                           \
        enum error_code try_code_ = (call);                                                        \
        if (try_code_ != ERROR_NONE)                                                               \
            return try_code_;                                                                      \
    } while (0)

#endif
