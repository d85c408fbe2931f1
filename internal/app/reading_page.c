/* reading_page.c - pages of messages and events, merged from store and tail; see reading.h. */
#include "app/reading.h"

/* Whether everything from `floor` on that lies at or below tail_from needs, and has, the store. */
enum below {
    BELOW_NOTHING, /* the reader may see nothing there */
    BELOW_STORED,  /* the store has all of it */
    BELOW_BROKEN,  /* some of it is in neither: the store is away, or the tail was cut */
};

static enum below below_tail(const struct conversation_view *view, uint64_t floor)
{
    if (floor > view->tail_from)
        return BELOW_NOTHING;
    if (view->begins_in_tail && view->conversation.created_seq > view->tail_from)
        return BELOW_NOTHING;
    return !view->is_store_away && view->tail_from == view->applied ? BELOW_STORED : BELOW_BROKEN;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The store's rows with the tail's edits and deletions laid over them. */
static void overlay(const struct conversation_view *view, struct message_row *rows, size_t count)
{
    for (size_t i = 0; i < view->tail_count; i++) {
        const struct event *event = &view->tail[i];
        if (!event->target_seq || event->target_seq > view->applied)
            continue;
        for (size_t j = 0; j < count; j++)
            message_row_apply(&rows[j], event);
    }
}

static enum rc stored_rows(struct conversation_view *view, const struct message_query *query,
                           size_t limit, struct message_row **out, size_t *out_count)
{
    const struct message_store *store = view->reading->store;
    struct message_query stored = *query;
    stored.last_seq = least(query->last_seq, view->applied);
    stored.limit = limit;
    if (query->way == MESSAGES_BEFORE && !query->by_time && query->seq > view->applied)
        stored.seq = 0; /* from the newest it may show */
    TRY(store->messages(store->self, &stored, view->arena, out, out_count));
    overlay(view, *out, *out_count);
    return RC_OK;
}

static bool is_wanted(const struct conversation_view *view, const struct message_query *query,
                      const struct event *event)
{
    bool is_before = query->way == MESSAGES_BEFORE;
    if (event->seq <= view->tail_from || event->seq < query->first_seq ||
        event->seq > query->last_seq)
        return false;
    if (query->by_time)
        return is_before ? event->at_us < query->at_us : event->at_us > query->at_us;
    if (is_before)
        return query->seq == 0 || event->seq < query->seq;
    return event->seq > query->seq;
}

struct page {
    struct message_row *rows;
    size_t count, limit;
};

static void add_tail(const struct conversation_view *view, const struct message_query *query,
                     struct page *page)
{
    bool is_before = query->way == MESSAGES_BEFORE;
    for (size_t i = 0; i < view->row_count && page->count < page->limit; i++) {
        const struct message_row *row = &view->rows[is_before ? view->row_count - 1 - i : i];
        if (is_wanted(view, query, &row->event))
            page->rows[page->count++] = *row;
    }
}

static enum rc add_stored(struct conversation_view *view, const struct message_query *query,
                          struct page *page)
{
    struct message_row *rows;
    size_t count;
    TRY(stored_rows(view, query, page->limit - page->count, &rows, &count));
    if (count) /* without rows there may be no array either */
        memcpy(page->rows + page->count, rows, count * sizeof *rows);
    page->count += count;
    return RC_OK;
}

/* A page that ran into what neither store nor tail has. */
static enum rc cut_page(struct conversation_view *view, size_t count)
{
    view->is_page_cut = true;
    return count ? RC_OK : RC_UNAVAILABLE;
}

static enum rc page_before(struct conversation_view *view, const struct message_query *query,
                           struct page *page)
{
    enum below below = below_tail(view, query->first_seq);
    add_tail(view, query, page);
    if (page->count == page->limit || below == BELOW_NOTHING)
        return RC_OK;
    if (below == BELOW_STORED)
        return add_stored(view, query, page);
    if (!view->is_store_away && !query->by_time && query->seq && query->seq <= view->applied + 1)
        return add_stored(view, query, page); /* wholly in the store; edits may be some ms late */
    return cut_page(view, page->count);
}

static enum rc page_after(struct conversation_view *view, const struct message_query *query,
                          struct page *page)
{
    bool starts_in_tail = !query->by_time && query->seq >= view->tail_from;
    enum below below = below_tail(view, query->first_seq);
    if (below == BELOW_BROKEN && view->is_store_away && !starts_in_tail)
        return cut_page(view, 0);
    if (below != BELOW_NOTHING && !starts_in_tail)
        TRY(add_stored(view, query, page));
    if (below == BELOW_BROKEN && !starts_in_tail && page->count < page->limit)
        return cut_page(view, page->count);
    add_tail(view, query, page);
    return RC_OK;
}

static enum rc one_way(struct conversation_view *view, const struct message_query *query,
                       struct message_row *rows, size_t limit, size_t *out_count)
{
    struct page page = { .rows = rows, .limit = limit };
    if (limit == 0)
        return *out_count = 0, RC_OK;
    TRY(query->way == MESSAGES_BEFORE ? page_before(view, query, &page)
                                      : page_after(view, query, &page));
    *out_count = page.count;
    return RC_OK;
}

static void reverse(struct message_row *rows, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        struct message_row row = rows[i];
        rows[i] = rows[count - 1 - i];
        rows[count - 1 - i] = row;
    }
}

/* The target and as many after it as before it; what one side lacks the other may fill. */
static enum rc page_around(struct conversation_view *view, const struct message_query *query,
                           struct message_row *rows, size_t *out_count)
{
    size_t limit = query->limit, before, after;
    struct message_query back = *query, on = *query;
    struct message_row *later = arena_alloc(view->arena, (limit + 1) * sizeof *later);
    if (!later)
        return RC_NOMEM;
    back.way = MESSAGES_BEFORE;
    on.way = MESSAGES_AFTER;
    on.seq = query->seq - 1;
    TRY(one_way(view, &on, later, limit, &after));
    size_t wanted = limit / 2 > limit - least(limit, after) ? limit / 2 : limit - after;
    bool is_cut = view->is_page_cut;
    enum rc rc = one_way(view, &back, rows, wanted, &before);
    if (rc == RC_UNAVAILABLE && after)
        before = 0; /* the recent half is better than none */
    else
        TRY(rc);
    view->is_page_cut |= is_cut;
    reverse(rows, before);
    after = least(after, limit - before);
    memcpy(rows + before, later, after * sizeof *later);
    *out_count = before + after;
    return RC_OK;
}

enum rc view_messages(struct conversation_view *view, const struct message_query *query,
                      struct message_row **out, size_t *out_count)
{
    struct message_row *rows = arena_alloc(view->arena, (query->limit + 1) * sizeof *rows);
    if (!rows)
        return RC_NOMEM;
    view->is_page_cut = false;
    TRY(query->way == MESSAGES_AROUND ? page_around(view, query, rows, out_count)
                                      : one_way(view, query, rows, query->limit, out_count));
    *out = rows;
    return RC_OK;
}

enum rc view_message(struct conversation_view *view, uint64_t seq, struct message_row *out)
{
    const struct message_store *store = view->reading->store;
    for (size_t i = 0; i < view->row_count; i++) {
        if (view->rows[i].event.seq == seq) {
            *out = view->rows[i];
            return RC_OK;
        }
    }
    if (seq > view->tail_from || below_tail(view, 1) == BELOW_NOTHING)
        return RC_NOT_FOUND;
    if (view->is_store_away || seq > view->applied)
        return RC_UNAVAILABLE;
    struct message_row row;
    TRY(store->message(store->self, &view->conversation.id, seq, view->arena, &row));
    overlay(view, &row, 1);
    *out = row;
    return RC_OK;
}

static enum rc stored_events(struct conversation_view *view, uint64_t after, size_t limit,
                             struct event *into, size_t *out_count)
{
    const struct message_store *store = view->reading->store;
    struct event *events;
    TRY(store->events(store->self, &view->conversation.id, after, view->applied, limit, view->arena,
                      &events, out_count));
    for (size_t i = 0; i < *out_count; i++) {
        into[i] = events[i];
        if (i > 0)
            into[i].prev = events[i - 1].seq; /* the store has a row for every seq */
    }
    return RC_OK;
}

enum rc view_events(struct conversation_view *view, uint64_t after, size_t limit,
                    struct event **out, size_t *out_count)
{
    size_t count = 0;
    enum below below = below_tail(view, after + 1);
    struct event *events = arena_alloc(view->arena, (limit + 1) * sizeof *events);
    if (!events)
        return RC_NOMEM;
    view->is_page_cut = false;
    if (below != BELOW_NOTHING && !view->is_store_away)
        TRY(stored_events(view, after, limit, events, &count));
    if (below == BELOW_BROKEN && count < limit) {
        TRY(cut_page(view, count));
    } else {
        for (size_t i = 0; i < view->tail_count && count < limit; i++) {
            if (view->tail[i].seq > after && view->tail[i].seq > view->tail_from)
                events[count++] = view->tail[i];
        }
    }
    *out = events;
    *out_count = count;
    return RC_OK;
}

static bool is_operation(const struct event *event, char op, const struct id *actor,
                         const struct id *client_id)
{
    /* A message that was dead-lettered is a void, and was acknowledged all the same. */
    bool is_kind = event_kind_op(event->kind) == op || (op == 'm' && event->kind == EVENT_VOID);
    return is_kind && id_equal(&event->actor, actor) && id_equal(&event->client_id, client_id);
}

static enum rc find_stored(struct conversation_view *view, char op, const struct id *actor,
                           const struct id *client_id, struct event *out)
{
    const struct message_store *store = view->reading->store;
    const struct id *conversation = &view->conversation.id;
    struct message_row row;
    if (op == 'm') {
        enum rc rc = store->message_by_client_id(store->self, conversation, actor, client_id,
                                                 view->arena, &row);
        if (rc == RC_OK)
            *out = row.event;
        if (rc != RC_NOT_FOUND)
            return rc;
    }
    return store->event_by_client_id(store->self, conversation, op, actor, client_id, view->arena,
                                     out);
}

enum rc view_find(struct conversation_view *view, char op, const struct id *actor,
                  const struct id *client_id, struct event *out)
{
    enum below below = below_tail(view, 1);
    if (below != BELOW_NOTHING && !view->is_store_away) {
        enum rc rc = find_stored(view, op, actor, client_id, out); /* the lowest seq is the first */
        if (rc != RC_NOT_FOUND)
            return rc;
    }
    for (size_t i = 0; i < view->tail_count; i++) {
        if (is_operation(&view->tail[i], op, actor, client_id)) {
            *out = view->tail[i];
            return RC_OK;
        }
    }
    return below == BELOW_BROKEN || view->is_log_away ? RC_UNAVAILABLE : RC_NOT_FOUND;
}

enum rc view_message_meant(struct conversation_view *view, uint64_t seq, struct message_row *out)
{
    struct event *events;
    size_t count;
    enum rc rc = view_message(view, seq, out);
    if (rc != RC_NOT_FOUND || seq == 0)
        return rc;
    TRY(view_events(view, seq - 1, 1, &events, &count));
    if (count == 0 || events[0].seq != seq || events[0].kind != EVENT_VOID || !events[0].of_seq)
        return RC_NOT_FOUND;
    return view_message(view, events[0].of_seq, out);
}
