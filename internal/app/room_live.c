/* room_live.c - the chain of one conversation: the gap test, the stash, the repair.
 *
 * A live record is taken when its prev is the last seq. A higher prev is a hole: what is missing is
 * read from the log, towards a seq that is known to exist, before anything later is shown.
 */
#include "app/gateway_state.h"
#include "base/log.h"

#include <stdlib.h>

enum {
    STASH_MAX = 4096,
    REPAIR_RECORDS = 1000,
    REPAIR_BYTES_MAX = 64 << 20,
    CHANGES_MAX = 4096,
    REPAIR_TRIES_MAX = 8
};

struct frame *event_frame(const struct event *event)
{
    SCOPED_BUF(out, 1 << 20);
    if (event->kind == EVENT_VOID)
        event_write_void(&out, event);
    else
        event_write_delivered(&out, event->seq, event->prev, event->at_us, event->payload);
    return out.has_failed ? NULL : frame_copy(buf_bytes(&out));
}

/* ---- taking the next one ---- */

static void keep_change(struct room *room, const struct event *event)
{
    if (room->change_count == CHANGES_MAX) { /* older snapshots are checked anew instead */
        room->loaded_seq = event->seq - 1;
        room->change_count = 0;
    }
    if (room->change_count == room->change_cap) {
        uint32_t cap = room->change_cap ? room->change_cap * 2 : 8;
        struct member_change *grown = realloc(room->changes, cap * sizeof *grown);
        if (!grown) {
            room->loaded_seq = event->seq;
            room->change_count = 0;
            return;
        }
        room->changes = grown;
        room->change_cap = cap;
    }
    room->changes[room->change_count++] =
        (struct member_change){ event->user, event->seq, event->kind, event->role };
}

static void apply_facts(struct room *room, const struct event *event)
{
    switch (event->kind) {
    case EVENT_CONVERSATION_CREATED:
        room->is_known = true;
        room->type = event->type;
        room->history = event->history;
        break;
    case EVENT_CONVERSATION_UPDATED:
        room->facts_seq = event->seq;
        room->history = event->history;
        break;
    case EVENT_CONVERSATION_DELETED:
        room->facts_seq = event->seq;
        room->deleted_seq = event->seq;
        watches_end_in(room, event->seq);
        break;
    case EVENT_MEMBER_ADDED:
    case EVENT_MEMBER_REMOVED:
    case EVENT_MEMBER_UPDATED:
        keep_change(room, event);
        roster_member_event(room, event);
        break;
    default:
        break;
    }
}

void room_accept(struct room *room, struct event *event)
{
    struct frame *frame = event_frame(event);
    room->last_seq = event->seq;
    if (frame)
        room_push_ring(room, event, frame);
    apply_facts(room, event);
    room_set_dirty(room);
}

static void accept_record(struct room *room, const struct log_record *record)
{
    SCOPED_ARENA(arena, 1 << 20);
    struct event event = record_to_event(record, &arena);
    event.conversation = room->id;
    event.prev = room->last_seq; /* the chain was tested; 0 from the stream means "aged out" */
    room_accept(room, &event);
}

/* ---- the stash ---- */

static void stash_add(struct room *room, const struct log_record *record)
{
    if (record->seq > room->repair_to)
        room->repair_to = record->seq;
    if (room->stash_count >= STASH_MAX)
        return; /* repair_to says that it exists; the repair will read it */
    struct stashed *s = malloc(sizeof *s + record->payload.len + 1);
    if (!s)
        return;
    s->record = *record;
    uint8_t *copy = (uint8_t *)(s + 1);
    if (record->payload.len)
        memcpy(copy, record->payload.ptr, record->payload.len);
    s->record.payload = bytes_make(copy, record->payload.len);
    list_add_last(&room->stash, &s->node);
    room->stash_count++;
}

static void repair_start(struct room *room);

/* A repair that failed waits for its timer: live events and heads must not use up its tries. */
static void repair_if_due(struct room *room)
{
    if (room_is_behind(room) && room->state == ROOM_LIVE && !room->retry.is_active)
        repair_start(room);
}

/* Takes what now fits from the stash; starts a repair if a hole remains. */
void room_drain_stash(struct room *room)
{
    while (!list_is_empty(&room->stash)) {
        struct stashed *s = LIST_ENTRY(room->stash.next, struct stashed, node);
        bool is_old = s->record.seq <= room->last_seq;
        bool fits = s->record.prev == room->last_seq || s->record.prev == 0;
        if (!is_old && !fits)
            break;
        list_remove(&s->node);
        room->stash_count--;
        if (!is_old)
            accept_record(room, &s->record);
        free(s);
    }
    repair_if_due(room);
    partitions_room_moved(room);
}

void room_join_done(struct room *room)
{
    room->state = ROOM_LIVE;
    for (uint32_t i = 0; i < room->sub_count; i++)
        if (room->subs[i]->is_held && room->subs[i]->is_watch)
            sub_release(room->subs[i], NULL);
    room_drain_stash(room);
    roster_room_live(room);
    watches_room_live(room);
}

void room_take(struct room *room, const struct log_record *record)
{
    struct gateway *g = room->g;
    if (record->seq <= room->last_seq)
        return; /* seen: an echo of a repair, or an older route */
    if (room->state != ROOM_LIVE) {
        stash_add(room, record);
        return;
    }
    if (record->prev == room->last_seq || record->prev == 0) {
        accept_record(room, record);
        latency_add(&g->stats.delivery, clock_wall_us(g->d.clock) - record->at_us);
        partitions_room_moved(room);
    } else if (record->prev > room->last_seq) {
        g->stats.gaps++;
        stash_add(room, record);
        repair_if_due(room);
    } else {
        g->stats.wrong_streams++;
        log_error("room.wrong_stream", LOG_ID("conversation", room->id.text),
                  LOG_UINT("seq", record->seq), LOG_UINT("prev", record->prev),
                  LOG_UINT("last", room->last_seq));
        room_reset(room, "gap");
    }
}

void room_need(struct room *room, uint64_t seq)
{
    if (seq > room->repair_to)
        room->repair_to = seq;
    repair_if_due(room);
}

/* What was skipped may have removed members or the conversation itself, so everything is read anew,
 * and until then nothing is shown. */
void room_reset(struct room *room, const char *reason)
{
    room->g->stats.resets++;
    room->reset_reason = reason;
    room->state = ROOM_JOINING;
    room->repair_to = 0; /* the head that the join reads is no lower than what exists */
    room->repair_tries = 0;
    room->change_count = 0;
    timer_stop(room->g->d.timers, &room->retry);
    room_clear_ring(room);
    room_clear_stash(room);
    for (uint32_t i = 0; i < room->sub_count; i++)
        room->subs[i]->is_held = true;
    for (struct list *n = room->places.next; n != &room->places; n = n->next) {
        struct place *place = LIST_ENTRY(n, struct place, room_node);
        place->snapshot_seq = 0;
        place_set_settled(place, false);
    }
    room_join_again(room);
}

/* ---- the repair ---- */

struct repair_job {
    struct gateway_job base;
    struct room *room;
    uint64_t after, until;
    bool from_store; /* the log no longer has it all */
    enum rc rc;
    struct arena arena;
    struct event *events;
    size_t count;
};

static bool keep_record(void *closure, const struct log_record *record)
{
    struct repair_job *j = closure;
    struct log_record copy = *record;
    copy.payload = arena_copy(&j->arena, record->payload);
    if (!copy.payload.ptr || j->count >= REPAIR_RECORDS)
        return false;
    j->events[j->count++] = record_to_event(&copy, &j->arena);
    return true;
}

static void repair_run(struct job *job)
{
    struct repair_job *j = CONTAINER_OF(job, struct repair_job, base.job);
    struct gateway *g = j->base.g;
    struct conversation_view view;
    if (j->from_store) {
        j->rc = view_open(&g->reading, &j->room->id, &j->arena, &view);
        if (j->rc == RC_OK)
            j->rc = view_events(&view, j->after, REPAIR_RECORDS, &j->events, &j->count);
        return;
    }
    j->events = arena_alloc(&j->arena, REPAIR_RECORDS * sizeof *j->events);
    struct log_range range = { j->room->p, 'c', &j->room->id, j->after, j->until, REPAIR_RECORDS };
    j->rc = j->events ? g->d.log->read(g->d.log->self, &range, keep_record, j) : RC_NOMEM;
}

static void repair_failed(struct room *room, enum rc rc, bool was_from_store)
{
    struct gateway *g = room->g;
    bool is_lost = was_from_store && rc == RC_NOT_FOUND;
    g->stats.repairs_failed++;
    log_warn_every(1000, "room.repair_failed", LOG_ID("conversation", room->id.text), LOG_RC(rc),
                   LOG_INT("tries", room->repair_tries));
    if (is_lost || ++room->repair_tries > REPAIR_TRIES_MAX * 8) {
        room_reset(room, "gap");
        return;
    }
    room->state = ROOM_LIVE;
    timer_start(g->d.timers, &room->retry, room->repair_tries < REPAIR_TRIES_MAX ? 100 : 1000, 0);
}

static void repair_later(struct timer *timer)
{
    room_drain_stash(CONTAINER_OF(timer, struct room, retry));
}

static void repair_ended(struct job *job)
{
    struct repair_job *j = CONTAINER_OF(job, struct repair_job, base.job);
    struct room *room = j->room;
    gateway_job_ended(&j->base);
    room->retry.run = repair_later;
    for (size_t i = 0; j->rc == RC_OK && i < j->count; i++) {
        if (j->events[i].seq <= room->last_seq)
            continue;
        j->events[i].prev = room->last_seq;
        j->events[i].conversation = room->id;
        room->g->stats.repaired++;
        room_accept(room, &j->events[i]);
    }
    bool has_moved = room->last_seq > j->after;
    if (has_moved) {
        room->repair_tries = 0;
        room->state = ROOM_LIVE;
        room_drain_stash(room);
    } else {
        if (j->rc == RC_OK)
            j->rc = RC_NOT_FOUND; /* what is known to exist did not come */
        repair_failed(room, j->rc, j->from_store);
    }
    arena_fini(&j->arena);
    free(j);
}

static void repair_start(struct room *room)
{
    struct repair_job *j = calloc(1, sizeof *j);
    timer_stop(room->g->d.timers, &room->retry);
    if (j) {
        j->room = room;
        j->after = room->last_seq;
        j->until = room->repair_to;
        j->from_store = room->repair_tries % 2 == 1; /* log and store in turn */
        arena_init(&j->arena, REPAIR_BYTES_MAX);
        if (gateway_submit(room->g, &j->base, repair_run, repair_ended) == RC_OK) {
            room->state = ROOM_REPAIRING;
            return;
        }
        free(j);
    }
    room->retry.run = repair_later;
    timer_start(room->g->d.timers, &room->retry, 50, 0);
}
