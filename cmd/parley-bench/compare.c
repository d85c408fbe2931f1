/* compare.c - books against trails, trails against trails. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "checker.h"
#include "util.h"

#define FINDINGS_PRINTED_MAX 20

static int by_seq(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    return (x->seq > y->seq) - (x->seq < y->seq);
}

static int by_who(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    return (x->who > y->who) - (x->who < y->who);
}

static void finding(FILE *out, const char *label, const char *what, uint64_t seq)
{
    static unsigned printed;
    if (out && printed++ < FINDINGS_PRINTED_MAX)
        fprintf(out, "  %s: %s at seq %" PRIu64 "\n", label, what, seq);
}

struct comparison {
    struct tally *tally;
    const char *label;
    FILE *out;
    struct row *known; /* acked and open together, by who */
    size_t known_len;
    struct row *open; /* by who; seq is 1 once used */
    size_t open_len;
};

/* A message that stands at a seq which nobody was told. */
static void judge_extra(struct comparison *c, const struct row *row)
{
    struct row *open = c->open_len ? bsearch(row, c->open, c->open_len, sizeof *row, by_who) : NULL;
    bool is_acked = c->known_len && bsearch(row, c->known, c->known_len, sizeof *row, by_who);
    if (is_acked || (open && open->seq)) {
        c->tally->doubled++;
        finding(c->out, c->label, "one message under two numbers", row->seq);
    } else if (open) {
        open->seq = 1;
        bool same = open->what == row->what;
        c->tally->unconfirmed += same;
        c->tally->changed += !same;
    } else {
        c->tally->unknown++;
        finding(c->out, c->label, "a message that nobody sent", row->seq);
    }
}

static void judge_pair(struct comparison *c, const struct row *acked, const struct row *seen)
{
    if (seen->who == acked->who && seen->what == acked->what)
        return;
    if (acked->who == 0) {
        c->tally->lost++;
        finding(c->out, c->label, "another event where a member came or went", acked->seq);
        return;
    }
    if (seen->who == 0) {
        c->tally->lost++;
        finding(c->out, c->label, "no message where one was acknowledged", acked->seq);
        return;
    }
    c->tally->changed++;
    finding(c->out, c->label, "another text or sender", acked->seq);
}

static void judge_lost(struct comparison *c, const struct row *acked)
{
    c->tally->lost++;
    finding(c->out, c->label, "lost", acked->seq);
}

static struct row *copy_rows(const struct row *rows, size_t len)
{
    struct row *copy = xcalloc(len, sizeof *copy);
    if (len)
        memcpy(copy, rows, len * sizeof *copy);
    return copy;
}

/* Walks both lists, which ascend by seq. */
static void walk(struct comparison *c, const struct book *book, const struct trail *trail,
                 uint64_t from)
{
    size_t i = 0, j = 0;
    while (i < book->len && book->acked[i].seq < from)
        i++;
    while (j < trail->len && trail->rows[j].seq < from)
        j++;
    while (i < book->len || j < trail->len) {
        const struct row *a = i < book->len ? &book->acked[i] : NULL;
        if (a && a->who == 0 && trail->has_messages_only) {
            i++;
            continue;
        }
        const struct row *t = j < trail->len ? &trail->rows[j] : NULL;
        if (a && t && a->seq == t->seq) {
            judge_pair(c, a, t);
            i++, j++;
        } else if (!a || (t && t->seq < a->seq)) {
            if (t->who)
                judge_extra(c, t);
            j++;
        } else {
            judge_lost(c, a);
            i++;
        }
    }
}

/* Two acknowledgements with one seq, or one message acknowledged under two. */
static void judge_acks(struct comparison *c, const struct book *book)
{
    for (size_t i = 1; i < book->len; i++)
        if (book->acked[i].seq == book->acked[i - 1].seq) {
            c->tally->doubled++;
            finding(c->out, c->label, "two messages acknowledged with one number",
                    book->acked[i].seq);
        }
    for (size_t i = 1; i < c->known_len; i++)
        c->tally->doubled += c->known[i].who && c->known[i].who == c->known[i - 1].who;
}

void book_compare(struct book *book, const struct trail *trail, uint64_t from, struct tally *tally,
                  const char *label, FILE *out)
{
    struct comparison c = { .tally = tally, .label = label, .out = out };
    if (book->len)
        qsort(book->acked, book->len, sizeof *book->acked, by_seq);
    c.known = copy_rows(book->acked, book->len);
    c.known_len = book->len;
    c.open = copy_rows(book->open, book->open_len);
    c.open_len = book->open_len;
    qsort(c.known, c.known_len, sizeof *c.known, by_who);
    qsort(c.open, c.open_len, sizeof *c.open, by_who);
    judge_acks(&c, book);
    walk(&c, book, trail, from);
    free(c.known);
    free(c.open);
}

static bool same_content(const struct row *a, const struct row *b)
{
    if (a->who == 0 && b->who == 0 && (a->what == WHAT_ANY || b->what == WHAT_ANY))
        return true;
    return a->who == b->who && a->what == b->what;
}

void trail_compare(const struct trail *a, const struct trail *b, uint64_t from, uint64_t to,
                   struct tally *tally, const char *label, FILE *out)
{
    size_t i = 0, j = 0;
    for (;;) {
        while (i < a->len && a->rows[i].seq < from)
            i++;
        while (j < b->len && b->rows[j].seq < from)
            j++;
        const struct row *x = i < a->len && a->rows[i].seq <= to ? &a->rows[i] : NULL;
        const struct row *y = j < b->len && b->rows[j].seq <= to ? &b->rows[j] : NULL;
        if (!x && !y)
            return;
        bool both = x && y && x->seq == y->seq;
        if (!both || !same_content(x, y)) {
            tally->different++;
            const struct row *which = !y || (x && x->seq <= y->seq) ? x : y;
            finding(out, label, both ? "different content" : "only one of the two has it",
                    which->seq);
        }
        bool take_x = x && (!y || x->seq <= y->seq), take_y = y && (!x || y->seq <= x->seq);
        i += take_x, j += take_y;
    }
}
