/* samples.h - short ways to say events, to apply them, and to ask back. */
#ifndef TESTS_CONTRACT_STORE_SAMPLES_H
#define TESTS_CONTRACT_STORE_SAMPLES_H

#include "contract/store/fixture.h"
#include "support/check.h"

/* A store, what is read from it, and the numbers that batches are given. */
struct bench {
    struct store_fixture *fixture;
    const struct message_store *m;
    const struct directory_store *d;
    const struct account_store *a;
    struct arena arena; /* of all that is read in the test */
};
void bench_open(struct bench *bench); /* bench.c: for the suite, over its program's fixture */
void bench_close(struct bench *bench);
#define SCOPED_BENCH(name)                                                                         \
    struct bench name __attribute__((cleanup(bench_close)));                                       \
    bench_open(&name)

struct id id_of(const char *text);

/* Time stamps of samples: seq seconds after an epoch, so that time rises with seq. */
int64_t at_of(uint64_t seq);

/* Events of conversation "room" unless said else; body hash and payload made of `text`. */
struct event a_message(uint64_t seq, const char *sender, const char *client_id, const char *text);
struct event an_edit(uint64_t seq, uint64_t target, const char *text);
struct event a_deletion(uint64_t seq, uint64_t target);
struct event a_pin(uint64_t seq, uint64_t target, bool is_pinned);
struct event a_withdrawal(uint64_t seq, uint64_t target, uint64_t of);
struct event a_void(uint64_t seq, const char *reason);
struct event a_creation(uint64_t seq, enum conversation_type type, enum history_rule history,
                        const char *name);
struct event an_update(uint64_t seq, enum history_rule history, const char *name);
struct event an_end(uint64_t seq);
struct event a_joining(uint64_t seq, const char *user, enum member_role role);
struct event a_leaving(uint64_t seq, const char *user);
struct event a_role(uint64_t seq, const char *user, enum member_role role);
/* The event in another conversation. */
struct event in(const char *conversation, struct event event);

/* Applies without moving `applied`; fails the test unless it is RC_OK. */
void apply(struct bench *bench, const struct event *events, size_t count,
           struct applied_result *results);
/* Applies one and gives back what became of it. */
struct applied_result apply_one(struct bench *bench, struct event event);
#define APPLY(bench, ...)                                                                          \
    do {                                                                                           \
        const struct event apply_events_[] = { __VA_ARGS__ };                                      \
        apply((bench), apply_events_, COUNT_OF(apply_events_), NULL);                              \
    } while (0)

/* What "room" holds, as text: "12m 13e>12 15x" and so on; see samples.c. In the bench's arena. */
const char *events_of(struct bench *bench, const char *conversation);
const char *messages_of(struct bench *bench, const char *conversation);

struct message_row message_at(struct bench *bench, uint64_t seq);
struct membership membership_of(struct bench *bench, const char *user);

#endif
