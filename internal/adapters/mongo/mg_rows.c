/* mg_rows.c - events that were read become what readers see: with prev, edits, deletions, pins.
 *
 * What is said of a double counts for the first, so the marks that count for a message are those
 * with its seq in `first`: its own, and those of its doubles. Events come first and marks after
 * them, so an edit that a mark names is there.
 */
#include "adapters/mongo/mg_store.h"
#include "base/rc.h"

#include <stdlib.h>

enum { SEQS_A_FIND = 1000 };

enum rc mg_fill_prev(struct mg_call *call, const struct id *conversation, struct event *event)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(opts);
    bson_t part;
    const bson_t *doc;
    if (event->prev)
        return RC_OK;
    mg_put_id(&filter, "conversationId", conversation);
    (void)bson_append_document_begin(&filter, "seq", -1, &part);
    mg_put_seq(&part, "$lt", event->seq);
    (void)bson_append_document_end(&filter, &part);
    mg_put_order(&opts, "seq", NULL, -1, 1);
    (void)bson_append_document_begin(&opts, "projection", -1, &part);
    (void)bson_append_int32(&part, "seq", -1, 1);
    (void)bson_append_document_end(&opts, &part);
    struct mg_find find = mg_find(call, MG_EVENTS, &filter, &opts);
    if (mg_next(&find, &doc))
        event->prev = mg_get_seq(doc, "seq");
    return mg_find_end(&find);
}

/* ---- marks ---- */

/* Gives each() every mark that counts for one of the seqs. */
static enum rc each_mark(struct mg_call *call, const struct id *conversation, const uint64_t *seqs,
                         size_t count, void (*each)(void *closure, const struct mg_mark *mark),
                         void *closure)
{
    for (size_t at = 0; at < count; at += SEQS_A_FIND) {
        SCOPED_DOC(filter);
        struct mg_mark mark;
        const bson_t *doc;
        enum rc rc = RC_OK;
        size_t some = count - at < SEQS_A_FIND ? count - at : SEQS_A_FIND;
        mg_put_id(&filter, "conversationId", conversation);
        mg_put_seqs_in(&filter, "first", seqs + at, some);
        struct mg_find find = mg_find(call, MG_MARKS, &filter, NULL);
        while (rc == RC_OK && mg_next(&find, &doc)) {
            rc = mg_document(call, mg_get_mark(doc, &mark));
            if (rc == RC_OK)
                each(closure, &mark);
        }
        if (rc != RC_OK)
            return mg_find_stop(&find, rc);
        TRY(mg_find_end(&find));
    }
    return RC_OK;
}

struct by_seq {
    uint64_t seq;
    size_t at;
};

static int compare_seqs(const void *left, const void *right)
{
    const struct by_seq *a = left, *b = right;
    return (a->seq > b->seq) - (a->seq < b->seq);
}

/* Where the seq is in a sorted table; count if it isn't. */
static size_t find_seq(const struct by_seq *table, size_t count, uint64_t seq)
{
    const struct by_seq wanted = { .seq = seq };
    const struct by_seq *found =
        count ? bsearch(&wanted, table, count, sizeof *table, compare_seqs) : NULL;
    return found ? found->at : count;
}

/* ---- deletions alone ---- */

struct deletions {
    const struct by_seq *table;
    size_t count;
    bool *is_deleted;
};

static void take_deletion(void *closure, const struct mg_mark *mark)
{
    struct deletions *d = closure;
    size_t at = find_seq(d->table, d->count, mark->first);
    if (at < d->count && mark->delete_seq)
        d->is_deleted[at] = true;
}

enum rc mg_find_deleted(struct mg_call *call, const struct id *conversation, const uint64_t *seqs,
                        size_t count, bool *is_deleted)
{
    struct by_seq *table = calloc(count + 1, sizeof *table);
    if (!table)
        return RC_NOMEM;
    for (size_t i = 0; i < count; i++)
        table[i] = (struct by_seq){ seqs[i], i };
    qsort(table, count, sizeof *table, compare_seqs);
    struct deletions d = { table, count, is_deleted };
    enum rc rc = each_mark(call, conversation, seqs, count, take_deletion, &d);
    free(table);
    return rc;
}

/* ---- whole rows ---- */

struct filling {
    struct message_row *rows;
    size_t count;
    struct by_seq *table; /* of the rows */
    uint64_t *pins;       /* the highest of each row */
    uint64_t *seqs;       /* of the rows; then of edits and deletions */
    size_t overlay_count;
};

static void take_mark(void *closure, const struct mg_mark *mark)
{
    struct filling *f = closure;
    size_t at = find_seq(f->table, f->count, mark->first);
    if (at == f->count)
        return;
    struct message_row *row = &f->rows[at];
    if (mark->edit_seq > row->edit_seq)
        row->edit_seq = mark->edit_seq;
    if (mark->delete_seq && (row->delete_seq == 0 || mark->delete_seq < row->delete_seq))
        row->delete_seq = mark->delete_seq;
    if (mark->pin > f->pins[at])
        f->pins[at] = mark->pin;
    row->is_pinned = f->pins[at] & 1;
}

/* An edit or a deletion that was read: into the rows that it counts for. */
static void lay_over(struct filling *f, const struct event *overlay)
{
    for (size_t i = 0; i < f->count; i++) {
        struct message_row *row = &f->rows[i];
        if (row->edit_seq == overlay->seq) {
            row->edited_at_us = overlay->at_us;
            row->edit_payload = overlay->payload;
        }
        if (row->delete_seq == overlay->seq)
            row->deleted_at_us = overlay->at_us;
    }
}

static enum rc read_overlays(struct mg_call *call, const struct id *conversation,
                             struct arena *arena, struct filling *f)
{
    for (size_t at = 0; at < f->overlay_count; at += SEQS_A_FIND) {
        SCOPED_DOC(filter);
        const bson_t *doc;
        enum rc rc = RC_OK;
        size_t left = f->overlay_count - at;
        mg_put_id(&filter, "conversationId", conversation);
        mg_put_seqs_in(&filter, "seq", f->seqs + at, left < SEQS_A_FIND ? left : SEQS_A_FIND);
        struct mg_find find = mg_find(call, MG_EVENTS, &filter, NULL);
        while (rc == RC_OK && mg_next(&find, &doc)) {
            struct mg_event overlay;
            rc = mg_document(call, mg_get_event(doc, arena, &overlay));
            if (rc == RC_OK)
                lay_over(f, &overlay.event);
        }
        if (rc != RC_OK)
            return mg_find_stop(&find, rc);
        TRY(mg_find_end(&find));
    }
    return RC_OK;
}

static enum rc fill(struct mg_call *call, const struct id *conversation, struct arena *arena,
                    struct filling *f)
{
    for (size_t i = 0; i < f->count; i++) {
        f->seqs[i] = f->rows[i].event.seq;
        f->table[i] = (struct by_seq){ f->seqs[i], i };
    }
    qsort(f->table, f->count, sizeof *f->table, compare_seqs);
    TRY(each_mark(call, conversation, f->seqs, f->count, take_mark, f));
    for (size_t i = 0; i < f->count; i++) {
        TRY(mg_fill_prev(call, conversation, &f->rows[i].event));
        if (f->rows[i].edit_seq)
            f->seqs[f->overlay_count++] = f->rows[i].edit_seq;
        if (f->rows[i].delete_seq)
            f->seqs[f->overlay_count++] = f->rows[i].delete_seq;
    }
    return read_overlays(call, conversation, arena, f);
}

enum rc mg_fill_rows(struct mg_call *call, const struct id *conversation, struct arena *arena,
                     struct message_row *rows, size_t count)
{
    struct filling f = { .rows = rows, .count = count };
    if (count == 0)
        return RC_OK;
    f.table = calloc(count, sizeof *f.table);
    f.pins = calloc(count, sizeof *f.pins);
    f.seqs = calloc(count * 2, sizeof *f.seqs);
    enum rc rc = f.table && f.pins && f.seqs ? fill(call, conversation, arena, &f) : RC_NOMEM;
    free(f.table);
    free(f.pins);
    free(f.seqs);
    return rc;
}
