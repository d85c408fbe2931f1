#include "wire/event_json.h"

#include "wire/json_read.h"

static enum rc read_name(const json_t *object, const char *key, bool (*read)(struct bytes, int *),
                         int *out, struct fault *fault)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value) ||
        !read(bytes_make(json_string_value(value), json_string_length(value)), out)) {
        fault_set(fault, key, "%s is missing or not one of the known names.", key);
        return RC_INVALID;
    }
    return RC_OK;
}

static bool read_kind(struct bytes text, int *out)
{
    enum event_kind kind;
    bool is_known = event_kind_read(text, &kind);
    *out = is_known ? (int)kind : 0;
    return is_known;
}

static bool read_type(struct bytes text, int *out)
{
    enum conversation_type type;
    bool is_known = conversation_type_read(text, &type);
    *out = is_known ? (int)type : 0;
    return is_known;
}

static bool read_history(struct bytes text, int *out)
{
    enum history_rule rule;
    bool is_known = history_rule_read(text, &rule);
    *out = is_known ? (int)rule : 0;
    return is_known;
}

static bool read_role(struct bytes text, int *out)
{
    enum member_role role;
    bool is_known = member_role_read(text, &role);
    *out = is_known ? (int)role : 0;
    return is_known;
}

static enum rc parse_message(const json_t *o, struct arena *arena, struct event *e,
                             struct fault *fault)
{
    bool is_new = e->kind == EVENT_MESSAGE_NEW;
    TRY(json_read_id(o, "senderId", true, &e->actor, fault));
    TRY(json_read_id(o, is_new ? "clientMessageId" : "operationId", true, &e->client_id, fault));
    TRY(json_read_seq(o, "threadOf", false, &e->thread_of, fault));
    TRY(json_read_seq(o, "targetSeq", !is_new, &e->target_seq, fault));
    if (e->kind == EVENT_REACTION_ADDED || e->kind == EVENT_REACTION_REMOVED)
        TRY(json_read_text(o, "emoji", true, 64, arena, &e->emoji, fault));
    return RC_OK;
}

static enum rc parse_conversation(const json_t *o, struct arena *arena, struct event *e,
                                  struct fault *fault)
{
    int value;
    TRY(json_read_id(o, "by", true, &e->actor, fault));
    TRY(json_read_id(o, "operationId", true, &e->client_id, fault));
    if (e->kind == EVENT_CONVERSATION_DELETED)
        return RC_OK;
    TRY(json_read_text(o, "name", false, CONVERSATION_NAME_BYTES_MAX, arena, &e->name, fault));
    TRY(read_name(o, "history", read_history, &value, fault));
    e->history = (enum history_rule)value;
    if (e->kind == EVENT_CONVERSATION_CREATED) {
        TRY(read_name(o, "conversationType", read_type, &value, fault));
        e->type = (enum conversation_type)value;
    }
    return RC_OK;
}

static enum rc parse_member(const json_t *o, struct arena *arena, struct event *e,
                            struct fault *fault)
{
    int value;
    TRY(json_read_id(o, "by", true, &e->actor, fault));
    TRY(json_read_id(o, "operationId", true, &e->client_id, fault));
    TRY(json_read_id(o, "userId", true, &e->user, fault));
    if (e->kind == EVENT_MEMBER_REMOVED)
        return json_read_text(o, "reason", false, 64, arena, &e->reason, fault);
    TRY(read_name(o, "role", read_role, &value, fault));
    e->role = (enum member_role)value;
    return RC_OK;
}

static enum rc parse_void(const json_t *o, struct arena *arena, struct event *e,
                          struct fault *fault)
{
    if (e->kind == EVENT_MESSAGE_WITHDRAWN) {
        TRY(json_read_seq(o, "targetSeq", true, &e->target_seq, fault));
        return json_read_seq(o, "of", true, &e->of_seq, fault);
    }
    TRY(json_read_text(o, "reason", true, 64, arena, &e->reason, fault));
    return json_read_seq(o, "of", false, &e->of_seq, fault);
}

/* What event_write_delivered relies on: it puts seq, prev and at behind the payload's first byte,
 * and a newline would end the event within a client's frame. */
static enum rc refuse_undeliverable(struct bytes payload, const json_t *object, struct fault *fault)
{
    static const char *const keys[] = { "seq", "prev", "at" };
    if (payload.ptr[0] != '{' || memchr(payload.ptr, '\n', payload.len)) {
        fault_set(fault, "", "an event is one line that begins with {");
        return RC_INVALID;
    }
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        if (json_object_get(object, keys[i])) {
            fault_set(fault, keys[i], "an event is published without it");
            return RC_INVALID;
        }
    }
    return RC_OK;
}

enum rc event_parse(struct bytes payload, struct arena *arena, struct event *out_event,
                    struct fault *fault)
{
    SCOPED_JSON json_t *object = NULL;
    struct event e = *out_event;
    int kind;
    TRY(json_read_object(payload, &object, fault));
    TRY(refuse_undeliverable(payload, object, fault));
    TRY(read_name(object, "type", read_kind, &kind, fault));
    e.kind = (enum event_kind)kind;
    e.payload = payload;
    TRY(json_read_id(object, "conversationId", true, &e.conversation, fault));
    switch (e.kind) {
    case EVENT_MESSAGE_NEW:
    case EVENT_MESSAGE_EDITED:
    case EVENT_MESSAGE_DELETED:
    case EVENT_MESSAGE_PINNED:
    case EVENT_MESSAGE_UNPINNED:
    case EVENT_REACTION_ADDED:
    case EVENT_REACTION_REMOVED:
        TRY(parse_message(object, arena, &e, fault));
        break;
    case EVENT_CONVERSATION_CREATED:
    case EVENT_CONVERSATION_UPDATED:
    case EVENT_CONVERSATION_DELETED:
        TRY(parse_conversation(object, arena, &e, fault));
        break;
    case EVENT_MEMBER_ADDED:
    case EVENT_MEMBER_REMOVED:
    case EVENT_MEMBER_UPDATED:
        TRY(parse_member(object, arena, &e, fault));
        break;
    case EVENT_MESSAGE_WITHDRAWN:
    case EVENT_VOID:
        TRY(parse_void(object, arena, &e, fault));
        break;
    case EVENT_KIND_COUNT:
        return RC_INVALID;
    }
    *out_event = e;
    return RC_OK;
}

static void add_text_member(struct buf *out, const char *key, struct bytes text)
{
    buf_add_format(out, ",\"%s\":", key);
    buf_add_json_string(out, text);
}

static void add_u64_member(struct buf *out, const char *key, uint64_t value)
{
    buf_add_format(out, ",\"%s\":", key);
    buf_add_u64(out, value);
}

static void write_message(struct buf *out, const struct event *e, struct bytes content)
{
    bool is_new = e->kind == EVENT_MESSAGE_NEW;
    add_text_member(out, "senderId", id_bytes(&e->actor));
    add_text_member(out, is_new ? "clientMessageId" : "operationId", id_bytes(&e->client_id));
    if (!is_new)
        add_u64_member(out, "targetSeq", e->target_seq);
    if (e->emoji.len)
        add_text_member(out, "emoji", e->emoji);
    if (content.len) {
        buf_add_byte(out, ',');
        buf_add(out, content);
    }
}

static void write_conversation(struct buf *out, const struct event *e)
{
    add_text_member(out, "by", id_bytes(&e->actor));
    add_text_member(out, "operationId", id_bytes(&e->client_id));
    if (e->kind == EVENT_CONVERSATION_DELETED)
        return;
    if (e->kind == EVENT_CONVERSATION_CREATED)
        add_text_member(out, "conversationType", bytes_of(conversation_type_name(e->type)));
    if (e->name.len)
        add_text_member(out, "name", e->name);
    add_text_member(out, "history", bytes_of(history_rule_name(e->history)));
}

static void write_member(struct buf *out, const struct event *e)
{
    add_text_member(out, "by", id_bytes(&e->actor));
    add_text_member(out, "operationId", id_bytes(&e->client_id));
    add_text_member(out, "userId", id_bytes(&e->user));
    if (e->kind != EVENT_MEMBER_REMOVED)
        add_text_member(out, "role", bytes_of(member_role_name(e->role)));
    else if (e->reason.len)
        add_text_member(out, "reason", e->reason);
}

static void write_void(struct buf *out, const struct event *e)
{
    if (e->kind == EVENT_MESSAGE_WITHDRAWN)
        add_u64_member(out, "targetSeq", e->target_seq);
    else
        add_text_member(out, "reason", e->reason);
    if (e->of_seq)
        add_u64_member(out, "of", e->of_seq);
}

void event_write(struct buf *out, const struct event *e, struct bytes content)
{
    buf_add_format(out, "{\"type\":\"%s\",\"conversationId\":\"%s\"", event_kind_name(e->kind),
                   e->conversation.text);
    switch (e->kind) {
    case EVENT_MESSAGE_NEW:
    case EVENT_MESSAGE_EDITED:
    case EVENT_MESSAGE_DELETED:
    case EVENT_MESSAGE_PINNED:
    case EVENT_MESSAGE_UNPINNED:
    case EVENT_REACTION_ADDED:
    case EVENT_REACTION_REMOVED:
        write_message(out, e, content);
        break;
    case EVENT_CONVERSATION_CREATED:
    case EVENT_CONVERSATION_UPDATED:
    case EVENT_CONVERSATION_DELETED:
        write_conversation(out, e);
        break;
    case EVENT_MEMBER_ADDED:
    case EVENT_MEMBER_REMOVED:
    case EVENT_MEMBER_UPDATED:
        write_member(out, e);
        break;
    case EVENT_MESSAGE_WITHDRAWN:
    case EVENT_VOID:
        write_void(out, e);
        break;
    case EVENT_KIND_COUNT:
        break;
    }
    buf_add_byte(out, '}');
}

static void write_place(struct buf *out, uint64_t seq, uint64_t prev, int64_t at_us)
{
    char at[RFC3339_CHARS];
    rfc3339_write(at_us, at);
    buf_add_text(out, "{\"seq\":");
    buf_add_u64(out, seq);
    buf_add_text(out, ",\"prev\":");
    buf_add_u64(out, prev);
    buf_add_text(out, ",\"at\":\"");
    buf_add_text(out, at);
    buf_add_text(out, "\",");
}

void event_write_delivered(struct buf *out, uint64_t seq, uint64_t prev, int64_t at_us,
                           struct bytes payload)
{
    write_place(out, seq, prev, at_us);
    buf_add(out, bytes_make(payload.ptr + 1, payload.len - 1));
}

void event_write_void(struct buf *out, const struct event *event)
{
    write_place(out, event->seq, event->prev, event->at_us);
    buf_add_format(out, "\"type\":\"event.void\",\"conversationId\":\"%s\"",
                   event->conversation.text);
    add_text_member(out, "reason", event->reason.len ? event->reason : bytes_of("unparseable"));
    if (event->of_seq)
        add_u64_member(out, "of", event->of_seq);
    buf_add_byte(out, '}');
}

enum rc user_feed_parse(struct bytes payload, struct user_feed_record *out)
{
    SCOPED_JSON json_t *object = NULL;
    struct user_feed_record record = { .seq = 0 };
    TRY(json_read_object(payload, &object, NULL));
    TRY(json_read_id(object, "conversationId", true, &record.conversation, NULL));
    TRY(json_read_seq(object, "seq", true, &record.seq, NULL));
    *out = record;
    return RC_OK;
}

void user_feed_write(struct buf *out, const struct user_feed_record *record)
{
    buf_add_format(out, "{\"conversationId\":\"%s\",\"seq\":%llu}", record->conversation.text,
                   (unsigned long long)record->seq);
}
