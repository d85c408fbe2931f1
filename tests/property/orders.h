/* orders.h - generated logs, ways to apply them, and what a store must hold afterwards.
 *
 * A log is generated from a seed: messages with doubles (the same and other bodies), edits,
 * deletions and pins of messages, doubles and other things, reactions, withdrawals, memberships,
 * settings, second creations, voids, user feeds, in two partitions.
 */
#ifndef TESTS_PROPERTY_ORDERS_H
#define TESTS_PROPERTY_ORDERS_H

#include "base/buf.h"
#include "contract/store/samples.h"

enum { ORDERS_PARTITIONS = 2, ORDERS_EVENTS = 70, ORDERS_GENERATION = 0 };

struct step {
    uint32_t partition;
    bool is_feed;
    struct event event;
    struct user_feed_entry feed;
};

struct generator {
    uint64_t state;
    struct step steps[ORDERS_EVENTS];
    uint64_t last_seq[ORDERS_PARTITIONS];
};

/* How often each answer came, so that a generator that makes no doubles fails the test. */
extern unsigned orders_seen[APPLIED_DISPLACED + 1];

void orders_generate(struct generator *g, uint64_t seed);
/* A number below bound: the same row of numbers for the same seed on every machine. */
uint32_t orders_below(struct generator *g, uint32_t bound);

/* Orders: indexes of steps, at most 2 * ORDERS_EVENTS. Shuffled: each once or twice. */
size_t orders_in_order(size_t *order);
size_t orders_shuffled(struct generator *g, size_t *order);
/* How many of the order's beginning make one batch: of one partition, of a random length. */
size_t orders_cut(struct generator *g, const size_t *order, size_t count);

/* Applies the named steps, all of one partition, as one batch. */
enum rc orders_apply(const struct message_store *store, const struct generator *g,
                     const size_t *order, size_t count, struct applied_result *results);
/* Applies all to two stores in the same batches, and compares what they answer. */
void orders_apply_all(struct generator *g, const size_t *order, size_t count,
                      const struct message_store *a, const struct message_store *b);

/* Everything that can be read (state_text.h), NUL at the end. */
void orders_read_state(struct buf *out, const struct message_store *store);
/* Prints the first line that differs, and fails the test. */
void orders_check_same(struct bytes wanted, struct bytes got, const char *what, uint64_t seed);

/* model.c: what a store must hold after the log, by a model of a hundred lines that shares no code
 * with any store; and the same of a store, read by its port. */
void model_text(struct buf *out, const struct generator *g);
void model_read(struct buf *out, const struct message_store *store);

/* Checks a store against the model. */
void orders_check_model(const struct generator *g, const struct message_store *store,
                        const char *what, uint64_t seed);

/* The seeds to run: 1 to `count`, or the one that PARLEY_SEED names. */
struct seeds {
    uint64_t from, to;
};
struct seeds orders_seeds(uint64_t count);

#endif
