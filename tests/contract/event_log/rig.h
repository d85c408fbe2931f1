/* rig.h - what the suite needs of an adapter: its ports, a way to let time pass, and what its feed
 * heard. test_*.c defines rig_open, rig_close and rig_turn. */
#ifndef TESTS_CONTRACT_EVENT_LOG_RIG_H
#define TESTS_CONTRACT_EVENT_LOG_RIG_H

#include "ports/live_feed.h"
#include "ports/log_consumer.h"
#include "support/check.h"
#include "wire/subjects.h"

#include <stdio.h>
#include <time.h>

enum { RIG_SEEN_MAX = 4096, RIG_PARTITIONS = 2, RIG_WAIT_MS = 8000 };

struct rig_seen {
    char kind; /* of the record or signal; 'p' presence, 'h' heads, 'a' applied, 'x' control */
    uint32_t partition;
    struct id owner, user, session;
    uint64_t seq, prev;
    int64_t at_us;
    char op;
    struct id actor, client_id;
    bool has_body_hash, is_gone;
    char text[128];
};

struct rig {
    struct event_log log;
    struct live_feed feed;
    struct log_consumer_source consumers;
    void *adapter;
    struct rig_seen seen[RIG_SEEN_MAX];
    size_t seen_count;
    size_t boundaries, ups, downs;
};

static void rig_open(struct rig *rig);
static void rig_close(struct rig *rig);
/* Lets callbacks come, for a few milliseconds at most. */
static void rig_turn(struct rig *rig);

static inline int64_t rig_now_ms(void)
{
    return clock_monotonic_ms(clock_system());
}

/* Turns until the condition is so, which is asked no more after that. */
#define RIG_UNTIL(rig, condition)                                                                  \
    do {                                                                                           \
        int64_t stop_ = rig_now_ms() + RIG_WAIT_MS;                                                \
        bool is_so_;                                                                               \
        while (!(is_so_ = (condition)) && rig_now_ms() < stop_)                                    \
            rig_turn(rig);                                                                         \
        check_true(is_so_, #condition, __FILE__, __LINE__);                                        \
    } while (0)

static inline struct id rig_id(const char *text)
{
    struct id id = { 0 };
    CHECK(id_read(bytes_of(text), &id));
    return id;
}

/* An id that no other test of this run has. */
static inline struct id rig_new_id(void)
{
    return id_make(clock_system());
}

static inline struct rig_seen *rig_add(struct rig *rig, char kind, struct bytes payload)
{
    struct rig_seen *seen = &rig->seen[rig->seen_count % RIG_SEEN_MAX];
    rig->seen_count++;
    *seen = (struct rig_seen){ .kind = kind };
    (void)snprintf(seen->text, sizeof seen->text, "%.*s", BYTES_ARG(payload));
    return seen;
}

static inline void rig_on_record(void *closure, const struct log_record *record)
{
    struct rig_seen *seen = rig_add(closure, record->kind, record->payload);
    seen->partition = record->partition;
    seen->owner = record->owner;
    seen->seq = record->seq;
    seen->prev = record->prev;
    seen->at_us = record->at_us;
    seen->op = record->op;
    seen->actor = record->actor;
    seen->client_id = record->client_id;
    seen->has_body_hash = record->has_body_hash;
}

static inline void rig_on_signal(void *closure, const struct live_signal *signal)
{
    struct rig_seen *seen = rig_add(closure, signal->kind, signal->payload);
    seen->partition = signal->partition;
    seen->owner = signal->owner;
    seen->user = signal->user;
    seen->session = signal->session;
}

static inline void rig_on_heads(void *closure, uint32_t partition, struct bytes json)
{
    rig_add(closure, 'h', json)->partition = partition;
}

static inline void rig_on_applied(void *closure, uint32_t partition, struct bytes json)
{
    rig_add(closure, 'a', json)->partition = partition;
}

static inline void rig_on_presence(void *closure, const struct presence_record *record)
{
    struct rig_seen *seen = rig_add(closure, 'p', record->payload);
    seen->user = record->user;
    seen->session = record->session;
    seen->is_gone = record->is_gone;
    seen->seq = record->revision;
}

static inline void rig_on_boundary(void *closure)
{
    ((struct rig *)closure)->boundaries++;
}

static inline void rig_on_link(void *closure, bool is_up)
{
    struct rig *rig = closure;
    (*(is_up ? &rig->ups : &rig->downs))++;
}

static inline void rig_on_control(void *closure, struct bytes name, struct bytes json)
{
    struct rig_seen *seen = rig_add(closure, 'x', json);
    (void)id_read(name, &seen->owner);
}

static inline struct live_feed_events rig_events(struct rig *rig)
{
    return (struct live_feed_events){ .closure = rig,
                                      .on_record = rig_on_record,
                                      .on_signal = rig_on_signal,
                                      .on_heads = rig_on_heads,
                                      .on_applied = rig_on_applied,
                                      .on_presence = rig_on_presence,
                                      .on_boundary = rig_on_boundary,
                                      .on_link = rig_on_link,
                                      .on_control = rig_on_control };
}

/* ---- publishing ---- */

struct rig_done {
    struct publish_result result;
    int calls;
};

static inline void rig_on_done(void *closure, const struct publish_result *result)
{
    struct rig_done *done = closure;
    done->result = *result;
    done->calls++;
}

struct rig_message {
    char subject[SUBJECT_CHARS_MAX], msg_id[160], payload[160];
    struct publish_header headers[5];
    struct publish_request request;
};

static inline uint32_t rig_partition(const struct id *owner)
{
    return subject_partition(owner, RIG_PARTITIONS);
}

/* Fills *m (which must stay): `what` is payload and message id. */
static inline const struct publish_request *rig_request(struct rig_message *m, char kind,
                                                        const struct id *owner, const char *what)
{
    uint32_t p = rig_partition(owner);
    (void)subject_chat(m->subject, p, (enum subject_kind)kind, owner);
    (void)snprintf(m->msg_id, sizeof m->msg_id, "%s/%s", owner->text, what);
    (void)snprintf(m->payload, sizeof m->payload, "{\"text\":\"%s\"}", what);
    m->headers[0] = (struct publish_header){ HEADER_OP, bytes_of("m") };
    m->headers[1] = (struct publish_header){ HEADER_SENDER, bytes_of("alice") };
    m->headers[2] = (struct publish_header){ HEADER_CLIENT_ID, bytes_of("client-1") };
    m->headers[3] = (struct publish_header){ HEADER_SCHEMA, bytes_of("1") };
    m->headers[4] = (struct publish_header){ HEADER_BODY_HASH, bytes_of("AAECAwQFBgcICQoLDA0ODw") };
    m->request = (struct publish_request){ .partition = p,
                                           .subject = m->subject,
                                           .msg_id = m->msg_id,
                                           .payload = bytes_of(m->payload),
                                           .headers = m->headers,
                                           .header_count = COUNT_OF(m->headers),
                                           .timeout_ms = 4000 };
    return &m->request;
}

static inline struct publish_result rig_publish(struct rig *rig,
                                                const struct publish_request *request)
{
    struct rig_done done = { .calls = 0 };
    CHECK_RC(RC_OK, rig->log.publish(rig->log.self, request, rig_on_done, &done));
    CHECK_INT(0, done.calls); /* never within the call */
    RIG_UNTIL(rig, done.calls > 0);
    CHECK_INT(1, done.calls);
    return done.result;
}

/* Publishes one that must be stored; returns its seq. */
static inline uint64_t rig_store(struct rig *rig, char kind, const struct id *owner,
                                 const char *what)
{
    struct rig_message m;
    struct publish_result result = rig_publish(rig, rig_request(&m, kind, owner, what));
    CHECK_INT(PUBLISH_STORED, result.outcome);
    return result.seq;
}

/* ---- reading ---- */

struct rig_read {
    struct rig_seen records[512];
    size_t count;
    size_t stop_after; /* 0: take all */
};

static inline bool rig_take(void *closure, const struct log_record *record)
{
    struct rig_read *read = closure;
    struct rig_seen *seen = &read->records[read->count++];
    *seen = (struct rig_seen){ .kind = record->kind,
                               .owner = record->owner,
                               .seq = record->seq,
                               .prev = record->prev,
                               .at_us = record->at_us,
                               .op = record->op,
                               .actor = record->actor,
                               .client_id = record->client_id,
                               .has_body_hash = record->has_body_hash };
    (void)snprintf(seen->text, sizeof seen->text, "%.*s", BYTES_ARG(record->payload));
    return read->count != read->stop_after && read->count < COUNT_OF(read->records);
}

static inline enum rc rig_read(struct rig *rig, const struct id *owner, uint64_t after,
                               uint64_t until, size_t records_max, struct rig_read *out)
{
    const struct log_range range = { .partition = rig_partition(owner),
                                     .kind = 'c',
                                     .owner = owner,
                                     .after = after,
                                     .until = until,
                                     .records_max = records_max };
    return rig->log.read(rig->log.self, &range, rig_take, out);
}

static inline void rig_set(void *closure, enum rc rc)
{
    *(int *)closure = 1 + (int)rc;
}

static inline void rig_flush(struct rig *rig)
{
    int flushed = 0;
    CHECK_RC(RC_OK, rig->feed.flush(rig->feed.self, rig_set, &flushed));
    CHECK_INT(0, flushed);
    RIG_UNTIL(rig, flushed != 0);
    CHECK_INT(1 + RC_OK, flushed);
}

#endif
