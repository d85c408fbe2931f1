/* replay.h - a corpus of conversations from socket to store and back.
 *
 * Each conversation of the corpus (or each of its K parts) is a *thread*: its events are sent one
 * after the other, each after the one before was answered, by the socket of the one who spoke.
 * Threads run beside each other. Order within a thread is therefore that of the log, and anything
 * else that an observer sees is the server's doing (PROTOCOL, promise 3).
 *
 *     corpus ──plan──► threads of ops ──send──► books      (replay_plan.c, replay_send.c)
 *                      listeners ─────────────► trails     (replay_listen.c)
 *                      REST, stream, store ───► trails     (replay_compare.c)
 */
#ifndef BENCH_REPLAY_H
#define BENCH_REPLAY_H

#include "corpus.h"
#include "crowd.h"
#include "records.h"

enum op_kind { OP_MESSAGE, OP_ACTION, OP_JOIN, OP_LEAVE };

struct op {
    uint32_t user;
    enum op_kind kind;
    struct bytes text; /* raw JSON string of a message */
};

struct thread {
    char id[65];
    uint64_t key; /* hash of the id */
    size_t corpus_conversation;
    struct op *ops;
    size_t op_count, op_cap, next;
    struct book book;
    uint32_t *initial; /* users who are members from the start */
    size_t initial_count, initial_cap;
    /* the op in flight */
    bool is_in_flight, is_done;
    bool is_waiting; /* for its turn, when a rate is set */
    unsigned attempts;
    uint64_t serial, first_sent_ns;
    struct timer timer;
    struct thread *peer; /* the next one that waits for the same speaker */
    struct replay *replay;
};

struct speaker {
    struct client client;
    struct thread *threads; /* whose present op is this user's */
    size_t remaining;       /* ops left in all threads: at 0 the socket is closed */
    bool is_open;
    struct speaker *newer, *older; /* idle ones, oldest first */
    bool is_idle;
};

struct replay {
    const struct options *options;
    struct crowd crowd; /* listeners: its people and clients */
    struct corpus corpus;
    struct people people; /* speakers */
    struct swarm speaking;
    struct speaker *speakers;
    struct thread *threads;
    size_t thread_count;
    size_t groups; /* listener k*groups + g hears the threads t with t % groups == g */
    size_t ops_total, ops_done, messages_acked, messages_total, joins, leaves;
    size_t threads_done, open_count, open_max;
    struct speaker *oldest_idle, *newest_idle;
    size_t cuts_done;
    uint64_t pace_ns; /* when the next op may begin, with --rate */
    uint64_t start_ns, sent_ns, heard_ns, deliveries;
    uint64_t duplicates, errors, refused, retries;
    double self_cpu_s;
    char last_error[200];
    struct hist ack;
    struct records records;
};

/* replay_plan.c */
void replay_plan(struct replay *r); /* corpus → threads, speakers */
void replay_make(struct replay *r); /* users and conversations on the server */
void replay_plan_fini(struct replay *r);

/* replay_send.c */
void replay_send_init(struct replay *r);
void replay_send_start(struct replay *r); /* starts every thread */
void replay_send_stop(struct replay *r);

/* replay_listen.c */
void replay_listen_init(struct replay *r);
size_t replay_listener_count(const struct replay *r);
bool replay_hears(const struct replay *r, size_t listener, size_t thread);
/* Tears listeners off as the work goes on. */
void replay_cut_some(struct replay *r);
/* Whether each listener has seen what was acknowledged. */
bool replay_is_heard(void *replay);

/* replay_compare.c */
void replay_compare(struct replay *r);

#endif
