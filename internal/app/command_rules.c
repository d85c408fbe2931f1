/* command_rules.c - who may do what, and which events it makes: what all commands share, and
 * messages. One function a command. */
#include "app/command_rules.h"

bool rules_is_service(const struct command_run *run)
{
    return run->c.actor.roles & USER_ROLE_SERVICE;
}

bool rules_has_role(const struct command_run *run, enum member_role role)
{
    return run->facts.actor.is_member && run->facts.actor.role >= role;
}

enum error_code rules_no(struct command_run *run, enum error_code code, const char *field,
                         const char *text)
{
    fault_set(&run->result.error.fault, field, "%s", text);
    return code;
}

struct outgoing *rules_add_event(struct command_run *run, enum event_kind kind)
{
    struct outgoing *o = &run->out[run->out_count++];
    *o = (struct outgoing){ .run = run };
    o->event = (struct event){ .kind = kind,
                               .conversation = run->c.conversation,
                               .actor = run->c.actor.user,
                               .client_id = run->c.client_id,
                               .target_seq = run->c.target_seq };
    return o;
}

bool rules_make_room(struct command_run *run, size_t events)
{
    run->out = arena_alloc(&run->arena, events * sizeof *run->out);
    run->out_count = 0;
    return run->out != NULL;
}

void rules_guard(struct command_run *run)
{
    run->out[0].is_guarded = true;
    run->out[0].expected_seq = run->facts.head;
}

/* Who isn't a member learns that a channel exists, and nothing of anything else: while the store is
 * away an unknown conversation is `unavailable`, so a private one is too. */
enum error_code rules_stranger(const struct command_run *run)
{
    if (run->facts.conversation.type == CONVERSATION_CHANNEL)
        return ERROR_NOT_MEMBER;
    return run->facts.is_store_away ? ERROR_UNAVAILABLE : ERROR_NOT_FOUND;
}

enum error_code rules_as_member(struct command_run *run)
{
    if (!run->facts.actor.is_member)
        return rules_stranger(run);
    return run->facts.conversation.deleted_seq ? ERROR_GONE : ERROR_NONE;
}

/* ---- messages ---- */

/* seq 0: none is named */
static bool is_before_joining(const struct command_run *run, uint64_t seq)
{
    const struct command_facts *f = &run->facts;
    return seq && seq < membership_first_readable(&f->actor, f->conversation.history);
}

static enum error_code decide_send(struct command_run *run)
{
    enum error_code code = rules_as_member(run);
    if (code != ERROR_NONE)
        return code;
    if (run->facts.actor.role == ROLE_READER)
        return ERROR_READ_ONLY;
    if (run->facts.place_rc == RC_NOT_FOUND || is_before_joining(run, run->c.reply_to) ||
        is_before_joining(run, run->c.thread_of))
        return rules_no(run, ERROR_VALIDATION, run->c.reply_to ? "replyTo" : "threadOf",
                        "It must be the seq of a message of this conversation.");
    if (run->facts.place_rc != RC_OK)
        return error_from_rc(run->facts.place_rc, false);
    if (!rules_make_room(run, 1))
        return ERROR_OVERLOADED;
    (void)rules_add_event(run, EVENT_MESSAGE_NEW);
    return ERROR_NONE;
}

static enum error_code find_target(struct command_run *run)
{
    const struct command_facts *f = &run->facts;
    if (f->target_rc == RC_NOT_FOUND ||
        (f->target_rc == RC_OK && is_before_joining(run, run->c.target_seq)))
        return rules_no(run, ERROR_NOT_FOUND, "seq", "There is no such message.");
    return error_from_rc(f->target_rc, false);
}

static enum error_code decide_edit(struct command_run *run)
{
    enum error_code code = rules_as_member(run);
    if (code == ERROR_NONE)
        code = find_target(run);
    if (code != ERROR_NONE)
        return code;
    if (!id_equal(&run->facts.target.event.actor, &run->c.actor.user))
        return rules_no(run, ERROR_FORBIDDEN, "seq", "Only its sender may edit a message.");
    if (run->facts.target.delete_seq)
        return ERROR_GONE;
    if (run->facts.actor.role == ROLE_READER)
        return ERROR_READ_ONLY;
    if (!rules_make_room(run, 1))
        return ERROR_OVERLOADED;
    (void)rules_add_event(run, EVENT_MESSAGE_EDITED);
    return ERROR_NONE;
}

static enum error_code decide_delete(struct command_run *run)
{
    enum error_code code = rules_as_member(run);
    if (code == ERROR_NONE)
        code = find_target(run);
    if (code != ERROR_NONE)
        return code;
    bool is_own = id_equal(&run->facts.target.event.actor, &run->c.actor.user);
    if (!is_own && !rules_has_role(run, ROLE_ADMIN) &&
        !(run->c.actor.roles & (USER_ROLE_MODERATOR | USER_ROLE_ADMIN)))
        return rules_no(run, ERROR_FORBIDDEN, "seq",
                        "Only its sender or an admin may delete a message.");
    if (run->facts.target.delete_seq) { /* it is what was asked for */
        run->result.seq = run->facts.target.delete_seq;
        run->result.at_us = run->facts.target.deleted_at_us;
        run->result.is_duplicate = true;
        return ERROR_NONE;
    }
    if (!rules_make_room(run, 1))
        return ERROR_OVERLOADED;
    (void)rules_add_event(run, EVENT_MESSAGE_DELETED);
    return ERROR_NONE;
}

/* ---- repeats ---- */

/* An earlier try may be in a part that can't be read now. Who never was a member has none. */
static bool is_unknown(const struct command_run *run)
{
    const struct command_facts *f = &run->facts;
    bool was_never_here = f->actor.changed_seq == 0 && !rules_is_service(run);
    return run->is_late && f->find_rc != RC_OK && f->find_rc != RC_NOT_FOUND && !was_never_here;
}

/* What was done is answered as it was, before anybody asks whether it would still be allowed: who
 * left can't leave again, but their first try did happen. A batch and a creation are carried on
 * with instead, since only a part of them may have been done. */
static enum error_code answer_repeat(struct command_run *run, bool *out_is_answered)
{
    const struct command_facts *f = &run->facts;
    *out_is_answered = false;
    if (!f->has_found)
        return is_unknown(run) ? ERROR_TIMEOUT : ERROR_NONE;
    if (memcmp(f->found.body_hash, run->body_hash, BODY_HASH_BYTES) != 0)
        return command_other_body(run);
    run->result.seq = f->found.seq;
    run->result.at_us = f->found.at_us;
    run->result.is_duplicate = true;
    *out_is_answered = run->c.kind != COMMAND_CREATE && !command_is_batch(run);
    return ERROR_NONE;
}

static enum error_code decide_by_kind(struct command_run *run)
{
    switch (run->c.kind) {
    case COMMAND_SEND:
        return decide_send(run);
    case COMMAND_EDIT:
        return decide_edit(run);
    case COMMAND_DELETE:
        return decide_delete(run);
    case COMMAND_CREATE:
        return rules_create(run);
    case COMMAND_UPDATE:
        return rules_update(run);
    case COMMAND_DELETE_CONVERSATION:
        return rules_delete_conversation(run);
    case COMMAND_JOIN:
        return rules_join(run);
    case COMMAND_LEAVE:
        return rules_leave(run);
    case COMMAND_MEMBER_PUT:
        return rules_put(run);
    case COMMAND_MEMBER_REMOVE:
        return rules_remove(run);
    case COMMAND_KIND_COUNT:
        break;
    }
    return ERROR_INTERNAL;
}

enum error_code command_decide(struct command_run *run)
{
    enum rc rc = run->facts.rc;
    bool is_answered;
    if (run->c.kind == COMMAND_CREATE && rc == RC_NOT_FOUND)
        return rules_create(run);
    if (rc != RC_OK) /* nothing was published: for a first attempt that is definite */
        return run->c.is_retry && rc != RC_NOT_FOUND ? ERROR_TIMEOUT : error_from_rc(rc, false);
    enum error_code code = answer_repeat(run, &is_answered);
    return code != ERROR_NONE || is_answered ? code : decide_by_kind(run);
}
