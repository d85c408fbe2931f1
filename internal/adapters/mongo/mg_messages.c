/* mg_messages.c - events and pages of messages of one conversation. */
#include "adapters/mongo/mg_store.h"

/* ---- raw events ---- */

/* The row before each event is the one read before it; of the first it is asked. */
static enum rc fill_prevs(struct mg_call *call, const struct id *conversation, struct event *events,
                          size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (events[i].prev == 0)
            events[i].prev = events[i - 1].seq;
    return count ? mg_fill_prev(call, conversation, &events[0]) : RC_OK;
}

static enum rc collect_events(struct mg_call *call, struct mg_find *find, struct mg_list *list)
{
    const bson_t *doc;
    while (mg_next(find, &doc)) {
        struct mg_event read;
        struct event *event = mg_list_add(list);
        if (!event)
            return mg_find_stop(find, RC_NOMEM);
        enum rc rc = mg_document(call, mg_get_event(doc, list->arena, &read));
        if (rc != RC_OK)
            return mg_find_stop(find, rc);
        *event = read.event;
    }
    return mg_find_end(find);
}

static enum rc read_events(struct mg_call *call, const struct id *conversation, uint64_t after,
                           uint64_t until, struct mg_list *list)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(opts);
    if (list->limit == 0) /* a server would take it for no limit */
        return RC_OK;
    mg_put_id(&filter, "conversationId", conversation);
    mg_put_range(&filter, "seq", after, until);
    mg_put_order(&opts, "seq", NULL, 1, list->limit);
    struct mg_find find = mg_find(call, MG_EVENTS, &filter, &opts);
    TRY(collect_events(call, &find, list));
    return fill_prevs(call, conversation, list->items, list->count);
}

static enum rc events(void *self, const struct id *conversation, uint64_t after, uint64_t until,
                      size_t limit, struct arena *arena, struct event **out, size_t *out_count)
{
    struct mg_list list = { .arena = arena, .item_bytes = sizeof **out, .limit = limit };
    struct mg_call call;
    TRY(mg_begin(self, &call));
    TRY(mg_end(self, &call, read_events(&call, conversation, after, until, &list)));
    *out = list.items;
    *out_count = list.count;
    return RC_OK;
}

/* ---- pages ---- */

enum run { RUN_BEFORE, RUN_AFTER, RUN_FROM };
static const char *const run_operators[] = { "$lt", "$gt", "$gte" };

static void put_bounds(bson_t *filter, const struct message_query *query, enum run run)
{
    bson_t seq, time;
    (void)bson_append_document_begin(filter, "seq", -1, &seq);
    mg_put_seq(&seq, "$gte", query->first_seq);
    mg_put_seq(&seq, "$lte", query->last_seq);
    (void)bson_append_document_end(filter, &seq);
    if (!query->by_time)
        return;
    (void)bson_append_document_begin(filter, "atUs", -1, &time);
    (void)bson_append_int64(&time, run_operators[run], -1, query->at_us);
    (void)bson_append_document_end(filter, &time);
}

/* By seq the dividing one is one more bound of the same field: the narrower one is said. */
static struct message_query narrowed(const struct message_query *query, enum run run)
{
    struct message_query q = *query;
    if (q.by_time)
        return q;
    if (run == RUN_BEFORE) {
        bool is_newest = q.seq == 0 && q.way == MESSAGES_BEFORE;
        uint64_t last = is_newest ? UINT64_MAX : q.seq ? q.seq - 1 : 0;
        q.last_seq = last < q.last_seq ? last : q.last_seq;
    } else {
        uint64_t first = run == RUN_FROM || q.seq == UINT64_MAX ? q.seq : q.seq + 1;
        q.first_seq = first > q.first_seq ? first : q.first_seq;
    }
    return q;
}

static enum rc collect_rows(struct mg_call *call, struct mg_find *find, struct mg_list *list)
{
    const bson_t *doc;
    while (mg_next(find, &doc)) {
        struct mg_event read;
        struct message_row *row = mg_list_add(list);
        if (!row)
            return mg_find_stop(find, RC_NOMEM);
        enum rc rc = mg_document(call, mg_get_event(doc, list->arena, &read));
        if (rc != RC_OK)
            return mg_find_stop(find, rc);
        row->event = read.event;
    }
    return mg_find_end(find);
}

static enum rc read_run(struct mg_call *call, const struct message_query *query, enum run run,
                        size_t limit, struct mg_list *list)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(opts);
    const struct message_query q = narrowed(query, run);
    int way = run == RUN_BEFORE ? -1 : 1;
    if (limit == 0 || q.first_seq > q.last_seq)
        return RC_OK;
    mg_put_id(&filter, "conversationId", &query->conversation);
    (void)BSON_APPEND_UTF8(&filter, "type", event_kind_name(EVENT_MESSAGE_NEW));
    put_bounds(&filter, &q, run);
    mg_put_order(&opts, query->by_time ? "atUs" : "seq", query->by_time ? "seq" : NULL, way, limit);
    struct mg_find find = mg_find(call, MG_EVENTS, &filter, &opts);
    return collect_rows(call, &find, list);
}

static void reverse(struct message_row *rows, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        struct message_row row = rows[i];
        rows[i] = rows[count - 1 - i];
        rows[count - 1 - i] = row;
    }
}

static enum rc read_page(struct mg_call *call, const struct message_query *query,
                         struct mg_list *list)
{
    size_t before = query->limit / 2;
    switch (query->way) {
    case MESSAGES_BEFORE:
        return read_run(call, query, RUN_BEFORE, query->limit, list);
    case MESSAGES_AFTER:
        return read_run(call, query, RUN_AFTER, query->limit, list);
    case MESSAGES_AROUND:
        TRY(read_run(call, query, RUN_BEFORE, before, list));
        reverse(list->items, list->count);
        return read_run(call, query, RUN_FROM, query->limit - before, list);
    }
    return RC_INVALID;
}

static enum rc read_messages(struct mg_call *call, const struct message_query *query,
                             struct mg_list *list)
{
    TRY(read_page(call, query, list));
    return mg_fill_rows(call, &query->conversation, list->arena, list->items, list->count);
}

static enum rc messages(void *self, const struct message_query *query, struct arena *arena,
                        struct message_row **out, size_t *out_count)
{
    struct mg_list list = { .arena = arena, .item_bytes = sizeof **out, .limit = query->limit };
    struct mg_call call;
    TRY(mg_begin(self, &call));
    TRY(mg_end(self, &call, read_messages(&call, query, &list)));
    *out = list.items;
    *out_count = list.count;
    return RC_OK;
}

/* ---- the scan ---- */

static enum rc run_scan(struct mg_call *call, struct mg_find *find,
                        bool (*each)(void *closure, uint64_t seq, const struct id *conversation,
                                     enum event_kind kind),
                        void *closure)
{
    const bson_t *doc;
    while (mg_next(find, &doc)) {
        SCOPED_ARENA(arena, 1 << 16); /* of kind, seq and id nothing is copied into it */
        struct mg_event read;
        enum rc rc = mg_document(call, mg_get_event(doc, &arena, &read));
        if (rc != RC_OK)
            return mg_find_stop(find, rc);
        if (!each(closure, read.event.seq, &read.event.conversation, read.event.kind))
            return mg_find_stop(find, RC_OK);
    }
    return mg_find_end(find);
}

static enum rc scan_partition(struct mg_call *call, uint32_t partition, uint64_t after,
                              uint64_t until,
                              bool (*each)(void *closure, uint64_t seq,
                                           const struct id *conversation, enum event_kind kind),
                              void *closure)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(opts);
    bson_t fields;
    char from[MG_PLACE_CHARS + 1], to[MG_PLACE_CHARS + 1];
    mg_place(from, partition, after);
    mg_place(to, partition, until);
    mg_put_text_range(&filter, "_id", "$gt", from, "$lte", to);
    mg_put_order(&opts, "_id", NULL, 1, 0);
    (void)bson_append_document_begin(&opts, "projection", -1, &fields);
    (void)bson_append_int32(&fields, "conversationId", -1, 1);
    (void)bson_append_int32(&fields, "seq", -1, 1);
    (void)bson_append_int32(&fields, "type", -1, 1);
    (void)bson_append_document_end(&opts, &fields);
    struct mg_find find = mg_find(call, MG_EVENTS, &filter, &opts);
    return run_scan(call, &find, each, closure);
}

static enum rc scan(void *self, uint32_t partition, uint64_t after, uint64_t until,
                    bool (*each)(void *closure, uint64_t seq, const struct id *conversation,
                                 enum event_kind kind),
                    void *closure)
{
    struct mg_call call;
    if (partition >= MG_PARTITIONS_MAX)
        return RC_OK; /* nothing is ever kept there */
    TRY(mg_begin(self, &call));
    return mg_end(self, &call, scan_partition(&call, partition, after, until, each, closure));
}

void mg_messages_init(struct mongo_store *store)
{
    store->messages.events = events;
    store->messages.messages = messages;
    store->messages.scan = scan;
}
