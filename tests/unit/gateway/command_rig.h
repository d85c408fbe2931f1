/* command_rig.h - commands on the gateway's rig: one at a time, run to its answer. */
#ifndef TESTS_UNIT_GATEWAY_COMMAND_RIG_H
#define TESTS_UNIT_GATEWAY_COMMAND_RIG_H

#include "unit/gateway/rig.h"

static inline struct command command_of(enum command_kind kind, const char *actor,
                                        const char *conversation, const char *client_id)
{
    struct command c = { .kind = kind,
                         .actor = { .user = id_of(actor), .roles = USER_ROLE_USER },
                         .conversation = id_of(conversation) };
    if (client_id)
        c.client_id = id_of(client_id);
    return c;
}

struct command_end {
    struct command_result *out;
    bool is_done;
};

static inline void note_end(void *closure, const struct command_result *result)
{
    struct command_end *end = closure;
    *end->out = *result;
    end->is_done = true;
}

static inline void run_command(struct rig *r, const struct command *c, struct command_result *out)
{
    struct command_end end = { .out = out };
    command_submit(rig_gateway(r, 0), c, note_end, &end);
    rig_settle(r);
    CHECK(end.is_done);
}

static inline struct membership member_now(struct rig *r, const char *conversation,
                                           const char *user)
{
    SCOPED_ARENA(arena, VIEW_ARENA_BYTES);
    struct id id = id_of(conversation), who = id_of(user);
    struct conversation_view view;
    struct membership m = { .user = who };
    CHECK_RC(RC_OK, view_open(&rig_gateway(r, 0)->reading, &id, &arena, &view));
    enum rc rc = view_membership(&view, &who, &m);
    CHECK(rc == RC_OK || rc == RC_NOT_FOUND);
    return m;
}

static inline size_t count_members(struct rig *r, const char *conversation)
{
    SCOPED_ARENA(arena, VIEW_ARENA_BYTES);
    struct id id = id_of(conversation);
    struct conversation_view view;
    struct membership *members;
    size_t count;
    CHECK_RC(RC_OK, view_open(&rig_gateway(r, 0)->reading, &id, &arena, &view));
    CHECK_RC(RC_OK, view_members(&view, NULL, 1000, &members, &count));
    return count;
}

#endif
