/* persister_rig.h - persisters on a fake log, a memory store and a clock that stands still.
 *
 * Instances 1 to 3 share log and store, as processes would. The store is wrapped, so that a test
 * can have it refuse one event, answer slowly, fail, or be interrupted by another instance.
 */
#ifndef TESTS_PERSISTER_RIG_H
#define TESTS_PERSISTER_RIG_H

#include "adapters/mem/mem_store.h"
#include "app/persister.h"
#include "fake_log.h"
#include "support/check.h"

/* Owners in partition 1 of 4: room1, room5, room9, room12, b, other, user_42. */
enum { RIG_GENERATION = 3, RIG_PARTITION = 1, RIG_INSTANCES = 4 };

struct rig {
    struct fake_clock clock;
    struct fake_log *log;
    struct mem_store *mem;
    const struct message_store *inner; /* the memory store's own port */
    struct message_store store;        /* what the persisters get */
    struct log_consumer ports[RIG_INSTANCES];
    struct persister_stats stats[RIG_INSTANCES];
    struct persister *persisters[RIG_INSTANCES];
    bool emits_nothing, accepts_gap; /* for those made from now on */
    /* the wrapped store */
    const char *refused_client_id; /* apply answers RC_INVALID while an event has this id */
    const char *refused_user;      /* likewise a feed entry of this user */
    uint64_t applied_answer;       /* what applied answers; 0: ask the memory store */
    enum rc apply_rc;              /* RC_OK: ask the memory store */
    int64_t apply_takes_ms;
    void (*before_apply)(struct rig *rig); /* called once, then forgotten */
    size_t applies, emitted_writes;
};

void rig_init(struct rig *rig);
void rig_fini(struct rig *rig);

/* One turn of that instance, which is made when it isn't there. Returns what it returns. */
int64_t rig_turn(struct rig *rig, int instance);

/* The process of that instance is gone, without a word. */
void rig_kill(struct rig *rig, int instance);

/* Turns, with the waits between them, until `turns` are done. */
void rig_run(struct rig *rig, int instance, int turns);

/* The nth record of the log: 1 is the first of its generation. */
uint64_t rig_seq(uint64_t nth);

/* applied of the store, as the nth record; 0: none. */
uint64_t rig_applied(struct rig *rig);
uint64_t rig_emitted(struct rig *rig);

/* How many events of that conversation the store has. */
size_t rig_stored(struct rig *rig, const char *conversation);

/* The kind of the event at that place; EVENT_KIND_COUNT: the store has none there. With its reason
 * if it is a void (reason may be NULL). */
enum event_kind rig_kind_at(struct rig *rig, const char *conversation, uint64_t seq,
                            char reason[32]);

#endif
