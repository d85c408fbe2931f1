#include "domain/conversation.h"

#include "base/rc.h"

static const char *const type_names[] = { "direct", "group", "channel" };
static const char *const role_names[] = { "reader", "member", "admin", "owner" };
static const char *const history_names[] = { "joined", "all" };

static bool read_name(struct bytes text, const char *const names[], size_t count, int *out)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes_is(text, names[i])) {
            *out = (int)i;
            return true;
        }
    }
    return false;
}

const char *conversation_type_name(enum conversation_type type)
{
    return type_names[type];
}

bool conversation_type_read(struct bytes text, enum conversation_type *out_type)
{
    int at;
    if (!read_name(text, type_names, COUNT_OF(type_names), &at))
        return false;
    *out_type = (enum conversation_type)at;
    return true;
}

const char *member_role_name(enum member_role role)
{
    return role_names[role];
}

bool member_role_read(struct bytes text, enum member_role *out_role)
{
    int at;
    if (!read_name(text, role_names, COUNT_OF(role_names), &at))
        return false;
    *out_role = (enum member_role)at;
    return true;
}

const char *history_rule_name(enum history_rule rule)
{
    return history_names[rule];
}

bool history_rule_read(struct bytes text, enum history_rule *out_rule)
{
    int at;
    if (!read_name(text, history_names, COUNT_OF(history_names), &at))
        return false;
    *out_rule = (enum history_rule)at;
    return true;
}

uint64_t membership_first_readable(const struct membership *m, enum history_rule history)
{
    return history == HISTORY_ALL ? 1 : m->joined_seq;
}

bool conversation_id_is_reserved(const struct id *id)
{
    return id->len >= 2 && memcmp(id->text, "d_", 2) == 0;
}
