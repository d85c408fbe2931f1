/* sq_rows.c - rows as values. The order of columns is that of the macros in sq_sql.c. */
#include "adapters/sqlite/sq_store.h"

enum event_kind sq_get_kind(struct sq_query *q)
{
    enum event_kind kind = EVENT_VOID;
    struct bytes op = sq_peek_text(q);
    if (op.len != 1 || !event_kind_from_op((char)op.ptr[0], &kind))
        return EVENT_VOID; /* of a newer program: can't be shown by this one */
    return kind;
}

static enum member_role get_role(struct sq_query *q)
{
    enum member_role role = ROLE_READER;
    (void)member_role_read(sq_peek_text(q), &role); /* NULL where an event has none */
    return role;
}

static enum conversation_type get_type(struct sq_query *q)
{
    enum conversation_type type = CONVERSATION_DIRECT;
    (void)conversation_type_read(sq_peek_text(q), &type); /* NULL where an event has none */
    return type;
}

static enum history_rule get_history(struct sq_query *q)
{
    enum history_rule history = HISTORY_JOINED;
    (void)history_rule_read(sq_peek_text(q), &history); /* NULL where an event has none */
    return history;
}

void sq_get_event(struct sq_query *q, const struct id *conversation, struct arena *arena,
                  struct event *out)
{
    *out = (struct event){ .conversation = *conversation };
    out->seq = sq_get_seq(q);
    out->prev = sq_get_seq(q);
    out->at_us = sq_get_int(q);
    out->kind = sq_get_kind(q);
    out->actor = sq_get_id(q);
    out->client_id = sq_get_id(q);
    out->target_seq = sq_get_seq(q);
    out->of_seq = sq_get_seq(q);
    out->thread_of = sq_get_seq(q);
    out->user = sq_get_id(q);
    out->role = get_role(q);
    out->type = get_type(q);
    out->history = get_history(q);
    out->name = sq_get_text(q, arena);
    out->emoji = sq_get_text(q, arena);
    out->reason = sq_get_text(q, arena);
    sq_get_blob(q, out->body_hash, sizeof out->body_hash);
    out->payload = sq_get_text(q, arena);
}

void sq_get_message(struct sq_query *q, const struct id *conversation, struct arena *arena,
                    struct message_row *out)
{
    *out = (struct message_row){ 0 };
    sq_get_event(q, conversation, arena, &out->event);
    out->edit_seq = sq_get_seq(q);
    out->edited_at_us = sq_get_int(q);
    out->edit_payload = sq_get_text(q, arena);
    out->delete_seq = sq_get_seq(q);
    out->deleted_at_us = sq_get_int(q);
    out->is_pinned = sq_get_int(q) != 0;
}

void sq_get_conversation(struct sq_query *q, struct arena *arena, int64_t *out_no,
                         struct conversation *out)
{
    *out = (struct conversation){ 0 };
    *out_no = sq_get_int(q);
    out->id = sq_get_id(q);
    out->type = get_type(q);
    out->history = get_history(q);
    out->name = sq_get_text(q, arena);
    out->created_by = sq_get_id(q);
    out->created_at_us = sq_get_int(q);
    out->created_seq = sq_get_seq(q);
    out->updated_seq = sq_get_seq(q);
    out->deleted_seq = sq_get_seq(q);
    out->last_seq = sq_get_seq(q);
}

void sq_get_membership(struct sq_query *q, struct membership *out)
{
    *out = (struct membership){ 0 };
    out->user = sq_get_id(q);
    out->is_member = sq_get_int(q) != 0;
    out->role = get_role(q);
    out->joined_seq = sq_get_seq(q);
    out->removed_seq = sq_get_seq(q);
    out->changed_seq = sq_get_seq(q);
}

enum rc sq_conversation_no(struct sq_conn *conn, const struct id *id, int64_t *out_no)
{
    enum rc rc;
    struct sq_query q = sq_begin(conn, SQL_CONVERSATION_NO);
    sq_put_id(&q, id);
    if (!sq_one(&q, &rc))
        return rc;
    *out_no = sq_get_int(&q);
    return sq_end(&q);
}

void *sq_list_add(struct sq_list *list)
{
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 16;
        if (cap > list->limit)
            cap = list->limit;
        if (cap == list->cap)
            return NULL;
        void *items = arena_alloc(list->arena, cap * list->item_bytes);
        if (!items)
            return NULL;
        if (list->count)
            memcpy(items, list->items, list->count * list->item_bytes);
        list->items = items;
        list->cap = cap;
    }
    return (char *)list->items + list->item_bytes * list->count++;
}
