#include "persister_rig.h"

#include <assert.h>
#include <stdio.h>

static bool refuses(const struct rig *rig, const struct store_batch *batch)
{
    for (size_t i = 0; i < batch->event_count && rig->refused_client_id; i++)
        if (batch->events[i].kind != EVENT_VOID &&
            bytes_is(id_bytes(&batch->events[i].client_id), rig->refused_client_id))
            return true;
    for (size_t i = 0; i < batch->feed_count && rig->refused_user; i++)
        if (bytes_is(id_bytes(&batch->feed[i].user), rig->refused_user))
            return true;
    return false;
}

static enum rc rig_apply(void *self, const struct store_batch *batch,
                         struct applied_result *results)
{
    struct rig *rig = self;
    void (*before)(struct rig *) = rig->before_apply;
    rig->applies++;
    rig->before_apply = NULL;
    if (before)
        before(rig);
    if (rig->apply_takes_ms)
        fake_clock_advance(&rig->clock, rig->apply_takes_ms);
    if (rig->apply_rc != RC_OK)
        return rig->apply_rc;
    return refuses(rig, batch) ? RC_INVALID : rig->inner->apply(rig->inner->self, batch, results);
}

static enum rc rig_store_applied(void *self, uint32_t generation, uint32_t partition,
                                 uint64_t *out_seq)
{
    struct rig *rig = self;
    if (rig->applied_answer) {
        *out_seq = rig->applied_answer;
        return RC_OK;
    }
    return rig->inner->applied(rig->inner->self, generation, partition, out_seq);
}

static enum rc rig_store_emitted(void *self, uint32_t generation, uint32_t partition,
                                 uint64_t *out_seq)
{
    struct rig *rig = self;
    return rig->inner->emitted(rig->inner->self, generation, partition, out_seq);
}

static enum rc rig_set_emitted(void *self, uint32_t generation, uint32_t partition, uint64_t seq)
{
    struct rig *rig = self;
    rig->emitted_writes++;
    return rig->inner->set_emitted(rig->inner->self, generation, partition, seq);
}

void rig_init(struct rig *rig)
{
    memset(rig, 0, sizeof *rig);
    fake_clock_init(&rig->clock);
    rig->log = fake_log_create(&rig->clock, RIG_PARTITION, RIG_GENERATION);
    rig->mem = mem_store_create();
    assert(rig->mem);
    rig->inner = mem_store_messages(rig->mem);
    rig->store = (struct message_store){ .self = rig,
                                         .apply = rig_apply,
                                         .applied = rig_store_applied,
                                         .emitted = rig_store_emitted,
                                         .set_emitted = rig_set_emitted };
}

void rig_kill(struct rig *rig, int instance)
{
    persister_destroy(rig->persisters[instance]);
    rig->persisters[instance] = NULL;
    memset(&rig->stats[instance], 0, sizeof rig->stats[instance]);
}

void rig_fini(struct rig *rig)
{
    for (int i = 0; i < RIG_INSTANCES; i++)
        persister_destroy(rig->persisters[i]);
    fake_log_destroy(rig->log);
    mem_store_destroy(rig->mem);
}

static void make(struct rig *rig, int instance)
{
    rig->ports[instance] = fake_log_port(rig->log, instance);
    const struct persister_options options = { .log = &rig->ports[instance],
                                               .store = &rig->store,
                                               .clock = &rig->clock.source,
                                               .stats = &rig->stats[instance],
                                               .partition = RIG_PARTITION,
                                               .partitions = 4,
                                               .generation = RIG_GENERATION,
                                               .seed = 42,
                                               .emits_nothing = rig->emits_nothing,
                                               .accepts_gap = rig->accepts_gap };
    rig->persisters[instance] = persister_create(&options);
    assert(rig->persisters[instance]);
}

int64_t rig_turn(struct rig *rig, int instance)
{
    if (!rig->persisters[instance])
        make(rig, instance);
    return persister_turn(rig->persisters[instance]);
}

void rig_run(struct rig *rig, int instance, int turns)
{
    for (int i = 0; i < turns; i++)
        fake_clock_advance(&rig->clock, rig_turn(rig, instance));
}

uint64_t rig_seq(uint64_t nth)
{
    return log_floor(RIG_GENERATION) + nth;
}

uint64_t rig_applied(struct rig *rig)
{
    uint64_t seq = 0;
    CHECK_RC(RC_OK, rig->inner->applied(rig->inner->self, RIG_GENERATION, RIG_PARTITION, &seq));
    return seq - log_floor(RIG_GENERATION);
}

uint64_t rig_emitted(struct rig *rig)
{
    uint64_t seq = 0;
    CHECK_RC(RC_OK, rig->inner->emitted(rig->inner->self, RIG_GENERATION, RIG_PARTITION, &seq));
    return seq - log_floor(RIG_GENERATION);
}

static size_t read_events(struct rig *rig, const char *conversation, uint64_t after, uint64_t until,
                          struct arena *arena, struct event **out)
{
    struct id id;
    size_t count = 0;
    CHECK(id_read(bytes_of(conversation), &id));
    enum rc rc = rig->inner->events(rig->inner->self, &id, after, until, FAKE_RECORDS_MAX, arena,
                                    out, &count);
    return rc == RC_OK ? count : 0;
}

size_t rig_stored(struct rig *rig, const char *conversation)
{
    SCOPED_ARENA(arena, 64 << 20);
    struct event *events;
    return read_events(rig, conversation, 0, UINT64_MAX >> 11, &arena, &events);
}

enum event_kind rig_kind_at(struct rig *rig, const char *conversation, uint64_t seq,
                            char reason[32])
{
    SCOPED_ARENA(arena, 1 << 20);
    struct event *events;
    if (read_events(rig, conversation, seq - 1, seq, &arena, &events) != 1)
        return EVENT_KIND_COUNT;
    if (reason)
        (void)snprintf(reason, 32, "%.*s", BYTES_ARG(events[0].reason));
    return events[0].kind;
}
