/* command_rules_members.c - who joins, leaves, adds, removes and is what. */
#include "app/command_rules.h"

void rules_add_member(struct command_run *run, enum event_kind kind, const struct id *user,
                      enum member_role role)
{
    struct outgoing *o = rules_add_event(run, kind);
    o->event.user = *user;
    o->event.role = role;
    o->is_of_batch = command_is_batch(run);
    if (o->is_of_batch && run->out_count == 1 && !run->facts.has_found)
        return; /* the one that the whole is found by */
    if (o->is_of_batch)
        o->event.client_id = command_member_operation(run, user);
    else if (run->out_count > 1) /* each event of one command is an operation of its own */
        o->event.client_id = id_make(run->g->d.clock);
}

static bool was_done(const struct command_run *run, size_t at)
{
    return run->facts.was_done && run->facts.was_done[at];
}

enum error_code rules_join(struct command_run *run)
{
    const struct command_facts *f = &run->facts;
    if (!f->actor.is_member && f->conversation.type != CONVERSATION_CHANNEL)
        return rules_stranger(run);
    if (f->conversation.deleted_seq)
        return ERROR_GONE;
    if (f->actor.is_member) {
        run->result.seq = f->actor.joined_seq;
        run->result.is_duplicate = true;
        return ERROR_NONE;
    }
    if (!rules_make_room(run, 1))
        return ERROR_OVERLOADED;
    rules_add_member(run, EVENT_MEMBER_ADDED, &run->c.actor.user, ROLE_MEMBER);
    return ERROR_NONE;
}

enum error_code rules_leave(struct command_run *run)
{
    enum error_code code = rules_as_member(run);
    if (code != ERROR_NONE)
        return code;
    const struct command_facts *f = &run->facts;
    bool is_owner = f->actor.role == ROLE_OWNER;
    if (f->conversation.type == CONVERSATION_DIRECT)
        return rules_no(run, ERROR_FORBIDDEN, "", "A direct conversation can't be left.");
    if (is_owner && f->has_other_member && !f->has_other_owner)
        return rules_no(run, ERROR_FORBIDDEN, "role",
                        "The last owner makes another member owner first, or deletes it.");
    if (!rules_make_room(run, 1))
        return ERROR_OVERLOADED;
    rules_add_member(run, EVENT_MEMBER_REMOVED, &run->c.actor.user, ROLE_MEMBER);
    run->out[0].event.reason = bytes_of("left");
    if (is_owner)
        rules_guard(run);
    return ERROR_NONE;
}

enum error_code rules_as_manager(struct command_run *run)
{
    if (!rules_is_service(run)) {
        enum error_code code = rules_as_member(run);
        if (code != ERROR_NONE)
            return code;
    }
    if (run->facts.conversation.deleted_seq)
        return ERROR_GONE;
    if (run->facts.conversation.type == CONVERSATION_DIRECT)
        return rules_no(run, ERROR_FORBIDDEN, "", "A direct conversation is of its two users.");
    if (!rules_is_service(run) && !rules_has_role(run, ROLE_ADMIN))
        return rules_no(run, ERROR_FORBIDDEN, "", "Only admins and owners may do this.");
    return ERROR_NONE;
}

bool rules_may_rule_owners(const struct command_run *run)
{
    return rules_is_service(run) || rules_has_role(run, ROLE_OWNER);
}

static bool is_owner(const struct membership *m)
{
    return m->is_member && m->role == ROLE_OWNER;
}

/* A conversation keeps an owner. Two owners who unseat each other at once are told apart by the
 * log: the second event is stored only if the first isn't. */
static enum error_code keep_owner(struct command_run *run, bool unseats)
{
    bool makes_owner = false;
    if (!unseats)
        return ERROR_NONE;
    for (size_t i = 0; i < run->c.member_count && run->c.kind == COMMAND_MEMBER_PUT; i++) {
        const struct command_member *wanted = &run->c.members[i];
        const struct membership *now = &run->facts.members[i];
        bool is_named = wanted->has_role && wanted->role == ROLE_OWNER;
        makes_owner = makes_owner || (is_owner(now) ? is_named || !wanted->has_role
                                                    : is_named && !was_done(run, i));
    }
    if (!run->facts.has_other_owner && !makes_owner)
        return rules_no(run, ERROR_FORBIDDEN, "role",
                        "This is the last owner: make another member owner first.");
    rules_guard(run);
    return ERROR_NONE;
}

/* One of the members: nothing to do, an event, or why not. */
static enum error_code put_one(struct command_run *run, size_t at, bool *unseats)
{
    const struct membership *now = &run->facts.members[at];
    const struct command_member *wanted = &run->c.members[at];
    enum member_role role = wanted->role;
    if (now->is_member && !wanted->has_role)
        role = now->role;
    if ((now->is_member && now->role == role) || was_done(run, at))
        return ERROR_NONE;
    if ((role >= ROLE_ADMIN || (now->is_member && now->role >= ROLE_ADMIN)) &&
        !rules_may_rule_owners(run))
        return rules_no(run, ERROR_FORBIDDEN, "role", "Only owners make or change admins.");
    *unseats = *unseats || (is_owner(now) && role != ROLE_OWNER);
    rules_add_member(run, now->is_member ? EVENT_MEMBER_UPDATED : EVENT_MEMBER_ADDED, &now->user,
                     role);
    return ERROR_NONE;
}

enum error_code rules_put(struct command_run *run)
{
    bool unseats = false;
    enum error_code code = rules_as_manager(run);
    if (code != ERROR_NONE)
        return code;
    if (!rules_make_room(run, run->c.member_count + 1))
        return ERROR_OVERLOADED;
    for (size_t i = 0; i < run->c.member_count; i++) {
        code = put_one(run, i, &unseats);
        if (code != ERROR_NONE)
            return code;
    }
    run->result.members_changed = run->out_count;
    run->result.is_duplicate = run->out_count == 0 || run->facts.has_found;
    return keep_owner(run, unseats);
}

static enum error_code remove_one(struct command_run *run, size_t at, bool *unseats)
{
    const struct membership *now = &run->facts.members[at];
    if (was_done(run, at))
        return ERROR_NONE;
    if (!now->is_member)
        return rules_no(run, ERROR_NOT_FOUND, "userId", "This user is not a member.");
    if (now->role >= ROLE_ADMIN && !rules_may_rule_owners(run))
        return rules_no(run, ERROR_FORBIDDEN, "userId", "Only owners remove admins.");
    *unseats = *unseats || is_owner(now);
    rules_add_member(run, EVENT_MEMBER_REMOVED, &now->user, now->role);
    run->out[run->out_count - 1].event.reason = bytes_of("removed");
    return ERROR_NONE;
}

enum error_code rules_remove(struct command_run *run)
{
    bool unseats = false;
    enum error_code code = rules_as_manager(run);
    if (code != ERROR_NONE)
        return code;
    if (!rules_make_room(run, run->c.member_count + 1))
        return ERROR_OVERLOADED;
    for (size_t i = 0; i < run->c.member_count; i++) {
        code = remove_one(run, i, &unseats);
        if (code != ERROR_NONE)
            return code;
    }
    run->result.members_changed = run->out_count;
    return keep_owner(run, unseats);
}
