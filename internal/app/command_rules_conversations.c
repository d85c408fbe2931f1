/* command_rules_conversations.c - conversations: made, changed, deleted. */
#include "app/command_rules.h"

enum error_code rules_update(struct command_run *run)
{
    enum error_code code = rules_as_manager(run);
    if (code != ERROR_NONE)
        return code;
    if (!rules_make_room(run, 1))
        return ERROR_OVERLOADED;
    struct outgoing *o = rules_add_event(run, EVENT_CONVERSATION_UPDATED);
    o->event.name = run->c.has_name ? run->c.name : run->facts.conversation.name;
    o->event.history = run->c.has_history ? run->c.history : run->facts.conversation.history;
    rules_guard(run); /* it carries all settings: none may have changed since they were read */
    return ERROR_NONE;
}

enum error_code rules_delete_conversation(struct command_run *run)
{
    enum error_code code = rules_is_service(run) ? ERROR_NONE : rules_as_member(run);
    if (code != ERROR_NONE)
        return code;
    if (run->facts.conversation.deleted_seq)
        return ERROR_GONE;
    if (!rules_may_rule_owners(run) && !(run->c.actor.roles & USER_ROLE_ADMIN))
        return rules_no(run, ERROR_FORBIDDEN, "", "Only owners delete a conversation.");
    if (!rules_make_room(run, 1))
        return ERROR_OVERLOADED;
    (void)rules_add_event(run, EVENT_CONVERSATION_DELETED);
    return ERROR_NONE;
}

/* The same request again, as far as that can be told; a direct one is the same from either side. */
static enum error_code check_same(struct command_run *run)
{
    const struct command_facts *f = &run->facts;
    if (run->c.type == CONVERSATION_DIRECT)
        return ERROR_NONE;
    if (f->created_rc != RC_OK)
        return run->c.is_retry ? ERROR_TIMEOUT : error_from_rc(f->created_rc, false);
    if (!id_equal(&f->conversation.created_by, &run->c.actor.user) ||
        memcmp(f->created.body_hash, run->body_hash, BODY_HASH_BYTES) != 0)
        return rules_no(run, ERROR_CONFLICT, "id", "Another conversation has this id.");
    return ERROR_NONE;
}

/* Whoever made it may since have been removed: then it is nothing of theirs any more. One who was
 * never a member is the maker whose own event is still to come. */
static bool may_complete(const struct command_run *run)
{
    const struct membership *actor = &run->facts.actor;
    return rules_is_service(run) || actor->is_member || actor->changed_seq == 0;
}

/* It exists. The same one asked for again is answered with it, and members that a crash kept from
 * being added are added now. */
static enum error_code decide_existing(struct command_run *run)
{
    const struct command_facts *f = &run->facts;
    const struct id *owner = run->c.owner.len ? &run->c.owner : &run->c.actor.user;
    if (!may_complete(run))
        return rules_stranger(run);
    if (f->conversation.deleted_seq)
        return ERROR_GONE;
    enum error_code code = check_same(run);
    if (code != ERROR_NONE)
        return code;
    if (!rules_make_room(run, run->c.member_count + 2))
        return ERROR_OVERLOADED;
    enum member_role own = run->c.type == CONVERSATION_DIRECT ? ROLE_MEMBER : ROLE_OWNER;
    bool is_owner_listed = false;
    for (size_t i = 0; i < run->c.member_count; i++) {
        is_owner_listed = is_owner_listed || id_equal(&run->c.members[i].user, owner);
        if (f->members[i].changed_seq == 0)
            rules_add_member(run, EVENT_MEMBER_ADDED, &run->c.members[i].user,
                             run->c.members[i].role);
    }
    if (!is_owner_listed && id_equal(owner, &run->c.actor.user) && f->actor.changed_seq == 0)
        rules_add_member(run, EVENT_MEMBER_ADDED, owner, own);
    for (size_t i = 0; i < run->out_count; i++) {
        run->out[i].event.client_id = id_make(run->g->d.clock);
        run->out[i].is_founding = true;
    }
    run->result.seq = f->conversation.created_seq;
    run->result.at_us = f->conversation.created_at_us;
    run->result.is_duplicate = true;
    return ERROR_NONE;
}

enum error_code rules_create(struct command_run *run)
{
    const struct command *c = &run->c;
    const struct id *owner = c->owner.len ? &c->owner : &c->actor.user;
    bool is_direct = c->type == CONVERSATION_DIRECT;
    if (run->facts.rc == RC_OK)
        return decide_existing(run);
    if (!rules_make_room(run, c->member_count + 2))
        return ERROR_OVERLOADED;
    struct outgoing *created = rules_add_event(run, EVENT_CONVERSATION_CREATED);
    created->is_guarded = true; /* and expects nothing before it */
    created->event.type = c->type;
    created->event.name = c->name;
    created->event.history = c->has_history                  ? c->history
                             : c->type == CONVERSATION_GROUP ? HISTORY_JOINED
                                                             : HISTORY_ALL;
    rules_add_member(run, EVENT_MEMBER_ADDED, owner, is_direct ? ROLE_MEMBER : ROLE_OWNER);
    for (size_t i = 0; i < c->member_count; i++)
        if (!id_equal(&c->members[i].user, owner))
            rules_add_member(run, EVENT_MEMBER_ADDED, &c->members[i].user, c->members[i].role);
    for (size_t i = 1; i < run->out_count; i++)
        run->out[i].is_founding = true;
    run->result.members_changed = run->out_count - 1;
    return ERROR_NONE;
}
