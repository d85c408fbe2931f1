/* Whatever happens in whatever order, each device ends with each conversation whole.
 *
 * A seeded run of events, lost, doubled and late live copies, joins, removals, feed records that
 * come late, slow sockets, cuts, resumes on either gateway, stores and logs that are away, and jobs
 * whose halves are torn apart by all of it. A model of a client that follows the protocol's rules
 * (drop what is not above the last one; forget at sync.reset; keep the newest cursor; sync again
 * after a refusal) checks on
 * every frame: order, no double on a connection, the chain, nothing outside of the membership. At
 * the end everything is let go and every device must have reached the head of each of its
 * conversations.
 *
 * PARLEY_SEED=n runs one seed; it is printed when a run fails. */
#include "unit/gateway/rig.h"

#include <stdio.h>
#include <stdlib.h>

enum { USERS = 5, ROOMS = 5, DEVICES = 8, STEPS = 3000, INTERVALS = 512, PENDING = 64 };

static const char *const users[USERS] = { "ann", "bob", "cid", "dee", "eve" };
static const char *const rooms[ROOMS] = { "r0", "r1", "r2", "r3", "r4" };

struct interval {
    uint64_t from, to; /* both included; to UINT64_MAX: still a member */
};

struct device {
    int user;
    struct rig_link *link; /* NULL: cut */
    size_t handled;        /* of link->said */
    bool has_cursor;
    char cursor[CURSOR_TEXT_MAX + 1];
    uint64_t last[ROOMS];    /* 0: it has nothing of this one */
    uint64_t on_link[ROOMS]; /* of this connection, 0: none yet */
    bool is_whole;           /* sync was answered */
    bool must_sync;          /* it was refused */
    unsigned sends;
};

struct pending_feed {
    const char *user, *room;
    uint64_t seq;
};

struct run {
    struct rig *r;
    uint64_t random;
    unsigned seed;
    struct interval intervals[USERS][ROOMS][INTERVALS];
    size_t interval_count[USERS][ROOMS];
    struct device devices[DEVICES];
    struct pending_feed pending[PENDING];
    size_t pending_count;
    bool is_store_away, has_been_away;
    unsigned refused, received, repeated, resets, syncs, cuts, sent, acked;
};

static uint64_t next(struct run *t)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return t->random;
}

static int pick(struct run *t, int count)
{
    return (int)(next(t) % (uint64_t)count);
}

#define DEMAND(t, condition, said)                                                                 \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            print_error("seed %u: %s\n", (t)->seed, (said));                                       \
            CHECK(condition);                                                                      \
        }                                                                                          \
    } while (0)

/* ---- the model ---- */

static struct interval *present(struct run *t, int user, int room)
{
    size_t count = t->interval_count[user][room];
    struct interval *last = count ? &t->intervals[user][room][count - 1] : NULL;
    return last && last->to == UINT64_MAX ? last : NULL;
}

static const struct interval *interval_of(const struct run *t, int user, int room, uint64_t seq)
{
    for (size_t i = 0; i < t->interval_count[user][room]; i++) {
        const struct interval *in = &t->intervals[user][room][i];
        if (seq >= in->from && seq <= in->to)
            return in;
    }
    return NULL;
}

static int room_of(struct run *t, const char *text, const char *said)
{
    const char *at = strstr(text, "\"conversationId\":\"r");
    DEMAND(t, at != NULL, said);
    return at[strlen("\"conversationId\":\"r")] - '0';
}

/* What this connection heard of one conversation, for who looks for the cause. */
static void dump(const struct run *t, const struct device *d, int room)
{
    uint64_t base = generation_base(RIG_GENERATION);
    if (!getenv("PARLEY_SEED"))
        return;
    for (size_t i = 0; i < d->handled; i++)
        if (strstr(d->link->said[i].text, rooms[room]) || !d->link->said[i].is_event)
            print_message("  %.150s\n", d->link->said[i].text);
    for (size_t i = 0; i < t->interval_count[d->user][room]; i++)
        print_message("  member %llu to %llu\n",
                      (unsigned long long)(t->intervals[d->user][room][i].from - base),
                      (unsigned long long)(t->intervals[d->user][room][i].to - base));
    print_message("  last %llu on node %d, base %llu\n", (unsigned long long)(d->last[room] - base),
                  d->link->node, (unsigned long long)base);
}

static void take_event(struct run *t, struct device *d, const struct rig_said *said)
{
    int room = said->conversation.text[1] - '0';
    uint64_t before = d->on_link[room];
    if (!interval_of(t, d->user, room, said->seq) || said->seq <= before)
        dump(t, d, room);
    uint64_t *last = &d->last[room], *here = &d->on_link[room];
    const struct interval *in = interval_of(t, d->user, room, said->seq);
    DEMAND(t, in != NULL, said->text); /* inside the membership, both ends included */
    DEMAND(t, said->seq > *here, said->text);
    bool is_join = in->from == said->seq;
    DEMAND(t, !*here || said->prev == *here || is_join, said->text);
    *here = said->seq;
    if (said->seq <= *last) {
        t->repeated++;
        return;
    }
    /* One that had nothing yet began "from now", and pages in what lies before. */
    DEMAND(t, !*last || said->prev == *last || is_join, said->text);
    *last = said->seq;
    t->received++;
}

static void take_reset(struct run *t, struct device *d, const char *text)
{
    const char *at = strstr(text, "\"lastSeq\":");
    int room = room_of(t, text, text);
    bool is_removed = strstr(text, "\"reason\":\"removed\"") != NULL;
    DEMAND(t, is_removed || strstr(text, "\"reason\":\"too_many\""), text); /* nothing was lost */
    uint64_t last = strtoull(at + strlen("\"lastSeq\":"), NULL, 10);
    if (last > d->last[room] || is_removed)
        d->last[room] = last; /* paged in by REST, at least as far */
    d->on_link[room] = last > d->on_link[room] ? last : d->on_link[room];
    t->resets++;
}

static void take_cursor(struct device *d, const char *text)
{
    const char *at = strstr(text, "\"cursor\":\"");
    if (!at || (strstr(text, "\"type\":\"hello\"") && d->has_cursor))
        return;
    at += strlen("\"cursor\":\"");
    size_t len = (size_t)(strchr(at, '"') - at);
    memcpy(d->cursor, at, len);
    d->cursor[len] = 0;
    d->has_cursor = true;
}

static void handle(struct run *t, struct device *d)
{
    while (d->link && d->handled < d->link->said_count) {
        const struct rig_said *said = &d->link->said[d->handled++];
        if (said->is_event)
            take_event(t, d, said);
        else if (strstr(said->text, "\"type\":\"sync.reset\""))
            take_reset(t, d, said->text);
        else
            take_cursor(d, said->text);
        if (strstr(said->text, "\"id\":\"sync\"") && strstr(said->text, "unavailable")) {
            DEMAND(t, t->has_been_away, said->text);
            d->must_sync = true; /* the store was away: said once more, later */
            t->refused++;
        } else if (strstr(said->text, "\"id\":\"sync\"")) {
            DEMAND(t, strstr(said->text, "\"type\":\"ok\""), said->text);
            d->is_whole = true;
            t->syncs++;
        }
        if (strstr(said->text, "\"type\":\"ok\",\"id\":\"m"))
            t->acked++;
    }
    if (d->link && (d->link->is_closing || d->link->is_gone)) {
        DEMAND(t, d->link->close_code == 0 || d->link->close_code == CLOSE_TOO_SLOW,
               d->link->close_reason);
        rig_cut(d->link);
        d->link = NULL;
    }
}

static void handle_all(struct run *t)
{
    for (int i = 0; i < DEVICES; i++)
        handle(t, &t->devices[i]);
}

/* ---- what happens ---- */

static void feed_one(struct run *t, size_t at)
{
    struct pending_feed feed = t->pending[at];
    t->pending[at] = t->pending[--t->pending_count];
    (void)rig_feed(t->r, feed.user, feed.room, feed.seq);
}

static enum rig_live fate(struct run *t)
{
    int n = pick(t, 100);
    return n < 72 ? LIVE_GOOD : n < 84 ? LIVE_LOST : n < 92 ? LIVE_TWICE : LIVE_HELD;
}

static void change_member(struct run *t)
{
    int user = pick(t, USERS), room = pick(t, ROOMS);
    struct interval *in = present(t, user, room);
    bool is_full = t->interval_count[user][room] == INTERVALS || t->pending_count == PENDING;
    if (is_full && !in)
        return;
    t->r->live = fate(t);
    uint64_t seq = rig_member_only(t->r, in ? EVENT_MEMBER_REMOVED : EVENT_MEMBER_ADDED,
                                   rooms[room], users[user]);
    if (in)
        in->to = seq;
    else
        t->intervals[user][room][t->interval_count[user][room]++] =
            (struct interval){ seq, UINT64_MAX };
    t->pending[t->pending_count++] = (struct pending_feed){ users[user], rooms[room], seq };
    t->r->live = fate(t);
    if (pick(t, 3) || t->pending_count == PENDING)
        feed_one(t, t->pending_count - 1);
}

static void connect_device(struct run *t, struct device *d)
{
    bool is_resume = d->has_cursor;
    const char *given = is_resume && pick(t, 4) == 0 ? d->cursor : NULL; /* at the handshake */
    d->link = rig_connect(t->r, pick(t, RIG_NODES), users[d->user], given);
    d->handled = 0;
    d->is_whole = given != NULL;
    d->must_sync = false;
    memset(d->on_link, 0, sizeof d->on_link);
    handle(t, d);
    if (!is_resume) /* a new one asks for its list after hello */
        for (int i = 0; i < ROOMS; i++)
            d->last[i] = present(t, d->user, i) ? rig_last_seq(t->r, rooms[i]) : 0;
    if (!given && d->link)
        rig_sync(d->link, is_resume ? d->cursor : NULL);
    handle(t, d);
}

static void sync_again(struct run *t, struct device *d)
{
    if (d->must_sync)
        rig_sync(d->link, d->has_cursor ? d->cursor : NULL);
    d->must_sync = false;
    handle(t, d);
}

static void persist(struct run *t)
{
    while (t->pending_count)
        feed_one(t, 0);
    rig_apply(t->r);
}

static void speak(struct run *t, struct device *d)
{
    static const enum rig_publish plans[] = { PUB_GOOD,           PUB_GOOD,         PUB_GOOD,
                                              PUB_UNKNOWN_STORED, PUB_UNKNOWN_LOST, PUB_FULL };
    if (!d->link)
        return;
    if (t->r->plan_at == t->r->plan_count)
        t->r->plan_at = t->r->plan_count = 0;
    if (t->r->plan_count == COUNT_OF(t->r->plan))
        return;
    t->r->live = fate(t);
    rig_plan(t->r, plans[pick(t, COUNT_OF(plans))]);
    rig_say(d->link,
            "{\"type\":\"message.send\",\"id\":\"m%u\",\"conversationId\":\"%s\","
            "\"clientMessageId\":\"c%u-%u\",\"text\":\"x\"}",
            d->sends, rooms[pick(t, ROOMS)], (unsigned)(d - t->devices), d->sends);
    d->sends++;
    t->sent++;
}

static void step(struct run *t)
{
    struct rig *r = t->r;
    struct device *d = &t->devices[pick(t, DEVICES)];
    int what = pick(t, 100);
    if (what < 26) {
        r->live = fate(t);
        (void)rig_send(r, rooms[pick(t, ROOMS)], "root", "some text that takes its place");
    } else if (what < 31) {
        change_member(t);
    } else if (what < 36) {
        speak(t, d);
    } else if (what < 40) {
        if (t->pending_count)
            feed_one(t, (size_t)pick(t, (int)t->pending_count));
    } else if (what < 45) {
        if (!d->link)
            connect_device(t, d);
        else
            sync_again(t, d);
    } else if (what < 47) {
        if (d->link) {
            t->cuts++;
            handle(t, d);
            rig_cut(d->link);
            d->link = NULL;
        }
    } else if (what < 51) {
        if (d->link)
            rig_stall(d->link, (size_t)pick(t, 3));
    } else if (what < 57) {
        if (d->link)
            rig_drain(d->link);
    } else if (what < 60) {
        if (!r->is_log_away && !t->is_store_away)
            persist(t);
    } else if (what < 66) {
        rig_heads(r);
    } else if (what < 67) {
        for (uint32_t p = 0; p < RIG_PARTITIONS; p++) /* an announcement that nobody hears */
            r->streams[p].announced = generation_base(RIG_GENERATION) + r->streams[p].count;
    } else if (what < 68) {
        rig_boundary(r, pick(t, RIG_NODES));
    } else if (what < 70) {
        rig_release_held(r);
    } else if (what < 71) {
        r->is_log_away = pick(t, 3) == 0;
        t->has_been_away = t->has_been_away || r->is_log_away;
    } else if (what < 72) {
        t->is_store_away = pick(t, 3) == 0;
        mem_store_set_away(r->mem, t->is_store_away);
        t->has_been_away = t->has_been_away || t->is_store_away || r->is_log_away;
    } else if (what < 73) {
        r->refuse_submit_at = r->submits + 1 + (uint64_t)pick(t, 4);
    } else if (what < 82) {
        (void)rig_job_run(r);
    } else if (what < 90) {
        (void)rig_job_done(r);
    } else if (what < 97) {
        (void)rig_turn(r);
    } else {
        rig_advance(r, 1 + pick(t, 400));
    }
    for (int i = pick(t, 8); i > 0; i--) /* more work than what is asked for here */
        (void)(pick(t, 2) ? rig_job_run(r) : pick(t, 2) ? rig_job_done(r) : rig_turn(r));
    handle_all(t);
}

static void finish(struct run *t)
{
    struct rig *r = t->r;
    r->is_log_away = false;
    mem_store_set_away(r->mem, false);
    r->auto_jobs = true;
    r->live = LIVE_GOOD;
    r->refuse_submit_at = 0;
    r->plan_at = r->plan_count = 0;
    rig_release_held(r);
    persist(t);
    for (int i = 0; i < DEVICES; i++)
        if (t->devices[i].link)
            rig_drain(t->devices[i].link);
    for (int round = 0; round < 12; round++) {
        for (int i = 0; i < DEVICES; i++)
            if (!t->devices[i].link)
                connect_device(t, &t->devices[i]);
            else
                sync_again(t, &t->devices[i]);
        rig_heads(r);
        rig_advance(r, 1000);
        handle_all(t);
    }
    for (int i = 0; i < DEVICES; i++) {
        const struct device *d = &t->devices[i];
        DEMAND(t, d->link && d->is_whole, "a device whose sync was never answered");
        for (int room = 0; room < ROOMS; room++) {
            if (!present(t, d->user, room))
                continue;
            if (d->last[room] != rig_last_seq(r, rooms[room]))
                print_error("device %d (%s) room %s: has %llu, head is %llu\n", i, users[d->user],
                            rooms[room], (unsigned long long)d->last[room],
                            (unsigned long long)rig_last_seq(r, rooms[room]));
            DEMAND(t, d->last[room] == rig_last_seq(r, rooms[room]), "something is missing");
        }
    }
}

static void run_seed(unsigned seed)
{
    struct run *t = calloc(1, sizeof *t);
    CHECK(t != NULL);
    t->seed = seed;
    t->random = 0x9e3779b97f4a7c15ull * (seed + 1);
    t->r = rig_create_bare();
    t->r->limits.outbox_bytes = 1500;
    t->r->limits.ring_bytes_room = 2500;
    rig_start(t->r, 0);
    rig_start(t->r, 1);
    for (int i = 0; i < ROOMS; i++)
        (void)rig_conversation(t->r, rooms[i], CONVERSATION_GROUP, HISTORY_JOINED, "root", NULL);
    rig_apply(t->r);
    for (int i = 0; i < DEVICES; i++)
        t->devices[i].user = i % USERS;
    t->r->auto_jobs = false;
    for (int i = 0; i < STEPS; i++)
        step(t);
    finish(t);
    if (getenv("PARLEY_SEED"))
        print_message("seed %u: received %u, repeated %u, resets %u, syncs %u, cuts %u, sent %u, "
                      "acked %u\n",
                      seed, t->received, t->repeated, t->resets, t->syncs, t->cuts, t->sent,
                      t->acked);
    CHECK(t->received > 500 && t->syncs > 10 && t->acked > 3); /* the run was about something */
    rig_destroy(t->r);
    free(t);
}

TEST(each_device_has_each_conversation_whole_whatever_happens)
{
    const char *seed = getenv("PARLEY_SEED");
    if (seed) {
        run_seed((unsigned)strtoul(seed, NULL, 10));
        return;
    }
    for (unsigned i = 0; i < 12; i++)
        run_seed(i);
}
