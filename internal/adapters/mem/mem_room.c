#include "adapters/mem/mem_room.h"

#include <stdlib.h>

static size_t place_of(const struct mem_room *room, uint64_t seq)
{
    size_t low = 0, high = room->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (room->events[middle].event.seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct mem_event *mem_room_find(const struct mem_room *room, uint64_t seq)
{
    size_t at = place_of(room, seq);
    return at < room->count && room->events[at].event.seq == seq ? &room->events[at] : NULL;
}

static bool is_same_message(const struct event *a, const struct event *b)
{
    return a->kind == EVENT_MESSAGE_NEW && b->kind == EVENT_MESSAGE_NEW && a->client_id.len &&
           id_equal(&a->client_id, &b->client_id) && id_equal(&a->actor, &b->actor) &&
           memcmp(a->body_hash, b->body_hash, BODY_HASH_BYTES) == 0;
}

static uint64_t group_of(const struct mem_room *room, uint64_t seq)
{
    const struct mem_event *at = mem_room_find(room, seq);
    return at ? at->group_first : seq;
}

/* The message that a seq counts for: the lowest of its group and of those joined with it. */
static uint64_t first_of(const struct mem_room *room, uint64_t seq)
{
    uint64_t group = group_of(room, seq);
    for (size_t i = 0; i < room->link_count; i++)
        if (room->links[i].group == group)
            return room->links[i].first;
    return group;
}

static void join_links(struct mem_room *room, uint64_t a, uint64_t b)
{
    for (size_t i = 0; i < room->link_count; i++)
        if (room->links[i].first == a || room->links[i].first == b)
            room->links[i].first = a < b ? a : b;
}

static bool is_linking(const struct event *e)
{
    return e->kind == EVENT_MESSAGE_WITHDRAWN && e->of_seq && e->of_seq < e->target_seq;
}

/* Makes the links anew: each withdrawal joins the groups of what it withdraws and of the first. */
static enum rc relink(struct mem_room *room)
{
    size_t count = 0, at = 0;
    for (size_t i = 0; i < room->count; i++)
        count += is_linking(&room->events[i].event);
    struct mem_link *links = realloc(room->links, (2 * count + 1) * sizeof *links);
    if (!links)
        return RC_NOMEM;
    room->links = links;
    room->link_count = 2 * count;
    for (size_t i = 0; i < room->count; i++) {
        const struct event *e = &room->events[i].event;
        if (!is_linking(e))
            continue;
        uint64_t late = group_of(room, e->target_seq), first = group_of(room, e->of_seq);
        links[at++] = (struct mem_link){ late, late };
        links[at++] = (struct mem_link){ first, first };
    }
    for (size_t i = 0; i < count; i++)
        join_links(room, links[2 * i].first, links[2 * i + 1].first);
    return RC_OK;
}

/* Sets group_first in all of the event's group; gives the one that was first before it. */
static uint64_t regroup(struct mem_room *room, const struct event *event)
{
    uint64_t lowest = event->seq, other = 0;
    for (size_t i = 0; i < room->count; i++) {
        const struct event *e = &room->events[i].event;
        if (e->seq != event->seq && other == 0 && is_same_message(e, event))
            other = e->seq;
    }
    if (other && other < lowest)
        lowest = other;
    for (size_t i = 0; i < room->count; i++) {
        struct mem_event *at = &room->events[i];
        if (at->event.seq == event->seq || is_same_message(&at->event, event))
            at->group_first = lowest;
    }
    return other;
}

static enum rc make_room(struct mem_room *room)
{
    if (room->count < room->cap)
        return RC_OK;
    size_t cap = room->cap ? room->cap * 2 : 16;
    struct mem_event *events = realloc(room->events, cap * sizeof *events);
    if (!events)
        return RC_NOMEM;
    room->events = events;
    room->cap = cap;
    return RC_OK;
}

void mem_room_fini(struct mem_room *room)
{
    free(room->events);
    free(room->links);
}

enum rc mem_room_add(struct mem_room *room, const struct event *event, uint32_t partition,
                     struct applied_result *out_result)
{
    size_t at = place_of(room, event->seq);
    TRY(make_room(room));
    memmove(&room->events[at + 1], &room->events[at], (room->count - at) * sizeof *room->events);
    room->events[at] = (struct mem_event){ *event, partition, event->seq };
    room->count++;
    uint64_t other = regroup(room, event);
    TRY(relink(room));
    *out_result = (struct applied_result){ APPLIED_NEW, 0 };
    if (event->kind != EVENT_MESSAGE_NEW)
        return RC_OK;
    uint64_t first = first_of(room, event->seq);
    if (first != event->seq)
        *out_result = (struct applied_result){ APPLIED_DOUBLE, first };
    else if (other)
        *out_result = (struct applied_result){ APPLIED_DISPLACED, other };
    return RC_OK;
}

struct applied_result mem_room_again(const struct mem_room *room, uint64_t seq)
{
    const struct mem_event *at = mem_room_find(room, seq);
    uint64_t first = at->event.kind == EVENT_MESSAGE_NEW ? first_of(room, seq) : seq;
    if (first != seq)
        return (struct applied_result){ APPLIED_DOUBLE, first };
    return (struct applied_result){ APPLIED_AGAIN, 0 };
}

static uint64_t first_creation(const struct mem_room *room)
{
    for (size_t i = 0; i < room->count; i++)
        if (room->events[i].event.kind == EVENT_CONVERSATION_CREATED)
            return room->events[i].event.seq;
    return 0;
}

struct event mem_room_shown(const struct mem_room *room, const struct mem_event *at)
{
    struct event e = at->event;
    uint64_t first = e.seq;
    if (e.prev == 0 && at != room->events)
        e.prev = at[-1].event.seq;
    if (e.kind == EVENT_MESSAGE_NEW)
        first = first_of(room, e.seq);
    if (e.kind == EVENT_CONVERSATION_CREATED)
        first = first_creation(room);
    if (first == e.seq)
        return e;
    e.kind = EVENT_VOID;
    e.reason = bytes_of("duplicate");
    e.of_seq = first;
    e.thread_of = 0;
    e.type = CONVERSATION_DIRECT;
    e.history = HISTORY_JOINED;
    e.name = e.payload = (struct bytes){ NULL, 0 };
    return e;
}

static void lay_over(struct message_row *row, const struct event *e)
{
    if (e->kind == EVENT_MESSAGE_EDITED) { /* the last one stays: events come ascending */
        row->edit_seq = e->seq;
        row->edited_at_us = e->at_us;
        row->edit_payload = e->payload;
    }
    if (e->kind == EVENT_MESSAGE_DELETED && row->delete_seq == 0) {
        row->delete_seq = e->seq;
        row->deleted_at_us = e->at_us;
    }
    if (e->kind == EVENT_MESSAGE_PINNED || e->kind == EVENT_MESSAGE_UNPINNED)
        row->is_pinned = e->kind == EVENT_MESSAGE_PINNED;
}

static bool is_overlay(enum event_kind kind)
{
    return kind == EVENT_MESSAGE_EDITED || kind == EVENT_MESSAGE_DELETED ||
           kind == EVENT_MESSAGE_PINNED || kind == EVENT_MESSAGE_UNPINNED;
}

bool mem_room_message(const struct mem_room *room, const struct mem_event *at,
                      struct message_row *out)
{
    struct event shown = mem_room_shown(room, at);
    if (shown.kind != EVENT_MESSAGE_NEW)
        return false;
    *out = (struct message_row){ .event = shown };
    for (size_t i = 0; i < room->count; i++) {
        const struct event *e = &room->events[i].event;
        if (is_overlay(e->kind) && e->target_seq && first_of(room, e->target_seq) == shown.seq)
            lay_over(out, e);
    }
    return true;
}

const struct mem_event *mem_room_by_client_id(const struct mem_room *room, char op,
                                              const struct id *actor, const struct id *client_id)
{
    for (size_t i = 0; i < room->count && client_id->len; i++) {
        const struct event *e = &room->events[i].event;
        if (event_kind_op(e->kind) == op && id_equal(&e->actor, actor) &&
            id_equal(&e->client_id, client_id))
            return &room->events[i];
    }
    return NULL;
}

struct conversation mem_room_conversation(const struct mem_room *room)
{
    struct conversation c = { .id = room->id };
    for (size_t i = 0; i < room->count; i++)
        conversation_apply(&c, &room->events[i].event);
    return c;
}

struct membership mem_room_membership(const struct mem_room *room, const struct id *user)
{
    struct membership m = { .user = *user };
    for (size_t i = 0; i < room->count; i++)
        if (id_equal(&room->events[i].event.user, user))
            membership_apply(&m, &room->events[i].event);
    return m;
}
