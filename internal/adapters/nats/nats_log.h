/* nats_log.h - the event_log port on JetStream (docs/SUBJECTS.md).
 *
 * Publishing: an inbox of the log's own takes every PubAck; the reply subject carries a slot and
 * its generation, so an answer finds its request without a search and a late one is told apart.
 * A publish that is open while the link drops, or gets no answer for 2.5 s (its leader died), is
 * sent again with the same message id until its time is over, never after; only what certainly
 * never left, or came to a place where nobody was, is answered UNAVAILABLE.
 *
 * Holding: the restart of one of three servers leaves some partitions without a leader for about
 * five seconds, and links without a server for a moment. With hold_ms a publish waits that out, as
 * long as the outage hasn't lasted that long already; then it is refused at once.
 *
 * Reading: Direct Get towards a known seq, the leader for whether something exists.
 */
#ifndef ADAPTERS_NATS_NATS_LOG_H
#define ADAPTERS_NATS_NATS_LOG_H

#include "adapters/nats/nats_link.h"
#include "base/clock.h"
#include "ports/event_log.h"

struct nats_log;

struct nats_log_options {
    struct nats_link *link;      /* borrowed; must outlive the log */
    struct nats_link *read_link; /* for the blocking reads; NULL: the same link */
    struct loop *loop;           /* NULL: reads only (tools); publish answers RC_UNAVAILABLE */
    size_t in_flight_max;        /* publishes without an answer; 0: 8192 */
    int64_t hold_ms; /* how long an outage may last before publishes are refused; 0: not at all */
    /* Tells when a publish's time is over, beside the loop's timers: nothing of it leaves after
     * that, however long the process was stopped meanwhile. Any thread; NULL: clock_system(). */
    const struct clock_source *clock;
};

/* Makes the log and subscribes its inbox. NULL if memory is short. Loop thread, or before it. */
struct nats_log *nats_log_create(const struct nats_log_options *options);

/* The port; its self is the log. */
struct event_log nats_log_port(struct nats_log *log);

/* From now on nothing is held: the process is about to end. Loop thread. */
void nats_log_hold_no_more(struct nats_log *log);

struct nats_log_counts {
    uint64_t published;    /* accepted by publish */
    uint64_t outcomes[8];  /* by enum publish_outcome */
    uint64_t resent;       /* after a reconnect, "in process" (10158) or a silence */
    uint64_t late_answers; /* of publishes that were over */
    uint64_t direct_gets, leader_gets, stale_reads; /* stale: a replica hadn't got the target yet */
    size_t in_flight;
};
struct nats_log_counts nats_log_counts(const struct nats_log *log);

/* Answers every open publish with UNKNOWN (one that never left: UNAVAILABLE), within the call, and
 * frees the log. No read may be running. Loop thread, or after loop_run. NULL is fine. */
void nats_log_destroy(struct nats_log *log);

#endif
