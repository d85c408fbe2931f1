#include "domain/event.h"

#include "base/rc.h"

static const struct {
    const char *name;
    char op;
} kinds[EVENT_KIND_COUNT] = {
    [EVENT_MESSAGE_NEW] = { "message.new", 'm' },
    [EVENT_MESSAGE_EDITED] = { "message.edited", 'e' },
    [EVENT_MESSAGE_DELETED] = { "message.deleted", 'd' },
    [EVENT_MESSAGE_PINNED] = { "message.pinned", 'p' },
    [EVENT_MESSAGE_UNPINNED] = { "message.unpinned", 'q' },
    [EVENT_MESSAGE_WITHDRAWN] = { "message.withdrawn", 'w' },
    [EVENT_REACTION_ADDED] = { "reaction.added", 'r' },
    [EVENT_REACTION_REMOVED] = { "reaction.removed", 's' },
    [EVENT_CONVERSATION_CREATED] = { "conversation.created", 'c' },
    [EVENT_CONVERSATION_UPDATED] = { "conversation.updated", 'u' },
    [EVENT_CONVERSATION_DELETED] = { "conversation.deleted", 'x' },
    [EVENT_MEMBER_ADDED] = { "member.added", 'a' },
    [EVENT_MEMBER_REMOVED] = { "member.removed", 'l' },
    [EVENT_MEMBER_UPDATED] = { "member.updated", 'v' },
    [EVENT_VOID] = { "event.void", '0' },
};

const char *event_kind_name(enum event_kind kind)
{
    return kinds[kind].name;
}

bool event_kind_read(struct bytes text, enum event_kind *out_kind)
{
    for (int i = 0; i < EVENT_KIND_COUNT; i++) {
        if (bytes_is(text, kinds[i].name)) {
            *out_kind = (enum event_kind)i;
            return true;
        }
    }
    return false;
}

char event_kind_op(enum event_kind kind)
{
    return kinds[kind].op;
}

bool event_kind_from_op(char op, enum event_kind *out_kind)
{
    for (int i = 0; i < EVENT_KIND_COUNT; i++) {
        if (kinds[i].op == op) {
            *out_kind = (enum event_kind)i;
            return true;
        }
    }
    return false;
}

void membership_apply(struct membership *m, const struct event *event)
{
    bool is_later = event->seq > m->changed_seq;
    if (!is_later || (event->kind != EVENT_MEMBER_ADDED && event->kind != EVENT_MEMBER_REMOVED &&
                      event->kind != EVENT_MEMBER_UPDATED))
        return;
    m->changed_seq = event->seq;
    if (event->kind == EVENT_MEMBER_REMOVED) {
        if (m->is_member)
            m->removed_seq = event->seq;
        m->is_member = false;
        return;
    }
    if (event->kind == EVENT_MEMBER_ADDED && !m->is_member) {
        m->is_member = true;
        m->joined_seq = event->seq;
        m->removed_seq = 0;
    }
    if (m->is_member)
        m->role = event->role;
}

void conversation_apply(struct conversation *c, const struct event *event)
{
    if (event->seq > c->last_seq)
        c->last_seq = event->seq;
    if (event->kind == EVENT_CONVERSATION_CREATED &&
        (c->created_seq == 0 || event->seq < c->created_seq)) {
        c->created_seq = event->seq;
        c->created_at_us = event->at_us;
        c->created_by = event->actor;
        c->type = event->type;
        if (c->updated_seq == 0) {
            c->name = event->name;
            c->history = event->history;
        }
    }
    if (event->kind == EVENT_CONVERSATION_UPDATED && event->seq > c->updated_seq) {
        c->updated_seq = event->seq;
        c->name = event->name; /* an update carries every setting, so the last one is the whole */
        c->history = event->history;
    }
    if (event->kind == EVENT_CONVERSATION_DELETED &&
        (c->deleted_seq == 0 || event->seq < c->deleted_seq))
        c->deleted_seq = event->seq;
}
