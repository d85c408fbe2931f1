/* command.h - what changes a conversation: one implementation behind the socket and REST.
 *
 * A command is checked against the conversation and the actor's membership, published, and answered
 * after the PubAck. Loop thread only; done runs exactly once, always later than the call.
 */
#ifndef APP_COMMAND_H
#define APP_COMMAND_H

#include "base/list.h"
#include "domain/error.h"
#include "domain/event.h"
#include "ports/token_verifier.h"

struct gateway;

struct actor {
    struct id user;
    unsigned roles; /* of the token: enum user_role, or-ed */
};

enum command_kind {
    COMMAND_SEND,
    COMMAND_EDIT,
    COMMAND_DELETE,
    COMMAND_CREATE, /* conversation */
    COMMAND_UPDATE,
    COMMAND_DELETE_CONVERSATION,
    COMMAND_JOIN,
    COMMAND_LEAVE,
    COMMAND_MEMBER_PUT,    /* adds a member, or sets the role of one: members[0..] */
    COMMAND_MEMBER_REMOVE, /* members[0..] */
    COMMAND_KIND_COUNT,
};

struct command_member {
    struct id user;
    enum member_role role; /* of a new member, ROLE_MEMBER when none was named */
    bool has_role;         /* false: who is a member keeps theirs */
};

struct command {
    enum command_kind kind;
    struct actor actor;
    struct id conversation;       /* COMMAND_CREATE: own id, or len 0 to have one made */
    struct id client_id;          /* clientMessageId or operationId; len 0: the server makes one */
    uint64_t target_seq;          /* EDIT, DELETE */
    uint64_t reply_to, thread_of; /* SEND; 0: none. They are in content too */
    struct bytes content;         /* SEND, EDIT: see wire/event_json.h, event_write; copied */
    const struct command_member *members; /* CREATE, MEMBER_*; copied; the owner left out */
    size_t member_count;                  /* at most CONVERSATION_MEMBERS_PER_CALL */
    struct id owner;                      /* CREATE with role service; len 0: the actor */
    enum conversation_type type;
    enum history_rule history; /* CREATE, UPDATE */
    bool has_history, has_name;
    struct bytes name; /* CREATE, UPDATE; copied */
    /* The connection's: its commands into one conversation are published in the order they came in.
     * Borrowed until lane_forget; NULL: no order to others. */
    struct list *lane;
    bool is_retry;
    bool has_first_tried;
    int64_t first_tried_ms; /* since the first try, as the client measured */
};

struct command_result {
    struct error error; /* code ERROR_NONE: done */
    uint64_t seq;       /* of the (first) event; CREATE: conversation.created */
    int64_t at_us;      /* 0: not known */
    bool is_duplicate;
    struct id conversation;
    struct id client_id;
    size_t members_changed; /* MEMBER_*, CREATE */
};

typedef void command_done_fn(void *closure, const struct command_result *result);

/* Takes a copy of all of the command. */
void command_submit(struct gateway *gateway, const struct command *command, command_done_fn *done,
                    void *closure);

/* The connection ends: what it has in its lane goes on, in order, without it. */
void lane_forget(struct list *lane);

#endif
