/* Repeats of commands: what was done is done once, answered as it was the first time, and another
 * body under the same id is a conflict; whenever the repeat comes and whatever cut the first try
 * off. */
#include "unit/gateway/rig.h"

#include "unit/gateway/command_rig.h"

static const struct command_member U1 = { .role = ROLE_MEMBER };

static struct command put_of(const char *operation, const struct command_member *members,
                             size_t count)
{
    struct command c = command_of(COMMAND_MEMBER_PUT, "ann", "c", operation);
    c.members = members;
    c.member_count = count;
    return c;
}

static void name_members(struct command_member *out, size_t count, const char *stem)
{
    for (size_t i = 0; i < count; i++) {
        char name[ID_CHARS_MAX];
        (void)snprintf(name, sizeof name, "%s%zu", stem, i);
        out[i] = U1;
        out[i].user = id_of(name);
    }
}

/* ---- batches ---- */

TEST(a_batch_that_was_cut_off_is_done_whole_by_its_repeat)
{
    struct rig *r = rig_create();
    struct command_member members[100];
    struct command_result result;
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", NULL);
    name_members(members, COUNT_OF(members), "u");
    for (int i = 0; i < 20; i++)
        rig_plan(r, PUB_GOOD);
    rig_plan(r, PUB_UNKNOWN_LOST);
    struct command c = put_of("key", members, COUNT_OF(members));
    run_command(r, &c, &result);
    CHECK_INT(ERROR_TIMEOUT, result.error.code);
    size_t had = count_members(r, "c");
    CHECK(had > 1 && had < 101);
    run_command(r, &c, &result);
    CHECK_INT(ERROR_NONE, result.error.code);
    CHECK(result.is_duplicate);
    CHECK_SIZE(101, count_members(r, "c"));
    CHECK_SIZE(101 - had, result.members_changed);
    rig_destroy(r);
}

TEST(a_batch_whose_first_event_was_lost_is_done_whole_too)
{
    struct rig *r = rig_create();
    struct command_member members[5];
    struct command_result result;
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", NULL);
    name_members(members, COUNT_OF(members), "u");
    rig_plan(r, PUB_UNKNOWN_LOST);
    struct command c = put_of("key", members, COUNT_OF(members));
    run_command(r, &c, &result);
    CHECK_INT(ERROR_TIMEOUT, result.error.code);
    run_command(r, &c, &result);
    CHECK_INT(ERROR_NONE, result.error.code);
    CHECK_SIZE(6, count_members(r, "c"));
    rig_destroy(r);
}

TEST(a_late_repeat_of_a_batch_adds_nobody_who_was_removed_since)
{
    struct rig *r = rig_create();
    struct command_member members[3];
    struct command_result result;
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", NULL);
    name_members(members, COUNT_OF(members), "u");
    struct command c = put_of("key", members, COUNT_OF(members));
    run_command(r, &c, &result);
    uint64_t first = result.seq;
    rig_member(r, EVENT_MEMBER_REMOVED, "c", "u0");
    rig_member(r, EVENT_MEMBER_REMOVED, "c", "u2");
    rig_forget_ids(r);
    for (int step = 0; step < 2; step++) {
        run_command(r, &c, &result);
        CHECK_INT(ERROR_NONE, result.error.code);
        CHECK_SIZE(0, result.members_changed);
        CHECK_U64(first, result.seq);
        CHECK_SIZE(2, count_members(r, "c"));
        rig_apply(r);
    }
    rig_destroy(r);
}

/* ---- the same id, another body ---- */

TEST(an_operation_id_with_another_body_is_a_conflict)
{
    struct command_member u = U1, v = U1, many[2], others[2];
    struct command_result result;
    u.user = id_of("u");
    v.user = id_of("v");
    name_members(many, 2, "m");
    name_members(others, 2, "o");
    struct command first[] = {
        put_of("k1", &u, 1),
        put_of("k2", many, 2),
        command_of(COMMAND_UPDATE, "ann", "c", "k3"),
        command_of(COMMAND_EDIT, "ann", "c", "k4"),
    };
    first[2].has_name = true;
    first[2].name = bytes_of("a");
    first[3].content = bytes_of("\"text\":\"a\"");
    struct command second[COUNT_OF(first)];
    memcpy(second, first, sizeof second);
    second[0].members = &v;
    second[1].members = others;
    second[2].name = bytes_of("b");
    second[3].content = bytes_of("\"text\":\"b\"");
    for (int late = 0; late < 3; late++) {
        struct rig *r = rig_create();
        rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", NULL);
        first[3].target_seq = second[3].target_seq = rig_send(r, "c", "ann", "x");
        for (size_t i = 0; i < COUNT_OF(first); i++) {
            run_command(r, &first[i], &result);
            CHECK_INT(ERROR_NONE, result.error.code);
            if (late > 0)
                rig_forget_ids(r);
            if (late > 1)
                rig_apply(r);
            uint64_t last = rig_last_seq(r, "c");
            run_command(r, &second[i], &result);
            CHECK_INT(ERROR_CONFLICT, result.error.code);
            CHECK_STR("operationId", result.error.fault.field);
            CHECK_U64(last, rig_last_seq(r, "c"));
        }
        rig_destroy(r);
    }
}

/* ---- late repeats ---- */

TEST(a_late_repeat_of_an_edit_does_not_undo_a_newer_one)
{
    struct rig *r = rig_create();
    struct command_result result;
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", NULL);
    struct command c = command_of(COMMAND_EDIT, "ann", "c", "one");
    c.target_seq = rig_send(r, "c", "ann", "x");
    c.content = bytes_of("\"text\":\"older\"");
    run_command(r, &c, &result);
    uint64_t first = result.seq;
    struct command newer = c;
    newer.client_id = id_of("two");
    newer.content = bytes_of("\"text\":\"newer\"");
    run_command(r, &newer, &result);
    uint64_t last = rig_last_seq(r, "c");
    rig_forget_ids(r);
    for (int step = 0; step < 2; step++) {
        run_command(r, &c, &result);
        CHECK_INT(ERROR_NONE, result.error.code);
        CHECK(result.is_duplicate);
        CHECK_U64(first, result.seq);
        CHECK_U64(last, rig_last_seq(r, "c"));
        rig_apply(r);
    }
    rig_destroy(r);
}

/* leave, remove, delete, join, delete the conversation: judged by what is, a repeat would fail. */
TEST(a_repeat_of_what_can_be_done_once_is_answered_as_the_first)
{
    static const enum command_kind kinds[] = { COMMAND_DELETE, COMMAND_MEMBER_REMOVE, COMMAND_LEAVE,
                                               COMMAND_DELETE_CONVERSATION };
    for (size_t i = 0; i < COUNT_OF(kinds) * 3; i++) {
        struct rig *r = rig_create();
        struct command_result result;
        struct command_member bob = { .user = id_of("bob") };
        enum command_kind kind = kinds[i / 3];
        rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", "eve", NULL);
        struct command c = command_of(kind, kind == COMMAND_LEAVE ? "eve" : "ann", "c", "key");
        if (kind == COMMAND_DELETE)
            c.target_seq = rig_send(r, "c", "ann", "x");
        if (kind == COMMAND_MEMBER_REMOVE) {
            c.members = &bob;
            c.member_count = 1;
        }
        run_command(r, &c, &result);
        CHECK_INT(ERROR_NONE, result.error.code);
        CHECK(!result.is_duplicate);
        uint64_t first = result.seq, last = rig_last_seq(r, "c");
        if (i % 3 > 0)
            rig_forget_ids(r);
        if (i % 3 > 1)
            rig_apply(r);
        run_command(r, &c, &result);
        CHECK_INT(ERROR_NONE, result.error.code);
        CHECK(result.is_duplicate);
        CHECK_U64(first, result.seq);
        CHECK_U64(last, rig_last_seq(r, "c"));
        rig_destroy(r);
    }
}

TEST(a_removed_sender_learns_that_the_message_was_stored)
{
    struct rig *r = rig_create();
    struct command_result result;
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", "bob", NULL);
    struct command c = command_of(COMMAND_SEND, "bob", "c", "m1");
    c.content = bytes_of("\"kind\":\"text\",\"text\":\"hi\"");
    rig_plan(r, PUB_UNKNOWN_STORED);
    run_command(r, &c, &result);
    CHECK_INT(ERROR_TIMEOUT, result.error.code);
    uint64_t seq = rig_last_seq(r, "c");
    rig_member(r, EVENT_MEMBER_REMOVED, "c", "bob");
    c.is_retry = true;
    run_command(r, &c, &result);
    CHECK_INT(ERROR_NONE, result.error.code);
    CHECK_U64(seq, result.seq);
    rig_destroy(r);
}

TEST(a_retry_is_never_told_a_definite_error_for_what_may_be_stored)
{
    static const enum rig_publish plans[] = { PUB_FULL, PUB_UNAVAILABLE, PUB_REFUSED };
    for (size_t i = 0; i < COUNT_OF(plans); i++) {
        struct rig *r = rig_create();
        struct command_result result;
        rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", NULL);
        struct rig_link *ann = rig_connect_flowing(r, 0, "ann");
        uint64_t seq = rig_send(r, "c", "ann", "x");
        rig_settle(r);
        rig_plan(r, plans[i]);
        rig_say(ann,
                "{\"type\":\"message.edit\",\"id\":\"1\",\"conversationId\":\"c\",\"seq\":%llu,"
                "\"text\":\"y\",\"operationId\":\"e1\",\"retry\":true,\"firstTriedMs\":5}",
                (unsigned long long)seq);
        rig_settle(r);
        CHECK(rig_heard(ann, "\"code\":\"timeout\""));
        struct command c = command_of(COMMAND_EDIT, "ann", "c", "e2");
        c.target_seq = seq;
        c.content = bytes_of("\"text\":\"y\"");
        rig_plan(r, plans[i]);
        run_command(r, &c, &result); /* a first try is told what it is */
        CHECK(result.error.code != ERROR_TIMEOUT && result.error.code != ERROR_NONE);
        rig_destroy(r);
    }
}

TEST(a_late_edit_that_cannot_be_looked_up_has_an_unknown_outcome)
{
    struct rig *r = rig_create();
    struct command_result result;
    rig_conversation(r, "c", CONVERSATION_GROUP, HISTORY_JOINED, "ann", NULL);
    struct command c = command_of(COMMAND_EDIT, "ann", "c", "e1");
    c.target_seq = rig_send(r, "c", "ann", "x");
    c.content = bytes_of("\"text\":\"y\"");
    c.is_retry = true;
    rig_apply(r);
    rig_age_out(r, "c", rig_last_seq(r, "c"));
    mem_store_set_away(r->mem, true);
    run_command(r, &c, &result);
    CHECK_INT(ERROR_TIMEOUT, result.error.code);
    mem_store_set_away(r->mem, false);
    run_command(r, &c, &result);
    CHECK_INT(ERROR_NONE, result.error.code);
    rig_destroy(r);
}
