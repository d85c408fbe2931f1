/* sq_messages.c - reading events and messages. Each call sees one snapshot. */
#include "adapters/sqlite/sq_store.h"

static const uint64_t seq_max = (1ULL << SEQ_BITS) - 1;

static uint64_t at_most_seq_max(uint64_t seq)
{
    return seq > seq_max ? seq_max : seq;
}

static void put_limit(struct sq_query *q, size_t limit)
{
    sq_put_seq(q, limit);
}

static enum rc collect_events(struct sq_query *q, const struct id *conversation,
                              struct sq_list *list)
{
    while (sq_next(q)) {
        struct event *event = sq_list_add(list);
        if (!event)
            return sq_end_full(q);
        sq_get_event(q, conversation, list->arena, event);
    }
    return sq_end(q);
}

static enum rc collect_messages(struct sq_query *q, const struct id *conversation,
                                struct sq_list *list)
{
    while (sq_next(q)) {
        struct message_row *row = sq_list_add(list);
        if (!row)
            return sq_end_full(q);
        sq_get_message(q, conversation, list->arena, row);
    }
    return sq_end(q);
}

static enum rc read_events(struct sq_conn *conn, const struct id *conversation, uint64_t after,
                           uint64_t until, struct sq_list *list)
{
    int64_t no;
    enum rc rc = sq_conversation_no(conn, conversation, &no);
    if (rc != RC_OK)
        return rc == RC_NOT_FOUND ? RC_OK : rc;
    struct sq_query q = sq_begin(conn, SQL_EVENTS);
    sq_put_int(&q, no);
    sq_put_seq(&q, after);
    sq_put_seq(&q, until);
    put_limit(&q, list->limit);
    return collect_events(&q, conversation, list);
}

enum rc sq_events(void *self, const struct id *conversation, uint64_t after, uint64_t until,
                  size_t limit, struct arena *arena, struct event **out, size_t *out_count)
{
    struct sq_list list = { .arena = arena, .item_bytes = sizeof **out, .limit = limit };
    struct sq_conn *conn;
    TRY(sq_read_begin(self, &conn));
    TRY(sq_read_end(self, conn, read_events(conn, conversation, after, until, &list)));
    *out = list.items;
    *out_count = list.count;
    return RC_OK;
}

/* One run of a page: the statement tells the direction. */
static enum rc read_run(struct sq_conn *conn, int64_t no, const struct message_query *query,
                        enum sq_sql by_seq, enum sq_sql by_time, size_t limit, struct sq_list *list)
{
    uint64_t seq = query->seq == 0 && query->way == MESSAGES_BEFORE ? seq_max + 1 : query->seq;
    struct sq_query q = sq_begin(conn, query->by_time ? by_time : by_seq);
    sq_put_int(&q, no);
    if (query->by_time)
        sq_put_int(&q, query->at_us);
    else
        sq_put_seq(&q, seq);
    sq_put_seq(&q, query->first_seq);
    sq_put_seq(&q, at_most_seq_max(query->last_seq));
    put_limit(&q, limit);
    return collect_messages(&q, &query->conversation, list);
}

static void reverse(struct message_row *rows, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        struct message_row row = rows[i];
        rows[i] = rows[count - 1 - i];
        rows[count - 1 - i] = row;
    }
}

static enum rc read_around(struct sq_conn *conn, int64_t no, const struct message_query *query,
                           struct sq_list *list)
{
    size_t before = query->limit / 2;
    TRY(read_run(conn, no, query, SQL_MESSAGES_BEFORE, SQL_MESSAGES_BEFORE_TIME, before, list));
    reverse(list->items, list->count);
    return read_run(conn, no, query, SQL_MESSAGES_FROM, SQL_MESSAGES_FROM_TIME,
                    query->limit - before, list);
}

static enum rc read_messages(struct sq_conn *conn, const struct message_query *query,
                             struct sq_list *list)
{
    int64_t no;
    enum rc rc = sq_conversation_no(conn, &query->conversation, &no);
    if (rc != RC_OK)
        return rc == RC_NOT_FOUND ? RC_OK : rc;
    switch (query->way) {
    case MESSAGES_BEFORE:
        return read_run(conn, no, query, SQL_MESSAGES_BEFORE, SQL_MESSAGES_BEFORE_TIME,
                        query->limit, list);
    case MESSAGES_AFTER:
        return read_run(conn, no, query, SQL_MESSAGES_AFTER, SQL_MESSAGES_AFTER_TIME, query->limit,
                        list);
    case MESSAGES_AROUND:
        return read_around(conn, no, query, list);
    }
    return RC_INVALID;
}

enum rc sq_messages(void *self, const struct message_query *query, struct arena *arena,
                    struct message_row **out, size_t *out_count)
{
    struct sq_list list = { .arena = arena, .item_bytes = sizeof **out, .limit = query->limit };
    struct sq_conn *conn;
    TRY(sq_read_begin(self, &conn));
    TRY(sq_read_end(self, conn, read_messages(conn, query, &list)));
    *out = list.items;
    *out_count = list.count;
    return RC_OK;
}

static enum rc one_message(struct sq_query *q, const struct id *conversation, struct arena *arena,
                           struct message_row *out)
{
    struct message_row row;
    enum rc rc;
    if (!sq_one(q, &rc))
        return rc;
    sq_get_message(q, conversation, arena, &row);
    TRY(sq_end(q));
    *out = row;
    return RC_OK;
}

static enum rc read_message(struct sq_conn *conn, const struct id *conversation, uint64_t seq,
                            struct arena *arena, struct message_row *out)
{
    int64_t no;
    TRY(sq_conversation_no(conn, conversation, &no));
    struct sq_query q = sq_begin(conn, SQL_MESSAGE_GET);
    sq_put_int(&q, no);
    sq_put_seq(&q, seq);
    return one_message(&q, conversation, arena, out);
}

enum rc sq_message(void *self, const struct id *conversation, uint64_t seq, struct arena *arena,
                   struct message_row *out)
{
    struct sq_conn *conn;
    TRY(sq_read_begin(self, &conn));
    return sq_read_end(self, conn, read_message(conn, conversation, seq, arena, out));
}

static enum rc read_by_client_id(struct sq_conn *conn, const struct id *conversation,
                                 const struct id *sender, const struct id *client_id,
                                 struct arena *arena, struct message_row *out)
{
    int64_t no;
    TRY(sq_conversation_no(conn, conversation, &no));
    struct sq_query q = sq_begin(conn, SQL_MESSAGE_BY_OPERATION);
    sq_put_int(&q, no);
    sq_put_id(&q, sender);
    sq_put_id(&q, client_id);
    return one_message(&q, conversation, arena, out);
}

enum rc sq_message_by_client_id(void *self, const struct id *conversation, const struct id *sender,
                                const struct id *client_id, struct arena *arena,
                                struct message_row *out)
{
    struct sq_conn *conn;
    TRY(sq_read_begin(self, &conn));
    return sq_read_end(self, conn,
                       read_by_client_id(conn, conversation, sender, client_id, arena, out));
}

static enum rc read_by_operation(struct sq_conn *conn, const struct id *conversation, char op,
                                 const struct id *actor, const struct id *client_id,
                                 struct arena *arena, struct event *out)
{
    struct event event;
    int64_t no;
    enum rc rc;
    TRY(sq_conversation_no(conn, conversation, &no));
    struct sq_query q = sq_begin(conn, SQL_EVENT_BY_OPERATION);
    sq_put_int(&q, no);
    sq_put_id(&q, actor);
    sq_put_id(&q, client_id);
    sq_put_text(&q, bytes_make(&op, 1));
    if (!sq_one(&q, &rc))
        return rc;
    sq_get_event(&q, conversation, arena, &event);
    TRY(sq_end(&q));
    *out = event;
    return RC_OK;
}

enum rc sq_event_by_client_id(void *self, const struct id *conversation, char op,
                              const struct id *actor, const struct id *client_id,
                              struct arena *arena, struct event *out)
{
    struct sq_conn *conn;
    TRY(sq_read_begin(self, &conn));
    return sq_read_end(self, conn,
                       read_by_operation(conn, conversation, op, actor, client_id, arena, out));
}

static enum rc read_scan(struct sq_conn *conn, uint32_t partition, uint64_t after, uint64_t until,
                         bool (*each)(void *closure, uint64_t seq, const struct id *conversation,
                                      enum event_kind kind),
                         void *closure)
{
    struct sq_query q = sq_begin(conn, SQL_SCAN);
    sq_put_int(&q, partition);
    sq_put_seq(&q, after);
    sq_put_seq(&q, until);
    while (sq_next(&q)) {
        uint64_t seq = sq_get_seq(&q);
        struct id conversation = sq_get_id(&q);
        enum event_kind kind = sq_get_kind(&q);
        if (!each(closure, seq, &conversation, kind))
            break;
    }
    return sq_end(&q);
}

enum rc sq_scan(void *self, uint32_t partition, uint64_t after, uint64_t until,
                bool (*each)(void *closure, uint64_t seq, const struct id *conversation,
                             enum event_kind kind),
                void *closure)
{
    struct sq_conn *conn;
    if (partition >= PARTITIONS_MAX)
        return RC_OK; /* nothing is ever kept there */
    TRY(sq_read_begin(self, &conn));
    return sq_read_end(self, conn, read_scan(conn, partition, after, until, each, closure));
}
