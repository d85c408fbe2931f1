#include "app/reading.h"

#include "app/tail.h"
#include "wire/subjects.h"

enum { OPEN_TRIES = 3 };

static bool is_away(enum rc rc)
{
    return rc == RC_UNAVAILABLE || rc == RC_TIMEOUT;
}

/* Where the log begins, for a reader without the store. */
static enum rc log_floor(struct conversation_view *view, uint64_t *out)
{
    struct log_state state;
    const struct event_log *log = view->reading->log;
    TRY(log->state(log->self, view->partition, &state));
    *out = state.first_seq ? state.first_seq - 1 : 0;
    return RC_OK;
}

static enum rc read_tail(struct conversation_view *view)
{
    struct tail tail = { .from = view->applied };
    enum rc rc = RC_OK;
    if (view->head > view->applied)
        rc = tail_read(view->reading->log, view->partition, &view->conversation.id, view->applied,
                       view->head, view->arena, &tail);
    if (rc == RC_NOT_FOUND)
        return RC_CONFLICT; /* the log's beginning moved on: not "no such conversation" */
    TRY(rc);
    view->tail = tail.events;
    view->tail_count = tail.count;
    view->tail_from = tail.from;
    return RC_OK;
}

static void make_void(struct event *event, uint64_t of)
{
    event->kind = EVENT_VOID;
    event->reason = bytes_of("duplicate");
    event->of_seq = of;
}

/* What the persister will keep as voids is void here already: a second creation, and a double whose
 * withdrawal is in the tail too. */
static void void_doubles(struct conversation_view *view)
{
    uint64_t created = view->conversation.created_seq;
    for (size_t i = 0; i < view->tail_count; i++) {
        struct event *event = &view->tail[i];
        if (event->kind == EVENT_CONVERSATION_CREATED && created && created < event->seq)
            make_void(event, created);
        else if (event->kind == EVENT_CONVERSATION_CREATED)
            created = event->seq;
        if (event->kind != EVENT_MESSAGE_WITHDRAWN)
            continue;
        for (size_t j = 0; j < i; j++) {
            if (view->tail[j].seq == event->target_seq)
                make_void(&view->tail[j], event->of_seq);
        }
    }
}

/* The log knows the event before each one unless that has aged out of it. Then it is the store's
 * last one: an event that aged out was applied long ago. */
static enum rc chain_tail(struct conversation_view *view, uint64_t stored_last)
{
    for (size_t i = 1; i < view->tail_count; i++) {
        if (view->tail[i].prev == 0)
            view->tail[i].prev = view->tail[i - 1].seq;
    }
    if (!view->tail_count || view->tail[0].prev || !stored_last)
        return RC_OK;
    struct event *first = &view->tail[0];
    if (stored_last < first->seq) {
        first->prev = stored_last;
        return RC_OK;
    }
    const struct message_store *store =
        view->reading->store; /* it has applied this one meanwhile */
    struct event *stored;
    size_t count;
    TRY(store->events(store->self, &first->conversation, first->seq - 1, first->seq, 1, view->arena,
                      &stored, &count));
    if (count == 1)
        first->prev = stored[0].prev;
    return RC_OK;
}

void message_row_apply(struct message_row *row, const struct event *event)
{
    if (event->target_seq != row->event.seq)
        return;
    if (event->kind == EVENT_MESSAGE_EDITED && event->seq > row->edit_seq) {
        row->edit_seq = event->seq;
        row->edited_at_us = event->at_us;
        row->edit_payload = event->payload;
    } else if (event->kind == EVENT_MESSAGE_DELETED &&
               (row->delete_seq == 0 || event->seq < row->delete_seq)) {
        row->delete_seq = event->seq;
        row->deleted_at_us = event->at_us;
    } else if (event->kind == EVENT_MESSAGE_PINNED || event->kind == EVENT_MESSAGE_UNPINNED) {
        row->is_pinned = event->kind == EVENT_MESSAGE_PINNED;
    }
}

static bool is_change(const struct event *event)
{
    return event->target_seq && event->kind != EVENT_VOID && event->kind != EVENT_MESSAGE_WITHDRAWN;
}

static struct message_row *find_row(const struct conversation_view *view, uint64_t seq)
{
    size_t low = 0, high = view->row_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (view->rows[middle].event.seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low < view->row_count && view->rows[low].event.seq == seq ? &view->rows[low] : NULL;
}

static enum rc make_rows(struct conversation_view *view)
{
    view->rows = arena_alloc(view->arena, (view->tail_count + 1) * sizeof *view->rows);
    if (!view->rows)
        return RC_NOMEM;
    for (size_t i = 0; i < view->tail_count; i++) {
        const struct event *event = &view->tail[i];
        struct message_row *row = is_change(event) ? find_row(view, event->target_seq) : NULL;
        if (event->kind == EVENT_MESSAGE_NEW)
            view->rows[view->row_count++].event = *event;
        else if (row)
            message_row_apply(row, event);
    }
    return RC_OK;
}

static enum rc finish_open(struct conversation_view *view, uint64_t stored_last)
{
    struct conversation *c = &view->conversation;
    void_doubles(view);
    TRY(chain_tail(view, stored_last));
    for (size_t i = 0; i < view->tail_count; i++) {
        conversation_apply(c, &view->tail[i]);
        if (view->tail[i].kind == EVENT_CONVERSATION_CREATED)
            view->begins_in_tail = true;
    }
    if (c->created_seq == 0 && !view->is_store_away)
        return RC_NOT_FOUND;
    if (c->created_seq == 0) {
        if (!view->tail_count)
            return RC_UNAVAILABLE;    /* it may be older than the log, or not exist */
        c->type = CONVERSATION_GROUP; /* the type that tells strangers least */
    }
    return make_rows(view);
}

static void view_begin(const struct reading *reading, const struct id *conversation,
                       struct arena *arena, struct conversation_view *out)
{
    *out = (struct conversation_view){
        .reading = reading,
        .arena = arena,
        .partition = subject_partition(conversation, reading->partitions),
        .conversation.id = *conversation,
    };
}

static enum rc open_with_store(struct conversation_view *view)
{
    const struct message_store *store = view->reading->store;
    struct conversation stored;
    TRY(read_tail(view));
    enum rc rc = store->conversation(store->self, &view->conversation.id, view->arena, &stored);
    if (rc == RC_NOT_FOUND)
        return finish_open(view, 0);
    TRY(rc);
    view->conversation = stored;
    return finish_open(view, stored.last_seq);
}

static enum rc ask_head(struct conversation_view *view)
{
    const struct event_log *log = view->reading->log;
    enum rc rc = log->head(log->self, view->partition, 'c', &view->conversation.id, &view->head);
    if (rc == RC_NOT_FOUND) {
        view->head = 0;
        return RC_OK;
    }
    return rc;
}

static enum rc open_without_store(const struct reading *reading, const struct id *conversation,
                                  struct arena *arena, struct conversation_view *view)
{
    view_begin(reading, conversation, arena, view);
    view->is_store_away = true;
    TRY(log_floor(view, &view->applied));
    TRY(ask_head(view));
    TRY(read_tail(view));
    return finish_open(view, 0);
}

static enum rc try_open(const struct reading *reading, const struct id *conversation,
                        struct arena *arena, struct conversation_view *view)
{
    const struct message_store *store = reading->store;
    view_begin(reading, conversation, arena, view);
    enum rc rc = store->applied(store->self, reading->generation, view->partition, &view->applied);
    if (rc == RC_OK) {
        /* The log must answer, for the store alone may be behind a removal. A reader gets what the
         * store has all the same: all of that was said before the removal. */
        enum rc head = ask_head(view);
        view->is_log_away = is_away(head) && reading->does_without_log;
        if (!view->is_log_away)
            TRY(head);
        rc = open_with_store(view);
        if (is_away(rc) && view->is_log_away)
            return RC_UNAVAILABLE; /* neither */
    }
    return is_away(rc) ? open_without_store(reading, conversation, arena, view) : rc;
}

/* The log's beginning may age away between the question where it is and the read: asked again, a
 * few times. Only a log and a store with a real hole between them go on failing. */
enum rc view_open(const struct reading *reading, const struct id *conversation, struct arena *arena,
                  struct conversation_view *out)
{
    for (int i = 0; i < OPEN_TRIES; i++) {
        enum rc rc = try_open(reading, conversation, arena, out);
        if (rc != RC_CONFLICT)
            return rc;
    }
    return RC_UNAVAILABLE;
}

enum rc view_open_at(const struct reading *reading, const struct id *conversation, uint64_t applied,
                     uint64_t head, struct arena *arena, struct conversation_view *out)
{
    view_begin(reading, conversation, arena, out);
    out->applied = applied;
    out->head = head;
    enum rc rc = open_with_store(out);
    return rc == RC_CONFLICT ? view_open(reading, conversation, arena, out) : rc;
}
