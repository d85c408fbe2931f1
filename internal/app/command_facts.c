/* command_facts.c - what the rules must know, read on a worker thread: the conversation as it is
 * now, the actor's membership, the target, and whether it happened already. */
#include "app/command_run.h"

static void load_members(struct command_run *run, struct conversation_view *view)
{
    struct command_facts *f = &run->facts;
    f->members = arena_alloc(&run->arena, (run->c.member_count + 1) * sizeof *f->members);
    if (!f->members) {
        f->rc = RC_NOMEM;
        return;
    }
    for (size_t i = 0; i < run->c.member_count; i++) {
        enum rc rc = view_membership(view, &run->c.members[i].user, &f->members[i]);
        if (rc != RC_OK)
            f->members[i] = (struct membership){ .user = run->c.members[i].user };
        if (rc != RC_OK && rc != RC_NOT_FOUND) {
            f->rc = rc;
            return;
        }
    }
}

static void load_target(struct command_run *run, struct conversation_view *view)
{
    struct command_facts *f = &run->facts;
    struct message_row row;
    /* Its sender may know a withdrawn double's seq only: what names that is about the first. */
    if (run->c.target_seq)
        f->target_rc = view_message_meant(view, run->c.target_seq, &f->target);
    if (run->c.target_seq && f->target_rc == RC_OK)
        run->c.target_seq = f->target.event.seq;
    if (run->c.reply_to)
        f->place_rc = view_message_meant(view, run->c.reply_to, &row);
    if (run->c.thread_of && f->place_rc == RC_OK)
        f->place_rc = view_message_meant(view, run->c.thread_of, &row);
}

/* The letters of the events that a command makes. */
static const char *ops_of(enum command_kind kind)
{
    static const char *const ops[COMMAND_KIND_COUNT] = {
        [COMMAND_SEND] = "m",          [COMMAND_EDIT] = "e",   [COMMAND_DELETE] = "d",
        [COMMAND_CREATE] = "c",        [COMMAND_UPDATE] = "u", [COMMAND_DELETE_CONVERSATION] = "x",
        [COMMAND_JOIN] = "a",          [COMMAND_LEAVE] = "l",  [COMMAND_MEMBER_PUT] = "av",
        [COMMAND_MEMBER_REMOVE] = "l",
    };
    return ops[kind];
}

static enum rc find_operation(struct command_run *run, struct conversation_view *view,
                              const struct id *operation, struct event *out)
{
    enum rc result = RC_NOT_FOUND;
    for (const char *op = ops_of(run->c.kind); *op; op++) {
        enum rc rc = view_find(view, *op, &run->c.actor.user, operation, out);
        if (rc == RC_OK)
            return RC_OK;
        if (rc != RC_NOT_FOUND)
            result = rc;
    }
    return result;
}

/* Sends are many, and nearly all are new: only those that may be too old for the log's own memory
 * of ids are looked up. Everything else is rare enough to ask each time. */
static void find_earlier(struct command_run *run, struct conversation_view *view)
{
    struct command_facts *f = &run->facts;
    if (!run->is_late && (run->c.kind == COMMAND_SEND || !run->has_given_id))
        return;
    f->find_rc = find_operation(run, view, &run->c.client_id, &f->found);
    f->has_found = f->find_rc == RC_OK;
}

/* A batch that was cut off is carried on with: which of its members were reached? */
static void find_done(struct command_run *run, struct conversation_view *view)
{
    struct command_facts *f = &run->facts;
    if (!f->has_found || !command_is_batch(run))
        return;
    f->was_done = arena_alloc(&run->arena, run->c.member_count * sizeof *f->was_done);
    if (!f->was_done) {
        f->rc = RC_NOMEM;
        return;
    }
    for (size_t i = 0; i < run->c.member_count && f->rc == RC_OK; i++) {
        const struct id *user = &run->c.members[i].user;
        struct id operation = command_member_operation(run, user);
        struct event event;
        enum rc rc =
            id_equal(user, &f->found.user) ? RC_OK : find_operation(run, view, &operation, &event);
        f->was_done[i] = rc == RC_OK;
        if (rc != RC_OK && rc != RC_NOT_FOUND)
            f->rc = rc;
    }
}

/* How an existing conversation was made: the same request again must be told from another one. */
static void load_created(struct command_run *run, struct conversation_view *view)
{
    struct command_facts *f = &run->facts;
    struct event *events;
    size_t count = 0;
    if (run->c.kind != COMMAND_CREATE)
        return;
    f->created_rc = view_events(view, f->conversation.created_seq - 1, 1, &events, &count);
    if (f->created_rc == RC_OK && count == 1)
        f->created = events[0];
    else if (f->created_rc == RC_OK)
        f->created_rc = RC_UNAVAILABLE;
}

/* ---- is there another owner? ---- */

static bool is_named(const struct command_run *run, const struct id *user)
{
    if (run->c.kind == COMMAND_LEAVE)
        return id_equal(user, &run->c.actor.user);
    for (size_t i = 0; i < run->c.member_count; i++) {
        if (id_equal(user, &run->c.members[i].user))
            return true;
    }
    return false;
}

/* Whether the command may take an owner away: then the others are looked through. */
static bool may_unseat(const struct command_run *run)
{
    const struct command_facts *f = &run->facts;
    bool is_about_members =
        run->c.kind == COMMAND_MEMBER_PUT || run->c.kind == COMMAND_MEMBER_REMOVE;
    if (run->c.kind == COMMAND_LEAVE)
        return f->actor.is_member && f->actor.role == ROLE_OWNER;
    for (size_t i = 0; is_about_members && i < run->c.member_count; i++) {
        if (f->members[i].is_member && f->members[i].role == ROLE_OWNER)
            return true;
    }
    return false;
}

static void load_owners(struct command_run *run, struct conversation_view *view)
{
    enum { PAGE = 500 };
    struct command_facts *f = &run->facts;
    const struct id *after = NULL;
    size_t count = PAGE;
    if (!may_unseat(run))
        return;
    while (count == PAGE && !f->has_other_owner) {
        struct membership *members;
        f->rc = view_members(view, after, PAGE, &members, &count);
        if (f->rc != RC_OK)
            return;
        for (size_t i = 0; i < count; i++) {
            if (is_named(run, &members[i].user))
                continue;
            f->has_other_member = true;
            f->has_other_owner = f->has_other_owner || members[i].role == ROLE_OWNER;
        }
        if (count)
            after = &members[count - 1].user;
    }
}

void facts_load(struct command_run *run)
{
    struct command_facts *f = &run->facts;
    struct conversation_view view;
    f->rc = view_open(&run->g->reading, &run->c.conversation, &run->arena, &view);
    if (f->rc != RC_OK)
        return;
    f->conversation = view.conversation;
    f->is_store_away = view.is_store_away;
    f->head = view.head;
    enum rc rc = view_membership(&view, &run->c.actor.user, &f->actor);
    if (rc == RC_NOT_FOUND)
        f->actor = (struct membership){ .user = run->c.actor.user };
    else
        f->rc = rc;
    void (*const steps[])(struct command_run *, struct conversation_view *) = {
        find_earlier, load_members, load_target, find_done, load_created, load_owners,
    };
    for (size_t i = 0; i < COUNT_OF(steps) && f->rc == RC_OK; i++)
        steps[i](run, &view);
}
