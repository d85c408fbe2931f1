/* tail.h - the end of a conversation's log, decoded, in bounded memory.
 *
 * A tail is short while persisters keep up. While the store is away it may be long: then the newest
 * messages are kept, up to a limit, and every event that decides who may read what.
 */
#ifndef APP_TAIL_H
#define APP_TAIL_H

#include "ports/event_log.h"

enum {
    TAIL_MESSAGES_MAX = 4096,         /* events about messages that are kept */
    TAIL_BYTES_MAX = 8 * 1024 * 1024, /* of their payloads */
    TAIL_FACTS_MAX = 50000, /* events about members and settings: beyond it RC_UNAVAILABLE */
};

struct tail {
    struct event *events; /* ascending; in the arena, payloads too */
    size_t count;
    uint64_t from; /* nothing with from < seq <= until is missing; facts are here below it too */
};

/* Reads one conversation's records with after < seq <= until. Blocking; worker threads.
 * errors: RC_NOT_FOUND the log no longer has the beginning; RC_UNAVAILABLE, RC_TIMEOUT, RC_NOMEM */
MUST_CHECK enum rc tail_read(const struct event_log *log, uint32_t partition,
                             const struct id *conversation, uint64_t after, uint64_t until,
                             struct arena *arena, struct tail *out);

#endif
