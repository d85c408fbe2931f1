/* rest_body_json.c - what REST is asked; declared in rest_json.h. */
#include "base/map.h"
#include "wire/client_json.h"
#include "wire/json_read.h"
#include "wire/rest_json.h"

static enum rc refuse(struct fault *fault, const char *field, const char *text)
{
    fault_set(fault, field, "%s", text);
    return RC_INVALID;
}

static struct bytes string_bytes(const json_t *value)
{
    return bytes_make(json_string_value(value), json_string_length(value));
}

static bool is_given(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return value && !json_is_null(value);
}

/* A member's value by a table of names in domain; a missing one or null leaves *out. */
static enum rc read_type(const json_t *object, struct rest_conversation_body *out,
                         struct fault *fault)
{
    if (!is_given(object, "type"))
        return refuse(fault, "type", "type is missing.");
    if (!conversation_type_read(string_bytes(json_object_get(object, "type")), &out->type))
        return refuse(fault, "type", "type must be direct, group or channel.");
    out->has_type = true;
    return RC_OK;
}

static enum rc read_history(const json_t *object, struct rest_conversation_body *out,
                            struct fault *fault)
{
    if (!is_given(object, "history"))
        return RC_OK;
    if (!history_rule_read(string_bytes(json_object_get(object, "history")), &out->history))
        return refuse(fault, "history", "history must be joined or all.");
    out->has_history = true;
    return RC_OK;
}

static enum rc read_role(const json_t *object, enum member_role *out, struct fault *fault)
{
    if (!is_given(object, "role"))
        return RC_OK;
    if (!member_role_read(string_bytes(json_object_get(object, "role")), out))
        return refuse(fault, "role", "role must be owner, admin, member or reader.");
    return RC_OK;
}

static enum rc read_first_tried(const json_t *object, struct rest_message_body *out,
                                struct fault *fault)
{
    const json_t *value = json_object_get(object, "firstTriedMs");
    if (!is_given(object, "firstTriedMs"))
        return RC_OK;
    if (!json_is_number(value) || json_number_value(value) < 0)
        return refuse(fault, "firstTriedMs", "firstTriedMs must be a number of milliseconds.");
    double ms = json_number_value(value);
    out->has_first_tried = true;
    out->first_tried_ms = ms < 1e15 ? (int64_t)ms : (int64_t)1e15;
    return RC_OK;
}

enum rc rest_message_parse(struct bytes body, bool is_edit, size_t message_bytes_max,
                           struct arena *arena, struct rest_message_body *out, struct fault *fault)
{
    SCOPED_JSON json_t *object = NULL;
    struct rest_message_body message = { .is_retry = false };
    TRY(json_read_object(body, &object, fault));
    TRY(json_read_id(object, is_edit ? "operationId" : "clientMessageId", false, &message.client_id,
                     fault));
    TRY(json_read_bool(object, "retry", &message.is_retry, fault));
    TRY(read_first_tried(object, &message, fault));
    TRY(message_content_parse(body, is_edit, message_bytes_max, arena, &message.content,
                              &message.reply_to, &message.thread_of, fault));
    *out = message;
    return RC_OK;
}

/* Reads an array of ids or of objects that hold one; calls back for each. */
static enum rc check_list(const json_t *list, const char *field, size_t least, size_t most,
                          struct fault *fault)
{
    if (json_is_array(list) && json_array_size(list) >= least && json_array_size(list) <= most)
        return RC_OK;
    fault_set(fault, field, "%s must be an array of %zu to %zu entries.", field, least, most);
    return RC_INVALID;
}

/* Notes an id in a set. RC_CONFLICT: it was there. */
static enum rc note_id(struct map *seen, const struct id *id)
{
    static char there;
    if (map_get(seen, id_bytes(id)))
        return RC_CONFLICT;
    return map_put(seen, id_bytes(id), &there);
}

static void drop_map(struct map *map)
{
    map_fini(map);
}
#define SCOPED_MAP __attribute__((cleanup(drop_map)))

static enum rc read_member_ids(const json_t *list, struct arena *arena,
                               struct rest_conversation_body *out, struct fault *fault)
{
    SCOPED_MAP struct map seen = { 0 };
    if (!list || json_is_null(list))
        return RC_OK;
    TRY(check_list(list, "memberIds", 0, CONVERSATION_MEMBERS_PER_CALL, fault));
    out->members = arena_alloc(arena, (json_array_size(list) + 1) * sizeof *out->members);
    if (!out->members)
        return RC_NOMEM;
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct rest_member_body *member = &out->members[out->member_count];
        if (!id_read(string_bytes(json_array_get(list, i)), &member->user)) {
            fault_set(fault, "memberIds", "memberIds[%zu] is not a user id.", i);
            return RC_INVALID;
        }
        enum rc rc = note_id(&seen, &member->user);
        if (rc == RC_CONFLICT)
            continue;
        TRY(rc);
        member->role = ROLE_MEMBER;
        out->member_count++;
    }
    return RC_OK;
}

static enum rc read_new_conversation(const json_t *object, struct arena *arena,
                                     struct rest_conversation_body *out, struct fault *fault)
{
    TRY(read_type(object, out, fault));
    TRY(json_read_id(object, "id", false, &out->id, fault));
    TRY(json_read_id(object, "ownerId", false, &out->owner, fault));
    return read_member_ids(json_object_get(object, "memberIds"), arena, out, fault);
}

enum rc rest_conversation_parse(struct bytes body, bool is_patch, struct arena *arena,
                                struct rest_conversation_body *out, struct fault *fault)
{
    SCOPED_JSON json_t *object = NULL;
    struct rest_conversation_body read = { .history = HISTORY_JOINED };
    TRY(json_read_object(body, &object, fault));
    TRY(json_read_id(object, "operationId", false, &read.operation_id, fault));
    TRY(json_read_text(object, "name", false, CONVERSATION_NAME_BYTES_MAX, arena, &read.name,
                       fault));
    read.has_name = json_object_get(object, "name") != NULL; /* null takes the name away */
    if (bytes_has_control(read.name))
        return refuse(fault, "name", "name may not have control characters.");
    TRY(read_history(object, &read, fault));
    if (!is_patch)
        TRY(read_new_conversation(object, arena, &read, fault));
    else if (!read.has_name && !read.has_history)
        return refuse(fault, "name", "name or history is needed.");
    *out = read;
    return RC_OK;
}

static enum rc read_member(const json_t *one, size_t at, struct map *seen,
                           struct rest_member_body *out, struct fault *fault)
{
    out->role = ROLE_MEMBER;
    out->has_role = is_given(one, "role");
    if (!id_read(string_bytes(json_object_get(one, "userId")), &out->user)) {
        fault_set(fault, "members", "members[%zu].userId is not a user id.", at);
        return RC_INVALID;
    }
    if (read_role(one, &out->role, NULL) != RC_OK) {
        fault_set(fault, "members", "members[%zu].role must be owner, admin, member or reader.",
                  at);
        return RC_INVALID;
    }
    enum rc rc = note_id(seen, &out->user);
    if (rc == RC_CONFLICT) {
        fault_set(fault, "members", "members[%zu] names a user a second time.", at);
        return RC_INVALID;
    }
    return rc;
}

enum rc rest_members_parse(struct bytes body, struct arena *arena, struct rest_member_body **out,
                           size_t *out_count, struct id *out_operation_id, struct fault *fault)
{
    SCOPED_JSON json_t *object = NULL;
    SCOPED_MAP struct map seen = { 0 };
    TRY(json_read_object(body, &object, fault));
    TRY(json_read_id(object, "operationId", false, out_operation_id, fault));
    const json_t *list = json_object_get(object, "members");
    TRY(check_list(list, "members", 1, CONVERSATION_MEMBERS_PER_CALL, fault));
    struct rest_member_body *members = arena_alloc(arena, json_array_size(list) * sizeof *members);
    if (!members)
        return RC_NOMEM;
    for (size_t i = 0; i < json_array_size(list); i++)
        TRY(read_member(json_array_get(list, i), i, &seen, &members[i], fault));
    *out = members;
    *out_count = json_array_size(list);
    return RC_OK;
}

enum rc rest_role_parse(struct bytes body, bool is_required, struct rest_member_body *out,
                        struct id *out_operation_id, struct fault *fault)
{
    SCOPED_JSON json_t *object = NULL;
    out->role = ROLE_MEMBER;
    out->has_role = false;
    if (!body.len && !is_required)
        return RC_OK;
    TRY(json_read_object(body, &object, fault));
    if (is_required && !is_given(object, "role"))
        return refuse(fault, "role", "role is missing.");
    TRY(json_read_id(object, "operationId", false, out_operation_id, fault));
    out->has_role = is_given(object, "role");
    return read_role(object, &out->role, fault);
}

enum rc rest_operation_parse(struct bytes body, struct id *out_operation_id, struct fault *fault)
{
    SCOPED_JSON json_t *object = NULL;
    if (!body.len)
        return RC_OK;
    TRY(json_read_object(body, &object, fault));
    return json_read_id(object, "operationId", false, out_operation_id, fault);
}

static enum rc read_user_name(const json_t *object, bool is_required, struct arena *arena,
                              struct bytes *out, struct fault *fault)
{
    TRY(json_read_text(object, "name", is_required, REST_USER_NAME_BYTES_MAX, arena, out, fault));
    if (is_given(object, "name") && out->len == 0)
        return refuse(fault, "name", "name may not be empty.");
    if (bytes_has_control(*out))
        return refuse(fault, "name", "name may not have control characters.");
    return RC_OK;
}

enum rc rest_user_parse(struct bytes body, struct arena *arena, struct bytes *out_name,
                        struct fault *fault)
{
    SCOPED_JSON json_t *object = NULL;
    TRY(json_read_object(body, &object, fault));
    return read_user_name(object, true, arena, out_name, fault);
}

static enum rc read_user(const json_t *one, size_t at, struct map *seen, struct arena *arena,
                         struct rest_user_body *out, struct fault *fault)
{
    if (!id_read(string_bytes(json_object_get(one, "id")), &out->id)) {
        fault_set(fault, "users", "users[%zu].id is not a user id.", at);
        return RC_INVALID;
    }
    enum rc rc = read_user_name(one, false, arena, &out->name, fault);
    if (rc == RC_INVALID)
        fault_set(fault, "users",
                  "users[%zu].name must be a string of 1 to %d bytes without control characters.",
                  at, REST_USER_NAME_BYTES_MAX);
    TRY(rc);
    if (!out->name.len)
        out->name = arena_copy(arena, id_bytes(&out->id));
    if (!out->name.ptr)
        return RC_NOMEM;
    rc = note_id(seen, &out->id);
    if (rc == RC_CONFLICT) {
        fault_set(fault, "users", "users[%zu] names a user a second time.", at);
        return RC_INVALID;
    }
    return rc;
}

enum rc rest_users_parse(struct bytes body, struct arena *arena, struct rest_user_body **out,
                         size_t *out_count, struct fault *fault)
{
    SCOPED_JSON json_t *object = NULL;
    SCOPED_MAP struct map seen = { 0 };
    TRY(json_read_object(body, &object, fault));
    const json_t *list = json_object_get(object, "users");
    TRY(check_list(list, "users", 1, REST_USERS_PER_CALL, fault));
    struct rest_user_body *users = arena_alloc(arena, json_array_size(list) * sizeof *users);
    if (!users)
        return RC_NOMEM;
    for (size_t i = 0; i < json_array_size(list); i++)
        TRY(read_user(json_array_get(list, i), i, &seen, arena, &users[i], fault));
    *out = users;
    *out_count = json_array_size(list);
    return RC_OK;
}
