/* persister_apply.c - a run of records into the store; what can't go there into the dead letters.
 */
#include "app/persister_parts.h"
#include "app/record.h"
#include "base/rc.h"
#include "wire/event_json.h"
#include "wire/subjects.h"

#include <stdio.h>

/* A part of a run that is committed at once. */
struct slice {
    size_t event_first, event_end;
    size_t feed_first, feed_end;
    uint64_t from, to;
};

/* Stores the dead letter of a record. Until it is there the record may not be passed over. */
static enum trouble bury(struct persister *p, const struct log_record *record, uint64_t deliveries,
                         enum dead_letter_reason reason, const char *error)
{
    if (persister_buried(p, record->seq))
        return TROUBLE_NONE; /* buried in a turn before, which then couldn't commit its void */
    const struct dead_letter letter = { .record = record,
                                        .reason = dead_letter_reason_name(reason),
                                        .error = error,
                                        .deliveries = deliveries };
    enum rc rc = p->o.log->dead_letter(p->o.log->self, &letter);
    if (rc != RC_OK) {
        p->alarm = ALARM_DEAD_LETTERS;
        return TROUBLE_ALARM;
    }
    if (p->dead_count < PERSIST_BATCH_RECORDS)
        p->dead_seqs[p->dead_count++] = record->seq;
    atomic_fetch_add(&p->o.stats->dead_letters[reason], 1);
    log_warn("persister.dead_letter", LOG_UINT("partition", p->o.partition),
             LOG_UINT("seq", record->seq), LOG_STR("reason", letter.reason),
             LOG_STR("error", error));
    return TROUBLE_NONE;
}

/* A fault that names a field is one of our JSON with the wrong members; without, it is no JSON. */
static enum dead_letter_reason reason_of(const struct fault *fault)
{
    return fault->field[0] ? DEAD_SCHEMA : DEAD_UNPARSEABLE;
}

static enum trouble decode_event(struct persister *p, struct run *run,
                                 const struct log_record *record, uint64_t deliveries,
                                 struct arena *arena)
{
    struct fault fault = { .field = "" };
    struct event event;
    enum rc rc = record_decode(record, arena, &event, &fault);
    if (rc == RC_NOMEM)
        return TROUBLE_LOG;
    if (rc != RC_OK) {
        enum trouble trouble = bury(p, record, deliveries, reason_of(&fault), fault.text);
        if (trouble != TROUBLE_NONE)
            return trouble;
        event = record_void(record, VOID_UNPARSEABLE);
        run->void_count++;
    }
    run->events[run->event_count++] = event;
    return TROUBLE_NONE;
}

static enum trouble decode_feed(struct persister *p, struct run *run,
                                const struct log_record *record, uint64_t deliveries)
{
    struct user_feed_record feed;
    enum rc rc = user_feed_parse(record->payload, &feed);
    if (rc == RC_NOMEM)
        return TROUBLE_LOG;
    if (rc != RC_OK)
        return bury(p, record, deliveries, DEAD_UNPARSEABLE, "This is no user feed record.");
    run->feed[run->feed_count++] = (struct user_feed_entry){ .user = record->owner,
                                                             .feed_seq = record->seq,
                                                             .conversation = feed.conversation,
                                                             .conversation_seq = feed.seq };
    return TROUBLE_NONE;
}

/* A gateway that still has the settings of before a repartition published it here. It isn't
 * applied: nobody reads the conversation in this partition, and its chain of prev is another one's.
 * It isn't an alarm: one late gateway would stop everybody else in the partition. There is no void,
 * which would be an event of the conversation with a number that isn't of its stream. `parleyctl
 * dlq replay` publishes it where it belongs. */
static enum trouble bury_stray(struct persister *p, const struct log_record *record,
                               uint64_t deliveries)
{
    char error[128];
    (void)snprintf(
        error, sizeof error,
        "It belongs into partition %u of %u: a gateway with other settings published it.",
        subject_partition(&record->owner, p->o.partitions), p->o.partitions);
    return bury(p, record, deliveries, DEAD_REFUSED, error);
}

static enum trouble decode_record(struct persister *p, struct run *run, size_t at,
                                  struct arena *arena)
{
    const struct log_record *record = run->records[at];
    uint64_t deliveries = run->deliveries ? run->deliveries[at] : 1;
    if (record->schema > PARLEY_SCHEMA_VERSION) {
        p->alarm = ALARM_SCHEMA; /* good, but not for us: whoever knows it will take it */
        return TROUBLE_ALARM;
    }
    if (record->owner.len > 0 && !check_owner(p, record))
        return bury_stray(p, record, deliveries);
    if (record->kind == SUBJECT_CONVERSATION && record->owner.len > 0)
        return decode_event(p, run, record, deliveries, arena);
    if (record->kind == SUBJECT_USER && record->owner.len > 0)
        return decode_feed(p, run, record, deliveries);
    return bury(p, record, deliveries, DEAD_UNPARSEABLE, "The subject is none of a conversation.");
}

/* Decodes all of it, or cuts the run short before what gives trouble. */
static enum trouble decode_run(struct persister *p, struct run *run, struct arena *arena)
{
    run->events = arena_alloc(arena, (run->count + 1) * sizeof *run->events);
    run->results = arena_alloc(arena, (run->count + 1) * sizeof *run->results);
    run->feed = arena_alloc(arena, (run->count + 1) * sizeof *run->feed);
    run->event_count = run->feed_count = run->void_count = 0;
    if (!run->events || !run->results || !run->feed) {
        run->to = run->from - 1;
        return TROUBLE_LOG;
    }
    for (size_t i = 0; i < run->count; i++) {
        enum trouble trouble = decode_record(p, run, i, arena);
        if (trouble != TROUBLE_NONE) {
            run->to = run->records[i]->seq - 1;
            run->count = i;
            return trouble;
        }
    }
    return TROUBLE_NONE;
}

static enum rc apply_slice(struct persister *p, struct run *run, const struct slice *s)
{
    const struct message_store *store = p->o.store;
    const struct store_batch batch = {
        .generation = p->o.generation,
        .partition = p->o.partition,
        .events = run->events + s->event_first,
        .event_count = s->event_end - s->event_first,
        .feed = run->feed + s->feed_first,
        .feed_count = s->feed_end - s->feed_first,
        .from = s->from,
        .to = s->to,
    };
    int64_t began_ms = clock_monotonic_ms(p->o.clock);
    enum rc rc = store->apply(store->self, &batch, run->results + s->event_first);
    store_called(p, rc, began_ms);
    if (rc == RC_OK && s->from <= p->applied + 1 && s->to > p->applied)
        p->applied = s->to;
    return rc;
}

static size_t record_at(const struct run *run, uint64_t seq)
{
    size_t at = 0;
    while (at < run->count && run->records[at]->seq != seq)
        at++;
    return at;
}

static enum trouble trouble_of(struct persister *p, enum rc rc)
{
    if (rc == RC_OK)
        return TROUBLE_NONE;
    if (rc != RC_INVALID && rc != RC_CONFLICT)
        return TROUBLE_STORE;
    p->alarm = rc == RC_INVALID ? ALARM_REFUSED : ALARM_OTHER_LOG;
    return TROUBLE_ALARM;
}

/* The one event (or feed entry) of this slice is refused by the store: dead letter, then a void. */
static enum trouble refuse(struct persister *p, struct run *run, struct slice *s)
{
    bool is_event = s->event_end > s->event_first;
    uint64_t seq = is_event ? run->events[s->event_first].seq : run->feed[s->feed_first].feed_seq;
    size_t at = record_at(run, seq);
    const struct log_record *record = run->records[at];
    if (is_event && run->events[s->event_first].kind == EVENT_VOID)
        return trouble_of(p, RC_INVALID); /* its dead letter is there, and there is no other void */
    enum trouble trouble = bury(p, record, run->deliveries ? run->deliveries[at] : 1, DEAD_REFUSED,
                                "The store refuses it.");
    if (trouble != TROUBLE_NONE)
        return trouble;
    if (is_event) {
        run->events[s->event_first] = record_void(record, VOID_REFUSED);
        run->void_count++;
    } else {
        s->feed_end = s->feed_first;
    }
    return trouble_of(p, apply_slice(p, run, s)); /* a refused void would break the chain */
}

static enum trouble commit_slice(struct persister *p, struct run *run, struct slice s);

/* The store refuses something in it: each half is tried alone, down to the one that is refused. */
static enum trouble commit_halves(struct persister *p, struct run *run, struct slice s)
{
    uint64_t middle = s.from + (s.to - s.from) / 2;
    struct slice left = s, right = s;
    left.to = middle;
    right.from = middle + 1;
    while (left.event_end > s.event_first && run->events[left.event_end - 1].seq > middle)
        left.event_end--;
    while (left.feed_end > s.feed_first && run->feed[left.feed_end - 1].feed_seq > middle)
        left.feed_end--;
    right.event_first = left.event_end;
    right.feed_first = left.feed_end;
    enum trouble trouble = commit_slice(p, run, left);
    return trouble == TROUBLE_NONE ? commit_slice(p, run, right) : trouble;
}

static enum trouble commit_slice(struct persister *p, struct run *run, struct slice s)
{
    size_t count = s.event_end - s.event_first + s.feed_end - s.feed_first;
    enum rc rc = apply_slice(p, run, &s);
    if (rc == RC_INVALID && count > 1)
        return commit_halves(p, run, s);
    if (rc == RC_INVALID && count == 1)
        return refuse(p, run, &s);
    return trouble_of(p, rc);
}

/* Another instance may have gone further, or someone put an older file in the store's place. */
static enum trouble read_applied(struct persister *p)
{
    const struct message_store *store = p->o.store;
    uint64_t applied;
    if (store->applied(store->self, p->o.generation, p->o.partition, &applied) != RC_OK)
        return TROUBLE_NONE; /* the commit was answered: ours is right, if maybe not the newest */
    bool went_back = applied < p->applied;
    p->applied = applied;
    atomic_store(&p->o.stats->applied, applied);
    return went_back ? TROUBLE_STORE : TROUBLE_NONE;
}

enum trouble run_persist(struct persister *p, struct run *run, struct arena *arena)
{
    enum trouble undecoded = decode_run(p, run, arena);
    enum trouble trouble = TROUBLE_NONE;
    if (run->to >= run->from) {
        const struct slice all = { .event_end = run->event_count,
                                   .feed_end = run->feed_count,
                                   .from = run->from,
                                   .to = run->to };
        trouble = commit_slice(p, run, all);
        if (p->applied >= run->from && read_applied(p) != TROUBLE_NONE)
            trouble = TROUBLE_STORE;
        run_emit(p, run);
    }
    if (trouble == TROUBLE_NONE) {
        atomic_fetch_add(&p->o.stats->events, run->event_count - run->void_count);
        atomic_fetch_add(&p->o.stats->voids, run->void_count);
        atomic_fetch_add(&p->o.stats->feed_entries, run->feed_count);
    }
    return trouble != TROUBLE_NONE ? trouble : undecoded;
}

struct collector {
    struct arena *arena;
    struct run *run;
    bool is_out_of_memory;
};

static bool collect(void *closure, const struct log_record *record)
{
    struct collector *c = closure;
    struct log_record *copy = arena_alloc(c->arena, sizeof *copy);
    struct bytes payload = arena_copy(c->arena, record->payload);
    if (!copy || !payload.ptr) {
        c->is_out_of_memory = true;
        return false;
    }
    *copy = *record;
    copy->payload = payload;
    c->run->records[c->run->count++] = copy;
    return c->run->count < PERSIST_BATCH_RECORDS;
}

enum rc run_read(struct persister *p, uint64_t from, uint64_t to, struct arena *arena,
                 struct run *out)
{
    const struct log_consumer *log = p->o.log;
    struct run run = { .from = from, .to = to };
    struct collector collector = { .arena = arena, .run = &run };
    run.records = arena_alloc(arena, PERSIST_BATCH_RECORDS * sizeof *run.records);
    if (!run.records)
        return RC_NOMEM;
    TRY(log->read_run(log->self, from, to, collect, &collector));
    if (collector.is_out_of_memory)
        return RC_NOMEM;
    if (run.count == PERSIST_BATCH_RECORDS)
        run.to = run.records[run.count - 1]->seq;
    *out = run;
    return RC_OK;
}

/* What the store misses isn't in the log any more. */
static enum trouble pass_gap(struct persister *p, uint64_t from)
{
    const struct log_consumer *log = p->o.log;
    struct log_state state;
    if (log->state(log->self, &state) != RC_OK)
        return TROUBLE_LOG;
    if (state.first_seq <= from)
        return TROUBLE_LOG; /* it is there: that answer was wrong or old */
    if (!p->o.accepts_gap) {
        p->alarm = ALARM_GAP;
        return TROUBLE_ALARM;
    }
    log_error("persister.gap_accepted", LOG_UINT("partition", p->o.partition),
              LOG_UINT("from", from), LOG_UINT("to", state.first_seq - 1));
    SCOPED_ARENA(arena, RUN_ARENA_BYTES_MAX);
    struct run run = { .from = from, .to = state.first_seq - 1 };
    return run_persist(p, &run, &arena);
}

enum trouble gap_fill(struct persister *p, uint64_t from, uint64_t to)
{
    atomic_fetch_add(&p->o.stats->gap_fills, 1);
    while (from <= to) {
        SCOPED_ARENA(arena, RUN_ARENA_BYTES_MAX);
        struct run run;
        enum rc rc = run_read(p, from, to, &arena, &run);
        enum trouble trouble = rc == RC_NOT_FOUND ? pass_gap(p, from)
                               : rc != RC_OK      ? TROUBLE_LOG
                                                  : run_persist(p, &run, &arena);
        if (trouble != TROUBLE_NONE)
            return trouble;
        from = p->applied + 1;
    }
    return TROUBLE_NONE;
}
