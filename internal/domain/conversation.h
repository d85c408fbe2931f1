/* conversation.h - conversations, roles and memberships, and the rules over them. Pure values. */
#ifndef DOMAIN_CONVERSATION_H
#define DOMAIN_CONVERSATION_H

#include "domain/id.h"

enum conversation_type { CONVERSATION_DIRECT, CONVERSATION_GROUP, CONVERSATION_CHANNEL };
enum history_rule { HISTORY_JOINED, HISTORY_ALL };
enum member_role { ROLE_READER, ROLE_MEMBER, ROLE_ADMIN, ROLE_OWNER };

enum { CONVERSATION_NAME_BYTES_MAX = 256, CONVERSATION_MEMBERS_PER_CALL = 1000 };

/* A conversation as the events up to last_seq make it. Text fields are borrowed from an arena. */
struct conversation {
    struct id id;
    enum conversation_type type;
    enum history_rule history;
    struct bytes name; /* empty: none */
    struct id created_by;
    int64_t created_at_us;
    uint64_t created_seq;
    uint64_t updated_seq; /* of the last conversation.updated, 0: none */
    uint64_t deleted_seq; /* 0: it lives */
    uint64_t last_seq;    /* of any event */
};

/* One user's relation to one conversation, derived from its member events in order of seq. */
struct membership {
    struct id user;
    bool is_member;
    enum member_role role;
    uint64_t joined_seq;  /* of the member.added that began the present (or last) interval */
    uint64_t removed_seq; /* of the member.removed that ended the last interval; 0 while a member */
    uint64_t changed_seq; /* of the last member event seen, whatever it was */
};

const char *conversation_type_name(enum conversation_type type);
bool conversation_type_read(struct bytes text, enum conversation_type *out_type);
const char *member_role_name(enum member_role role);
bool member_role_read(struct bytes text, enum member_role *out_role);
const char *history_rule_name(enum history_rule rule);
bool history_rule_read(struct bytes text, enum history_rule *out_rule);

/* The first seq that a present member may read: 1 when the history is open to all, else the join.
 */
uint64_t membership_first_readable(const struct membership *m, enum history_rule history);

/* The id of the direct conversation of two users: "d_" and 22 characters of base64url over a hash
 * of the sorted ids (wire/msg_id.h makes it); the prefix is reserved. */
bool conversation_id_is_reserved(const struct id *id);

#endif
