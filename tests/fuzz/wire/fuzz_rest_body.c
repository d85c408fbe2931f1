/* REST's bodies of any bytes; the first byte picks the call. */
#include "demand.h"
#include "wire/rest_json.h"

enum { BYTES_MAX = 1 << 20, MESSAGE_BYTES_MAX = 1024 };

static void demand_members(const struct rest_member_body *members, size_t count)
{
    struct id id;

    for (size_t i = 0; i < count; i++) {
        demand(id_read(id_bytes(&members[i].user), &id));
        for (size_t j = 0; j < i; j++)
            demand(!id_equal(&members[i].user, &members[j].user));
    }
}

static void try_conversation(struct bytes body, bool is_patch, struct arena *arena)
{
    struct rest_conversation_body conversation;
    struct fault fault;
    struct id id;

    if (rest_conversation_parse(body, is_patch, arena, &conversation, &fault) != RC_OK)
        return;
    demand(is_patch || conversation.has_type);
    demand(conversation.id.len == 0 || id_read(id_bytes(&conversation.id), &id));
    demand_members(conversation.members, conversation.member_count);
}

static void try_members(struct bytes body, struct arena *arena)
{
    struct rest_member_body *members;
    size_t count;
    struct id operation;
    struct fault fault;

    if (rest_members_parse(body, arena, &members, &count, &operation, &fault) == RC_OK)
        demand_members(members, count);
}

static void try_users(struct bytes body, struct arena *arena)
{
    struct rest_user_body *users;
    size_t count;
    struct bytes name;
    struct fault fault;

    if (rest_users_parse(body, arena, &users, &count, &fault) == RC_OK)
        for (size_t i = 0; i < count; i++)
            demand(bytes_is_utf8(users[i].name) && users[i].name.len > 0);
    if (rest_user_parse(body, arena, &name, &fault) == RC_OK)
        demand(name.len > 0 && name.len <= REST_USER_NAME_BYTES_MAX && bytes_is_utf8(name));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    SCOPED_ARENA(arena, BYTES_MAX);
    struct rest_message_body message;
    struct rest_member_body role;
    struct id operation = { 0 };
    struct id again;
    struct fault fault;
    struct bytes body;

    if (size == 0)
        return 0;
    body = bytes_make(data + 1, size - 1);
    switch (data[0] % 6) {
    case 0:
    case 1:
        if (rest_message_parse(body, data[0] % 6 == 1, MESSAGE_BYTES_MAX, &arena, &message,
                               &fault) == RC_OK)
            demand(message.content.len > 0 && bytes_is_utf8(message.content));
        break;
    case 2:
        try_conversation(body, false, &arena);
        break;
    case 3:
        try_conversation(body, true, &arena);
        break;
    case 4:
        try_members(body, &arena);
        break;
    default:
        try_users(body, &arena);
        if (rest_role_parse(body, true, &role, &operation, &fault) == RC_OK)
            demand(operation.len == 0 || id_read(id_bytes(&operation), &again));
        if (rest_operation_parse(body, &operation, &fault) == RC_OK)
            demand(operation.len == 0 || id_read(id_bytes(&operation), &again));
        break;
    }
    return 0;
}
