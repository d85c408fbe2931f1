#include "wire/client_json.h"

#include "wire/json_read.h"

enum { METADATA_BYTES_MAX = 4096, MENTIONS_MAX = 100, ATTACHMENTS_MAX = 20 };

bool frame_next_line(struct bytes *rest, struct bytes *out_line)
{
    while (rest->len) {
        const uint8_t *end = memchr(rest->ptr, '\n', rest->len);
        size_t len = end ? (size_t)(end - rest->ptr) : rest->len;
        struct bytes line = bytes_make(rest->ptr, len);
        size_t used = end ? len + 1 : len;
        *rest = bytes_make(rest->ptr + used, rest->len - used);
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (line.len) {
            *out_line = line;
            return true;
        }
    }
    return false;
}

/* An edit's null takes away what the message has; a new message has nothing yet. */
static enum rc add_null(const char *key, const json_t *value, bool is_edit, struct buf *out)
{
    if (is_edit && json_is_null(value))
        buf_add_format(out, "%s\"%s\":null", out->len ? "," : "", key);
    return RC_OK;
}

/* Appends `"key":value` with a comma in front where one is needed. */
static enum rc add_member(struct buf *out, const char *key, const json_t *value)
{
    buf_add_format(out, "%s\"%s\":", out->len ? "," : "", key);
    return json_append(out, value);
}

static enum rc check_kind(const json_t *object, struct buf *out, struct fault *fault)
{
    static const char *const kinds[] = { "text", "image", "file", "custom" };
    const json_t *value = json_object_get(object, "kind");
    const char *kind = value && !json_is_null(value) ? json_string_value(value) : "text";
    for (size_t i = 0; kind && i < COUNT_OF(kinds); i++) {
        if (strcmp(kind, kinds[i]) == 0) {
            buf_add_format(out, "\"kind\":\"%s\"", kind);
            return RC_OK;
        }
    }
    fault_set(fault, "kind", "kind must be text, image, file or custom.");
    return RC_INVALID;
}

static enum rc check_text(const json_t *object, size_t bytes_max, bool is_needed, struct buf *out,
                          struct fault *fault)
{
    const json_t *value = json_object_get(object, "text");
    if (!value || json_is_null(value)) {
        if (!is_needed)
            return RC_OK;
        fault_set(fault, "text", "text is missing.");
        return RC_INVALID;
    }
    if (!json_is_string(value)) {
        fault_set(fault, "text", "text must be a string.");
        return RC_INVALID;
    }
    if (json_string_length(value) > bytes_max) {
        fault_set_large(fault, "text", bytes_max);
        return RC_INVALID;
    }
    return add_member(out, "text", value);
}

static enum rc check_place(const json_t *object, const char *key, uint64_t *out_seq,
                           struct buf *out, struct fault *fault)
{
    *out_seq = 0;
    TRY(json_read_seq(object, key, false, out_seq, fault));
    return *out_seq ? add_member(out, key, json_object_get(object, key)) : RC_OK;
}

static enum rc check_attachments(const json_t *object, bool is_edit, struct buf *out,
                                 struct fault *fault)
{
    const json_t *value = json_object_get(object, "attachments");
    size_t at;
    const json_t *item;
    if (!value || json_is_null(value))
        return add_null("attachments", value, is_edit, out);
    if (!json_is_array(value) || json_array_size(value) > ATTACHMENTS_MAX) {
        fault_set(fault, "attachments", "attachments must be a list of at most %d objects.",
                  ATTACHMENTS_MAX);
        return RC_INVALID;
    }
    json_array_foreach(value, at, item)
    {
        if (!json_is_object(item)) {
            fault_set(fault, "attachments", "attachments[%zu] must be an object.", at);
            return RC_INVALID;
        }
    }
    return add_member(out, "attachments", value);
}

static enum rc check_mentions(const json_t *object, bool is_edit, struct buf *out,
                              struct fault *fault)
{
    const json_t *value = json_object_get(object, "mentions");
    size_t at;
    const json_t *item;
    if (!value || json_is_null(value))
        return add_null("mentions", value, is_edit, out);
    if (!json_is_array(value) || json_array_size(value) > MENTIONS_MAX) {
        fault_set(fault, "mentions", "mentions must be a list of at most %d user ids.",
                  MENTIONS_MAX);
        return RC_INVALID;
    }
    json_array_foreach(value, at, item)
    {
        struct id user;
        if (!json_is_string(item) ||
            !id_read(bytes_make(json_string_value(item), json_string_length(item)), &user)) {
            fault_set(fault, "mentions", "mentions[%zu] must be a user id.", at);
            return RC_INVALID;
        }
    }
    return add_member(out, "mentions", value);
}

static enum rc check_metadata(const json_t *object, bool is_edit, struct buf *out,
                              struct fault *fault)
{
    const json_t *value = json_object_get(object, "metadata");
    if (!value || json_is_null(value))
        return add_null("metadata", value, is_edit, out);
    if (!json_is_object(value)) {
        fault_set(fault, "metadata", "metadata must be an object.");
        return RC_INVALID;
    }
    size_t before = out->len;
    TRY(add_member(out, "metadata", value));
    if (out->len - before > strlen(",\"metadata\":") + METADATA_BYTES_MAX) {
        fault_set(fault, "metadata", "metadata may have at most %d bytes as JSON.",
                  METADATA_BYTES_MAX);
        return RC_INVALID;
    }
    return RC_OK;
}

/* Text may be left out of a message that has something else to show, and of an edit that changes
 * anything else. */
static bool has_beside_text(const json_t *object, bool is_edit)
{
    const json_t *attachments = json_object_get(object, "attachments");
    const json_t *metadata = json_object_get(object, "metadata");
    if (is_edit)
        return attachments || metadata || json_object_get(object, "mentions");
    return json_is_array(attachments) || json_is_object(metadata);
}

static enum rc write_content(const json_t *object, bool is_edit, size_t bytes_max, struct buf *out,
                             uint64_t *reply_to, uint64_t *thread_of, struct fault *fault)
{
    bool has_other = has_beside_text(object, is_edit);
    if (!is_edit)
        TRY(check_kind(object, out, fault));
    TRY(check_text(object, bytes_max, !has_other, out, fault));
    if (!is_edit) {
        TRY(check_place(object, "replyTo", reply_to, out, fault));
        TRY(check_place(object, "threadOf", thread_of, out, fault));
    }
    TRY(check_attachments(object, is_edit, out, fault));
    TRY(check_mentions(object, is_edit, out, fault));
    return check_metadata(object, is_edit, out, fault);
}

/* As it is stored: a text of quotes and line ends is twice as long there, one of control characters
 * six times. */
static enum rc refuse_large(const json_t *object, size_t bytes_max, struct fault *fault)
{
    bool has_attachments = json_is_array(json_object_get(object, "attachments"));
    fault_set_large(fault, has_attachments ? "attachments" : "text", bytes_max);
    if (fault)
        (void)snprintf(
            fault->text, sizeof fault->text,
            "text, attachments, mentions and metadata together may have at most %zu bytes "
            "as JSON.",
            bytes_max);
    return RC_INVALID;
}

static enum rc read_content(const json_t *object, bool is_edit, size_t bytes_max,
                            struct arena *arena, struct bytes *out_content, uint64_t *reply_to,
                            uint64_t *thread_of, struct fault *fault)
{
    SCOPED_BUF(out, bytes_max * 6 + 4 * METADATA_BYTES_MAX);
    enum rc rc = write_content(object, is_edit, bytes_max, &out, reply_to, thread_of, fault);
    if (rc == RC_NOMEM || (rc == RC_OK && out.len > bytes_max + 2 * METADATA_BYTES_MAX)) {
        return refuse_large(object, bytes_max + 2 * (size_t)METADATA_BYTES_MAX, fault);
    }
    TRY(rc);
    *out_content = arena_copy(arena, buf_bytes(&out));
    return out_content->ptr ? RC_OK : RC_NOMEM;
}

enum rc message_content_parse(struct bytes json_object, bool is_edit, size_t message_bytes_max,
                              struct arena *arena, struct bytes *out_content,
                              uint64_t *out_reply_to, uint64_t *out_thread_of, struct fault *fault)
{
    SCOPED_JSON json_t *object = NULL;
    TRY(json_read_object(json_object, &object, fault));
    return read_content(object, is_edit, message_bytes_max, arena, out_content, out_reply_to,
                        out_thread_of, fault);
}

static enum rc read_retry(const json_t *o, struct client_request *r, struct fault *fault)
{
    const json_t *tried = json_object_get(o, "firstTriedMs");
    TRY(json_read_bool(o, "retry", &r->is_retry, fault));
    if (!tried || json_is_null(tried))
        return RC_OK;
    if (!json_is_number(tried) || json_number_value(tried) < 0) {
        fault_set(fault, "firstTriedMs", "firstTriedMs must be a number of milliseconds.");
        return RC_INVALID;
    }
    double ms = json_number_value(tried);
    r->has_first_tried = true;
    r->first_tried_ms = ms < 1e15 ? (int64_t)ms : (int64_t)1e15;
    return RC_OK;
}

static enum rc read_send(const json_t *o, size_t bytes_max, struct arena *arena,
                         struct client_request *r, struct fault *fault)
{
    TRY(json_read_id(o, "conversationId", true, &r->conversation, fault));
    TRY(json_read_id(o, "clientMessageId", true, &r->client_id, fault));
    TRY(read_retry(o, r, fault));
    return read_content(o, false, bytes_max, arena, &r->content, &r->reply_to, &r->thread_of,
                        fault);
}

static enum rc read_edit(const json_t *o, size_t bytes_max, struct arena *arena,
                         struct client_request *r, struct fault *fault)
{
    TRY(json_read_id(o, "conversationId", true, &r->conversation, fault));
    TRY(json_read_seq(o, "seq", true, &r->seq, fault));
    TRY(json_read_id(o, "operationId", false, &r->client_id, fault));
    TRY(read_retry(o, r, fault));
    if (r->type == REQUEST_DELETE)
        return RC_OK;
    uint64_t none;
    return read_content(o, true, bytes_max, arena, &r->content, &none, &none, fault);
}

static enum rc read_users(const json_t *o, struct arena *arena, struct client_request *r,
                          struct fault *fault)
{
    const json_t *list = json_object_get(o, "userIds");
    size_t at;
    const json_t *item;
    if (!json_is_array(list) || json_array_size(list) < 1 ||
        json_array_size(list) > PRESENCE_USERS_MAX) {
        fault_set(fault, "userIds", "userIds must be a list of 1 to %d user ids.",
                  PRESENCE_USERS_MAX);
        return RC_INVALID;
    }
    r->users = arena_alloc(arena, json_array_size(list) * sizeof *r->users);
    if (!r->users)
        return RC_NOMEM;
    json_array_foreach(list, at, item)
    {
        if (!json_is_string(item) ||
            !id_read(bytes_make(json_string_value(item), json_string_length(item)),
                     &r->users[r->user_count++])) {
            fault_set(fault, "userIds", "userIds[%zu] is not a user id.", at);
            return RC_INVALID;
        }
    }
    return RC_OK;
}

static enum rc read_presence(const json_t *o, struct arena *arena, struct client_request *r,
                             struct fault *fault)
{
    struct bytes status = { NULL, 0 };
    TRY(json_read_text(o, "status", true, 16, arena, &status, fault));
    if (!presence_status_read(status, &r->status) || r->status > PRESENCE_INVISIBLE) {
        fault_set(fault, "status", "status must be online, away, dnd or invisible.");
        return RC_INVALID;
    }
    return json_read_text(o, "text", false, 128, arena, &r->text, fault);
}

static enum rc read_fields(const json_t *o, size_t bytes_max, struct arena *arena,
                           struct client_request *r, struct fault *fault)
{
    switch (r->type) {
    case REQUEST_PING:
        return RC_OK;
    case REQUEST_SYNC:
        return json_read_text(o, "cursor", false, CURSOR_CHARS_MAX, arena, &r->cursor, fault);
    case REQUEST_SEND:
        return read_send(o, bytes_max, arena, r, fault);
    case REQUEST_EDIT:
    case REQUEST_DELETE:
        return read_edit(o, bytes_max, arena, r, fault);
    case REQUEST_ACK:
        TRY(json_read_seq(o, "seq", true, &r->seq, fault));
        return json_read_id(o, "conversationId", true, &r->conversation, fault);
    case REQUEST_JOIN:
    case REQUEST_LEAVE:
        TRY(json_read_id(o, "operationId", false, &r->client_id, fault));
        TRY(read_retry(o, r, fault));
        return json_read_id(o, "conversationId", true, &r->conversation, fault);
    case REQUEST_TYPING_START:
    case REQUEST_TYPING_STOP:
    case REQUEST_WATCH:
    case REQUEST_UNWATCH:
        return json_read_id(o, "conversationId", true, &r->conversation, fault);
    case REQUEST_PRESENCE_SET:
        return read_presence(o, arena, r, fault);
    case REQUEST_PRESENCE_SUBSCRIBE:
    case REQUEST_PRESENCE_UNSUBSCRIBE:
        return read_users(o, arena, r, fault);
    case REQUEST_AUTH_REFRESH:
        return json_read_text(o, "token", true, 8192, arena, &r->token, fault);
    case REQUEST_TYPE_COUNT:
        break;
    }
    return RC_INVALID;
}

static const char *const request_names[REQUEST_TYPE_COUNT] = {
    [REQUEST_PING] = "ping",
    [REQUEST_SYNC] = "sync",
    [REQUEST_SEND] = "message.send",
    [REQUEST_EDIT] = "message.edit",
    [REQUEST_DELETE] = "message.delete",
    [REQUEST_ACK] = "message.ack",
    [REQUEST_TYPING_START] = "typing.start",
    [REQUEST_TYPING_STOP] = "typing.stop",
    [REQUEST_PRESENCE_SET] = "presence.set",
    [REQUEST_PRESENCE_SUBSCRIBE] = "presence.subscribe",
    [REQUEST_PRESENCE_UNSUBSCRIBE] = "presence.unsubscribe",
    [REQUEST_WATCH] = "conversation.watch",
    [REQUEST_UNWATCH] = "conversation.unwatch",
    [REQUEST_JOIN] = "conversation.join",
    [REQUEST_LEAVE] = "conversation.leave",
    [REQUEST_AUTH_REFRESH] = "auth.refresh",
};

static enum rc read_type(const json_t *object, enum request_type *out, struct fault *fault)
{
    const json_t *value = json_object_get(object, "type");
    const char *name = json_string_value(value);
    for (int i = 0; name && i < REQUEST_TYPE_COUNT; i++) {
        if (strcmp(name, request_names[i]) == 0) {
            *out = (enum request_type)i;
            return RC_OK;
        }
    }
    fault_set(fault, "type",
              name                            ? "This type is not known."
              : !value || json_is_null(value) ? "type is missing."
                                              : "type must be a string.");
    return RC_INVALID;
}

static enum rc read_request_id(const json_t *object, struct arena *arena, struct bytes *out,
                               struct fault *fault)
{
    return json_read_text(object, "id", false, REQUEST_ID_BYTES_MAX, arena, out, fault);
}

enum rc client_request_parse(struct bytes line, size_t message_bytes_max, struct arena *arena,
                             struct client_request *out_request, struct fault *fault)
{
    SCOPED_JSON json_t *object = NULL;
    *out_request = (struct client_request){ .type = REQUEST_TYPE_COUNT };
    TRY(json_read_object(line, &object, fault));
    enum rc rc = read_request_id(object, arena, &out_request->request_id, fault);
    TRY(read_type(object, &out_request->type, rc == RC_OK ? fault : NULL));
    TRY(rc); /* the type is told all the same: a refused sync holds the flow */
    return read_fields(object, message_bytes_max, arena, out_request, fault);
}
