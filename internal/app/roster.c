/* roster.c - the users with a connection here, and which conversations are theirs.
 *
 * Where memberships come from, and why none is missed:
 *   1. SUB to the user's feed, flush, then read: the store's list as of its applied seqs, then what
 *      the feed names beyond them (the store's feed rows and the log's tail), each such
 *      conversation read up to the leader's head (roster_load.c).
 *   2. From there on the member events of the conversation itself, in its order, and for one that
 *      isn't followed yet the feed's record, which has the conversation read.
 *   3. A membership read before its room's facts is only used if nothing can lie between, or after
 *      it was read again (place_settle).
 */
#include "app/roster_parts.h"

#include "base/log.h"

#include <stdlib.h>

struct place *roster_place(const struct roster *roster, const struct room *room)
{
    for (uint32_t i = 0; i < roster->place_count; i++)
        if (roster->places[i]->room == room)
            return roster->places[i];
    return NULL;
}

bool place_is_active(const struct place *place)
{
    return place->is_settled && place->m.is_member;
}

/* A cursor is made of what gateways have seen of each partition, and one that didn't know of the
 * membership yet may cover events that it never sent. It knew if it covers the feed record of the
 * join; that of a later change will do as an upper bound. */
bool place_is_covered(const struct place *place, const struct cursor *cursor)
{
    return place->feed_of >= place->m.joined_seq &&
           place->feed_at <= cursor->safe[place->roster->p];
}

struct place *place_make(struct roster *roster, struct room *room)
{
    struct place *place = roster_place(roster, room);
    if (place)
        return place;
    if (roster->place_count == roster->place_cap) {
        uint32_t cap = roster->place_cap ? roster->place_cap * 2 : 4;
        struct place **grown = realloc(roster->places, cap * sizeof(struct place *));
        if (!grown)
            return NULL;
        roster->places = grown;
        roster->place_cap = cap;
    }
    place = calloc(1, sizeof *place);
    if (!place)
        return NULL;
    place->roster = roster;
    place->room = room;
    place->m.user = roster->user;
    roster->unsettled++;
    roster->places[roster->place_count++] = place;
    list_add_last(&room->places, &place->room_node);
    room->idle_since_ms = 0;
    return place;
}

void place_set_settled(struct place *place, bool is_settled)
{
    if (place->is_settled != is_settled)
        place->roster->unsettled += is_settled ? -1 : 1;
    place->is_settled = is_settled;
}

static void remember_left(struct roster *roster, const struct id *conversation, uint64_t seq)
{
    for (uint32_t i = 0; i < roster->left_count; i++) {
        if (id_equal(&roster->left[i].conversation, conversation)) {
            roster->left[i].removed_seq = seq;
            return;
        }
    }
    struct left_conversation *grown =
        realloc(roster->left, (roster->left_count + 1) * sizeof *grown);
    if (!grown)
        return;
    roster->left = grown;
    grown[roster->left_count++] = (struct left_conversation){ *conversation, seq };
}

/* A new interval begins while the old one's sub is still there: what lies between is not shown. */
static void rejoin(struct sub *sub, const struct place *place)
{
    SCOPED_BUF(out, 512);
    if (sub->until_seq == UINT64_MAX)
        return;
    sub_advance(sub);
    if (sub->sent_seq < sub->until_seq) { /* it lags: page the rest of the old interval in */
        sync_reset_write(&out, &place->room->id, "removed", sub->until_seq);
        conn_send_buf(sub->conn, &out);
    }
    sub->until_seq = UINT64_MAX;
    if (sub->sent_seq < place->m.joined_seq - 1)
        sub->sent_seq = place->m.joined_seq - 1;
    sub_advance(sub);
}

/* Where the last interval of somebody who isn't a member ends. What comes after it about them (a
 * second removal that was decided at the same time) doesn't move it. */
static uint64_t end_of(const struct membership *m)
{
    return m->removed_seq ? m->removed_seq : m->changed_seq;
}

void place_changed(struct place *place)
{
    struct roster *roster = place->roster;
    if (!place->m.is_member && place->m.changed_seq)
        remember_left(roster, &place->room->id, end_of(&place->m));
    for (struct list *n = roster->conns.next; n != &roster->conns; n = n->next) {
        struct conn *conn = LIST_ENTRY(n, struct conn, roster_node);
        struct sub *sub = conn_sub(conn, place->room);
        if (sub && sub->is_held && !sub->is_watch) {
            if (place->is_settled)
                sub_release(sub, &place->m);
        } else if (sub && !sub->is_watch && place->m.is_member) {
            rejoin(sub, place);
        } else if (sub && !sub->is_watch) {
            if (end_of(&place->m) < sub->until_seq)
                sub->until_seq = end_of(&place->m);
        } else {
            conn_attach_one(conn, place);
        }
    }
    if (!place->m.is_member)
        room_set_dirty(place->room); /* subs that have seen the end go */
}

/* ---- a membership that must be read again ---- */

struct check_job {
    struct gateway_job base;
    struct roster *roster;
    struct id conversation;
    enum rc rc;
    struct membership m;
    uint64_t as_of;
};

static void check_run(struct job *job)
{
    struct check_job *j = CONTAINER_OF(job, struct check_job, base.job);
    struct conversation_view view;
    SCOPED_ARENA(arena, 64 << 20);
    j->rc = view_open(&j->base.g->reading, &j->conversation, &arena, &view);
    if (j->rc == RC_OK) {
        j->as_of = view.head > view.applied ? view.head : view.applied;
        j->rc = view_membership(&view, &j->roster->user, &j->m);
    }
}

static void check_start(struct place *place);

/* Again with the roster, after a pause: a store that is away must not be asked without end. */
static void check_later(struct place *place)
{
    place->is_checking = place->is_check_due = true;
    roster_load_later(place->roster, 250);
}

static void check_ended(struct job *job)
{
    struct check_job *j = CONTAINER_OF(job, struct check_job, base.job);
    struct roster *roster = j->roster;
    struct room *room = room_find(j->base.g, &j->conversation);
    struct place *place = room ? roster_place(roster, room) : NULL;
    gateway_job_ended(&j->base);
    roster->checks--;
    if (place) {
        place->is_checking = false;
        if (j->rc == RC_OK || j->rc == RC_NOT_FOUND) {
            /* What came live meanwhile was applied to a membership that was not known; place_settle
             * applies it again, to this one. */
            place->m = j->rc == RC_OK ? j->m : (struct membership){ .changed_seq = 0 };
            place->m.user = roster->user;
            place->snapshot_seq = j->rc == RC_OK ? j->as_of : UINT64_MAX;
            place_settle(place);
        } else {
            check_later(place);
            roster_is_away(roster);
        }
    }
    roster_release_if_idle(roster);
    free(j);
}

static void check_start(struct place *place)
{
    struct check_job *j = calloc(1, sizeof *j);
    if (!j) {
        check_later(place);
        return;
    }
    j->roster = place->roster;
    j->conversation = place->room->id;
    place->is_checking = true;
    place->is_check_due = false;
    place_set_settled(place, false);
    if (gateway_submit(place->roster->g, &j->base, check_run, check_ended) == RC_OK) {
        place->roster->checks++;
        return;
    }
    free(j);
    check_later(place);
}

void roster_check_due(struct roster *roster)
{
    for (uint32_t i = 0; i < roster->place_count; i++)
        if (roster->places[i]->is_check_due)
            check_start(roster->places[i]);
}

void place_settle(struct place *place)
{
    struct room *room = place->room;
    if (room->state == ROOM_JOINING || place->is_checking)
        return;
    if (place->snapshot_seq < room->loaded_seq) {
        check_start(place);
        return;
    }
    for (uint32_t i = 0; i < room->change_count; i++) {
        const struct member_change *c = &room->changes[i];
        struct event event = { .kind = c->kind, .seq = c->seq, .role = c->role };
        if (id_equal(&c->user, &place->roster->user))
            membership_apply(&place->m, &event);
    }
    place_set_settled(place, true);
    place_changed(place);
}

/* ---- what happens to a roster ---- */

void roster_room_live(struct room *room)
{
    for (struct list *n = room->places.next; n != &room->places; n = n->next)
        place_settle(LIST_ENTRY(n, struct place, room_node));
}

void roster_member_event(struct room *room, const struct event *event)
{
    struct roster *roster = map_get(&room->g->rosters, id_bytes(&event->user));
    struct place *place = roster ? roster_place(roster, room) : NULL;
    if (!roster || (!place && event->kind != EVENT_MEMBER_ADDED))
        return;
    if (place && !place->is_settled)
        return; /* place_settle takes it from room->changes, after what lies before it */
    if (!place) {
        place = place_make(roster, room);
        if (!place)
            return;
        place->snapshot_seq = UINT64_MAX;
        place_set_settled(place, true);
    }
    membership_apply(&place->m, event);
    place_changed(place);
}

void roster_take_feed(struct gateway *g, const struct log_record *record)
{
    struct roster *roster = map_get(&g->rosters, id_bytes(&record->owner));
    struct user_feed_record feed;
    if (!roster || record->seq <= roster->feed_seq)
        return;
    if (record->prev > roster->feed_seq) { /* one was lost: which conversation it named is read */
        partitions_roster_behind(roster, record->seq);
        roster_load(roster);
    } else {
        roster->feed_seq = record->seq;
    }
    partitions_roster_moved(roster);
    if (user_feed_parse(record->payload, &feed) != RC_OK)
        return;
    struct room *room = room_hold(g, &feed.conversation);
    struct place *place = room ? roster_place(roster, room) : NULL;
    bool is_new = !place;
    if (room && is_new)
        place = place_make(roster, room);
    if (!place) { /* no memory: a place that isn't there holds back no cursor, so read it again */
        roster->load_again = true;
        roster_load_later(roster, 250);
        return;
    }
    place_keep_feed(place, record->seq, feed.seq);
    if (is_new) {
        place->snapshot_seq = 0;
        if (room->state != ROOM_JOINING)
            check_start(place);
    } else if (place->m.changed_seq < feed.seq) {
        room_need(room, feed.seq);
    }
}

struct roster *roster_hold(struct gateway *g, const struct id *user)
{
    struct roster *roster = map_get(&g->rosters, id_bytes(user));
    if (roster)
        return roster;
    roster = calloc(1, sizeof *roster);
    if (!roster || map_put(&g->rosters, id_bytes(user), roster) != RC_OK) {
        free(roster);
        return NULL;
    }
    roster->g = g;
    roster->user = *user;
    roster->p = subject_partition(user, g->d.partitions);
    roster->retry.run = roster_load_timer;
    list_init(&roster->conns);
    g->stats.users++;
    g->parts[roster->p].has_newcomers = true;
    return roster; /* loaded when the first connection's events begin to flow */
}

void roster_release_if_idle(struct roster *roster)
{
    if (roster->conn_count == 0 && !roster->is_loading && roster->checks == 0 &&
        roster->leaving == 0)
        roster_destroy(roster);
}

void roster_destroy(struct roster *roster)
{
    struct gateway *g = roster->g;
    if (roster->feed)
        g->d.feed->unsubscribe(g->d.feed->self, roster->feed);
    timer_stop(g->d.timers, &roster->retry);
    roster->need_seq = 0;
    partitions_roster_moved(roster);
    for (uint32_t i = 0; i < roster->place_count; i++) {
        list_remove(&roster->places[i]->room_node);
        free(roster->places[i]);
    }
    (void)map_remove(&g->rosters, id_bytes(&roster->user));
    g->stats.users--;
    free(roster->places);
    free(roster->left);
    free(roster);
    /* rooms that nobody follows any more are let go by the tick */
}
