/* rest_call.h - one request on its way through rest.c; private to app/rest_*.c.
 *
 * A handler runs on a worker thread and owns the call while it runs. It returns ERROR_NONE, or a
 * code whose field and text are in call->error.fault.
 */
#ifndef APP_REST_CALL_H
#define APP_REST_CALL_H

#include "app/rest.h"
#include "base/buf.h"
#include "domain/address_range.h"
#include "wire/rest_json.h"

enum {
    REST_ANSWER_BYTES_MAX = 32 * 1024 * 1024,
    REST_BODY_BYTES = 128 * 1024,   /* of a plain call */
    REST_BATCH_BYTES = 1024 * 1024, /* of a batch of a thousand */
    REST_LIMIT_DEFAULT = 50,
    REST_LIMIT_MAX = 100,
    REST_KEY_CHARS_MAX = 255,
    REQUEST_HASH_BYTES = 16,
};
#define REST_SEQ_MAX ((UINT64_C(1) << 53) - 1)

struct rest_call;
typedef enum error_code rest_handler_fn(struct rest_call *call);

enum rest_route_flags {
    ROUTE_HAS_BODY = 1, /* a body is read, and must be JSON if there is one */
    ROUTE_SERVICE = 2,  /* role service only */
    ROUTE_SEND = 4,     /* counts as a message; its key is its clientMessageId */
    ROUTE_BATCH = 8,    /* REST_BATCH_BYTES */
    ROUTE_MAKES = 16,   /* its command makes a thing: 201 and Location */
    ROUTE_OPEN = 32,    /* for everybody: no token is read; counts against the caller's network */
    ROUTE_AT_ONCE = 64, /* prepare runs on the loop and must not block */
    ROUTE_NO_KEY = 128, /* its answer holds a secret: no Idempotency-Key remembers it */
};

/* Segments of a pattern: {c} conversation, {u} user, {s} seq, {m} client's id, {i} session, else
 * literal. */
struct rest_route {
    enum http_method method;
    const char *pattern;
    unsigned flags;
    rest_handler_fn *prepare;
    rest_handler_fn *finish; /* NULL: prepare answers, or the answer has no body */
};

struct rest_routes {
    const struct rest_route *list;
    size_t count;
};
extern const struct rest_routes rest_door_routes; /* rest_doors.c */

enum { REST_CALL_HEADERS_MAX = 6 };

struct rest_call {
    struct job job;
    struct rest *rest;
    const struct rest_options *options;
    const struct rest_route *route;
    struct arena arena;
    struct http_id http;
    struct id request_id;
    struct identity who;
    struct bytes path, body, key;
    struct bytes cookie, user_agent; /* as they came */
    struct address_range range;      /* where the caller is; empty if that isn't known */
    bool is_origin_ours; /* no page asks, or one of this host or of allowed_origins by name */
    bool has_csrf_proof; /* X-CSRF-Token repeats the cookie: our own page has made the request */
    struct http_param *params;
    size_t param_count;

    struct rest_auth *auth; /* rest_auth.h; NULL: not a call about accounts */

    struct id conversation, user, client_id, session; /* from the path */
    uint64_t seq;

    bool has_command;
    struct command command;
    struct command_result result;
    uint8_t request_hash[REQUEST_HASH_BYTES];

    struct error error;
    int status;
    struct buf out;
    struct bytes location;                             /* empty: none */
    struct http_header headers[REST_CALL_HEADERS_MAX]; /* of a good answer; rest_add_header */
    size_t header_count;
    bool is_bare;     /* the thing couldn't be read: not an answer to remember */
    bool is_new_user; /* the caller may not be in the directory yet */
};

/* The route of a path and method.
 *   out_allow  a bit of each method that the path has; 0: no such path
 *   returns    NULL when there is none
 */
const struct rest_route *rest_route_find(enum http_method method, struct bytes path,
                                         unsigned *out_allow);

/* Reads the ids of the path into the call. */
MUST_CHECK enum error_code rest_route_read(struct rest_call *call);

/* Sets the fault and returns the code. field may be NULL. */
enum error_code rest_fail(struct rest_call *call, enum error_code code, const char *field,
                          const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The code for a failed read; ERROR_NONE for RC_OK. A fault that a parser has set is kept. */
enum error_code rest_fail_rc(struct rest_call *call, enum rc rc);

#define REST_TRY_RC(call, rc_call) ERROR_TRY(rest_fail_rc((call), (rc_call)))

bool rest_is_service(const struct rest_call *call);

/* One more header of a good answer; name static, value borrowed until the answer (the arena). */
void rest_add_header(struct rest_call *call, const char *name, struct bytes value);

/* Query: an absent one leaves *out alone. */
bool rest_param(const struct rest_call *call, const char *name, struct bytes *out);
MUST_CHECK enum error_code rest_limit(struct rest_call *call, size_t *out);
MUST_CHECK enum error_code rest_param_seq(struct rest_call *call, const char *name, uint64_t *out,
                                          bool *out_is_given);
MUST_CHECK enum error_code rest_param_time(struct rest_call *call, const char *name,
                                           int64_t *out_at_us, bool *out_is_given);

/* Opaque list cursors: a kind and a place, bound to the path. len 0 of *out: none was given. */
MUST_CHECK enum error_code rest_cursor_read(struct rest_call *call, const char *kinds,
                                            char *out_kind, struct bytes *out);
/* The same for lists by id: out->len 0 when none was given. */
MUST_CHECK enum error_code rest_cursor_id(struct rest_call *call, char kind, struct id *out);
/* Closes a list: `],"nextCursor":…}`. An empty place: null. */
void rest_list_end(struct rest_call *call, char kind, struct bytes place);
void rest_list_begin(struct rest_call *call);
void rest_list_next(struct rest_call *call, size_t at);

/* Starts a command of this user in the conversation of the path. */
struct command *rest_command(struct rest_call *call, enum command_kind kind);

/* Opens the path's conversation and checks that this user may read it, from *out_first on. */
MUST_CHECK enum error_code
rest_open_readable(struct rest_call *call, struct conversation_view *out_view, uint64_t *out_first);
/* The same for what is no message: members, settings. A service may see that everywhere. */
MUST_CHECK enum error_code rest_open_listed(struct rest_call *call,
                                            struct conversation_view *out_view);
/* operationId of the query: of a DELETE, which has no body. An absent one leaves *out alone. */
MUST_CHECK enum error_code rest_param_operation(struct rest_call *call, struct id *out);
/* A row as wire/rest_json.h takes it. */
struct rest_message rest_shown_message(const struct message_row *row);

/* Idempotency-Key; rest_idempotency.c. */
/* Answers from memory: *out_is_answered. ERROR_CONFLICT the key was used for another request. */
MUST_CHECK enum error_code rest_key_replay(struct rest_call *call, bool *out_is_answered);
void rest_key_remember(struct rest_call *call);
/* An id that the same user, key and path give each time; len 0 without a key. */
struct id rest_key_id(const struct rest_call *call);
/* The same in the form of a UUID; without a key made of the operation's id, if that has one. */
struct id rest_key_uuid(const struct rest_call *call, const struct id *operation);

/* Handlers, by file. */
rest_handler_fn rest_create_conversation, rest_created_conversation, rest_list_conversations,
    rest_get_conversation, rest_patch_conversation, rest_changed_conversation,
    rest_delete_conversation, rest_list_channels;
rest_handler_fn rest_list_members, rest_batch_members, rest_batched_members, rest_put_member,
    rest_patch_member, rest_changed_member, rest_delete_member, rest_join, rest_joined, rest_leave,
    rest_left;
rest_handler_fn rest_post_message, rest_put_message, rest_sent_message, rest_list_messages,
    rest_get_message, rest_get_by_client_id, rest_edit_message, rest_delete_message,
    rest_changed_message, rest_list_events;
rest_handler_fn rest_get_me, rest_patch_me, rest_get_user, rest_put_user, rest_batch_users,
    rest_list_users;
rest_handler_fn rest_register, rest_login, rest_refresh, rest_logout, rest_change_password,
    rest_reset_password, rest_confirm_reset, rest_set_email, rest_confirm_email, rest_list_sessions,
    rest_end_session, rest_end_sessions, rest_delete_me;
rest_handler_fn rest_get_jwks, rest_make_ticket;

#endif
