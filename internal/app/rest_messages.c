/* rest_messages.c - messages and the raw log. */
#include "app/rest_call.h"
#include "wire/subjects.h"

/* A repeat that the log no longer recognises is recognised by the store: then the command looks it
 * up properly. Without the store a send goes on: what is doubled then is withdrawn later. */
static bool is_known_message(const struct rest_call *call, const struct id *client_id)
{
    const struct message_store *store = call->options->reading.store;
    struct message_row row;
    SCOPED_ARENA(scratch, 1024 * 1024);
    return client_id->len &&
           store->message_by_client_id(store->self, &call->conversation, &call->who.user, client_id,
                                       &scratch, &row) == RC_OK;
}

static enum error_code send(struct rest_call *call, const struct id *client_id)
{
    struct rest_message_body body;
    struct fault *fault = &call->error.fault;
    REST_TRY_RC(call, rest_message_parse(call->body, false, call->options->message_bytes_max,
                                         &call->arena, &body, fault));
    if (client_id->len && body.client_id.len && !id_equal(client_id, &body.client_id))
        return rest_fail(call, ERROR_VALIDATION, "clientMessageId",
                         "clientMessageId is another than that of the path.");
    struct command *command = rest_command(call, COMMAND_SEND);
    struct id from_key = { .len = 0 };
    if (!id_read(call->key, &from_key))
        from_key = command->client_id; /* a key outside the alphabet of ids is hashed to one */
    command->client_id = client_id->len       ? *client_id
                         : body.client_id.len ? body.client_id
                                              : from_key;
    command->content = body.content;
    command->reply_to = body.reply_to;
    command->thread_of = body.thread_of;
    command->has_first_tried = body.has_first_tried;
    command->first_tried_ms = body.first_tried_ms;
    command->is_retry = body.is_retry || is_known_message(call, &command->client_id);
    return ERROR_NONE;
}

enum error_code rest_post_message(struct rest_call *call)
{
    return send(call, &(struct id){ .len = 0 });
}

enum error_code rest_put_message(struct rest_call *call)
{
    return send(call, &call->client_id);
}

struct rest_message rest_shown_message(const struct message_row *row)
{
    return (struct rest_message){
        .payload = row->event.payload,
        .edit_payload = row->edit_payload,
        .seq = row->event.seq,
        .at_us = row->event.at_us,
        .edited_at_us = row->edited_at_us,
        .deleted_at_us = row->deleted_at_us,
        .is_pinned = row->is_pinned,
    };
}

static enum error_code write_row(struct rest_call *call, const struct message_row *row,
                                 bool is_duplicate)
{
    struct rest_message shown = rest_shown_message(row);
    return rest_fail_rc(call, rest_message_write(&call->out, &shown, is_duplicate));
}

/* The one just sent, from what is known of it: no need to read what was just written. */
static enum error_code write_sent(struct rest_call *call)
{
    SCOPED_BUF(payload, REST_BODY_BYTES * 2);
    const struct command_result *result = &call->result;
    buf_add_format(&payload,
                   "{\"conversationId\":\"%s\",\"senderId\":\"%s\",\"clientMessageId\":\"%s\",",
                   call->conversation.text, call->who.user.text, result->client_id.text);
    buf_add(&payload, call->command.content);
    buf_add_byte(&payload, '}');
    struct rest_message sent = { .payload = buf_bytes(&payload),
                                 .seq = result->seq,
                                 .at_us = result->at_us };
    return rest_fail_rc(call, rest_message_write(&call->out, &sent, false));
}

static enum error_code write_as_now(struct rest_call *call, uint64_t seq, bool is_duplicate)
{
    struct conversation_view view;
    struct message_row row;
    REST_TRY_RC(call, view_open(&call->options->reading, &call->conversation, &call->arena, &view));
    REST_TRY_RC(call, view_message_meant(&view, seq, &row));
    return write_row(call, &row, is_duplicate);
}

/* When the log's time of it isn't known yet, the record is asked for; if that fails, `at` is null.
 */
static void ask_time(struct rest_call *call)
{
    const struct reading *reading = &call->options->reading;
    const struct event_log *log = reading->log;
    struct log_record record;
    uint32_t partition = subject_partition(&call->conversation, reading->partitions);
    if (call->result.at_us == 0 &&
        log->get(log->self, partition, call->result.seq, &call->arena, &record) == RC_OK)
        call->result.at_us = record.at_us;
}

enum error_code rest_sent_message(struct rest_call *call)
{
    if (call->result.is_duplicate && write_as_now(call, call->result.seq, true) == ERROR_NONE)
        return ERROR_NONE;
    if (call->result.is_duplicate)
        return ERROR_UNAVAILABLE; /* it may have been edited since: told by its seq alone */
    ask_time(call);
    return write_sent(call);
}

struct place {
    struct message_query query;
    int given; /* how many of the ways were asked for */
};

static enum error_code read_seq_way(struct rest_call *call, const char *name, int way,
                                    struct place *place)
{
    uint64_t seq = 0;
    bool is_given = false;
    ERROR_TRY(rest_param_seq(call, name, &seq, &is_given));
    if (!is_given)
        return ERROR_NONE;
    place->given++;
    place->query.way = way;
    place->query.seq = seq;
    return ERROR_NONE;
}

static enum error_code read_time_way(struct rest_call *call, const char *name, int way,
                                     struct place *place)
{
    bool is_given = false;
    int64_t at_us = 0;
    ERROR_TRY(rest_param_time(call, name, &at_us, &is_given));
    if (!is_given)
        return ERROR_NONE;
    place->given++;
    place->query.way = way;
    place->query.by_time = true;
    place->query.at_us = at_us;
    return ERROR_NONE;
}

static enum error_code read_cursor_way(struct rest_call *call, struct place *place)
{
    char kind = 0;
    struct bytes text;
    ERROR_TRY(rest_cursor_read(call, "ba", &kind, &text));
    if (!text.len)
        return ERROR_NONE;
    place->given++;
    place->query.way = kind == 'b' ? MESSAGES_BEFORE : MESSAGES_AFTER;
    if (!bytes_to_u64(text, REST_SEQ_MAX, &place->query.seq))
        return rest_fail(call, ERROR_VALIDATION, "cursor",
                         "cursor must be a nextCursor of this very list.");
    return ERROR_NONE;
}

static enum error_code read_place(struct rest_call *call, struct place *out)
{
    *out = (struct place){ .query = { .way = MESSAGES_BEFORE, .last_seq = UINT64_MAX } };
    ERROR_TRY(read_seq_way(call, "before", MESSAGES_BEFORE, out));
    ERROR_TRY(read_seq_way(call, "after", MESSAGES_AFTER, out));
    ERROR_TRY(read_seq_way(call, "around", MESSAGES_AROUND, out));
    ERROR_TRY(read_time_way(call, "beforeTime", MESSAGES_BEFORE, out));
    ERROR_TRY(read_time_way(call, "afterTime", MESSAGES_AFTER, out));
    ERROR_TRY(read_cursor_way(call, out));
    if (out->given > 1)
        return rest_fail(call, ERROR_VALIDATION, "before",
                         "Only one of before, after, around, beforeTime, afterTime and cursor.");
    return ERROR_NONE;
}

/* Where the next page starts: on from the last one shown, the way that this page went. */
static void end_page(struct rest_call *call, const struct message_query *query,
                     const struct message_row *last, bool has_more)
{
    char text[24];
    int len = 0;
    if (has_more)
        len = snprintf(text, sizeof text, "%llu", (unsigned long long)last->event.seq);
    rest_list_end(call, query->way == MESSAGES_BEFORE ? 'b' : 'a', bytes_make(text, (size_t)len));
}

enum error_code rest_list_messages(struct rest_call *call)
{
    struct conversation_view view;
    struct message_row *rows;
    struct place place;
    size_t limit, count;
    ERROR_TRY(rest_limit(call, &limit));
    ERROR_TRY(read_place(call, &place));
    ERROR_TRY(rest_open_readable(call, &view, &place.query.first_seq));
    bool is_around = place.query.way == MESSAGES_AROUND;
    place.query.conversation = call->conversation;
    place.query.limit = is_around ? limit : limit + 1; /* one more tells whether there is more */
    REST_TRY_RC(call, view_messages(&view, &place.query, &rows, &count));
    bool has_more = count > limit || (count > 0 && view.is_page_cut);
    if (is_around && count > 0)
        has_more = rows[count - 1].event.seq < view.conversation.last_seq;
    if (count > limit)
        count = limit;
    rest_list_begin(call);
    for (size_t i = 0; i < count; i++) {
        rest_list_next(call, i);
        ERROR_TRY(write_row(call, &rows[i], false));
    }
    end_page(call, &place.query, count ? &rows[count - 1] : NULL, has_more);
    return ERROR_NONE;
}

enum error_code rest_get_message(struct rest_call *call)
{
    struct conversation_view view;
    struct message_row row;
    uint64_t first;
    ERROR_TRY(rest_open_readable(call, &view, &first));
    if (call->seq < first)
        return ERROR_NOT_FOUND;
    REST_TRY_RC(call, view_message_meant(&view, call->seq, &row));
    call->status = 200;
    return write_row(call, &row, false);
}

/* Of the caller's own messages, or with senderId of another's. */
enum error_code rest_get_by_client_id(struct rest_call *call)
{
    struct conversation_view view;
    struct event event;
    struct message_row row;
    struct id sender = call->who.user;
    struct bytes text;
    uint64_t first;
    if (rest_param(call, "senderId", &text) && !id_read(text, &sender))
        return rest_fail(call, ERROR_VALIDATION, "senderId", "senderId must be a user id.");
    ERROR_TRY(rest_open_readable(call, &view, &first));
    REST_TRY_RC(call, view_find(&view, 'm', &sender, &call->client_id, &event));
    uint64_t seq = event.kind == EVENT_VOID && event.of_seq ? event.of_seq : event.seq;
    if (seq < first)
        return ERROR_NOT_FOUND;
    REST_TRY_RC(call, view_message(&view, seq, &row));
    call->status = 200;
    return write_row(call, &row, false);
}

enum error_code rest_edit_message(struct rest_call *call)
{
    struct rest_message_body body;
    REST_TRY_RC(call, rest_message_parse(call->body, true, call->options->message_bytes_max,
                                         &call->arena, &body, &call->error.fault));
    struct command *command = rest_command(call, COMMAND_EDIT);
    if (body.client_id.len)
        command->client_id = body.client_id;
    command->target_seq = call->seq;
    command->content = body.content;
    command->is_retry = body.is_retry;
    command->has_first_tried = body.has_first_tried;
    command->first_tried_ms = body.first_tried_ms;
    return ERROR_NONE;
}

enum error_code rest_delete_message(struct rest_call *call)
{
    struct command *command = rest_command(call, COMMAND_DELETE);
    command->target_seq = call->seq;
    return rest_param_operation(call, &command->client_id);
}

enum error_code rest_changed_message(struct rest_call *call)
{
    call->status = 200;
    return write_as_now(call, call->seq, call->result.is_duplicate);
}

enum error_code rest_list_events(struct rest_call *call)
{
    struct conversation_view view;
    struct event *events;
    struct bytes place;
    uint64_t after = 0, first;
    size_t limit, count;
    char kind, text[24];
    int len = 0;
    bool is_given = false;
    ERROR_TRY(rest_limit(call, &limit));
    ERROR_TRY(rest_param_seq(call, "after", &after, &is_given));
    ERROR_TRY(rest_cursor_read(call, "e", &kind, &place));
    if (place.len && !bytes_to_u64(place, REST_SEQ_MAX, &after))
        return rest_fail(call, ERROR_VALIDATION, "cursor",
                         "cursor must be a nextCursor of this very list.");
    ERROR_TRY(rest_open_readable(call, &view, &first));
    if (after < first - 1)
        after = first - 1;
    REST_TRY_RC(call, view_events(&view, after, limit + 1, &events, &count));
    bool has_more = count > limit || view.is_page_cut;
    if (count > limit)
        count = limit;
    rest_list_begin(call);
    for (size_t i = 0; i < count; i++) {
        rest_list_next(call, i);
        rest_event_write(&call->out, &events[i]);
    }
    if (has_more && count)
        len = snprintf(text, sizeof text, "%llu", (unsigned long long)events[count - 1].seq);
    rest_list_end(call, 'e', bytes_make(text, (size_t)len));
    return ERROR_NONE;
}
