/* rest_members.c - members, joining and leaving. */
#include "app/rest_call.h"

enum error_code rest_list_members(struct rest_call *call)
{
    struct conversation_view view;
    struct membership *members;
    struct id after, next = { .len = 0 };
    size_t limit, count;
    ERROR_TRY(rest_limit(call, &limit));
    ERROR_TRY(rest_cursor_id(call, 'm', &after));
    ERROR_TRY(rest_open_listed(call, &view));
    REST_TRY_RC(call, view_members(&view, after.len ? &after : NULL, limit + 1, &members, &count));
    rest_list_begin(call);
    for (size_t i = 0; i < count && i < limit; i++) {
        rest_list_next(call, i);
        rest_member_write(&call->out, &call->conversation, &members[i], false);
    }
    if (count > limit)
        next = members[limit - 1].user;
    rest_list_end(call, 'm', id_bytes(&next));
    return ERROR_NONE;
}

enum error_code rest_batch_members(struct rest_call *call)
{
    struct rest_member_body *members;
    struct id operation = { .len = 0 };
    size_t count;
    REST_TRY_RC(call, rest_members_parse(call->body, &call->arena, &members, &count, &operation,
                                         &call->error.fault));
    struct command *command = rest_command(call, COMMAND_MEMBER_PUT);
    struct command_member *copy = arena_alloc(&call->arena, count * sizeof *copy);
    if (!copy)
        return rest_fail_rc(call, RC_NOMEM);
    for (size_t i = 0; i < count; i++)
        copy[i] = (struct command_member){ members[i].user, members[i].role, members[i].has_role };
    command->members = copy;
    command->member_count = count;
    if (operation.len)
        command->client_id = operation;
    return ERROR_NONE;
}

static enum error_code write_member(struct rest_call *call, struct conversation_view *view,
                                    const struct id *user, uint64_t *out_joined_seq)
{
    struct membership m;
    REST_TRY_RC(call, view_membership(view, user, &m));
    if (!m.is_member)
        return ERROR_NOT_FOUND; /* removed by another in the same moment */
    rest_member_write(&call->out, &view->conversation.id, &m, call->result.is_duplicate);
    *out_joined_seq = m.joined_seq;
    return ERROR_NONE;
}

static enum error_code open_as_now(struct rest_call *call, struct conversation_view *out)
{
    return rest_fail_rc(call,
                        view_open(&call->options->reading, &call->conversation, &call->arena, out));
}

enum error_code rest_batched_members(struct rest_call *call)
{
    call->status = 200;
    buf_add_format(&call->out, "{\"conversationId\":\"%s\",\"changed\":%zu,\"seq\":%llu%s}",
                   call->conversation.text, call->result.members_changed,
                   (unsigned long long)call->result.seq,
                   call->result.is_duplicate ? ",\"duplicate\":true" : "");
    return ERROR_NONE;
}

static enum error_code change_member(struct rest_call *call, bool is_role_required)
{
    struct command_member *member = arena_alloc(&call->arena, sizeof *member);
    struct rest_member_body body;
    struct id operation = { .len = 0 };
    if (!member)
        return rest_fail_rc(call, RC_NOMEM);
    REST_TRY_RC(
        call, rest_role_parse(call->body, is_role_required, &body, &operation, &call->error.fault));
    *member = (struct command_member){ call->user, body.role, body.has_role };
    struct command *command = rest_command(call, COMMAND_MEMBER_PUT);
    command->members = member;
    command->member_count = 1;
    if (operation.len)
        command->client_id = operation;
    return ERROR_NONE;
}

enum error_code rest_put_member(struct rest_call *call)
{
    return change_member(call, false);
}

/* PATCH changes a member; it makes none. */
enum error_code rest_patch_member(struct rest_call *call)
{
    struct conversation_view view;
    struct membership m;
    ERROR_TRY(rest_open_listed(call, &view));
    REST_TRY_RC(call, view_membership(&view, &call->user, &m));
    if (!m.is_member)
        return ERROR_NOT_FOUND;
    return change_member(call, true);
}

/* Made or changed: the membership began with this very event, or before it. */
enum error_code rest_changed_member(struct rest_call *call)
{
    struct conversation_view view;
    uint64_t joined_seq = 0;
    call->status = 200;
    ERROR_TRY(open_as_now(call, &view));
    ERROR_TRY(write_member(call, &view, &call->user, &joined_seq));
    if (joined_seq == call->result.seq && !call->result.is_duplicate &&
        call->route->method == HTTP_PUT) {
        call->status = 201;
        call->location = arena_format(&call->arena, "/v1/conversations/%s/members/%s",
                                      call->conversation.text, call->user.text);
    }
    return ERROR_NONE;
}

enum error_code rest_delete_member(struct rest_call *call)
{
    struct command_member *member = arena_alloc(&call->arena, sizeof *member);
    if (!member)
        return rest_fail_rc(call, RC_NOMEM);
    *member = (struct command_member){ .user = call->user };
    struct command *command = rest_command(call, COMMAND_MEMBER_REMOVE);
    command->members = member;
    command->member_count = 1;
    call->status = 204;
    return rest_param_operation(call, &command->client_id);
}

static enum error_code simple_command(struct rest_call *call, enum command_kind kind)
{
    struct id operation = { .len = 0 };
    REST_TRY_RC(call, rest_operation_parse(call->body, &operation, &call->error.fault));
    struct command *command = rest_command(call, kind);
    if (operation.len)
        command->client_id = operation;
    return ERROR_NONE;
}

enum error_code rest_join(struct rest_call *call)
{
    return simple_command(call, COMMAND_JOIN);
}

enum error_code rest_joined(struct rest_call *call)
{
    struct conversation_view view;
    uint64_t joined_seq;
    call->status = 200;
    ERROR_TRY(open_as_now(call, &view));
    return write_member(call, &view, &call->who.user, &joined_seq);
}

enum error_code rest_leave(struct rest_call *call)
{
    return simple_command(call, COMMAND_LEAVE);
}

enum error_code rest_left(struct rest_call *call)
{
    call->status = 200;
    buf_add_format(
        &call->out, "{\"conversationId\":\"%s\",\"userId\":\"%s\",\"removedSeq\":%llu%s}",
        call->conversation.text, call->who.user.text, (unsigned long long)call->result.seq,
        call->result.is_duplicate ? ",\"duplicate\":true" : "");
    return ERROR_NONE;
}
