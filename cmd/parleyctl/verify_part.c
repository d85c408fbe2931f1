/* verify_part.c - one part of a partition: records of the stream against rows of the store. What is
 * compared, and what a void stands for, is told in cmd_verify.c. */
#include "verify_parts.h"

#include <stdlib.h>

#include "app/record.h"
#include "wire/event_json.h"
#include "wire/subjects.h"

enum { PART_RECORDS = 1000, PART_BYTES_MAX = 192 * 1024 * 1024 };

struct chain {
    uint64_t last_seq;
};

struct row {
    uint64_t seq;
    struct id conversation;
    enum event_kind kind;
};

struct part {
    struct verify *v;
    struct arena *arena;
    struct log_record *records;
    size_t record_count;
    struct row *rows;
    size_t row_count, row_room;
    uint64_t from, to;
    struct map stored; /* conversation -> struct stored, of those that were asked for */
    enum rc rc;
};

/* What the store has of one conversation in the part: asked once, since a question an event would
 * be too many for a store behind a network. */
struct stored {
    struct event *events; /* ascending */
    size_t count;
};

static bool take_record(void *closure, const struct log_record *record)
{
    struct part *part = closure;
    struct bytes payload = arena_copy(part->arena, record->payload);

    if (!payload.ptr) {
        part->rc = RC_NOMEM;
        return false;
    }
    part->records[part->record_count] = *record;
    part->records[part->record_count].payload = payload;
    return ++part->record_count < PART_RECORDS;
}

static bool take_row(void *closure, uint64_t seq, const struct id *conversation,
                     enum event_kind kind)
{
    struct part *part = closure;

    if (part->row_count == part->row_room) { /* more rows than seqs: the first ones show it */
        verify_find(part->v, FOUND_EXTRA, seq, conversation, "more rows than the log has places");
        return false;
    }
    part->rows[part->row_count++] = (struct row){ seq, *conversation, kind };
    return true;
}

static enum rc read_stored(struct part *part, const struct id *conversation, struct stored **out)
{
    const struct message_store *store = part->v->store;
    struct stored *stored = map_get(&part->stored, id_bytes(conversation));

    if (!stored) {
        stored = arena_alloc(part->arena, sizeof *stored);
        if (!stored)
            return RC_NOMEM;
        TRY(store->events(store->self, conversation, part->from - 1, part->to, PART_RECORDS,
                          part->arena, &stored->events, &stored->count));
        TRY(map_put(&part->stored, id_bytes(conversation), stored));
    }
    *out = stored;
    return RC_OK;
}

static int compare_events(const void *left, const void *right)
{
    const struct event *a = left, *b = right;
    return (a->seq > b->seq) - (a->seq < b->seq);
}

static enum rc stored_event(struct part *part, const struct id *conversation, uint64_t seq,
                            struct event *out)
{
    const struct event wanted = { .seq = seq };
    struct stored *stored;

    TRY(read_stored(part, conversation, &stored));
    const struct event *found = stored->count ? bsearch(&wanted, stored->events, stored->count,
                                                        sizeof wanted, compare_events)
                                              : NULL;
    if (!found)
        return RC_NOT_FOUND;
    *out = *found;
    return RC_OK;
}

/* An event outside of the part. */
static enum rc distant_event(struct part *part, const struct id *conversation, uint64_t seq,
                             struct event *out)
{
    const struct message_store *store = part->v->store;
    struct event *events;
    size_t count;

    TRY(store->events(store->self, conversation, seq - 1, seq, 1, part->arena, &events, &count));
    if (count != 1 || events[0].seq != seq)
        return RC_NOT_FOUND;
    *out = events[0];
    return RC_OK;
}

static void check_double(struct part *part, const struct event *meant, const struct event *stored)
{
    struct event first;

    part->v->tally.doubles++;
    if (distant_event(part, &meant->conversation, stored->of_seq, &first) != RC_OK ||
        !id_equal(&first.actor, &meant->actor) || !id_equal(&first.client_id, &meant->client_id) ||
        memcmp(first.body_hash, meant->body_hash, BODY_HASH_BYTES) != 0)
        verify_find(part->v, FOUND_DIFFERENT, meant->seq, &meant->conversation,
                    "a void as the double of what isn't the same message");
}

static void compare(struct part *part, const struct log_record *record, const struct event *stored)
{
    struct event meant = record_to_event(record, part->arena);
    struct verify *v = part->v;

    if (stored->at_us != record->at_us)
        verify_find(v, FOUND_DIFFERENT, record->seq, &record->owner, "another time");
    if (stored->kind == EVENT_VOID) {
        v->tally.voids++;
        if (stored->of_seq != 0 && meant.kind == EVENT_MESSAGE_NEW)
            check_double(part, &meant, stored);
        return;
    }
    if (stored->kind != meant.kind)
        verify_find(v, FOUND_DIFFERENT, record->seq, &record->owner, "another kind of event");
    else if (!bytes_equal(stored->payload, record->payload))
        verify_find(v, FOUND_DIFFERENT, record->seq, &record->owner, "another payload");
    else if (memcmp(stored->body_hash, meant.body_hash, BODY_HASH_BYTES) != 0)
        verify_find(v, FOUND_DIFFERENT, record->seq, &record->owner, "another body hash");
}

/* The stored prev must be the conversation's event before it, as the log has them one after the
 * other. Of the first one in the log the one before is in the store only. */
static enum rc check_chain(struct verify *v, const struct log_record *record, uint64_t prev)
{
    struct chain *chain = map_get(&v->last_of, id_bytes(&record->owner));

    if (chain && chain->last_seq != prev)
        verify_find(v, FOUND_CHAIN, record->seq, &record->owner, "prev isn't the event before");
    if (!chain) {
        chain = arena_alloc(&v->chains, sizeof *chain);
        if (!chain)
            return RC_NOMEM;
        TRY(map_put(&v->last_of, id_bytes(&record->owner), chain));
        if (prev >= v->tally.first)
            verify_find(v, FOUND_CHAIN, record->seq, &record->owner,
                        "prev names an event that the log doesn't have");
    }
    chain->last_seq = record->seq;
    return RC_OK;
}

static enum rc check_pair(struct part *part, const struct log_record *record)
{
    struct event stored;
    enum rc rc = stored_event(part, &record->owner, record->seq, &stored);

    if (rc == RC_NOT_FOUND) {
        verify_find(part->v, FOUND_MISSING, record->seq, &record->owner,
                    "listed, but not to be read");
        return RC_OK;
    }
    TRY(rc);
    compare(part, record, &stored);
    return check_chain(part->v, record, stored.prev);
}

static enum rc check_feed(struct part *part, const struct log_record *record)
{
    const struct message_store *store = part->v->store;
    struct user_feed_record feed;
    struct user_feed_entry *entries;
    size_t count;

    if (user_feed_parse(record->payload, &feed) != RC_OK) {
        part->v->tally.foreign++; /* a dead letter; there is no chain that needs a void */
        return RC_OK;
    }
    part->v->tally.feeds++;
    /* A later entry about the same conversation takes its place: then there is a newer one. */
    TRY(store->user_feed(store->self, &record->owner, record->seq - 1, 1, part->arena, &entries,
                         &count));
    if (count == 0)
        verify_find(part->v, FOUND_MISSING, record->seq, &record->owner,
                    "a user feed record that nothing in the store stands for");
    return RC_OK;
}

/* Records and rows are both ascending; rows of the same seq twice are an extra. */
static enum rc merge(struct part *part)
{
    struct verify *v = part->v;
    size_t at = 0;

    for (size_t i = 0; i < part->record_count; i++) {
        const struct log_record *record = &part->records[i];
        /* What belongs into another partition was dead-lettered. */
        bool is_ours = record->owner.len > 0 &&
                       subject_partition(&record->owner, v->partitions) == v->partition;
        bool is_event = record->kind == SUBJECT_CONVERSATION && is_ours;
        for (; at < part->row_count && part->rows[at].seq < record->seq; at++)
            verify_find(v, FOUND_EXTRA, part->rows[at].seq, &part->rows[at].conversation,
                        "the log has nothing there");
        bool is_there = at < part->row_count && part->rows[at].seq == record->seq;
        if (is_event)
            v->tally.events++;
        else if (record->kind != SUBJECT_USER || !is_ours)
            v->tally.foreign++; /* a dead letter of no conversation has no row */
        else if (!is_there)
            TRY(check_feed(part, record));
        if (is_event && !is_there)
            verify_find(v, FOUND_MISSING, record->seq, &record->owner,
                        "the store has nothing there");
        if (is_there && (!is_event || !id_equal(&part->rows[at].conversation, &record->owner)))
            verify_find(v, FOUND_DIFFERENT, record->seq, &part->rows[at].conversation,
                        "the store has an event of another subject there");
        else if (is_there)
            TRY(check_pair(part, record));
        at += is_there;
    }
    for (; at < part->row_count; at++)
        verify_find(v, FOUND_EXTRA, part->rows[at].seq, &part->rows[at].conversation,
                    "the log has nothing there, or the store has it twice");
    return RC_OK;
}

enum rc verify_part(struct verify *v, uint64_t from, uint64_t until, uint64_t *out_next)
{
    SCOPED_ARENA(arena, PART_BYTES_MAX);
    uint64_t to = from + PART_RECORDS - 1 < until ? from + PART_RECORDS - 1 : until;
    struct part part = {
        .v = v, .arena = &arena, .row_room = PART_RECORDS * 2, .from = from, .to = to
    };

    part.records = arena_alloc(&arena, PART_RECORDS * sizeof *part.records);
    part.rows = arena_alloc(&arena, part.row_room * sizeof *part.rows);
    if (!part.records || !part.rows)
        return RC_NOMEM;
    TRY(v->log.read_run(v->log.self, from, to, take_record, &part));
    TRY(part.rc);
    TRY(v->store->scan(v->store->self, v->partition, from - 1, to, take_row, &part));
    map_init(&part.stored);
    enum rc rc = merge(&part);
    map_fini(&part.stored);
    TRY(rc);
    *out_next = to + 1;
    return RC_OK;
}
