/* checker.h - keeps the books: what was acknowledged, and what each observer saw.
 *
 * A *trail* is what one observer saw of one conversation: a listener's socket, the pages of REST,
 * the stream, the store. A *book* is what the senders know of it: the messages that were
 * acknowledged, and those whose outcome is unknown. Comparing them finds every message that was
 * lost, doubled, changed, moved or made up.
 *
 * Invariants of a trail:
 *  1. rows stand in ascending seq, each seq once: repeats are counted, not kept;
 *  2. on one connection a seq never comes twice and never falls (PROTOCOL, promise 4);
 *  3. after a resume, events up to the last one seen may come again (PROTOCOL, Cursor);
 *  4. prev is the seq of the event before; a jump is allowed only after sync.reset, and leaves a
 *     hole to be filled by REST.
 */
#ifndef BENCH_CHECKER_H
#define BENCH_CHECKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What went wrong, and two counts of what is allowed. All but the last four must be 0. */
struct tally {
    uint64_t lost;         /* acknowledged, not seen */
    uint64_t doubled;      /* one seq twice on a connection, or one message under two seqs */
    uint64_t out_of_order; /* a seq that fell, or an ack that contradicts the order of sending */
    uint64_t broken_chain; /* prev isn't the seq of the event before */
    uint64_t unknown;      /* seen, but nobody sent it */
    uint64_t changed;      /* seen with another text or sender than acknowledged */
    uint64_t different;    /* two observers hold different rows */
    uint64_t malformed;    /* frames that could not be read */
    uint64_t repeats;      /* allowed: seen again after a resume */
    uint64_t resets;       /* allowed: sync.reset */
    uint64_t withdrawn;    /* allowed: a late double that the server took back */
    uint64_t unconfirmed;  /* allowed: stored, though the sender never got its answer */
};

/* Sum of what must not be. */
uint64_t tally_bad(const struct tally *tally);
void tally_merge(struct tally *into, const struct tally *from);

/* One event. who is 0 when it isn't a message: then what tells its type. */
struct row {
    uint64_t seq;
    uint64_t who;  /* hash of sender and clientMessageId */
    uint64_t what; /* hash of text, kind and metadata */
};

#define WHAT_ANY 0 /* a row whose content may not be compared: void or withdrawn */

struct hole {
    uint64_t after, before; /* both not in it; before is 0 while nothing came after */
};

struct trail {
    struct row *rows;
    size_t len, cap;
    uint64_t last;            /* highest seq seen by this observer */
    uint64_t connection_last; /* highest seq on the present connection */
    bool is_after_reset;
    bool keeps_rows;        /* off for observers of whom only the order is checked */
    bool has_messages_only; /* pages of messages: members who come and go don't stand there */
    struct hole *holes;
    size_t hole_count, hole_cap;
};

/* One event as it came. Counts what is wrong with it.
 *   returns  true when it is new to this observer
 */
bool trail_see(struct trail *trail, struct tally *tally, uint64_t prev, const struct row *row);

/* A new connection of the same observer, resumed by its cursor. */
void trail_reconnected(struct trail *trail);

/* The server said sync.reset: what lies between has to be fetched (trail_fill). */
void trail_reset(struct trail *trail, struct tally *tally);

/* Puts in a row fetched for a hole, wherever it belongs. */
void trail_fill(struct trail *trail, const struct row *row);

/* A message.withdrawn was seen: the row at seq no longer counts as a message. */
void trail_withdraw(struct trail *trail, struct tally *tally, uint64_t seq);

/* The highest seq that is in the trail and not above limit, NULL if none. */
const struct row *trail_find(const struct trail *trail, uint64_t seq);

void trail_forget(struct trail *trail);
void trail_fini(struct trail *trail);

struct book {
    struct row *acked;
    size_t len, cap;
    struct row *open; /* sent, never answered, or answered "timeout" */
    size_t open_len, open_cap;
    uint64_t last;
    bool is_ordered; /* one in flight at a time: acks must ascend */
};

/* A message was acknowledged, or (who 0) that a member came or went. */
void book_ack(struct book *book, struct tally *tally, const struct row *row);
/* A message was given up without an answer. */
void book_open(struct book *book, uint64_t who, uint64_t what);
void book_fini(struct book *book);

/* Compares what was acknowledged with what one observer saw, from seq `from` on.
 *   label  of observer and conversation, for the first few findings, which are printed to out
 *          (NULL: silent)
 */
void book_compare(struct book *book, const struct trail *trail, uint64_t from, struct tally *tally,
                  const char *label, FILE *out);

/* Compares two observers row by row within [from, to], non-messages included. */
void trail_compare(const struct trail *a, const struct trail *b, uint64_t from, uint64_t to,
                   struct tally *tally, const char *label, FILE *out);

#endif
