/* rest_conversations.c - conversations and channels. */
#include "app/rest_call.h"
#include "wire/subjects.h"

struct command *rest_command(struct rest_call *call, enum command_kind kind)
{
    call->has_command = true;
    call->command = (struct command){
        .kind = kind,
        .actor = { .user = call->who.user, .roles = call->who.roles },
        .conversation = call->conversation,
        .client_id = rest_key_id(call),
    };
    return &call->command;
}

static enum error_code check_direct(struct rest_call *call, const struct rest_conversation_body *b)
{
    const struct id *owner = b->owner.len ? &b->owner : &call->who.user;
    if (b->member_count != 1 || id_equal(&b->members[0].user, owner))
        return rest_fail(call, ERROR_VALIDATION, "memberIds",
                         "A direct conversation takes the id of the other one, alone.");
    if (b->id.len)
        return rest_fail(call, ERROR_VALIDATION, "id",
                         "The id of a direct conversation follows from its two members.");
    if (b->has_name && b->name.len)
        return rest_fail(call, ERROR_VALIDATION, "name", "A direct conversation has no name.");
    return ERROR_NONE;
}

/* Own ids are for services: else anyone could take an id that another would want, and learn from a
 * conflict that a private conversation exists. */
static enum error_code check_create(struct rest_call *call, const struct rest_conversation_body *b)
{
    if (b->id.len && !rest_is_service(call))
        return rest_fail(call, ERROR_FORBIDDEN, "id", "Only role service may choose an id.");
    if (b->id.len && conversation_id_is_reserved(&b->id))
        return rest_fail(call, ERROR_VALIDATION, "id",
                         "Ids that begin with d_ are those of direct conversations.");
    if (b->owner.len && !rest_is_service(call))
        return rest_fail(call, ERROR_FORBIDDEN, "ownerId",
                         "Only role service may name another owner.");
    return b->type == CONVERSATION_DIRECT ? check_direct(call, b) : ERROR_NONE;
}

/* Members as a command takes them: the owner left out. */
static enum error_code copy_members(struct rest_call *call, const struct rest_member_body *members,
                                    size_t count, const struct id *left_out,
                                    struct command *command)
{
    struct command_member *copy = arena_alloc(&call->arena, (count + 1) * sizeof *copy);
    if (!copy)
        return rest_fail_rc(call, RC_NOMEM);
    for (size_t i = 0; i < count; i++) {
        if (left_out && id_equal(&members[i].user, left_out))
            continue;
        copy[command->member_count++] =
            (struct command_member){ .user = members[i].user, .role = members[i].role };
    }
    command->members = copy;
    return ERROR_NONE;
}

/* A direct conversation's id follows from its members, so it can only be made once; one made under
 * a key or an operationId follows from that. */
static struct id new_id(const struct rest_call *call, const struct rest_conversation_body *b)
{
    if (b->id.len)
        return b->id;
    if (b->type == CONVERSATION_DIRECT)
        return direct_conversation_id(b->owner.len ? &b->owner : &call->who.user,
                                      &b->members[0].user);
    struct id id = rest_key_uuid(call, &b->operation_id);
    return id.len ? id : id_make(call->options->clock);
}

enum error_code rest_create_conversation(struct rest_call *call)
{
    struct rest_conversation_body body;
    REST_TRY_RC(
        call, rest_conversation_parse(call->body, false, &call->arena, &body, &call->error.fault));
    ERROR_TRY(check_create(call, &body));
    struct command *command = rest_command(call, COMMAND_CREATE);
    command->conversation = new_id(call, &body);
    if (body.operation_id.len)
        command->client_id = body.operation_id;
    command->owner = body.owner;
    command->type = body.type;
    command->has_history = true;
    command->history = body.has_history                    ? body.history
                       : body.type == CONVERSATION_CHANNEL ? HISTORY_ALL
                                                           : HISTORY_JOINED;
    command->has_name = body.has_name && body.name.len > 0;
    command->name = body.name;
    return copy_members(call, body.members, body.member_count,
                        body.owner.len ? &body.owner : &call->who.user, command);
}

/* The conversation as the caller sees it, after a change or for a GET. */
static enum error_code write_conversation(struct rest_call *call, struct conversation_view *view,
                                          const struct membership *m, bool is_duplicate)
{
    struct rest_conversation shown = {
        .conversation = &view->conversation,
        .membership = m && m->is_member ? m : NULL,
        .is_duplicate = is_duplicate,
    };
    REST_TRY_RC(call, view_direct_peer(view, &call->who.user, &shown.direct_peer));
    REST_TRY_RC(call, rest_conversation_write(&call->out, &shown));
    return ERROR_NONE;
}

static enum error_code write_as_now(struct rest_call *call, const struct id *id)
{
    struct conversation_view view;
    struct membership m = { .is_member = false };
    REST_TRY_RC(call, view_open(&call->options->reading, id, &call->arena, &view));
    enum rc rc = view_membership(&view, &call->who.user, &m);
    if (rc != RC_NOT_FOUND)
        REST_TRY_RC(call, rc);
    return write_conversation(call, &view, &m, call->result.is_duplicate);
}

enum error_code rest_created_conversation(struct rest_call *call)
{
    return write_as_now(call, &call->result.conversation);
}

static enum error_code write_item(struct rest_call *call, const struct conversation_item *item)
{
    struct rest_message last = rest_shown_message(&item->last_message);
    struct rest_conversation shown = {
        .conversation = &item->conversation,
        .membership = &item->membership,
        .direct_peer = item->direct_peer,
        .has_counts = true,
        .last_message = item->has_last_message ? &last : NULL,
        .read_seq = item->read_seq,
        .unread = item->unread,
    };
    return rest_fail_rc(call, rest_conversation_write(&call->out, &shown));
}

/* A place as "id.floor": see struct list_place. */
static enum error_code read_list_place(struct rest_call *call, struct list_place *out)
{
    char kind;
    struct bytes text;
    *out = (struct list_place){ .feed_floor = 0 };
    ERROR_TRY(rest_cursor_read(call, "c", &kind, &text));
    const uint8_t *dot = text.len ? memchr(text.ptr, '.', text.len) : NULL;
    size_t len = dot ? (size_t)(dot - text.ptr) : 0;
    bool is_good =
        dot && id_read(bytes_make(text.ptr, len), &out->after) &&
        bytes_to_u64(bytes_make(dot + 1, text.len - len - 1), REST_SEQ_MAX, &out->feed_floor);
    if (text.len && !is_good)
        return rest_fail(call, ERROR_VALIDATION, "cursor",
                         "cursor must be a nextCursor of this very list.");
    return ERROR_NONE;
}

static void end_list(struct rest_call *call, const struct list_place *next)
{
    char text[ID_CHARS_MAX + 24];
    int len = snprintf(text, sizeof text, "%s.%llu", next->after.text,
                       (unsigned long long)next->feed_floor);
    rest_list_end(call, 'c', bytes_make(text, next->after.len ? (size_t)len : 0));
}

enum error_code rest_list_conversations(struct rest_call *call)
{
    struct conversation_item *items;
    struct list_place from, next;
    size_t limit, count;
    ERROR_TRY(rest_limit(call, &limit));
    ERROR_TRY(read_list_place(call, &from));
    REST_TRY_RC(call, reading_conversations(&call->options->reading, &call->who.user, &from, limit,
                                            &call->arena, &items, &count, &next));
    rest_list_begin(call);
    for (size_t i = 0; i < count; i++) {
        rest_list_next(call, i);
        ERROR_TRY(write_item(call, &items[i]));
    }
    end_list(call, &next);
    return ERROR_NONE;
}

static enum error_code open_for(struct rest_call *call, struct conversation_view *out_view,
                                struct membership *out_m)
{
    struct membership m = { .is_member = false };
    REST_TRY_RC(call,
                view_open(&call->options->reading, &call->conversation, &call->arena, out_view));
    enum rc rc = view_membership(out_view, &call->who.user, &m);
    if (rc != RC_NOT_FOUND)
        REST_TRY_RC(call, rc);
    *out_m = m;
    return ERROR_NONE;
}

enum error_code rest_open_readable(struct rest_call *call, struct conversation_view *out_view,
                                   uint64_t *out_first)
{
    struct membership m;
    ERROR_TRY(open_for(call, out_view, &m));
    return view_authorize_read(out_view, &m, out_first);
}

/* A service sees what lives; what was deleted is gone for it as for everybody else. */
static enum error_code authorize_listing(const struct rest_call *call,
                                         struct conversation_view *view, const struct membership *m)
{
    uint64_t first;
    if (rest_is_service(call))
        return view->conversation.deleted_seq ? ERROR_GONE : ERROR_NONE;
    return view_authorize_read(view, m, &first);
}

enum error_code rest_open_listed(struct rest_call *call, struct conversation_view *out_view)
{
    struct membership m;
    ERROR_TRY(open_for(call, out_view, &m));
    return authorize_listing(call, out_view, &m);
}

/* A channel is public: who is not a member may see that it exists, and what it is called. */
enum error_code rest_get_conversation(struct rest_call *call)
{
    struct conversation_view view;
    struct membership m;
    ERROR_TRY(open_for(call, &view, &m));
    enum error_code code = authorize_listing(call, &view, &m);
    if (code != ERROR_NONE && code != ERROR_NOT_MEMBER)
        return code;
    call->status = 200;
    return write_conversation(call, &view, &m, false);
}

enum error_code rest_patch_conversation(struct rest_call *call)
{
    struct rest_conversation_body body;
    REST_TRY_RC(call,
                rest_conversation_parse(call->body, true, &call->arena, &body, &call->error.fault));
    struct command *command = rest_command(call, COMMAND_UPDATE);
    if (body.operation_id.len)
        command->client_id = body.operation_id;
    command->has_name = body.has_name;
    command->name = body.name;
    command->has_history = body.has_history;
    command->history = body.history;
    return ERROR_NONE;
}

enum error_code rest_changed_conversation(struct rest_call *call)
{
    call->status = 200;
    return write_as_now(call, &call->conversation);
}

enum error_code rest_delete_conversation(struct rest_call *call)
{
    struct command *command = rest_command(call, COMMAND_DELETE_CONVERSATION);
    call->status = 204;
    return rest_param_operation(call, &command->client_id);
}

enum error_code rest_list_channels(struct rest_call *call)
{
    const struct message_store *store = call->options->reading.store;
    struct conversation *channels;
    struct bytes query = { (const uint8_t *)"", 0 };
    struct id after, next = { .len = 0 };
    size_t limit, count, shown = 0;
    ERROR_TRY(rest_limit(call, &limit));
    ERROR_TRY(rest_cursor_id(call, 'h', &after));
    (void)rest_param(call, "query", &query); /* none: all */
    REST_TRY_RC(call, store->channels(store->self, query, after.len ? &after : NULL, limit,
                                      &call->arena, &channels, &count));
    rest_list_begin(call);
    for (size_t i = 0; i < count; i++) {
        if (channels[i].deleted_seq)
            continue;
        rest_list_next(call, shown++);
        struct rest_conversation one = { .conversation = &channels[i] };
        REST_TRY_RC(call, rest_conversation_write(&call->out, &one));
    }
    if (count == limit)
        next = channels[count - 1].id;
    rest_list_end(call, 'h', id_bytes(&next));
    return ERROR_NONE;
}
