/* mem_log.h - event_log, live_feed and log_consumer in memory: for tests.
 *
 * Deterministic: nothing happens by itself. Calls put what would come later into one queue;
 * mem_log_pump takes it out in order. A published record goes to feeds that are subscribed and to
 * the publisher, in this order, as JetStream does. Failures are planned ahead, one for each coming
 * publish.
 *
 * Thread: any, one lock; callbacks run in mem_log_pump's thread, outside the lock.
 */
#ifndef ADAPTERS_MEM_MEM_LOG_H
#define ADAPTERS_MEM_MEM_LOG_H

#include "base/clock.h"
#include "ports/live_feed.h"
#include "ports/log_consumer.h"

struct mem_log;

struct mem_log_options {
    uint32_t partitions;
    uint32_t generation;
    const struct clock_source *clock; /* at_us of records; NULL: the machine's */
    size_t in_flight_max;             /* 0: 1024 */
    size_t payload_max;               /* larger ones are TOO_LARGE; 0: 32768 */
};

struct mem_log *mem_log_create(const struct mem_log_options *options); /* NULL: no memory */
void mem_log_destroy(struct mem_log *log);

struct event_log mem_log_port(struct mem_log *log);
struct log_consumer_source mem_log_consumers(struct mem_log *log);

/* One more gateway's feed; lives as long as the log. */
struct live_feed mem_log_feed(struct mem_log *log, const struct live_feed_events *events);

/* Runs what is due, in order, what comes up meanwhile included. Returns how many calls it made. */
size_t mem_log_pump(struct mem_log *log);
/* Runs at most `count` of it. */
size_t mem_log_step(struct mem_log *log, size_t count);

enum mem_failure {
    MEM_PUBLISH_OK,
    MEM_PUBLISH_UNKNOWN_STORED, /* stored and republished; the publisher hears UNKNOWN */
    MEM_PUBLISH_UNKNOWN_LOST,   /* not stored; the publisher hears UNKNOWN */
    MEM_PUBLISH_LATE,           /* UNKNOWN now, stored by the next mem_log_store_late */
    MEM_PUBLISH_FULL,
    MEM_PUBLISH_TOO_LARGE,
    MEM_PUBLISH_UNAVAILABLE,
    MEM_PUBLISH_CONFLICT,
    MEM_PUBLISH_NOT_REPUBLISHED, /* stored and answered, but no feed hears of it */
    MEM_PUBLISH_REPUBLISHED_TWICE,
    MEM_PUBLISH_HELD, /* stored and republished; the answer waits for mem_log_release */
};
/* What happens to the next publish that has no plan yet; up to 1024 ahead. */
void mem_log_plan(struct mem_log *log, enum mem_failure failure);
void mem_log_store_late(struct mem_log *log);
void mem_log_release(struct mem_log *log);

/* Reads, heads and consumers answer RC_UNAVAILABLE; publishes go on. */
void mem_log_set_reads(struct mem_log *log, bool is_available);
/* The link: down makes publishes UNAVAILABLE, feeds deaf, and on_link is called; up again calls
 * on_link and on_boundary. */
void mem_log_set_link(struct mem_log *log, bool is_up);
/* Calls on_boundary of every feed, at the next pump. */
void mem_log_raise_boundary(struct mem_log *log);
/* Presence as if its bucket were away. */
void mem_log_set_presence(struct mem_log *log, bool is_available);
/* Ends the presence keys that were not put again for 60 s by the clock. */
void mem_log_expire_presence(struct mem_log *log);
/* Forgets records below seq of a partition, as max_age does: the next one's prev is 0. */
void mem_log_expire(struct mem_log *log, uint32_t partition, uint64_t seq);

/* Publishes as an announcer: heads.<p>, applied.<p>, ctl.<name>. */
void mem_log_announce(struct mem_log *log, const char *subject, struct bytes json);
/* heads.<p> of all records since the last call for that partition. */
void mem_log_announce_heads(struct mem_log *log, uint32_t partition);

uint64_t mem_log_last_seq(struct mem_log *log, uint32_t partition);
size_t mem_log_count(struct mem_log *log, uint32_t partition);
/* Dead letters so far; copies are kept by the log. */
struct mem_dead_letter {
    uint32_t partition;
    uint64_t seq, deliveries;
    const char *reason, *error;
    struct bytes payload;
};
size_t mem_log_dead_letters(struct mem_log *log, const struct mem_dead_letter **out_letters);
/* The next `count` dead letters can't be stored: RC_FULL. */
void mem_log_fail_dead_letters(struct mem_log *log, size_t count);

#endif
