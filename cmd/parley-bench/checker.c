/* checker.c - trails as they come in. Comparison is in compare.c. */
#include "checker.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

uint64_t tally_bad(const struct tally *t)
{
    return t->lost + t->doubled + t->out_of_order + t->broken_chain + t->unknown + t->changed +
           t->different + t->malformed;
}

void tally_merge(struct tally *into, const struct tally *from)
{
    uint64_t *a = (uint64_t *)into;
    const uint64_t *b = (const uint64_t *)from;
    for (size_t i = 0; i < sizeof *into / sizeof *a; i++)
        a[i] += b[i];
}

/* Index of the first row with a seq not below. */
static size_t lower_bound(const struct trail *trail, uint64_t seq)
{
    size_t low = 0, high = trail->len;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (trail->rows[mid].seq < seq)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct row *trail_find(const struct trail *trail, uint64_t seq)
{
    size_t at = lower_bound(trail, seq);
    return at < trail->len && trail->rows[at].seq == seq ? &trail->rows[at] : NULL;
}

static void trail_insert(struct trail *trail, const struct row *row)
{
    size_t at = trail->len && row->seq <= trail->rows[trail->len - 1].seq
                    ? lower_bound(trail, row->seq)
                    : trail->len;
    if (at < trail->len && trail->rows[at].seq == row->seq)
        return;
    trail->rows = xgrow(trail->rows, &trail->cap, trail->len + 1, sizeof *row);
    memmove(&trail->rows[at + 1], &trail->rows[at], (trail->len - at) * sizeof *row);
    trail->rows[at] = *row;
    trail->len++;
}

/* The event isn't above the last one of this very connection. */
static void see_backward(struct trail *trail, struct tally *tally, const struct row *row)
{
    bool seen = row->seq == trail->connection_last || trail_find(trail, row->seq);
    if (seen)
        tally->doubled++;
    else
        tally->out_of_order++;
}

static void check_chain(const struct trail *trail, struct tally *tally, uint64_t prev, uint64_t seq)
{
    if (trail->is_after_reset)
        return;
    if (trail->connection_last)
        tally->broken_chain += prev != trail->connection_last;
    else if (trail->last && seq > trail->last)
        tally->broken_chain += prev != trail->last;
    else
        tally->broken_chain += prev >= seq;
}

static void close_hole(struct trail *trail, uint64_t seq)
{
    if (trail->hole_count && trail->holes[trail->hole_count - 1].before == 0)
        trail->holes[trail->hole_count - 1].before = seq;
}

static bool is_in_hole(const struct trail *trail, uint64_t seq)
{
    for (size_t i = 0; i < trail->hole_count; i++)
        if (seq > trail->holes[i].after &&
            (!trail->holes[i].before || seq < trail->holes[i].before))
            return true;
    return false;
}

/* Not above what the observer saw on earlier connections: a repeat, or what a reset left out. */
static bool see_again(struct trail *trail, struct tally *tally, const struct row *row)
{
    const struct row *before = trail_find(trail, row->seq);
    if (trail->keeps_rows && !before && is_in_hole(trail, row->seq)) {
        trail_insert(trail, row);
        return true;
    }
    tally->repeats++;
    if (!trail->keeps_rows)
        return false;
    if (!before)
        tally->out_of_order++;
    else if (before->what != WHAT_ANY)
        tally->changed += before->what != row->what || before->who != row->who;
    return false;
}

bool trail_see(struct trail *trail, struct tally *tally, uint64_t prev, const struct row *row)
{
    if (trail->connection_last && row->seq <= trail->connection_last) {
        see_backward(trail, tally, row);
        return false;
    }
    check_chain(trail, tally, prev, row->seq);
    trail->connection_last = row->seq;
    if (row->seq <= trail->last && !trail->is_after_reset)
        return see_again(trail, tally, row);
    if (trail->is_after_reset)
        close_hole(trail, row->seq);
    trail->is_after_reset = false;
    if (trail->keeps_rows)
        trail_insert(trail, row);
    if (row->seq > trail->last)
        trail->last = row->seq;
    return true;
}

void trail_reconnected(struct trail *trail)
{
    trail->connection_last = 0;
}

void trail_reset(struct trail *trail, struct tally *tally)
{
    tally->resets++;
    trail->connection_last = 0;
    if (trail->is_after_reset)
        return;
    trail->is_after_reset = true;
    if (!trail->keeps_rows)
        return;
    size_t want = trail->hole_count + 1;
    trail->holes = xgrow(trail->holes, &trail->hole_cap, want, sizeof *trail->holes);
    trail->holes[trail->hole_count++] = (struct hole){ .after = trail->last };
}

void trail_fill(struct trail *trail, const struct row *row)
{
    trail_insert(trail, row);
    if (row->seq > trail->last)
        trail->last = row->seq;
}

void trail_withdraw(struct trail *trail, struct tally *tally, uint64_t seq)
{
    size_t at = lower_bound(trail, seq);
    if (at >= trail->len || trail->rows[at].seq != seq)
        return;
    trail->rows[at].who = 0;
    trail->rows[at].what = WHAT_ANY;
    tally->withdrawn++;
}

void trail_forget(struct trail *trail)
{
    trail->len = 0;
    trail->hole_count = 0;
    trail->last = trail->connection_last = 0;
    trail->is_after_reset = false;
}

void trail_fini(struct trail *trail)
{
    free(trail->rows);
    free(trail->holes);
    *trail = (struct trail){ 0 };
}

void book_ack(struct book *book, struct tally *tally, const struct row *row)
{
    if (book->is_ordered && row->seq <= book->last)
        tally->out_of_order++;
    if (row->seq > book->last)
        book->last = row->seq;
    book->acked = xgrow(book->acked, &book->cap, book->len + 1, sizeof *row);
    book->acked[book->len++] = *row;
}

void book_open(struct book *book, uint64_t who, uint64_t what)
{
    book->open = xgrow(book->open, &book->open_cap, book->open_len + 1, sizeof *book->open);
    book->open[book->open_len++] = (struct row){ .who = who, .what = what };
}

void book_fini(struct book *book)
{
    free(book->acked);
    free(book->open);
    *book = (struct book){ 0 };
}
