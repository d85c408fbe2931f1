/* sq_apply_message.c - messages, their doubles, and what edits, deletions and pins make of them.
 *
 * Invariants, after each event, in whatever order events came:
 *   1. of the messages with one identity and body the lowest seq is the message, the others are
 *      void rows with an alias to it, and no alias leads to another alias;
 *   2. an overlay (edit, deletion, pin) stands in the row of the message it counts for, which is
 * the first of those that its target is a double of;
 *   3. a row of `messages` with an event is a message; one without waits for it.
 */
#include "adapters/sqlite/sq_apply.h"

struct overlay {
    uint64_t edit_seq, delete_seq, pin_seq;
    bool is_pinned;
};

static void put_operation(struct sq_query *q, int64_t no, const struct event *e)
{
    sq_put_int(q, no);
    sq_put_id(q, &e->actor);
    sq_put_id(q, &e->client_id);
    sq_put_kind(q, e->kind);
    sq_put_blob(q, e->body_hash, sizeof e->body_hash);
}

static enum rc find_operation(struct applying *a, int64_t no, const struct event *e,
                              uint64_t *out_seq)
{
    enum rc rc;
    struct sq_query q = sq_begin(a->conn, SQL_OPERATION_FIRST);
    put_operation(&q, no, e);
    if (!sq_one(&q, &rc))
        return rc;
    *out_seq = sq_get_seq(&q);
    return sq_end(&q);
}

enum rc sq_remember_operation(struct applying *a, int64_t no, const struct event *e,
                              uint64_t *out_other)
{
    int changes;
    *out_other = 0;
    if (e->client_id.len == 0)
        return RC_OK;
    struct sq_query q = sq_begin(a->conn, SQL_OPERATION_ADD);
    put_operation(&q, no, e);
    sq_put_seq(&q, e->seq);
    TRY(sq_run_changes(&q, &changes));
    if (changes)
        return RC_OK;
    TRY(find_operation(a, no, e, out_other));
    if (*out_other < e->seq)
        return RC_OK;
    q = sq_begin(a->conn, SQL_OPERATION_LOWER);
    put_operation(&q, no, e);
    sq_put_seq(&q, e->seq);
    return sq_run(&q);
}

/* The message that a seq counts for: itself, unless it is a double. */
static enum rc resolve(struct applying *a, int64_t no, uint64_t seq, uint64_t *out_first)
{
    enum rc rc;
    struct sq_query q = sq_begin(a->conn, SQL_ALIAS_GET);
    sq_put_int(&q, no);
    sq_put_seq(&q, seq);
    *out_first = seq;
    if (!sq_one(&q, &rc))
        return rc == RC_NOT_FOUND ? RC_OK : rc;
    *out_first = sq_get_seq(&q);
    return sq_end(&q);
}

enum rc sq_make_void(struct applying *a, int64_t no, uint64_t seq, enum event_kind kind,
                     uint64_t first)
{
    struct sq_query q = sq_begin(a->conn, SQL_EVENT_VOID);
    sq_put_seq(&q, first);
    sq_put_int(&q, no);
    sq_put_seq(&q, seq);
    sq_put_kind(&q, kind);
    return sq_run(&q);
}

static enum rc merge_overlay(struct applying *a, int64_t no, uint64_t seq, struct overlay overlay)
{
    struct sq_query q = sq_begin(a->conn, SQL_OVERLAY_MERGE);
    sq_put_int(&q, no);
    sq_put_seq(&q, seq);
    sq_put_seq_or_null(&q, overlay.edit_seq);
    sq_put_seq_or_null(&q, overlay.delete_seq);
    sq_put_seq_or_null(&q, overlay.pin_seq);
    if (overlay.pin_seq)
        sq_put_int(&q, overlay.is_pinned);
    else
        sq_put_null(&q);
    return sq_run(&q);
}

/* What was said of the double counts for the first. */
static enum rc move_overlay(struct applying *a, int64_t no, uint64_t from, uint64_t to)
{
    struct overlay overlay;
    enum rc rc;
    struct sq_query q = sq_begin(a->conn, SQL_OVERLAY_GET);
    sq_put_int(&q, no);
    sq_put_seq(&q, from);
    if (!sq_one(&q, &rc))
        return rc == RC_NOT_FOUND ? RC_OK : rc;
    overlay.edit_seq = sq_get_seq(&q);
    overlay.delete_seq = sq_get_seq(&q);
    overlay.pin_seq = sq_get_seq(&q);
    overlay.is_pinned = sq_get_int(&q) != 0;
    TRY(sq_end(&q));
    q = sq_begin(a->conn, SQL_OVERLAY_REMOVE);
    sq_put_int(&q, no);
    sq_put_seq(&q, from);
    TRY(sq_run(&q));
    return merge_overlay(a, no, to, overlay);
}

/* The double and what was a double of it are doubles of the first. */
static enum rc add_alias(struct applying *a, int64_t no, uint64_t seq, uint64_t first)
{
    struct sq_query q = sq_begin(a->conn, SQL_ALIAS_ADD);
    sq_put_int(&q, no);
    sq_put_seq(&q, seq);
    sq_put_seq(&q, first);
    TRY(sq_run(&q));
    q = sq_begin(a->conn, SQL_ALIAS_MOVE);
    sq_put_seq(&q, first);
    sq_put_int(&q, no);
    sq_put_seq(&q, seq);
    return sq_run(&q);
}

/* Two seqs are one message: of those that they count for the lower one is it from now on. */
static enum rc join(struct applying *a, int64_t no, uint64_t one, uint64_t other)
{
    TRY(resolve(a, no, one, &one));
    TRY(resolve(a, no, other, &other));
    if (one == other)
        return RC_OK;
    uint64_t first = one < other ? one : other, late = one < other ? other : one;
    TRY(add_alias(a, no, late, first));
    TRY(sq_make_void(a, no, late, EVENT_MESSAGE_NEW, first));
    struct sq_query q = sq_begin(a->conn, SQL_ALIAS_VOIDS_MOVE);
    sq_put_seq(&q, first);
    sq_put_int(&q, no);
    TRY(sq_run(&q));
    return move_overlay(a, no, late, first);
}

enum rc sq_apply_message(struct applying *a, struct touched *t, const struct event *e,
                         struct applied_result *result)
{
    uint64_t other, first;
    TRY(sq_remember_operation(a, t->no, e, &other));
    if (other)
        TRY(join(a, t->no, e->seq, other));
    TRY(resolve(a, t->no, e->seq, &first)); /* its withdrawal may have come before it */
    if (first != e->seq) {
        *result = (struct applied_result){ APPLIED_DOUBLE, first };
        return sq_make_void(a, t->no, e->seq, EVENT_MESSAGE_NEW, first);
    }
    if (other)
        *result = (struct applied_result){ APPLIED_DISPLACED, other };
    return RC_OK;
}

enum rc sq_apply_overlay(struct applying *a, struct touched *t, const struct event *e)
{
    struct overlay overlay = { 0 };
    uint64_t first;
    if (e->target_seq == 0)
        return RC_OK; /* kept in the chain, says nothing of any message */
    if (e->kind == EVENT_MESSAGE_EDITED)
        overlay.edit_seq = e->seq;
    else if (e->kind == EVENT_MESSAGE_DELETED)
        overlay.delete_seq = e->seq;
    else
        overlay =
            (struct overlay){ .pin_seq = e->seq, .is_pinned = e->kind == EVENT_MESSAGE_PINNED };
    TRY(resolve(a, t->no, e->target_seq, &first));
    return merge_overlay(a, t->no, first, overlay);
}

/* Says again what the store finds by itself, unless the first has left the log: then, in a rebuild,
 * this is all that tells the double. */
enum rc sq_apply_withdrawal(struct applying *a, struct touched *t, const struct event *e)
{
    if (e->of_seq == 0 || e->target_seq <= e->of_seq)
        return RC_OK;
    return join(a, t->no, e->target_seq, e->of_seq);
}
