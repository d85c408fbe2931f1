/* traffic.h - rooms, members, and messages at a steady rate: what fanout, pairs, resume, storm and
 * slow have in common.
 *
 * Sending is open-loop: message n is due at a moment that doesn't depend on how the server does
 * (Poisson arrivals with a fixed seed), and latencies count from that moment, so that a server
 * that stalls can't hide it.
 */
#ifndef BENCH_TRAFFIC_H
#define BENCH_TRAFFIC_H

#include "crowd.h"
#include "records.h"

struct room {
    char id[65];
    uint64_t key;        /* hash of the id */
    size_t first, count; /* members: clients first … first + count - 1 */
    struct book book;
};

struct message {
    uint64_t intended_ns;
    struct row row;
    uint32_t room, sender;
    uint16_t attempts;
    bool is_answered;
    uint64_t first_sent_ns, retry_ns; /* retry_ns: when it is sent again, if nothing comes */
};

struct sender {
    uint32_t *open; /* messages without an answer */
    size_t len, cap;
};

struct traffic {
    struct crowd crowd;
    const struct options *options;
    struct room *rooms;
    size_t room_count;
    struct sender *senders;
    struct message *messages;
    size_t sent, answered, acked, message_cap;
    double rate, self_cpu_s;
    uint64_t start_ns, end_ns, next_ns, drained_ns, finished_ns;
    struct timer pace, faults, sweep;
    struct hist delivery, ack, recovered;
    uint64_t deliveries, duplicates, errors, timeouts, held;
    char last_error[200];
    struct rng rng;
    struct records records;
    void (*on_fault)(void *traffic); /* the mode's disturbance, by timer faults */
    bool is_stalling;                /* slow: its stalled readers have stopped… */
    size_t woken;                    /* …and so many of them read again */
};

/* Makes users and rooms of `members` each; pairs are direct conversations made by one of the two.
 */
void traffic_prepare(struct traffic *t, struct options *options, size_t rooms, size_t members,
                     double rate_per_s);
/* Connects everybody. Ends the program if some can't. */
void traffic_connect(struct traffic *t);
/* Sends for --duration, then waits until all that was acknowledged has arrived everywhere. */
void traffic_run(struct traffic *t);
/* Checks, reports, cleans up.
 *   returns  the exit status
 */
int traffic_finish(struct traffic *t);

/* A ready member to do something to, NULL if none is found quickly. */
struct client *traffic_pick(struct traffic *t);
void traffic_send_due(void *owner);

#endif
