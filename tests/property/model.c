/* model.c - what a log means, as short as it can be said: no store's code, no domain function. The
 * comments are the rules of ports/message_store.h. */
#include "property/orders.h"

#include <inttypes.h>

static const char *const rooms[] = { "room-a", "room-b", "room-c" };
static const char *const users[] = { "ann", "bob", "cyd", "dan" };
enum { SEQS = ORDERS_EVENTS + 32, LIMIT = 10000 };

/* One room: its events by seq (NULL: none), and which seq each seq counts for. */
struct room {
    const struct event *at[SEQS];
    uint64_t first[SEQS];
};

static bool is_double(const struct event *a, const struct event *b)
{
    return a && b && a->kind == EVENT_MESSAGE_NEW && b->kind == EVENT_MESSAGE_NEW &&
           a->client_id.len && id_equal(&a->client_id, &b->client_id) &&
           id_equal(&a->actor, &b->actor) && memcmp(a->body_hash, b->body_hash, 16) == 0;
}

static bool lower(uint64_t *a, uint64_t *b)
{
    uint64_t least = *a < *b ? *a : *b;
    bool is_change = *a != *b;
    *a = *b = least;
    return is_change;
}

/* What is one message counts for the lowest of it: messages of one identity and body, and what a
 * withdrawal names, until nothing changes. */
static void find_firsts(struct room *r)
{
    bool is_changing = true;
    for (uint64_t s = 0; s < SEQS; s++)
        r->first[s] = s;
    while (is_changing) {
        is_changing = false;
        for (uint64_t s = 0; s < SEQS; s++) {
            const struct event *e = r->at[s];
            for (uint64_t t = 0; t < s; t++)
                if (is_double(r->at[t], e))
                    is_changing |= lower(&r->first[t], &r->first[s]);
            if (e && e->kind == EVENT_MESSAGE_WITHDRAWN && e->of_seq && e->of_seq < e->target_seq)
                is_changing |= lower(&r->first[e->of_seq], &r->first[e->target_seq]);
            if (r->first[r->first[s]] != r->first[s])
                is_changing |= lower(&r->first[s], &r->first[r->first[s]]);
        }
    }
}

static void add_event_line(struct buf *out, const struct event *e)
{
    buf_add_format(out, "%" PRIu64 "%c=%" PRIu64 " '%.*s'\n", e->seq, event_kind_op(e->kind),
                   e->of_seq, BYTES_ARG(e->payload));
}

/* A double and a creation after the first are void; so is a void. */
static void say_events(struct buf *out, const struct room *r, uint64_t created)
{
    for (uint64_t s = 0; s < SEQS; s++) {
        struct event e = r->at[s] ? *r->at[s] : (struct event){ .seq = 0 };
        uint64_t first = e.kind == EVENT_MESSAGE_NEW            ? r->first[s]
                         : e.kind == EVENT_CONVERSATION_CREATED ? created
                                                                : s;
        if (e.seq && first != s)
            e = (struct event){ .kind = EVENT_VOID, .seq = s, .of_seq = first };
        if (e.kind == EVENT_VOID)
            e.payload = bytes_of("");
        if (e.seq)
            add_event_line(out, &e);
    }
}

/* The highest edit, the lowest deletion, the last of pins and unpins. */
static void say_message(struct buf *out, const struct room *r, uint64_t seq)
{
    uint64_t edit = 0, deletion = 0;
    bool is_pinned = false;
    for (uint64_t s = 0; s < SEQS; s++) {
        const struct event *e = r->at[s];
        if (!e || e->target_seq == 0 || e->target_seq >= SEQS || r->first[e->target_seq] != seq)
            continue;
        edit = e->kind == EVENT_MESSAGE_EDITED ? s : edit;
        deletion = e->kind == EVENT_MESSAGE_DELETED && !deletion ? s : deletion;
        if (e->kind == EVENT_MESSAGE_PINNED || e->kind == EVENT_MESSAGE_UNPINNED)
            is_pinned = e->kind == EVENT_MESSAGE_PINNED;
    }
    buf_add_format(out, "message %" PRIu64 " edit %" PRIu64 " deleted %" PRIu64 " pinned %d\n", seq,
                   edit, deletion, is_pinned);
}

/* Member while the last of added and removed is an added; updates count for members. */
static void say_member(struct buf *out, const struct room *r, const char *user)
{
    uint64_t joined = 0;
    int role = 0;
    for (uint64_t s = 0; s < SEQS; s++) {
        const struct event *e = r->at[s];
        if (!e || !bytes_is(id_bytes(&e->user), user))
            continue;
        if (e->kind == EVENT_MEMBER_REMOVED)
            joined = 0;
        else if (e->kind == EVENT_MEMBER_ADDED && !joined)
            joined = s;
        if (joined)
            role = (int)e->role;
    }
    if (joined)
        buf_add_format(out, "member %s since %" PRIu64 " role %d\n", user, joined, role);
}

static void say_room(struct buf *out, const struct room *r, const char *name)
{
    uint64_t created = 0, deleted = 0, last = 0, settings = 0;
    for (uint64_t s = 0; s < SEQS; s++) {
        if (!r->at[s])
            continue;
        enum event_kind kind = r->at[s]->kind;
        last = s;
        created = kind == EVENT_CONVERSATION_CREATED && !created ? s : created;
        deleted = kind == EVENT_CONVERSATION_DELETED && !deleted ? s : deleted;
        settings = kind == EVENT_CONVERSATION_UPDATED ? s : settings;
    }
    buf_add_format(out, "room %s\n", name);
    const struct event *set = r->at[settings ? settings : created]; /* the last update, or it */
    if (created)
        buf_add_format(out, "created %" PRIu64 " deleted %" PRIu64 " last %" PRIu64 " '%.*s' %d\n",
                       created, deleted, last, BYTES_ARG(set->name), set->history);
    say_events(out, r, created);
    for (uint64_t s = 0; s < SEQS; s++)
        if (r->at[s] && r->at[s]->kind == EVENT_MESSAGE_NEW && r->first[s] == s)
            say_message(out, r, s);
    for (size_t i = 0; i < COUNT_OF(users); i++)
        say_member(out, r, users[i]);
}

void model_text(struct buf *out, const struct generator *g)
{
    for (size_t i = 0; i < COUNT_OF(rooms); i++) {
        struct room r = { .at = { NULL } };
        for (size_t j = 0; j < ORDERS_EVENTS; j++)
            if (!g->steps[j].is_feed &&
                bytes_is(id_bytes(&g->steps[j].event.conversation), rooms[i]))
                r.at[g->steps[j].event.seq] = &g->steps[j].event;
        find_firsts(&r);
        say_room(out, &r, rooms[i]);
    }
}

/* ---- the same, as a store has it ---- */

static void read_messages(struct buf *out, const struct message_store *s, const struct id *room,
                          struct arena *arena)
{
    const struct message_query query = {
        .conversation = *room, .way = MESSAGES_AFTER, .last_seq = UINT64_MAX, .limit = LIMIT
    };
    struct message_row *rows;
    size_t count;
    CHECK_RC(RC_OK, s->messages(s->self, &query, arena, &rows, &count));
    for (size_t i = 0; i < count; i++)
        buf_add_format(out, "message %" PRIu64 " edit %" PRIu64 " deleted %" PRIu64 " pinned %d\n",
                       rows[i].event.seq, rows[i].edit_seq, rows[i].delete_seq, rows[i].is_pinned);
}

static void read_members(struct buf *out, const struct message_store *s, const struct id *room,
                         struct arena *arena)
{
    struct membership *members;
    size_t count;
    CHECK_RC(RC_OK, s->members(s->self, room, NULL, LIMIT, arena, &members, &count));
    for (size_t i = 0; i < count; i++)
        buf_add_format(out, "member %s since %" PRIu64 " role %d\n", members[i].user.text,
                       members[i].joined_seq, members[i].role);
}

static void read_room(struct buf *out, const struct message_store *s, const char *name)
{
    SCOPED_ARENA(arena, 64 << 20);
    struct id room = id_of(name);
    struct conversation c;
    struct event *events;
    size_t count;
    buf_add_format(out, "room %s\n", name);
    enum rc rc = s->conversation(s->self, &room, &arena, &c);
    CHECK(rc == RC_OK || rc == RC_NOT_FOUND);
    if (rc == RC_OK)
        buf_add_format(out, "created %" PRIu64 " deleted %" PRIu64 " last %" PRIu64 " '%.*s' %d\n",
                       c.created_seq, c.deleted_seq, c.last_seq, BYTES_ARG(c.name), c.history);
    CHECK_RC(RC_OK, s->events(s->self, &room, 0, UINT64_MAX, LIMIT, &arena, &events, &count));
    for (size_t i = 0; i < count; i++)
        add_event_line(out, &events[i]);
    read_messages(out, s, &room, &arena);
    read_members(out, s, &room, &arena);
}

void model_read(struct buf *out, const struct message_store *store)
{
    for (size_t i = 0; i < COUNT_OF(rooms); i++)
        read_room(out, store, rooms[i]);
}

void orders_check_model(const struct generator *g, const struct message_store *store,
                        const char *what, uint64_t seed)
{
    SCOPED_BUF(wanted, 4 << 20);
    SCOPED_BUF(got, 4 << 20);
    model_text(&wanted, g);
    model_read(&got, store);
    buf_add_byte(&wanted, 0);
    buf_add_byte(&got, 0);
    orders_check_same(buf_bytes(&wanted), buf_bytes(&got), what, seed);
}
