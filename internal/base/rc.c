#include "base/rc.h"

const char *rc_name(enum rc code)
{
    switch (code) {
    case RC_OK:
        return "ok";
    case RC_INVALID:
        return "invalid";
    case RC_DENIED:
        return "denied";
    case RC_NOT_FOUND:
        return "not_found";
    case RC_CONFLICT:
        return "conflict";
    case RC_FULL:
        return "full";
    case RC_UNAVAILABLE:
        return "unavailable";
    case RC_TIMEOUT:
        return "timeout";
    case RC_NOMEM:
        return "no_memory";
    }
    return "unknown";
}
