/* client_json.h - what clients say on a socket, and the server's answers (docs/PROTOCOL.md).
 *
 * A frame holds one or more objects, a newline between them. frame_next_line cuts them apart;
 * client_request_parse turns one into a value that can't be half right.
 */
#ifndef WIRE_CLIENT_JSON_H
#define WIRE_CLIENT_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "domain/error.h"
#include "domain/event.h"

enum request_type {
    REQUEST_PING,
    REQUEST_SYNC,
    REQUEST_SEND,
    REQUEST_EDIT,
    REQUEST_DELETE,
    REQUEST_ACK,
    REQUEST_TYPING_START,
    REQUEST_TYPING_STOP,
    REQUEST_PRESENCE_SET,
    REQUEST_PRESENCE_SUBSCRIBE,
    REQUEST_PRESENCE_UNSUBSCRIBE,
    REQUEST_WATCH,
    REQUEST_UNWATCH,
    REQUEST_JOIN,
    REQUEST_LEAVE,
    REQUEST_AUTH_REFRESH,
    REQUEST_TYPE_COUNT,
};

enum { REQUEST_ID_BYTES_MAX = 64, PRESENCE_USERS_MAX = 200, CURSOR_CHARS_MAX = 1024 };

enum presence_status {
    PRESENCE_ONLINE,
    PRESENCE_AWAY,
    PRESENCE_DND,
    PRESENCE_INVISIBLE,
    PRESENCE_OFFLINE,
    PRESENCE_UNKNOWN
};
const char *presence_status_name(enum presence_status status);
bool presence_status_read(struct bytes text, enum presence_status *out);

/* One request. Text is in the arena. Only the fields of its type are set. */
struct client_request {
    enum request_type type;
    struct bytes request_id; /* ptr NULL: none was given */
    struct id conversation;
    struct id client_id; /* clientMessageId, operationId; len 0: none */
    uint64_t seq;
    uint64_t reply_to, thread_of;
    struct bytes content; /* SEND, EDIT: the client-chosen members in canonical order */
    bool is_retry, has_first_tried;
    int64_t first_tried_ms;
    struct bytes cursor; /* SYNC; ptr NULL: none */
    struct bytes token;  /* AUTH_REFRESH */
    enum presence_status status;
    struct bytes text; /* PRESENCE_SET */
    struct id *users;  /* PRESENCE_(UN)SUBSCRIBE */
    size_t user_count;
};

/* Takes the next non-empty line off the front of *rest; false at the end. */
bool frame_next_line(struct bytes *rest, struct bytes *out_line);

/* Parses one object.
 *   message_bytes_max  limit on text
 *   out_request        type and request_id are set even on failure, when they could be read
 *   errors             RC_INVALID (fault), RC_NOMEM
 */
MUST_CHECK enum rc client_request_parse(struct bytes line, size_t message_bytes_max,
                                        struct arena *arena, struct client_request *out_request,
                                        struct fault *fault);

/* The client-chosen members of a message ("kind":…,"text":…) from a request body, checked, in one
 * canonical order: what Parley-Body-Hash is taken over. REST uses it for the same bodies.
 *   json_object  text of the whole request object
 *   is_edit      kind, replyTo and threadOf are not taken
 */
MUST_CHECK enum rc message_content_parse(struct bytes json_object, bool is_edit,
                                         size_t message_bytes_max, struct arena *arena,
                                         struct bytes *out_content, uint64_t *out_reply_to,
                                         uint64_t *out_thread_of, struct fault *fault);

/* Answers. request_id with ptr NULL is written as null. */
void answer_ok_begin(struct buf *out,
                     struct bytes request_id); /* {"type":"ok","id":… : add members */
void answer_end(struct buf *out);              /* } */
void answer_error(struct buf *out, struct bytes request_id, const struct error *error);
void answer_pong(struct buf *out, struct bytes request_id, int64_t wall_us);

struct hello {
    const struct id *connection, *session, *user;
    int64_t wall_us;
    int64_t heartbeat_ms;
    uint64_t frame_bytes, message_bytes, inflight, watches;
    struct bytes cursor;
};
void hello_write(struct buf *out, const struct hello *hello);
void cursor_frame_write(struct buf *out, struct bytes cursor);
void goodbye_write(struct buf *out, const char *reason, int64_t retry_after_ms);
void sync_reset_write(struct buf *out, const struct id *conversation, const char *reason,
                      uint64_t last_seq);
void typing_write(struct buf *out, bool is_start, const struct id *conversation,
                  const struct id *user);
void receipt_write(struct buf *out, const char *kind, const struct id *conversation,
                   const struct id *user, uint64_t seq);

/* {"delivered":seq}, as the RECEIPTS stream keeps it. */
MUST_CHECK enum rc receipt_parse(struct bytes json, uint64_t *out_delivered_seq);

/* One user's presence as clients see it: {"userId":…,"status":…,"lastSeen"?,"text"?}. */
struct presence_view {
    struct id user;
    enum presence_status status;
    int64_t last_seen_us; /* 0: not known */
    struct bytes text;
};
void presence_write(struct buf *out, const struct presence_view *view);
void presence_updated_write(struct buf *out, const struct presence_view *view);

/* What a session's key in the presence bucket holds: {"status":…,"text"?,"at":…}. */
void presence_value_write(struct buf *out, enum presence_status status, struct bytes text,
                          int64_t at_us);
MUST_CHECK enum rc presence_value_parse(struct bytes json, struct arena *arena,
                                        enum presence_status *out_status, struct bytes *out_text,
                                        int64_t *out_at_us);

/* What gateways say to each other about a session that may be on several of them:
 *   {"presence":"opened"|"closed"|"held"|"gone"|"set","sessionId":…,"from":…,"status"?,"text"?} */
enum presence_word { PRESENCE_OPENED, PRESENCE_CLOSED, PRESENCE_HELD, PRESENCE_GONE, PRESENCE_SET };
struct presence_note {
    enum presence_word word;
    struct id session, from;
    enum presence_status status; /* PRESENCE_SET, as the text */
    struct bytes text;
};
void presence_note_write(struct buf *out, const struct presence_note *note);
/* RC_INVALID for any other signal. */
MUST_CHECK enum rc presence_note_parse(struct bytes json, struct arena *arena,
                                       struct presence_note *out_note);

/* Who is typing, from a signal of another gateway; RC_INVALID for any other signal. */
MUST_CHECK enum rc typing_parse(struct bytes json, struct id *out_user, bool *out_is_start);

#endif
