/* event_log.h - the log of all conversations: publishing to it and reading it.
 *
 * The log is the commit point: what publish answers as stored is kept. Publishing is asynchronous
 * and belongs to the loop thread. Reading blocks and belongs to worker threads. Two kinds of reads:
 * towards a seq that is known to exist any replica may answer, and the adapter goes on until that
 * seq came; whether something exists is asked of the leader (docs/ARCHITECTURE.md).
 */
#ifndef PORTS_EVENT_LOG_H
#define PORTS_EVENT_LOG_H

#include "base/arena.h"
#include "base/fault.h"
#include "domain/event.h"

enum publish_outcome {
    PUBLISH_STORED,    /* seq is its place */
    PUBLISH_DUPLICATE, /* the log has this message id already; seq is the first one's place. It
                          may be this very request's: the adapter asks again by itself */
    PUBLISH_CONFLICT,  /* expected_last_seq was not the subject's last: nothing stored, definite */
    PUBLISH_FULL,      /* definite: the log is full */
    PUBLISH_TOO_LARGE, /* definite */
    PUBLISH_UNAVAILABLE, /* definite: it never left, or nobody was there to take it */
    PUBLISH_UNKNOWN,     /* it may be stored, now or later: only the same message id may be tried */
};

struct publish_header {
    const char *name;
    struct bytes value; /* printable ASCII without CR LF; checked by the adapter */
};

struct publish_request {
    uint32_t partition;
    const char *subject; /* from wire/subjects.h */
    const char *msg_id;  /* a record of chat.> has one; NULL: stored twice does no harm */
    struct bytes payload;
    const struct publish_header *headers;
    size_t header_count;
    bool has_expected_last_seq;
    uint64_t expected_last_seq; /* of this subject; 0: it must be the first */
    int64_t timeout_ms;
};

enum { PUBLISH_HEADER_BYTES_MAX = 1024 };

/* What every adapter checks before it publishes: no wildcard, blank or control byte in the subject,
 * printable header values, a message id, and no header that begins with "Nats-", which the server
 * would act on. errors: RC_INVALID */
MUST_CHECK enum rc publish_request_check(const struct publish_request *request);

struct publish_result {
    enum publish_outcome outcome;
    uint64_t seq; /* STORED, DUPLICATE */
};

/* Runs on the loop thread, always later than the call that asked for it. */
typedef void publish_done_fn(void *closure, const struct publish_result *result);

/* One stored record, decoded from its headers; bytes borrowed for the call, or from the arena. */
struct log_record {
    uint32_t partition;
    char kind;       /* 'c' conversation event, 'u' user feed; see wire/subjects.h */
    struct id owner; /* the conversation or the user */
    uint64_t seq;
    uint64_t prev; /* Nats-Last-Sequence: 0 when none is left in the stream */
    int64_t at_us;
    char op;             /* Parley-Op, 0 if missing */
    uint32_t schema;     /* Parley-Schema, 0 if missing */
    struct id actor;     /* Parley-Sender; len 0 if missing or bad */
    struct id client_id; /* Parley-Client-Message-Id; likewise */
    bool has_body_hash;
    uint8_t body_hash[BODY_HASH_BYTES];
    struct bytes payload; /* empty in a headers-only read */
};

struct log_range {
    uint32_t partition;
    char kind;
    const struct id *owner;
    uint64_t after; /* records with seq > after … */
    uint64_t until; /* … up to and including this one, which is known to exist */
    size_t records_max;
};

struct log_state {
    uint64_t first_seq, last_seq;
    uint32_t generation, partitions, schema; /* of its metadata; 0: it doesn't say */
};

struct event_log {
    void *self;

    /* Loop thread. Copies all of the request. done is called exactly once if RC_OK is returned.
     * errors: RC_FULL too many in flight; RC_INVALID a header or subject has a forbidden byte */
    enum rc (*publish)(void *self, const struct publish_request *request, publish_done_fn *done,
                       void *closure);

    /* Worker threads; blocking, each within its own time limit (about 5 s).
     * errors of all: RC_UNAVAILABLE, RC_TIMEOUT, RC_NOMEM */

    /* The seq of the last record of that subject, asked of the leader. RC_NOT_FOUND: none left. */
    enum rc (*head)(void *self, uint32_t partition, char kind, const struct id *owner,
                    uint64_t *out_seq);
    /* Records of a range, ascending, given to each() in turn until it returns false. The range is
     * complete when RC_OK is returned and records_max was not reached. prev of the first record is
     * 0, for a batch doesn't carry it: it is `after` if that was a record of this subject. prev of
     * each further one is the record before it.
     * RC_NOT_FOUND: the beginning is no longer in the log, or can't be shown to be (the record
     * behind `after`, of whatever subject, is gone, and the first one isn't the conversation's
     * creation); or `until` isn't there. Nothing may be concluded of the rest. */
    enum rc (*read)(void *self, const struct log_range *range,
                    bool (*each)(void *closure, const struct log_record *record), void *closure);
    /* One record by its place, from the leader, into the arena. */
    enum rc (*get)(void *self, uint32_t partition, uint64_t seq, struct arena *arena,
                   struct log_record *out_record);
    /* The last seq of each of `count` subjects of one partition, no older than the leader's
     * last_seq at the time of the call: out_seqs[i] = 0 if none is left. */
    enum rc (*heads)(void *self, uint32_t partition, char kind, const struct id *owners,
                     size_t count, uint64_t *out_seqs, uint64_t *out_as_of);
    /* The stream's state, asked of the leader. */
    enum rc (*state)(void *self, uint32_t partition, struct log_state *out_state);
};

#endif
