/* What the rules let each do, and what two who do it at once end with. */
#include "unit/gateway/command_rig.h"

static struct command put_one(const char *actor, const struct command_member *member)
{
    struct command c = command_of(COMMAND_MEMBER_PUT, actor, "c", NULL);
    c.members = member;
    c.member_count = 1;
    return c;
}

static struct command_member named(const char *user, enum member_role role)
{
    return (struct command_member){ .user = id_of(user), .role = role, .has_role = true };
}

static void put_role(struct rig *r, const char *actor, const char *user, enum member_role role,
                     enum error_code wanted)
{
    struct command_result result;
    struct command_member member = named(user, role);
    struct command c = put_one(actor, &member);
    run_command(r, &c, &result);
    CHECK_INT(wanted, result.error.code);
    if (wanted == ERROR_FORBIDDEN)
        CHECK_STR("role", result.error.fault.field);
}

TEST(a_member_put_without_a_role_keeps_the_one_they_have)
{
    struct rig *r = rig_create();
    struct command_result result;
    struct command_member bob = { .user = id_of("bob"), .role = ROLE_MEMBER };
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    put_role(r, "ann", "bob", ROLE_ADMIN, ERROR_NONE);
    struct command c = put_one("ann", &bob);
    run_command(r, &c, &result);
    CHECK_INT(ERROR_NONE, result.error.code);
    CHECK(result.is_duplicate);
    CHECK_INT(ROLE_ADMIN, member_now(r, "c", "bob").role);
    rig_destroy(r);
}

/* ---- a conversation keeps an owner ---- */

static void remove_one(struct rig *r, const char *actor, const char *user, enum error_code wanted)
{
    struct command_result result;
    struct command_member member = { .user = id_of(user) };
    struct command c = command_of(COMMAND_MEMBER_REMOVE, actor, "c", NULL);
    if (strcmp(actor, "svc") == 0)
        c.actor.roles |= USER_ROLE_SERVICE;
    c.members = &member;
    c.member_count = 1;
    run_command(r, &c, &result);
    CHECK_INT(wanted, result.error.code);
    if (wanted == ERROR_FORBIDDEN)
        CHECK_STR("role", result.error.fault.field);
}

static void leave(struct rig *r, const char *actor, enum error_code wanted)
{
    struct command_result result;
    struct command c = command_of(COMMAND_LEAVE, actor, "c", NULL);
    run_command(r, &c, &result);
    CHECK_INT(wanted, result.error.code);
    if (wanted == ERROR_FORBIDDEN)
        CHECK_STR("role", result.error.fault.field);
}

TEST(the_last_owner_is_neither_demoted_nor_removed_and_does_not_leave)
{
    struct rig *r = rig_create();
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    for (int step = 0; step < 2; step++) {
        put_role(r, "ann", "ann", ROLE_ADMIN, ERROR_FORBIDDEN);
        remove_one(r, "ann", "ann", ERROR_FORBIDDEN);
        remove_one(r, "svc", "ann", ERROR_FORBIDDEN);
        leave(r, "ann", ERROR_FORBIDDEN);
        rig_apply(r);
    }
    put_role(r, "ann", "bob", ROLE_OWNER, ERROR_NONE);
    put_role(r, "ann", "ann", ROLE_MEMBER, ERROR_NONE);
    put_role(r, "bob", "ann", ROLE_OWNER, ERROR_NONE);
    leave(r, "bob", ERROR_NONE);
    CHECK_INT(ROLE_OWNER, member_now(r, "c", "ann").role);
    leave(r, "ann", ERROR_NONE); /* nobody is left behind */
    CHECK_SIZE(0, count_members(r, "c"));
    rig_destroy(r);
}

TEST(a_batch_may_hand_ownership_on_but_not_away)
{
    struct rig *r = rig_create();
    struct command_result result;
    struct command_member members[] = { named("ann", ROLE_MEMBER), named("bob", ROLE_ADMIN) };
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    struct command c = put_one("ann", members);
    c.member_count = 2;
    run_command(r, &c, &result);
    CHECK_INT(ERROR_FORBIDDEN, result.error.code);
    CHECK_INT(ROLE_OWNER, member_now(r, "c", "ann").role);
    members[1].role = ROLE_OWNER;
    run_command(r, &c, &result);
    CHECK_INT(ERROR_NONE, result.error.code);
    CHECK_INT(ROLE_MEMBER, member_now(r, "c", "ann").role);
    CHECK_INT(ROLE_OWNER, member_now(r, "c", "bob").role);
    rig_destroy(r);
}

/* Submits two commands before either has been decided; returns the results in order. */
static void run_both(struct rig *r, const struct command *a, const struct command *b,
                     struct command_result *out_a, struct command_result *out_b)
{
    struct command_end ends[] = { { .out = out_a }, { .out = out_b } };
    r->auto_jobs = false;
    command_submit(rig_gateway(r, 0), a, note_end, &ends[0]);
    command_submit(rig_gateway(r, 0), b, note_end, &ends[1]);
    rig_settle(r);
    CHECK(rig_job_run(r) && rig_job_run(r)); /* both have read before either publishes */
    CHECK(rig_job_done(r) && rig_job_done(r));
    r->auto_jobs = true;
    rig_settle(r);
    CHECK(ends[0].is_done && ends[1].is_done);
}

TEST(two_owners_who_unseat_each_other_leave_one)
{
    struct rig *r = rig_create();
    struct command_member ann = named("ann", ROLE_MEMBER), bob = named("bob", ROLE_MEMBER);
    struct command_result one, two;
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    put_role(r, "ann", "bob", ROLE_OWNER, ERROR_NONE);
    struct command a = put_one("ann", &bob), b = put_one("bob", &ann);
    run_both(r, &a, &b, &one, &two);
    CHECK_INT(ERROR_NONE, one.error.code);
    CHECK_INT(ERROR_FORBIDDEN, two.error.code);
    CHECK_INT(ROLE_OWNER, member_now(r, "c", "ann").role);
    rig_destroy(r);
}

/* ---- settings ---- */

static struct conversation conversation_now(struct rig *r, struct arena *arena)
{
    struct conversation_view view;
    struct id id = id_of("c");
    CHECK_RC(RC_OK, view_open(&rig_gateway(r, 0)->reading, &id, arena, &view));
    return view.conversation;
}

TEST(two_changes_of_different_settings_at_once_are_both_kept)
{
    struct rig *r = rig_create();
    SCOPED_ARENA(arena, VIEW_ARENA_BYTES);
    struct command_result one, two;
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", NULL);
    struct command a = command_of(COMMAND_UPDATE, "ann", "c", NULL), b = a;
    a.has_name = true;
    a.name = bytes_of("new");
    b.has_history = true;
    b.history = HISTORY_ALL;
    run_both(r, &a, &b, &one, &two);
    CHECK_INT(ERROR_NONE, one.error.code);
    CHECK_INT(ERROR_NONE, two.error.code);
    struct conversation now = conversation_now(r, &arena);
    CHECK_TEXT("new", now.name);
    CHECK_INT(HISTORY_ALL, now.history);
    rig_destroy(r);
}

TEST(a_change_that_always_comes_second_ends_and_says_so)
{
    struct rig *r = rig_create();
    struct command_result result;
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", NULL);
    uint64_t last = rig_last_seq(r, "c");
    for (int i = 0; i < 17; i++)
        rig_plan(r, PUB_CONFLICT);
    struct command c = command_of(COMMAND_UPDATE, "ann", "c", NULL);
    c.has_name = true;
    c.name = bytes_of("new");
    run_command(r, &c, &result);
    CHECK_INT(ERROR_OVERLOADED, result.error.code);
    CHECK_U64(last, rig_last_seq(r, "c"));
    rig_destroy(r);
}

/* ---- creation ---- */

static struct command create_of(const char *actor, const struct command_member *members,
                                size_t count, const char *name)
{
    struct command c = command_of(COMMAND_CREATE, actor, "made", "key");
    c.type = CONVERSATION_GROUP;
    c.members = members;
    c.member_count = count;
    c.has_name = true;
    c.name = bytes_of(name);
    return c;
}

TEST(a_late_repeat_of_a_creation_is_the_same_one_and_another_body_a_conflict)
{
    for (int step = 0; step < 3; step++) {
        struct rig *r = rig_create();
        struct command_result result;
        struct command_member bob = { .user = id_of("bob"), .role = ROLE_MEMBER };
        struct command c = create_of("ann", &bob, 1, "one"),
                       other = create_of("ann", &bob, 1, "two");
        run_command(r, &c, &result);
        CHECK_INT(ERROR_NONE, result.error.code);
        uint64_t first = result.seq, last = rig_last_seq(r, "made");
        if (step > 0)
            rig_forget_ids(r);
        if (step > 1)
            rig_apply(r);
        run_command(r, &c, &result);
        CHECK_INT(ERROR_NONE, result.error.code);
        CHECK(result.is_duplicate);
        CHECK_U64(first, result.seq);
        run_command(r, &other, &result);
        CHECK_INT(ERROR_CONFLICT, result.error.code);
        CHECK_U64(last, rig_last_seq(r, "made"));
        rig_destroy(r);
    }
}

TEST(a_removed_maker_adds_nobody_by_a_repeat)
{
    struct rig *r = rig_create();
    struct command_result result;
    struct command_member bob = { .user = id_of("bob"), .role = ROLE_MEMBER };
    struct command c = create_of("ann", &bob, 1, "one");
    rig_plan(r, PUB_GOOD);
    rig_plan(r, PUB_GOOD);
    rig_plan(r, PUB_UNKNOWN_LOST); /* bob */
    run_command(r, &c, &result);
    CHECK_INT(ERROR_TIMEOUT, result.error.code);
    rig_member(r, EVENT_MEMBER_REMOVED, "made", "ann");
    rig_forget_ids(r);
    uint64_t last = rig_last_seq(r, "made");
    run_command(r, &c, &result);
    CHECK_INT(ERROR_NOT_FOUND, result.error.code);
    CHECK_U64(last, rig_last_seq(r, "made"));
    rig_destroy(r);
}

TEST(a_creation_that_was_cut_off_is_completed_by_its_repeat)
{
    for (int lost = 1; lost <= 2; lost++) {
        struct rig *r = rig_create();
        struct command_result result;
        struct command_member bob = { .user = id_of("bob"), .role = ROLE_MEMBER };
        struct command c = create_of("ann", &bob, 1, "one");
        for (int i = 0; i < lost; i++)
            rig_plan(r, PUB_GOOD);
        rig_plan(r, PUB_UNKNOWN_LOST);
        run_command(r, &c, &result);
        CHECK_INT(ERROR_TIMEOUT, result.error.code);
        rig_forget_ids(r);
        run_command(r, &c, &result);
        CHECK_INT(ERROR_NONE, result.error.code);
        CHECK_SIZE(2, count_members(r, "made"));
        CHECK_INT(ROLE_OWNER, member_now(r, "made", "ann").role);
        rig_destroy(r);
    }
}

/* ---- who may not know ---- */

TEST(while_the_store_is_away_a_stranger_cannot_tell_private_from_unknown)
{
    static const enum command_kind kinds[] = { COMMAND_SEND, COMMAND_JOIN, COMMAND_LEAVE,
                                               COMMAND_UPDATE, COMMAND_DELETE_CONVERSATION };
    struct rig *r = rig_create();
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", NULL);
    mem_store_set_away(r->mem, true);
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct command_result known, unknown;
        struct command c = command_of(kinds[i], "eve", "c", "o");
        c.content = bytes_of("\"kind\":\"text\",\"text\":\"x\"");
        run_command(r, &c, &known);
        c.conversation = id_of("nowhere");
        run_command(r, &c, &unknown);
        CHECK_INT(ERROR_UNAVAILABLE, unknown.error.code);
        CHECK_INT(ERROR_UNAVAILABLE, known.error.code);
    }
    rig_destroy(r);
}
