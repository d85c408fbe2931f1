#include "wire/rest_json.h"

#include "domain/user_role.h"
#include "wire/event_json.h"
#include "wire/json_read.h"
#include "wire/json_write.h"

/* Members of a message that its sender chose, in the order of docs/PROTOCOL.md. */
static const struct {
    const char *key;
    bool is_content; /* an edit may replace it, a deletion takes it away */
} chosen[] = {
    { "kind", false },       { "text", true },     { "replyTo", false }, { "threadOf", false },
    { "attachments", true }, { "mentions", true }, { "metadata", true },
};

static void add_id(struct buf *out, const char *key, const struct id *id)
{
    json_add_text(out, key, id_bytes(id));
}

static void add_u64(struct buf *out, const char *key, uint64_t value)
{
    buf_add_format(out, ",\"%s\":", key);
    buf_add_u64(out, value);
}

static void add_duplicate(struct buf *out, bool is_duplicate)
{
    if (is_duplicate)
        buf_add_text(out, ",\"duplicate\":true");
}

static enum rc add_value(struct buf *out, const char *key, const json_t *value)
{
    buf_add_format(out, ",\"%s\":", key);
    if (!value) {
        buf_add_text(out, "null");
        return RC_OK;
    }
    return json_append(out, value);
}

/* The edit's member where it has one (null takes it away), else the original's. */
static enum rc add_chosen(struct buf *out, const json_t *original, const json_t *edit,
                          bool is_deleted)
{
    for (size_t i = 0; i < COUNT_OF(chosen); i++) {
        const char *key = chosen[i].key;
        const json_t *value = json_object_get(original, key);
        const json_t *newer = chosen[i].is_content ? json_object_get(edit, key) : NULL;
        if (newer)
            value = newer;
        if (is_deleted && chosen[i].is_content)
            value = NULL;
        TRY(add_value(out, key, value));
    }
    return RC_OK;
}

enum rc rest_message_write(struct buf *out, const struct rest_message *m, bool is_duplicate)
{
    static const char *const who[] = { "senderId", "clientMessageId" };
    SCOPED_JSON json_t *original = NULL;
    SCOPED_JSON json_t *edit = NULL;
    TRY(json_read_object(m->payload, &original, NULL));
    if (m->edit_payload.len)
        TRY(json_read_object(m->edit_payload, &edit, NULL));
    const json_t *conversation = json_object_get(original, "conversationId");
    if (!json_is_string(conversation))
        return RC_INVALID;
    buf_add_format(out, "{\"conversationId\":\"%s\"", json_string_value(conversation));
    add_u64(out, "seq", m->seq);
    json_add_time(out, "at", m->at_us);
    for (size_t i = 0; i < COUNT_OF(who); i++)
        TRY(add_value(out, who[i], json_object_get(original, who[i])));
    TRY(add_chosen(out, original, edit, m->deleted_at_us != 0));
    json_add_time(out, "editedAt", m->edited_at_us);
    json_add_time(out, "deletedAt", m->deleted_at_us);
    buf_add_format(out, ",\"reactions\":[],\"pinned\":%s", m->is_pinned ? "true" : "false");
    add_duplicate(out, is_duplicate);
    buf_add_byte(out, '}');
    return RC_OK;
}

static enum rc add_counts(struct buf *out, const struct rest_conversation *view)
{
    buf_add_text(out, ",\"lastMessage\":");
    if (view->last_message)
        TRY(rest_message_write(out, view->last_message, false));
    else
        buf_add_text(out, "null");
    add_u64(out, "readSeq", view->read_seq);
    add_u64(out, "unread", view->unread);
    return RC_OK;
}

enum rc rest_conversation_write(struct buf *out, const struct rest_conversation *view)
{
    const struct conversation *c = view->conversation;
    const struct membership *m = view->membership;
    buf_add_format(out, "{\"id\":\"%s\",\"type\":\"%s\"", c->id.text,
                   conversation_type_name(c->type));
    json_add_text(out, "name", c->name);
    buf_add_format(out, ",\"history\":\"%s\"", history_rule_name(c->history));
    add_id(out, "createdBy", &c->created_by);
    json_add_time(out, "createdAt", c->created_at_us);
    add_u64(out, "lastSeq", c->last_seq);
    json_add_text(out, "role", m ? bytes_of(member_role_name(m->role)) : bytes_of(NULL));
    if (m)
        add_u64(out, "joinedSeq", m->joined_seq);
    else
        buf_add_text(out, ",\"joinedSeq\":null");
    add_id(out, "peerId", &view->direct_peer);
    if (view->has_counts)
        TRY(add_counts(out, view));
    add_duplicate(out, view->is_duplicate);
    buf_add_byte(out, '}');
    return RC_OK;
}

void rest_member_write(struct buf *out, const struct id *conversation, const struct membership *m,
                       bool is_duplicate)
{
    buf_add_format(out, "{\"conversationId\":\"%s\",\"userId\":\"%s\",\"role\":\"%s\"",
                   conversation->text, m->user.text, member_role_name(m->role));
    add_u64(out, "joinedSeq", m->joined_seq);
    add_duplicate(out, is_duplicate);
    buf_add_byte(out, '}');
}

void rest_user_write(struct buf *out, const struct rest_user *user)
{
    buf_add_format(out, "{\"id\":\"%s\"", user->id.text);
    json_add_text(out, "name", user->name);
    json_add_time(out, "createdAt", user->created_at_us);
    json_add_time(out, "updatedAt", user->updated_at_us);
    if (user->has_roles) {
        buf_add_text(out, ",\"roles\":");
        user_roles_write(out, user->roles, true);
    }
    if (user->has_account) {
        json_add_text(out, "username", user->username);
        json_add_text(out, "email", user->email);
    }
    buf_add_byte(out, '}');
}

void rest_event_write(struct buf *out, const struct event *event)
{
    if (event->kind == EVENT_VOID || event->payload.len < 3)
        event_write_void(out, event);
    else
        event_write_delivered(out, event->seq, event->prev, event->at_us, event->payload);
}
