#include "app/rest_auth.h"

/* clang-format off */
static const struct rest_route api_routes[] = {
    { HTTP_POST,   "/v1/conversations", ROUTE_HAS_BODY | ROUTE_BATCH | ROUTE_MAKES,
      rest_create_conversation, rest_created_conversation },
    { HTTP_GET,    "/v1/conversations", 0, rest_list_conversations, NULL },
    { HTTP_GET,    "/v1/conversations/{c}", 0, rest_get_conversation, NULL },
    { HTTP_PATCH,  "/v1/conversations/{c}", ROUTE_HAS_BODY,
      rest_patch_conversation, rest_changed_conversation },
    { HTTP_DELETE, "/v1/conversations/{c}", 0, rest_delete_conversation, NULL },
    { HTTP_GET,    "/v1/channels", 0, rest_list_channels, NULL },

    { HTTP_GET,    "/v1/conversations/{c}/members", 0, rest_list_members, NULL },
    { HTTP_POST,   "/v1/conversations/{c}/members:batch", ROUTE_HAS_BODY | ROUTE_BATCH,
      rest_batch_members, rest_batched_members },
    { HTTP_PUT,    "/v1/conversations/{c}/members/{u}", ROUTE_HAS_BODY,
      rest_put_member, rest_changed_member },
    { HTTP_PATCH,  "/v1/conversations/{c}/members/{u}", ROUTE_HAS_BODY,
      rest_patch_member, rest_changed_member },
    { HTTP_DELETE, "/v1/conversations/{c}/members/{u}", 0, rest_delete_member, NULL },
    { HTTP_POST,   "/v1/conversations/{c}/join", ROUTE_HAS_BODY, rest_join, rest_joined },
    { HTTP_POST,   "/v1/conversations/{c}/leave", ROUTE_HAS_BODY, rest_leave, rest_left },

    { HTTP_POST,   "/v1/conversations/{c}/messages", ROUTE_HAS_BODY | ROUTE_SEND | ROUTE_MAKES,
      rest_post_message, rest_sent_message },
    { HTTP_GET,    "/v1/conversations/{c}/messages", 0, rest_list_messages, NULL },
    { HTTP_PUT,    "/v1/conversations/{c}/messages/by-client-id/{m}",
      ROUTE_HAS_BODY | ROUTE_SEND | ROUTE_MAKES,
      rest_put_message, rest_sent_message },
    { HTTP_GET,    "/v1/conversations/{c}/messages/by-client-id/{m}", 0,
      rest_get_by_client_id, NULL },
    { HTTP_GET,    "/v1/conversations/{c}/messages/{s}", 0, rest_get_message, NULL },
    { HTTP_PATCH,  "/v1/conversations/{c}/messages/{s}", ROUTE_HAS_BODY,
      rest_edit_message, rest_changed_message },
    { HTTP_DELETE, "/v1/conversations/{c}/messages/{s}", 0,
      rest_delete_message, rest_changed_message },
    { HTTP_GET,    "/v1/conversations/{c}/events", 0, rest_list_events, NULL },

    { HTTP_GET,    "/v1/users/me", 0, rest_get_me, NULL },
    { HTTP_PATCH,  "/v1/users/me", ROUTE_HAS_BODY, rest_patch_me, NULL },
    { HTTP_POST,   "/v1/users:batch", ROUTE_HAS_BODY | ROUTE_SERVICE | ROUTE_BATCH,
      rest_batch_users, NULL },
    { HTTP_GET,    "/v1/users/{u}", 0, rest_get_user, NULL },
    { HTTP_PUT,    "/v1/users/{u}", ROUTE_HAS_BODY | ROUTE_SERVICE, rest_put_user, NULL },
    { HTTP_GET,    "/v1/users", 0, rest_list_users, NULL },
};
/* clang-format on */

static const struct rest_routes api = { api_routes, COUNT_OF(api_routes) };
static const struct rest_routes *const tables[] = { &api, &rest_door_routes, &rest_auth_routes };

/* Takes the segment up to the next slash off the front of *rest, which begins with a slash. */
static bool take_segment(struct bytes *rest, struct bytes *out)
{
    if (rest->len == 0 || rest->ptr[0] != '/')
        return false;
    struct bytes tail = bytes_make(rest->ptr + 1, rest->len - 1);
    const uint8_t *slash = tail.len ? memchr(tail.ptr, '/', tail.len) : NULL;
    size_t len = slash ? (size_t)(slash - tail.ptr) : tail.len;
    *out = bytes_make(tail.ptr, len);
    *rest = bytes_make(tail.ptr + len, tail.len - len);
    return true;
}

static bool matches(const char *pattern, struct bytes path)
{
    struct bytes wanted, got, pattern_rest = bytes_of(pattern);
    while (take_segment(&pattern_rest, &wanted)) {
        if (!take_segment(&path, &got) || got.len == 0)
            return false;
        if (wanted.ptr[0] != '{' && !bytes_equal(wanted, got))
            return false;
    }
    return path.len == 0;
}

struct route_search {
    enum http_method method;
    struct bytes path;
    const char *pattern; /* of the resource, once it is known */
    unsigned allow;
    const struct rest_route *found;
};

static void look_at(struct route_search *search, const struct rest_route *route)
{
    /* The first pattern that fits is the resource: /users/me is never a user named me. */
    if (search->pattern ? strcmp(search->pattern, route->pattern) != 0
                        : !matches(route->pattern, search->path))
        return;
    search->pattern = route->pattern;
    search->allow |= 1u << route->method;
    if (route->method == search->method ||
        (search->method == HTTP_HEAD && route->method == HTTP_GET))
        search->found = route;
}

const struct rest_route *rest_route_find(enum http_method method, struct bytes path,
                                         unsigned *out_allow)
{
    struct route_search search = { .method = method, .path = path };
    for (size_t i = 0; i < COUNT_OF(tables); i++)
        for (size_t k = 0; k < tables[i]->count; k++)
            look_at(&search, &tables[i]->list[k]);
    if (search.allow & 1u << HTTP_GET)
        search.allow |= 1u << HTTP_HEAD;
    *out_allow = search.allow;
    return search.found;
}

static enum error_code read_id(struct rest_call *call, const char *field, struct bytes text,
                               struct id *out)
{
    if (id_read(text, out))
        return ERROR_NONE;
    return rest_fail(call, ERROR_VALIDATION, field,
                     "%s must be 1 to 64 characters of A-Z a-z 0-9 _ -.", field);
}

static enum error_code read_segment(struct rest_call *call, char kind, struct bytes text)
{
    switch (kind) {
    case 'c':
        return read_id(call, "conversationId", text, &call->conversation);
    case 'u':
        return read_id(call, "userId", text, &call->user);
    case 'i':
        return read_id(call, "sessionId", text, &call->session);
    case 'm':
        return read_id(call, "clientMessageId", text, &call->client_id);
    default:
        if (bytes_to_u64(text, REST_SEQ_MAX, &call->seq) && call->seq > 0)
            return ERROR_NONE;
        return rest_fail(call, ERROR_VALIDATION, "seq",
                         "seq must be a positive integer below 2^53.");
    }
}

enum error_code rest_route_read(struct rest_call *call)
{
    struct bytes wanted, got, pattern = bytes_of(call->route->pattern), path = call->path;
    while (take_segment(&pattern, &wanted) && take_segment(&path, &got)) {
        if (wanted.ptr[0] == '{')
            ERROR_TRY(read_segment(call, (char)wanted.ptr[1], got));
    }
    return ERROR_NONE;
}
