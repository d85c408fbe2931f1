/* crowd.h - a run's clients together: connecting them in waves, progress, REST on the side. */
#ifndef BENCH_CROWD_H
#define BENCH_CROWD_H

#include "client.h"
#include "http.h"
#include "options.h"
#include "procs.h"
#include "setup.h"

struct crowd {
    const struct options *options;
    struct loop *loop;
    struct swarm swarm;
    struct people people;
    struct client *clients;
    size_t count, started, ready;
    struct http http;
    struct procs procs;
    struct timer progress;
    uint64_t began_ns;
    void (*on_progress)(void *owner); /* prints the mode's line each second */
    void *owner;
};

/* Makes the loop, the REST connection and the swarm. */
void crowd_init(struct crowd *crowd, const struct options *options);
/* Makes clients of people, none connected. */
void crowd_populate(struct crowd *crowd);
/* Connects them all, at most wave at once (0: all at once), and runs until each is ready.
 *   returns  how many are ready when it ends, limit_s at most
 */
size_t crowd_connect(struct crowd *crowd, size_t wave, unsigned limit_s);
size_t crowd_ready(const struct crowd *crowd);
/* Runs the loop until is_done says so or the time is over; asks each 20 ms. */
bool crowd_wait(struct crowd *crowd, bool (*is_done)(void *owner), void *owner, double limit_s);
void crowd_stop(struct crowd *crowd);

/* Fetches by REST what sync.reset left out of a trail, up to the newest event. */
void crowd_fill_holes(struct crowd *crowd, struct trail *trail, const char *conversation,
                      const char *token);

#endif
