/* persister_parts.h - what the files of the persister share. Private to them. */
#ifndef APP_PERSISTER_PARTS_H
#define APP_PERSISTER_PARTS_H

#include "app/breaker.h"
#include "app/persister.h"
#include "base/log.h"

enum { RUN_ARENA_BYTES_MAX = 128 * 1024 * 1024 };

/* Why a turn ended early, and so what is to be done about it. */
enum trouble {
    TROUBLE_NONE,
    TROUBLE_STORE, /* counts for the breaker */
    TROUBLE_LOG,
    TROUBLE_ALARM, /* p->alarm says which */
};

struct persister {
    struct persister_options o;
    struct breaker breaker;
    enum persister_alarm alarm;
    bool is_placed;  /* applied and emitted are the store's, read since we became active */
    bool is_checked; /* the log's metadata is as it should be, as of `epoch` */
    uint32_t epoch;
    bool is_emit_dirty; /* emitted has moved since it was last written */
    uint64_t applied, emitted;
    int attempts; /* turns in trouble one after the other */
    int64_t retry_at_ms, emit_retry_at_ms, emit_write_at_ms, look_at_ms;
    int emit_attempts;
    uint64_t random;
    uint64_t
        dead_seqs[PERSIST_BATCH_RECORDS]; /* dead-lettered in this turn, or still without void */
    size_t dead_count;
};

/* A run of the log on its way: records ascending, none twice, and no record of the stream between
 * `from` and `to` is missing among them. */
struct run {
    const struct log_record **records;
    const uint64_t *deliveries; /* of each; NULL: 1 */
    size_t count;
    uint64_t from, to;
    struct event *events; /* decoded; those of kind 'u' are in feed */
    struct applied_result *results;
    size_t event_count;
    struct user_feed_entry *feed;
    size_t feed_count;
    size_t void_count;
};

/* persister_apply.c */

/* Decodes and commits a run and moves p->applied. With trouble half-way what came before it is
 * committed. */
enum trouble run_persist(struct persister *p, struct run *run, struct arena *arena);

/* Reads from…to from the stream and persists it, in parts. */
enum trouble gap_fill(struct persister *p, uint64_t from, uint64_t to);

/* Reads at most PERSIST_BATCH_RECORDS records from…to into the arena, as a run that may end before
 * `to`. errors: as read_run */
MUST_CHECK enum rc run_read(struct persister *p, uint64_t from, uint64_t to, struct arena *arena,
                            struct run *out);

/* One store call's outcome, for the breaker and the counters. */
void store_called(struct persister *p, enum rc rc, int64_t began_ms);

/* persister_check.c */

/* Whether the log's generation, partitions and schema are those of the settings and this version;
 * asks only if that isn't known since the last reconnect. */
enum trouble check_log(struct persister *p);

/* The same, of a state that was asked for anyway. */
enum trouble check_state(struct persister *p, const struct log_state *state);

/* Whether the record's owner belongs into this partition. */
bool check_owner(const struct persister *p, const struct log_record *record);

/* persister_emit.c */

/* Makes the side effects of a run that was just committed, if all before it were made. */
void run_emit(struct persister *p, const struct run *run);

/* Makes those that were cut off, if there are any and it is time to try. */
void emit_catch_up(struct persister *p);

/* Writes `emitted` down if it moved; not more often than each 2 s unless is_now. */
void emit_write_mark(struct persister *p, bool is_now);

/* persister.c */

/* Whether this record's dead letter is stored already. */
bool persister_buried(const struct persister *p, uint64_t seq);

/* 1, 2, 4, 8, 16, 16, … s, a quarter more or less. attempt: 0 the first time */
int64_t retry_delay_ms(uint64_t *random, int attempt);

#endif
