/* Users that a token named are in the directory soon, however many come and whatever the store
 * does meanwhile. */
#include "unit/gateway/rig.h"

static void see(struct rig *r, const char *user)
{
    struct identity who = { .user = id_of(user) };
    (void)snprintf(who.name, sizeof who.name, "name of %s", user);
    (void)gateway_saw_identity(rig_gateway(r, 0), &who);
}

static bool is_there(struct rig *r, const char *user)
{
    SCOPED_ARENA(arena, 1 << 16);
    struct user found;
    struct id id = id_of(user);
    char name[64];
    enum rc rc = r->directory.user(r->directory.self, &id, &arena, &found);
    (void)snprintf(name, sizeof name, "name of %s", user);
    if (rc == RC_OK)
        CHECK_TEXT(name, found.name);
    return rc == RC_OK;
}

static int count_there(struct rig *r, int of)
{
    char user[16];
    int count = 0;
    for (int i = 0; i < of; i++) {
        (void)snprintf(user, sizeof user, "u%d", i);
        count += is_there(r, user);
    }
    return count;
}

static void see_many(struct rig *r, int count)
{
    char user[16];
    for (int i = 0; i < count; i++) {
        (void)snprintf(user, sizeof user, "u%d", i);
        see(r, user);
    }
}

TEST(a_storm_of_new_users_is_stored_whole)
{
    enum { STORM = 10000 };
    struct rig *r = rig_create();
    see_many(r, STORM);
    rig_advance(r, 3000);
    CHECK_INT(STORM, count_there(r, STORM));
    rig_destroy(r);
}

TEST(an_outage_of_the_store_is_tried_through)
{
    enum { CROWD = 2500 };
    struct rig *r = rig_create();
    mem_store_set_away(r->mem, true);
    see_many(r, CROWD);
    rig_advance(r, 10000);
    see(r, "late");
    mem_store_set_away(r->mem, false);
    CHECK_INT(0, count_there(r, CROWD));
    rig_advance(r, 3000);
    CHECK_INT(CROWD, count_there(r, CROWD));
    CHECK(is_there(r, "late"));
    rig_destroy(r);
}

TEST(a_pool_that_is_full_is_tried_again)
{
    struct rig *r = rig_create();
    r->refuse_submit_at = r->submits + 1;
    see(r, "u0");
    rig_settle(r);
    CHECK(!is_there(r, "u0"));
    rig_advance(r, 300);
    CHECK(is_there(r, "u0"));
    rig_destroy(r);
}

TEST(who_is_known_is_not_written_again)
{
    struct rig *r = rig_create();
    see(r, "u0");
    see(r, "u0");
    rig_advance(r, 1000);
    uint64_t submits = r->submits;
    see(r, "u0");
    rig_advance(r, 1000);
    CHECK_U64(submits, r->submits);
    rig_destroy(r);
}

TEST(more_than_may_wait_are_taken_when_they_are_seen_again)
{
    enum { WAITING_MAX = 100000 };
    struct rig *r = rig_create();
    mem_store_set_away(r->mem, true);
    see_many(r, WAITING_MAX);
    see(r, "one-too-many");
    struct map *unwritten = &rig_gateway(r, 0)->unwritten_users;
    CHECK_SIZE(WAITING_MAX, unwritten->count);
    mem_store_set_away(r->mem, false);
    rig_advance(r, 300); /* the first one had been on its way alone; then a thousand */
    CHECK_SIZE(WAITING_MAX - 1001, unwritten->count);
    see(r, "one-too-many");
    CHECK_SIZE(WAITING_MAX - 1000, unwritten->count);
    rig_destroy(r);
}

TEST(what_the_store_refuses_for_good_does_not_hold_back_the_others)
{
    struct rig *r = rig_create();
    see(r, "refused");
    mem_store_fail_call(r->mem, 1, RC_INVALID);
    rig_advance(r, 300);
    see(r, "u0");
    rig_advance(r, 300);
    CHECK(!is_there(r, "refused"));
    CHECK(is_there(r, "u0"));
    rig_destroy(r);
}
