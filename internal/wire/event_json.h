/* event_json.h - events and the persister's announcements as JSON.
 *
 * The payload that is published is the event as clients get it, less seq, prev and at:
 *   message.new      {type, conversationId, senderId, clientMessageId, kind, text, replyTo?,
 * threadOf?, attachments?, mentions?, metadata?} message.edited   {type, conversationId, senderId,
 * operationId, targetSeq, text?, attachments?, …} message.deleted, .pinned, .unpinned  {type,
 * conversationId, senderId, operationId, targetSeq} reaction.*       {type, conversationId,
 * senderId, operationId, targetSeq, emoji} message.withdrawn {type, conversationId, targetSeq, of}
 *   conversation.created {type, conversationId, by, operationId, conversationType, name?, history}
 *   conversation.updated {type, conversationId, by, operationId, name?, history}
 *   conversation.deleted {type, conversationId, by, operationId}
 *   member.added, .updated {type, conversationId, by, operationId, userId, role}
 *   member.removed   {type, conversationId, by, operationId, userId, reason?}
 *   event.void       {type, conversationId, reason, of?}
 * User feed records: {"conversationId":…,"seq":…}, with Parley-Op "f".
 */
#ifndef WIRE_EVENT_JSON_H
#define WIRE_EVENT_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/fault.h"
#include "domain/event.h"

/* Reads a payload: every field of *out_event but seq, prev, at_us and body_hash, which are the
 * record's. Text is copied into the arena; payload stays borrowed.
 * errors: RC_INVALID (fault says which field), RC_NOMEM */
MUST_CHECK enum rc event_parse(struct bytes payload, struct arena *arena, struct event *out_event,
                               struct fault *fault);

/* Writes the payload of an event. content: the client-chosen members of a message or an edit as the
 * inside of a JSON object ("\"kind\":\"text\",\"text\":\"hi\""), borrowed, empty for the others. */
void event_write(struct buf *out, const struct event *event, struct bytes content);

/* Writes what a client gets: the payload with seq, prev and at in front. The payload must be an
 * object with members; what is not (poison) is written by event_write_void. */
void event_write_delivered(struct buf *out, uint64_t seq, uint64_t prev, int64_t at_us,
                           struct bytes payload);

/* The void that stands in a chain: {type, conversationId, seq, prev, at, reason, of?}. */
void event_write_void(struct buf *out, const struct event *event);

struct user_feed_record {
    struct id conversation;
    uint64_t seq;
};
MUST_CHECK enum rc user_feed_parse(struct bytes payload, struct user_feed_record *out);
void user_feed_write(struct buf *out, const struct user_feed_record *record);

/* heads.<p>: {"gen":1,"from":A,"to":B,"heads":{"<conversation>":seq},"users":{"<user>":seq}}: every
 * subject that got a record in (from, to], with its last seq. */
struct heads_entry {
    struct id owner;
    char kind; /* 'c' or 'u' */
    uint64_t seq;
};
struct heads {
    uint32_t generation;
    uint64_t from, to;
    const struct heads_entry *entries;
    size_t count;
};
MUST_CHECK enum rc heads_parse(struct bytes json, struct arena *arena, struct heads *out);
void heads_write(struct buf *out, const struct heads *heads);

/* applied.<p>: {"gen":1,"seq":N,"lagMs":L,"pending":M}. lagMs: the age of the oldest record that
 * the store doesn't have, 0 when it has all; pending: how many there are. Both are left out when
 * the persister can't say. */
struct applied {
    uint32_t generation;
    uint64_t seq; /* the store has everything up to here; 0: the store has never answered */
    bool has_lag;
    int64_t lag_ms;
    uint64_t pending;
};
MUST_CHECK enum rc applied_parse(struct bytes json, struct applied *out);
void applied_write(struct buf *out, const struct applied *applied);

#endif
