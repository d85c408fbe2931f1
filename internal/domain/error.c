#include "domain/error.h"

static const struct error_info infos[ERROR_CODE_COUNT] = {
    [ERROR_NONE] = { "ok", 200, false, "ok" },
    [ERROR_VALIDATION] = { "validation", 400, false, "The request is not valid." },
    [ERROR_UNAUTHENTICATED] = { "unauthenticated", 401, false, "A valid access token is needed." },
    [ERROR_TOKEN_EXPIRED] = { "token.expired", 401, false, "The access token has expired." },
    [ERROR_FORBIDDEN] = { "forbidden", 403, false, "This is not allowed." },
    [ERROR_NOT_MEMBER] = { "conversation.not_member", 403, false, "Join the channel first." },
    [ERROR_READ_ONLY] = { "conversation.read_only", 403, false, "Readers may not write here." },
    [ERROR_NOT_FOUND] = { "not_found", 404, false, "There is no such thing, or not for you." },
    [ERROR_METHOD_NOT_ALLOWED] = { "method_not_allowed", 405, false,
                                   "This resource has no such method." },
    [ERROR_CONFLICT] = { "conflict", 409, false, "The same id was used for something else." },
    [ERROR_GONE] = { "gone", 410, false, "It has been deleted." },
    [ERROR_PAYLOAD_TOO_LARGE] = { "payload_too_large", 413, false, "The request is too large." },
    [ERROR_UNSUPPORTED_MEDIA] = { "unsupported_media", 415, false,
                                  "The body must be application/json." },
    [ERROR_RATE_LIMITED] = { "rate_limited", 429, true, "Too many requests; wait." },
    [ERROR_OVERLOADED] = { "overloaded", 503, true, "The server is busy; try again later." },
    [ERROR_UNAVAILABLE] = { "unavailable", 503, true, "A service behind this one is away." },
    [ERROR_STORAGE_FULL] = { "storage_full", 507, true, "The log is full; nothing was kept." },
    [ERROR_TIMEOUT] = { "timeout", 504, true,
                        "The outcome is unknown; send it again with the same id." },
    [ERROR_INTERNAL] = { "internal", 500, false, "The server made a mistake." },
};

const struct error_info *error_info(enum error_code code)
{
    return &infos[code];
}

enum error_code error_from_rc(enum rc rc, bool is_write)
{
    switch (rc) {
    case RC_OK:
        return ERROR_NONE;
    case RC_INVALID:
        return ERROR_VALIDATION;
    case RC_DENIED:
        return ERROR_FORBIDDEN;
    case RC_NOT_FOUND:
        return ERROR_NOT_FOUND;
    case RC_CONFLICT:
        return ERROR_CONFLICT;
    case RC_FULL:
        return ERROR_OVERLOADED;
    case RC_UNAVAILABLE:
        return ERROR_UNAVAILABLE;
    case RC_TIMEOUT:
        return is_write ? ERROR_TIMEOUT : ERROR_UNAVAILABLE;
    case RC_NOMEM:
        return ERROR_OVERLOADED;
    }
    return ERROR_INTERNAL;
}
