/* event.h - one durable fact of a conversation, decoded.
 *
 * The content that only clients read (text, attachments, …) stays JSON inside `payload`; what the
 * server decides by is a field of its own. wire/event_json.h turns the one into the other.
 */
#ifndef DOMAIN_EVENT_H
#define DOMAIN_EVENT_H

#include "domain/conversation.h"

enum event_kind {
    EVENT_MESSAGE_NEW,
    EVENT_MESSAGE_EDITED,
    EVENT_MESSAGE_DELETED,
    EVENT_MESSAGE_PINNED,
    EVENT_MESSAGE_UNPINNED,
    EVENT_MESSAGE_WITHDRAWN,
    EVENT_REACTION_ADDED,
    EVENT_REACTION_REMOVED,
    EVENT_CONVERSATION_CREATED,
    EVENT_CONVERSATION_UPDATED,
    EVENT_CONVERSATION_DELETED,
    EVENT_MEMBER_ADDED,
    EVENT_MEMBER_REMOVED,
    EVENT_MEMBER_UPDATED,
    EVENT_VOID, /* stands where an event may not be shown */
    EVENT_KIND_COUNT,
};

enum { BODY_HASH_BYTES = 16 };

struct event {
    enum event_kind kind;
    struct id conversation;
    uint64_t seq;    /* the stream's; 0 before it is known */
    uint64_t prev;   /* seq of the event before it in the conversation; 0 only for the first */
    int64_t at_us;   /* the stream's time stamp */
    struct id actor; /* senderId of message.* and reaction.*, `by` of member.*, conversation.* */
    struct id client_id;   /* clientMessageId or operationId */
    uint64_t target_seq;   /* message.edited, .deleted, .pinned, .withdrawn, reaction.*; else 0 */
    uint64_t of_seq;       /* message.withdrawn, void of a double: the first; else 0 */
    uint64_t thread_of;    /* message.new in a thread; else 0 */
    struct id user;        /* member.*: whom it is about */
    enum member_role role; /* member.added, .updated */
    enum conversation_type type;        /* conversation.created */
    enum history_rule history;          /* conversation.created, .updated (an update carries all) */
    struct bytes name;                  /* conversation.created, .updated */
    struct bytes emoji;                 /* reaction.* */
    struct bytes reason;                /* void, member.removed */
    uint8_t body_hash[BODY_HASH_BYTES]; /* over the fields that the client chose */
    struct bytes payload; /* the JSON object as published: without seq, prev, at; borrowed */
};

/* "message.new" and so on. Static storage. */
const char *event_kind_name(enum event_kind kind);
bool event_kind_read(struct bytes text, enum event_kind *out_kind);

/* The letter that keeps operations apart in Nats-Msg-Id and in the header Parley-Op:
 * m message, e edit, d delete, p pin, q unpin, w withdrawn, r reaction added, s removed,
 * c conversation created, u updated, x deleted, a member added, l removed, v updated, 0 void. */
char event_kind_op(enum event_kind kind);
bool event_kind_from_op(char op, enum event_kind *out_kind);

/* Applies one member event to a membership; events must come in rising seq. Others are ignored. */
void membership_apply(struct membership *m, const struct event *event);

/* Applies one conversation.* event (or any event's seq) to a conversation, in any order: each
 * setting is guarded by its own seq. The name is borrowed from the event. */
void conversation_apply(struct conversation *c, const struct event *event);

#endif
