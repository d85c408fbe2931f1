/* sq_apply.c - a batch of events becomes rows: one transaction, any order, any number of times.
 *
 * An event's own row is inserted first; only the one who inserted it goes on to what follows from
 * it. All that follows is either a maximum, a minimum, or computed anew from the rows, so it ends
 * the same in whatever order events come. tests/contract/store proves that against mem_store.
 */
#include "adapters/sqlite/sq_apply.h"
#include "ports/log_consumer.h"

enum { ROW_BITS = 32, ARENA_BYTES_PER_EVENT = 4096, ARENA_BYTES_MIN = 1 << 20 };

void sq_put_kind(struct sq_query *q, enum event_kind kind)
{
    static const char ops[] = "0acdelmpqrsuvwx"; /* static text that a binding may point into */
    const char *at = strchr(ops, event_kind_op(kind));
    sq_put_text(q, bytes_make(at ? at : ops, 1));
}

static enum rc load_last_id(struct applying *a, struct touched *t)
{
    const int64_t first = t->no << ROW_BITS;
    enum rc rc;
    struct sq_query q = sq_begin(a->conn, SQL_EVENT_LAST_ID);
    sq_put_int(&q, first);
    sq_put_int(&q, first + (1LL << ROW_BITS) - 1);
    if (!sq_one(&q, &rc))
        return rc;
    t->last_id = sq_get_int(&q);
    if (t->last_id == 0) /* max() of no rows is NULL */
        t->last_id = first;
    return sq_end(&q);
}

static enum rc load_touched(struct applying *a, const struct id *id, struct touched *t)
{
    enum rc rc;
    struct sq_query q = sq_begin(a->conn, SQL_CONVERSATION_GET);
    sq_put_id(&q, id);
    if (sq_one(&q, &rc)) {
        sq_get_conversation(&q, a->arena, &t->no, &t->conversation);
        TRY(sq_end(&q));
        return load_last_id(a, t);
    }
    if (rc != RC_NOT_FOUND)
        return rc;
    t->conversation.id = *id;
    q = sq_begin(a->conn, SQL_CONVERSATION_ADD);
    sq_put_id(&q, id);
    if (!sq_one(&q, &rc))
        return rc;
    t->no = sq_get_int(&q);
    t->last_id = t->no << ROW_BITS;
    return sq_run(&q); /* a statement with RETURNING is done only at its end */
}

static enum rc touch(struct applying *a, const struct id *id, struct touched **out)
{
    struct touched *t = map_get(&a->touched, id_bytes(id));
    if (!t) {
        t = arena_alloc(a->arena, sizeof *t);
        if (!t)
            return RC_NOMEM;
        TRY(load_touched(a, id, t));
        TRY(map_put(&a->touched, id_bytes(id), t));
    }
    *out = t;
    return RC_OK;
}

static bool has_body_hash(const struct event *event)
{
    static const uint8_t none[BODY_HASH_BYTES];
    return memcmp(event->body_hash, none, sizeof none) != 0;
}

static bool is_member_event(enum event_kind kind)
{
    return kind == EVENT_MEMBER_ADDED || kind == EVENT_MEMBER_REMOVED ||
           kind == EVENT_MEMBER_UPDATED;
}

/* The log often no longer says what came before (0); the last one that is here is it, unless an
 * event comes between later (forget_prev). */
static uint64_t prev_of(const struct touched *t, const struct event *e)
{
    if (e->prev || e->seq < t->conversation.last_seq)
        return e->prev;
    return t->conversation.last_seq;
}

/* This event came after one that follows it, whose prev can't be right if it is below this one. */
static enum rc forget_prev(struct applying *a, const struct touched *t, const struct event *e)
{
    if (e->seq > t->conversation.last_seq)
        return RC_OK;
    struct sq_query q = sq_begin(a->conn, SQL_EVENT_FORGET_PREV);
    sq_put_int(&q, t->no);
    sq_put_seq(&q, e->seq);
    return sq_run(&q);
}

/* Each kind keeps the fields that domain/event.h gives it, so that what comes back is the same. */
static enum rc add_event(struct applying *a, const struct touched *t, const struct event *e,
                         int *out_changes)
{
    bool is_void = e->kind == EVENT_VOID;
    bool is_created = e->kind == EVENT_CONVERSATION_CREATED;
    bool has_settings = is_created || e->kind == EVENT_CONVERSATION_UPDATED;
    bool has_role = e->kind == EVENT_MEMBER_ADDED || e->kind == EVENT_MEMBER_UPDATED;
    struct sq_query q = sq_begin(a->conn, SQL_EVENT_ADD);
    sq_put_int(&q, t->last_id + 1);
    sq_put_int(&q, t->no);
    sq_put_int(&q, a->partition);
    sq_put_seq(&q, e->seq);
    sq_put_seq_or_null(&q, prev_of(t, e));
    sq_put_int(&q, e->at_us);
    sq_put_kind(&q, e->kind);
    sq_put_id_or_null(&q, &e->actor);
    sq_put_id_or_null(&q, &e->client_id);
    sq_put_seq_or_null(&q, e->target_seq);
    sq_put_seq_or_null(&q, e->of_seq);
    sq_put_seq_or_null(&q, e->thread_of);
    sq_put_id_or_null(&q, &e->user);
    sq_put_name_or_null(&q, has_role ? member_role_name(e->role) : NULL);
    sq_put_name_or_null(&q, is_created ? conversation_type_name(e->type) : NULL);
    sq_put_name_or_null(&q, has_settings ? history_rule_name(e->history) : NULL);
    sq_put_text_or_null(&q, e->name);
    sq_put_text_or_null(&q, e->emoji);
    sq_put_text_or_null(&q, e->reason);
    if (has_body_hash(e))
        sq_put_blob(&q, e->body_hash, sizeof e->body_hash);
    else
        sq_put_null(&q);
    sq_put_text_or_null(&q, is_void ? (struct bytes){ NULL, 0 } : e->payload);
    return sq_run_changes(&q, out_changes);
}

/* What stands in the event's place already. Another event there means another log. */
static enum rc check_again(struct applying *a, const struct touched *t, const struct event *e,
                           struct applied_result *result)
{
    struct event there = { 0 };
    enum rc rc;
    struct sq_query q = sq_begin(a->conn, SQL_EVENT_PLACE);
    sq_put_int(&q, a->partition);
    sq_put_seq(&q, e->seq);
    if (!sq_one(&q, &rc))
        return rc == RC_NOT_FOUND ? RC_CONFLICT : rc; /* the seq came from another partition */
    bool is_same = sq_get_int(&q) == t->no;
    bool is_void = bytes_is(sq_peek_text(&q), "0");
    uint64_t of_seq = sq_get_seq(&q);
    sq_get_blob(&q, there.body_hash, sizeof there.body_hash);
    TRY(sq_end(&q));
    if (!is_same || (has_body_hash(e) && has_body_hash(&there) &&
                     memcmp(there.body_hash, e->body_hash, sizeof e->body_hash) != 0))
        return RC_CONFLICT;
    bool is_double = is_void && of_seq && e->kind == EVENT_MESSAGE_NEW;
    *result = (struct applied_result){ is_double ? APPLIED_DOUBLE : APPLIED_AGAIN,
                                       is_double ? of_seq : 0 };
    return RC_OK;
}

static enum rc load_membership(struct applying *a, const struct event *e, struct membership *m)
{
    enum rc rc;
    struct sq_query q = sq_begin(a->conn, SQL_MEMBERSHIP_GET);
    sq_put_id(&q, &e->conversation);
    sq_put_id(&q, &e->user);
    *m = (struct membership){ .user = e->user };
    if (!sq_one(&q, &rc))
        return rc == RC_NOT_FOUND ? RC_OK : rc;
    sq_get_membership(&q, m);
    return sq_end(&q);
}

/* An event came after one that follows it: derive the membership anew, in order. */
static enum rc replay_membership(struct applying *a, const struct touched *t, const struct event *e,
                                 struct membership *m)
{
    struct event past;
    SCOPED_ARENA(arena, ARENA_BYTES_MIN);
    *m = (struct membership){ .user = e->user };
    struct sq_query q = sq_begin(a->conn, SQL_MEMBER_EVENTS);
    sq_put_int(&q, t->no);
    sq_put_id(&q, &e->user);
    while (sq_next(&q)) {
        sq_get_event(&q, &e->conversation, &arena, &past);
        membership_apply(m, &past);
        arena_fini(&arena); /* only numbers and the role are kept */
    }
    return sq_end(&q);
}

static enum rc apply_member(struct applying *a, const struct touched *t, const struct event *e)
{
    struct membership m;
    TRY(load_membership(a, e, &m));
    if (e->seq > m.changed_seq)
        membership_apply(&m, e);
    else
        TRY(replay_membership(a, t, e, &m));
    struct sq_query q = sq_begin(a->conn, SQL_MEMBERSHIP_SET);
    sq_put_id(&q, &e->conversation);
    sq_put_id(&q, &e->user);
    sq_put_int(&q, m.is_member);
    sq_put_name_or_null(&q, member_role_name(m.role));
    sq_put_seq(&q, m.joined_seq);
    sq_put_seq(&q, m.removed_seq);
    sq_put_seq(&q, m.changed_seq);
    return sq_run(&q);
}

/* The first creation counts; a later one is void, whichever came first. */
static enum rc apply_created(struct applying *a, struct touched *t, const struct event *e)
{
    uint64_t known = t->conversation.created_seq;
    if (known == 0)
        return RC_OK;
    if (known < e->seq)
        return sq_make_void(a, t->no, e->seq, e->kind, known);
    TRY(sq_make_void(a, t->no, known, e->kind, e->seq));
    struct sq_query q = sq_begin(a->conn, SQL_EVENT_VOIDS_MOVE);
    sq_put_seq(&q, e->seq);
    sq_put_int(&q, t->no);
    sq_put_seq(&q, known);
    return sq_run(&q);
}

static enum rc apply_consequences(struct applying *a, struct touched *t, const struct event *e,
                                  struct applied_result *result)
{
    uint64_t other;
    switch (e->kind) {
    case EVENT_MESSAGE_NEW:
        return sq_apply_message(a, t, e, result);
    case EVENT_MESSAGE_EDITED:
    case EVENT_MESSAGE_DELETED:
    case EVENT_MESSAGE_PINNED:
    case EVENT_MESSAGE_UNPINNED:
        TRY(sq_remember_operation(a, t->no, e, &other));
        return sq_apply_overlay(a, t, e);
    case EVENT_MESSAGE_WITHDRAWN:
        TRY(sq_remember_operation(a, t->no, e, &other));
        return sq_apply_withdrawal(a, t, e);
    case EVENT_CONVERSATION_CREATED:
        TRY(sq_remember_operation(a, t->no, e, &other));
        return apply_created(a, t, e);
    case EVENT_MEMBER_ADDED:
    case EVENT_MEMBER_REMOVED:
    case EVENT_MEMBER_UPDATED:
        TRY(sq_remember_operation(a, t->no, e, &other));
        return apply_member(a, t, e);
    case EVENT_REACTION_ADDED:
    case EVENT_REACTION_REMOVED:
    case EVENT_CONVERSATION_UPDATED:
    case EVENT_CONVERSATION_DELETED:
    case EVENT_VOID: /* a dead letter keeps its ids, so that a late retry of it finds its place */
        return sq_remember_operation(a, t->no, e, &other);
    case EVENT_KIND_COUNT:
        break;
    }
    return RC_INVALID;
}

static bool is_keepable(const struct event *e)
{
    return e->seq > 0 && e->seq >> SEQ_BITS == 0 && e->conversation.len > 0 &&
           (!is_member_event(e->kind) || e->user.len > 0);
}

static enum rc apply_event(struct applying *a, const struct event *e, struct applied_result *result)
{
    struct touched *t;
    int changes;
    if (!is_keepable(e))
        return RC_INVALID;
    *result = (struct applied_result){ APPLIED_NEW, 0 };
    TRY(touch(a, &e->conversation, &t));
    TRY(add_event(a, t, e, &changes));
    if (changes == 0)
        return check_again(a, t, e, result);
    t->last_id++;
    TRY(forget_prev(a, t, e));
    TRY(apply_consequences(a, t, e, result));
    conversation_apply(&t->conversation, e);
    return RC_OK;
}

static enum rc save_touched(struct applying *a, const struct touched *t)
{
    const struct conversation *c = &t->conversation;
    bool is_made = c->created_seq > 0;
    bool has_settings = is_made || c->updated_seq > 0;
    struct sq_query q = sq_begin(a->conn, SQL_CONVERSATION_SET);
    sq_put_name_or_null(&q, is_made ? conversation_type_name(c->type) : NULL);
    sq_put_name_or_null(&q, has_settings ? history_rule_name(c->history) : NULL);
    sq_put_text_or_null(&q, c->name);
    sq_put_id_or_null(&q, &c->created_by);
    sq_put_int(&q, c->created_at_us);
    sq_put_seq_or_null(&q, c->created_seq);
    sq_put_seq_or_null(&q, c->updated_seq);
    sq_put_seq_or_null(&q, c->deleted_seq);
    sq_put_seq(&q, c->last_seq);
    sq_put_int(&q, t->no);
    return sq_run(&q);
}

static enum rc save_all(struct applying *a)
{
    size_t at = 0;
    for (struct touched *t; (t = map_next(&a->touched, &at, NULL));)
        TRY(save_touched(a, t));
    return RC_OK;
}

static enum rc apply_feed(struct sq_conn *conn, const struct user_feed_entry *entry)
{
    struct sq_query q = sq_begin(conn, SQL_FEED_PUT);
    sq_put_id(&q, &entry->user);
    sq_put_id(&q, &entry->conversation);
    sq_put_seq(&q, entry->feed_seq);
    sq_put_seq(&q, entry->conversation_seq);
    return sq_run(&q);
}

static enum rc add_partition(struct sq_conn *conn, uint32_t generation, uint32_t partition)
{
    struct sq_query q = sq_begin(conn, SQL_PARTITION_ADD);
    sq_put_int(&q, generation);
    sq_put_int(&q, partition);
    sq_put_seq(&q, log_floor(generation));
    return sq_run(&q);
}

static enum rc move_applied(struct sq_conn *conn, const struct store_batch *batch)
{
    if (batch->to == 0)
        return RC_OK;
    TRY(add_partition(conn, batch->generation, batch->partition));
    struct sq_query q = sq_begin(conn, SQL_APPLIED_MOVE);
    sq_put_int(&q, batch->generation);
    sq_put_int(&q, batch->partition);
    sq_put_seq(&q, batch->from);
    sq_put_seq(&q, batch->to);
    return sq_run(&q);
}

static enum rc apply_all(struct applying *a, const struct store_batch *batch,
                         struct applied_result *results)
{
    for (size_t i = 0; i < batch->event_count; i++)
        TRY(apply_event(a, &batch->events[i], &results[i]));
    TRY(save_all(a));
    for (size_t i = 0; i < batch->feed_count; i++)
        TRY(apply_feed(a->conn, &batch->feed[i]));
    return move_applied(a->conn, batch);
}

static enum rc apply_in_transaction(struct sqlite_store *store, const struct store_batch *batch,
                                    struct applied_result *results)
{
    SCOPED_ARENA(arena, ARENA_BYTES_MIN + batch->event_count * ARENA_BYTES_PER_EVENT);
    struct applying a = { .arena = &arena, .partition = batch->partition };
    TRY(sq_write_begin(store, &a.conn));
    map_init(&a.touched);
    enum rc rc = apply_all(&a, batch, results);
    map_fini(&a.touched);
    return sq_write_end(store, rc);
}

enum rc sq_apply(void *self, const struct store_batch *batch, struct applied_result *results)
{
    if (batch->partition >= PARTITIONS_MAX)
        return RC_INVALID;
    struct applied_result *now = calloc(batch->event_count + 1, sizeof *now);
    if (!now)
        return RC_NOMEM;
    enum rc rc = apply_in_transaction(self, batch, now);
    if (rc == RC_OK && results && batch->event_count)
        memcpy(results, now, batch->event_count * sizeof *now);
    free(now);
    return rc;
}

static enum rc read_partition(struct sqlite_store *store, uint32_t generation, uint32_t partition,
                              uint64_t *out_applied, uint64_t *out_emitted)
{
    struct sq_conn *conn;
    enum rc rc;
    TRY(sq_read_begin(store, &conn));
    struct sq_query q = sq_begin(conn, SQL_PARTITION_GET);
    sq_put_int(&q, generation);
    sq_put_int(&q, partition);
    if (sq_one(&q, &rc)) {
        *out_applied = sq_get_seq(&q);
        *out_emitted = sq_get_seq(&q);
        rc = sq_end(&q);
    } else if (rc == RC_NOT_FOUND) {
        *out_applied = *out_emitted = log_floor(generation);
        rc = RC_OK;
    }
    return sq_read_end(store, conn, rc);
}

enum rc sq_applied(void *self, uint32_t generation, uint32_t partition, uint64_t *out_seq)
{
    uint64_t applied, emitted;
    TRY(read_partition(self, generation, partition, &applied, &emitted));
    *out_seq = applied;
    return RC_OK;
}

enum rc sq_emitted(void *self, uint32_t generation, uint32_t partition, uint64_t *out_seq)
{
    uint64_t applied, emitted;
    TRY(read_partition(self, generation, partition, &applied, &emitted));
    *out_seq = emitted;
    return RC_OK;
}

enum rc sq_set_emitted(void *self, uint32_t generation, uint32_t partition, uint64_t seq)
{
    struct sq_conn *conn;
    TRY(sq_write_begin(self, &conn));
    enum rc rc = add_partition(conn, generation, partition);
    if (rc == RC_OK) {
        struct sq_query q = sq_begin(conn, SQL_EMITTED_MOVE);
        sq_put_int(&q, generation);
        sq_put_int(&q, partition);
        sq_put_seq(&q, seq);
        rc = sq_run(&q);
    }
    return sq_write_end(self, rc);
}
