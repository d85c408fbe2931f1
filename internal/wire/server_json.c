/* server_json.c - the frames that a server writes on a socket; declared in client_json.h. */
#include "wire/client_json.h"

#include "wire/json_read.h"

static void add_request_id(struct buf *out, struct bytes request_id)
{
    if (request_id.ptr)
        buf_add_json_string(out, request_id);
    else
        buf_add_text(out, "null");
}

static void add_time(struct buf *out, int64_t wall_us)
{
    char text[RFC3339_CHARS];
    rfc3339_write(wall_us, text);
    buf_add_format(out, "\"%s\"", text);
}

void answer_ok_begin(struct buf *out, struct bytes request_id)
{
    buf_add_text(out, "{\"type\":\"ok\",\"id\":");
    add_request_id(out, request_id);
}

void answer_end(struct buf *out)
{
    buf_add_byte(out, '}');
}

void answer_error(struct buf *out, struct bytes request_id, const struct error *error)
{
    const struct error_info *info = error_info(error->code);
    const char *text = error->fault.text[0] ? error->fault.text : info->title;
    buf_add_text(out, "{\"type\":\"error\",\"id\":");
    add_request_id(out, request_id);
    buf_add_format(out, ",\"error\":{\"code\":\"%s\",\"status\":%d,\"message\":", info->code,
                   info->status);
    buf_add_json_string(out, bytes_of(text));
    buf_add_format(out,
                   ",\"retryable\":%s,\"retryAfterMs\":", info->is_retryable ? "true" : "false");
    if (error->retry_after_ms > 0)
        buf_add_u64(out, (uint64_t)error->retry_after_ms);
    else
        buf_add_text(out, "null");
    buf_add_text(out, ",\"field\":");
    if (error->fault.field[0])
        buf_add_json_string(out, bytes_of(error->fault.field));
    else
        buf_add_text(out, "null");
    buf_add_text(out, ",\"requestId\":");
    add_request_id(out, request_id);
    buf_add_text(out, "}}");
}

void answer_pong(struct buf *out, struct bytes request_id, int64_t wall_us)
{
    buf_add_text(out, "{\"type\":\"pong\",\"id\":");
    add_request_id(out, request_id);
    buf_add_text(out, ",\"serverTime\":");
    add_time(out, wall_us);
    buf_add_byte(out, '}');
}

void hello_write(struct buf *out, const struct hello *h)
{
    buf_add_format(out, "{\"type\":\"hello\",\"connectionId\":\"%s\",\"sessionId\":\"%s\",",
                   h->connection->text, h->session->text);
    buf_add_format(out, "\"userId\":\"%s\",\"serverTime\":", h->user->text);
    add_time(out, h->wall_us);
    buf_add_format(out,
                   ",\"heartbeatMs\":%lld,\"limits\":{\"frameBytes\":%llu,\"messageBytes\":%llu,"
                   "\"inflight\":%llu,\"watches\":%llu},\"cursor\":\"",
                   (long long)h->heartbeat_ms, (unsigned long long)h->frame_bytes,
                   (unsigned long long)h->message_bytes, (unsigned long long)h->inflight,
                   (unsigned long long)h->watches);
    buf_add(out, h->cursor);
    buf_add_text(out, "\"}");
}

void cursor_frame_write(struct buf *out, struct bytes cursor)
{
    buf_add_text(out, "{\"type\":\"cursor\",\"cursor\":\"");
    buf_add(out, cursor);
    buf_add_text(out, "\"}");
}

void goodbye_write(struct buf *out, const char *reason, int64_t retry_after_ms)
{
    buf_add_format(out, "{\"type\":\"goodbye\",\"reason\":\"%s\",\"retryAfterMs\":%lld}", reason,
                   (long long)retry_after_ms);
}

void sync_reset_write(struct buf *out, const struct id *conversation, const char *reason,
                      uint64_t last_seq)
{
    buf_add_text(out, "{\"type\":\"sync.reset\",\"conversationId\":");
    if (conversation)
        buf_add_format(out, "\"%s\"", conversation->text);
    else
        buf_add_text(out, "null");
    buf_add_format(out, ",\"reason\":\"%s\",\"lastSeq\":", reason);
    if (last_seq)
        buf_add_u64(out, last_seq);
    else
        buf_add_text(out, "null");
    buf_add_byte(out, '}');
}

void typing_write(struct buf *out, bool is_start, const struct id *conversation,
                  const struct id *user)
{
    buf_add_format(out, "{\"type\":\"typing.%s\",\"conversationId\":\"%s\",\"userId\":\"%s\"}",
                   is_start ? "start" : "stop", conversation->text, user->text);
}

void receipt_write(struct buf *out, const char *kind, const struct id *conversation,
                   const struct id *user, uint64_t seq)
{
    buf_add_format(out,
                   "{\"type\":\"receipt.%s\",\"conversationId\":\"%s\",\"userId\":\"%s\","
                   "\"seq\":%llu}",
                   kind, conversation->text, user->text, (unsigned long long)seq);
}

enum rc receipt_parse(struct bytes json, uint64_t *out_delivered_seq)
{
    SCOPED_JSON json_t *object = NULL;
    TRY(json_read_object(json, &object, NULL));
    return json_read_seq(object, "delivered", true, out_delivered_seq, NULL);
}

static const char *const status_names[] = { "online",    "away",    "dnd",
                                            "invisible", "offline", "unknown" };

const char *presence_status_name(enum presence_status status)
{
    return status_names[status];
}

bool presence_status_read(struct bytes text, enum presence_status *out)
{
    for (size_t i = 0; i < COUNT_OF(status_names); i++) {
        if (bytes_is(text, status_names[i])) {
            *out = (enum presence_status)i;
            return true;
        }
    }
    return false;
}

static void add_presence(struct buf *out, const struct presence_view *view)
{
    buf_add_format(out, "\"userId\":\"%s\",\"status\":\"%s\"", view->user.text,
                   presence_status_name(view->status));
    if (view->last_seen_us) {
        buf_add_text(out, ",\"lastSeen\":");
        add_time(out, view->last_seen_us);
    }
    if (view->text.len) {
        buf_add_text(out, ",\"text\":");
        buf_add_json_string(out, view->text);
    }
    buf_add_byte(out, '}');
}

void presence_write(struct buf *out, const struct presence_view *view)
{
    buf_add_byte(out, '{');
    add_presence(out, view);
}

void presence_updated_write(struct buf *out, const struct presence_view *view)
{
    buf_add_text(out, "{\"type\":\"presence.updated\",");
    add_presence(out, view);
}

void presence_value_write(struct buf *out, enum presence_status status, struct bytes text,
                          int64_t at_us)
{
    buf_add_format(out, "{\"status\":\"%s\",\"at\":", presence_status_name(status));
    add_time(out, at_us);
    if (text.len) {
        buf_add_text(out, ",\"text\":");
        buf_add_json_string(out, text);
    }
    buf_add_byte(out, '}');
}

enum rc presence_value_parse(struct bytes json, struct arena *arena,
                             enum presence_status *out_status, struct bytes *out_text,
                             int64_t *out_at_us)
{
    SCOPED_JSON json_t *object = NULL;
    struct bytes status = { NULL, 0 }, text = { NULL, 0 }, at = { NULL, 0 };
    TRY(json_read_object(json, &object, NULL));
    TRY(json_read_text(object, "status", true, 16, arena, &status, NULL));
    TRY(json_read_text(object, "text", false, 128, arena, &text, NULL));
    TRY(json_read_text(object, "at", true, 40, arena, &at, NULL));
    if (!presence_status_read(status, out_status) || !rfc3339_read(at, out_at_us))
        return RC_INVALID;
    *out_text = text;
    return RC_OK;
}

static const char *const presence_words[] = { "opened", "closed", "held", "gone", "set" };

void presence_note_write(struct buf *out, const struct presence_note *note)
{
    buf_add_format(out, "{\"presence\":\"%s\",\"sessionId\":\"%s\",\"from\":\"%s\"",
                   presence_words[note->word], note->session.text, note->from.text);
    if (note->word == PRESENCE_SET) {
        buf_add_format(out, ",\"status\":\"%s\",\"text\":", presence_status_name(note->status));
        buf_add_json_string(out, note->text);
    }
    buf_add_byte(out, '}');
}

static bool read_word(struct bytes text, enum presence_word *out)
{
    for (size_t i = 0; i < COUNT_OF(presence_words); i++) {
        if (bytes_is(text, presence_words[i])) {
            *out = (enum presence_word)i;
            return true;
        }
    }
    return false;
}

enum rc presence_note_parse(struct bytes json, struct arena *arena, struct presence_note *out_note)
{
    SCOPED_JSON json_t *object = NULL;
    struct bytes word = { NULL, 0 }, status = { NULL, 0 };
    struct presence_note note = { .text = { NULL, 0 } };
    TRY(json_read_object(json, &object, NULL));
    TRY(json_read_text(object, "presence", true, 16, arena, &word, NULL));
    TRY(json_read_id(object, "sessionId", true, &note.session, NULL));
    TRY(json_read_id(object, "from", true, &note.from, NULL));
    if (!read_word(word, &note.word))
        return RC_INVALID;
    bool has_status = note.word == PRESENCE_SET;
    TRY(json_read_text(object, "status", has_status, 16, arena, &status, NULL));
    TRY(json_read_text(object, "text", false, 128, arena, &note.text, NULL));
    if (has_status &&
        (!presence_status_read(status, &note.status) || note.status > PRESENCE_INVISIBLE))
        return RC_INVALID;
    *out_note = note;
    return RC_OK;
}

enum rc typing_parse(struct bytes json, struct id *out_user, bool *out_is_start)
{
    SCOPED_JSON json_t *object = NULL;
    TRY(json_read_object(json, &object, NULL));
    const char *type = json_string_value(json_object_get(object, "type"));
    if (!type || (strcmp(type, "typing.start") != 0 && strcmp(type, "typing.stop") != 0))
        return RC_INVALID;
    *out_is_start = strcmp(type, "typing.start") == 0;
    return json_read_id(object, "userId", true, out_user, NULL);
}
