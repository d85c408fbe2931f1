/* mem_store_reading.c - events and messages of one conversation. */
#include "adapters/mem/mem_parts.h"

#include <stdlib.h>

static enum rc copy_row(struct arena *arena, struct message_row *row)
{
    TRY(mem_copy_event(arena, &row->event));
    return mem_copy(arena, &row->edit_payload);
}

static enum rc collect_events(const struct mem_room *room, uint64_t after, uint64_t until,
                              size_t limit, struct arena *arena, struct event **out,
                              size_t *out_count)
{
    size_t count = 0;
    size_t most = room && room->count < limit ? room->count : limit;
    struct event *events = arena_alloc(arena, (room ? most : 0) * sizeof *events);
    if (!events)
        return RC_NOMEM;
    for (size_t i = 0; room && i < room->count && count < most; i++) {
        const struct mem_event *at = &room->events[i];
        if (at->event.seq <= after || at->event.seq > until)
            continue;
        events[count] = mem_room_shown(room, at);
        TRY(mem_copy_event(arena, &events[count++]));
    }
    *out = events;
    *out_count = count;
    return RC_OK;
}

static enum rc events(void *self, const struct id *conversation, uint64_t after, uint64_t until,
                      size_t limit, struct arena *arena, struct event **out, size_t *out_count)
{
    TRY(mem_begin(self));
    const struct mem_room *room = mem_find_room(self, conversation);
    return mem_end(self, collect_events(room, after, until, limit, arena, out, out_count));
}

static int compare_seqs(const void *left, const void *right)
{
    const struct message_row *a = left, *b = right;
    return (a->event.seq > b->event.seq) - (a->event.seq < b->event.seq);
}

static int compare_times(const void *left, const void *right)
{
    const struct message_row *a = left, *b = right;
    int by_time = (a->event.at_us > b->event.at_us) - (a->event.at_us < b->event.at_us);
    return by_time ? by_time : compare_seqs(left, right);
}

/* -1 before what divides, 0 at it, 1 after it. */
static int side_of(const struct message_query *query, const struct message_row *row)
{
    if (query->by_time)
        return (row->event.at_us > query->at_us) - (row->event.at_us < query->at_us);
    if (query->way == MESSAGES_BEFORE && query->seq == 0)
        return -1;
    return (row->event.seq > query->seq) - (row->event.seq < query->seq);
}

/* Every message within the bounds, oldest first. */
static enum rc all_rows(const struct mem_room *room, const struct message_query *query,
                        struct message_row **out, size_t *out_count)
{
    size_t count = 0;
    struct message_row *rows = calloc((room ? room->count : 0) + 1, sizeof *rows);
    if (!rows)
        return RC_NOMEM;
    for (size_t i = 0; room && i < room->count; i++)
        if (room->events[i].event.seq >= query->first_seq &&
            room->events[i].event.seq <= query->last_seq &&
            mem_room_message(room, &room->events[i], &rows[count]))
            count++;
    qsort(rows, count, sizeof *rows, query->by_time ? compare_times : compare_seqs);
    *out = rows;
    *out_count = count;
    return RC_OK;
}

/* The part of all rows that the query wants: from, count; they are oldest first. */
static void choose(const struct message_query *query, const struct message_row *rows, size_t total,
                   size_t *out_from, size_t *out_count)
{
    size_t before = 0, at = 0, half = query->limit / 2;
    for (size_t i = 0; i < total; i++) {
        before += side_of(query, &rows[i]) < 0;
        at += side_of(query, &rows[i]) == 0;
    }
    size_t wanted_before = query->way == MESSAGES_BEFORE ? query->limit : half;
    size_t taken = before < wanted_before ? before : wanted_before;
    *out_from = before - taken;
    *out_count = taken;
    if (query->way == MESSAGES_BEFORE)
        return;
    if (query->way == MESSAGES_AFTER) {
        *out_from = before + at;
        taken = 0;
        half = 0;
    }
    size_t left = total - *out_from - taken;
    *out_count = taken + (left < query->limit - half ? left : query->limit - half);
}

static enum rc give_rows(const struct message_query *query, const struct message_row *rows,
                         size_t count, struct arena *arena, struct message_row **out)
{
    struct message_row *given = arena_alloc(arena, count * sizeof *given);
    if (!given)
        return RC_NOMEM;
    for (size_t i = 0; i < count; i++) {
        given[i] = rows[query->way == MESSAGES_BEFORE ? count - 1 - i : i];
        TRY(copy_row(arena, &given[i]));
    }
    *out = given;
    return RC_OK;
}

static enum rc messages(void *self, const struct message_query *query, struct arena *arena,
                        struct message_row **out, size_t *out_count)
{
    struct message_row *rows = NULL;
    size_t total = 0, from = 0, count = 0;
    TRY(mem_begin(self));
    enum rc rc = all_rows(mem_find_room(self, &query->conversation), query, &rows, &total);
    if (rc == RC_OK) {
        choose(query, rows, total, &from, &count);
        rc = give_rows(query, rows + from, count, arena, out);
    }
    free(rows);
    if (rc == RC_OK)
        *out_count = count;
    return mem_end(self, rc);
}

static enum rc give_message(const struct mem_room *room, const struct mem_event *at,
                            struct arena *arena, struct message_row *out)
{
    struct message_row row;
    if (!at || !mem_room_message(room, at, &row))
        return RC_NOT_FOUND;
    TRY(copy_row(arena, &row));
    *out = row;
    return RC_OK;
}

static enum rc message(void *self, const struct id *conversation, uint64_t seq, struct arena *arena,
                       struct message_row *out)
{
    TRY(mem_begin(self));
    const struct mem_room *room = mem_find_room(self, conversation);
    const struct mem_event *at = room ? mem_room_find(room, seq) : NULL;
    return mem_end(self, give_message(room, at, arena, out));
}

static enum rc message_by_client_id(void *self, const struct id *conversation,
                                    const struct id *sender, const struct id *client_id,
                                    struct arena *arena, struct message_row *out)
{
    TRY(mem_begin(self));
    const struct mem_room *room = mem_find_room(self, conversation);
    const struct mem_event *at = room ? mem_room_by_client_id(room, 'm', sender, client_id) : NULL;
    return mem_end(self, give_message(room, at, arena, out));
}

static enum rc give_event(const struct mem_room *room, char op, const struct id *actor,
                          const struct id *client_id, struct arena *arena, struct event *out)
{
    if (!room)
        return RC_NOT_FOUND;
    const struct mem_event *at = mem_room_by_client_id(room, op, actor, client_id);
    if (!at)
        at = mem_room_by_client_id(room, '0', actor, client_id);
    if (!at)
        return RC_NOT_FOUND;
    struct event event = mem_room_shown(room, at);
    TRY(mem_copy_event(arena, &event));
    *out = event;
    return RC_OK;
}

static enum rc event_by_client_id(void *self, const struct id *conversation, char op,
                                  const struct id *actor, const struct id *client_id,
                                  struct arena *arena, struct event *out)
{
    TRY(mem_begin(self));
    const struct mem_room *room = mem_find_room(self, conversation);
    return mem_end(self, give_event(room, op, actor, client_id, arena, out));
}

void mem_reading_init(struct mem_store *store)
{
    store->messages.events = events;
    store->messages.messages = messages;
    store->messages.message = message;
    store->messages.message_by_client_id = message_by_client_id;
    store->messages.event_by_client_id = event_by_client_id;
}
