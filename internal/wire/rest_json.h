/* rest_json.h - REST's bodies in, its resources out (docs/PROTOCOL.md, "REST"; docs/openapi.yaml).
 *
 * A body that was parsed can't be half right: ids are checked, sizes are within their limits, a
 * fault names the field as the sender spells it. Unknown members are skipped. Resources are written
 * whole: a member without a value is null, so that clients meet the same keys every time.
 */
#ifndef WIRE_REST_JSON_H
#define WIRE_REST_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/fault.h"
#include "domain/event.h"

enum { REST_USERS_PER_CALL = 1000, REST_USER_NAME_BYTES_MAX = 128 };

/* errors of all parsers: RC_INVALID (fault), RC_NOMEM. Text and arrays are in the arena. */

struct rest_message_body {
    struct id client_id;  /* clientMessageId of a new one, operationId of an edit; len 0: none */
    struct bytes content; /* canonical; see wire/client_json.h, message_content_parse */
    uint64_t reply_to, thread_of;
    bool is_retry, has_first_tried;
    int64_t first_tried_ms;
};
MUST_CHECK enum rc rest_message_parse(struct bytes body, bool is_edit, size_t message_bytes_max,
                                      struct arena *arena, struct rest_message_body *out,
                                      struct fault *fault);

struct rest_member_body {
    struct id user;
    enum member_role role; /* ROLE_MEMBER when left out */
    bool has_role;
};

struct rest_conversation_body {
    struct id id; /* len 0: to be made */
    struct id owner;
    struct id operation_id;
    enum conversation_type type;
    bool has_type, has_name, has_history;
    enum history_rule history;
    struct bytes name;
    struct rest_member_body *members; /* memberIds: each once, in the order given */
    size_t member_count;
};
/* is_patch: only name, history and operationId are taken, and at least one of the first two is
 * needed. Else type is needed. */
MUST_CHECK enum rc rest_conversation_parse(struct bytes body, bool is_patch, struct arena *arena,
                                           struct rest_conversation_body *out, struct fault *fault);

/* {"members":[{"userId":…,"role"?:…},…]}, 1 to CONVERSATION_MEMBERS_PER_CALL, each user once. */
MUST_CHECK enum rc rest_members_parse(struct bytes body, struct arena *arena,
                                      struct rest_member_body **out, size_t *out_count,
                                      struct id *out_operation_id, struct fault *fault);

/* {"role"?:…}: of PUT and PATCH …/members/{userId}; an empty body names none. */
MUST_CHECK enum rc rest_role_parse(struct bytes body, bool is_required,
                                   struct rest_member_body *out, struct id *out_operation_id,
                                   struct fault *fault);

/* {"operationId"?:…} of calls that need no body; an empty one is fine. */
MUST_CHECK enum rc rest_operation_parse(struct bytes body, struct id *out_operation_id,
                                        struct fault *fault);

struct rest_user_body {
    struct id id;
    struct bytes name;
};
/* {"name":…}: 1 to 128 bytes without control characters. */
MUST_CHECK enum rc rest_user_parse(struct bytes body, struct arena *arena, struct bytes *out_name,
                                   struct fault *fault);
/* {"users":[{"id":…,"name"?:…},…]}, 1 to 1,000, each id once; a name left out is the id. */
MUST_CHECK enum rc rest_users_parse(struct bytes body, struct arena *arena,
                                    struct rest_user_body **out, size_t *out_count,
                                    struct fault *fault);

/* A message as it is now. */
struct rest_message {
    struct bytes payload;      /* of message.new */
    struct bytes edit_payload; /* of its last edit, or empty */
    uint64_t seq;
    int64_t at_us;         /* 0: not known, written as null */
    int64_t edited_at_us;  /* 0: never */
    int64_t deleted_at_us; /* 0: not */
    bool is_pinned;
};
/* Writes it as an object. is_duplicate: adds "duplicate":true. A payload that isn't a message.new
 * is RC_INVALID, and nothing is written. */
MUST_CHECK enum rc rest_message_write(struct buf *out, const struct rest_message *message,
                                      bool is_duplicate);

/* A conversation, and, where the caller is a member, their place in it. */
struct rest_conversation {
    const struct conversation *conversation;
    const struct membership *membership; /* NULL: not a member */
    struct id direct_peer;               /* len 0: none, or not a direct one */
    bool has_counts; /* then lastMessage, readSeq and unread are written: items of a list */
    const struct rest_message *last_message; /* NULL: none */
    uint64_t read_seq;
    uint32_t unread;
    bool is_duplicate;
};
MUST_CHECK enum rc rest_conversation_write(struct buf *out, const struct rest_conversation *view);

/* {"conversationId":…,"userId":…,"role":…,"joinedSeq":…[,"duplicate":true]} */
void rest_member_write(struct buf *out, const struct id *conversation,
                       const struct membership *membership, bool is_duplicate);

struct rest_user {
    struct id id;
    struct bytes name;
    int64_t created_at_us, updated_at_us;
    unsigned roles; /* enum user_role of ports/token_verifier.h; only of oneself */
    bool has_roles;
    bool has_account; /* then username and email are written, of oneself */
    struct bytes username, email;
};
void rest_user_write(struct buf *out, const struct rest_user *user);

/* A raw event: payload with seq, prev and at in front, or the void in its place. */
void rest_event_write(struct buf *out, const struct event *event);

#endif
