/* mg_apply.c - a batch of events becomes documents, without transactions.
 *
 * What is kept is of three sorts, and each ends the same however often, in whatever order, and by
 * however many appliers at once it is written:
 *
 *   1. Documents that are only ever inserted, under a key that says what they are: events, facts
 *      (events that make conversations and memberships), links (two seqs are one message). The set
 *      of them only grows, and says everything else.
 *   2. Fields that only ever move one way, by $min or $max: the lowest seq of an operation, the
 *      first that a double stands for, the last edit, the first deletion, the last pin, lastSeq.
 *   3. Documents computed from all facts of their group, guarded by how many those were: a state
 *      made of fewer facts never replaces one made of more. Who inserts the last fact reads them
 * all.
 *
 * Nothing is upserted (mg_call.h says why): what may be missing is inserted, and updated where it
 * was there.
 *
 * Rules that the order of writes follows:
 *
 *   a. Write, then look: an applier inserts its own before it reads what others have. Of two that
 *      race, the later one sees both (reads are of the primary, writes are acknowledged by a
 *      majority), and does what follows from both.
 *   b. All writes are made for all events of a batch, also for those that were there: whoever put
 *      them there may have been killed right after. A batch that failed is applied again whole.
 *   c. Nothing that readers see ever goes away for want of the next write. So a known double is
 *      inserted as a void at once, but the message that it would stand for is there before a
 *      displaced one becomes void; and events are there before the marks that name them.
 *   d. A claim is lowered only after the link that follows from its old value is kept: else a
 *      second try would no longer know of it.
 *   e. `applied` moves last. Readers take what lies behind it from the log, so what a killed
 * applier left half done is never the only source of anything.
 *
 * In the common case, of new messages, edits and so on, that is: two reads of marks, one insert
 * each of claims and events (11000 is the exception that costs a read), one read of marks, one
 * update of lastSeq a conversation, one of `applied`. tests/property and tests/contract hold it
 * against the store in memory, tests/fault/mongo breaks it off at every single command.
 */
#include "adapters/mongo/mg_apply.h"
#include "base/rc.h"

#include <stdlib.h>

enum { ARENA_BYTES_PER_EVENT = 16384, ARENA_BYTES_MIN = 8 << 20, EVENT_BYTES_MAX = 15 << 20 };

/* ---- preparing ---- */

static bool is_member_event(enum event_kind kind)
{
    return kind == EVENT_MEMBER_ADDED || kind == EVENT_MEMBER_REMOVED ||
           kind == EVENT_MEMBER_UPDATED;
}

static size_t bytes_of_event(const struct event *e)
{
    return e->payload.len + e->name.len + e->emoji.len + e->reason.len;
}

/* A document has 16 MiB at most. */
static bool is_keepable(const struct event *e)
{
    return e->kind < EVENT_KIND_COUNT && e->seq > 0 && e->seq <= MG_SEQ_MAX &&
           e->conversation.len > 0 && (!is_member_event(e->kind) || e->user.len > 0) &&
           bytes_of_event(e) <= EVENT_BYTES_MAX;
}

static bool has_hash(const uint8_t hash[BODY_HASH_BYTES])
{
    static const uint8_t none[BODY_HASH_BYTES];
    return memcmp(hash, none, sizeof none) != 0;
}

/* Two events of which both claim one place. */
static bool is_other_event(const struct event *a, const struct event *b)
{
    return !id_equal(&a->conversation, &b->conversation) ||
           (has_hash(a->body_hash) && has_hash(b->body_hash) &&
            memcmp(a->body_hash, b->body_hash, BODY_HASH_BYTES) != 0);
}

static enum rc prepare_place(struct mg_applying *a, struct mg_item *item)
{
    mg_place(item->place, a->batch->partition, item->event->seq);
    item->same = map_get(&a->places, bytes_of(item->place));
    if (item->same)
        return is_other_event(item->same->event, item->event) ? RC_CONFLICT : RC_OK;
    item->same = item;
    return map_put(&a->places, bytes_of(item->place), item);
}

static enum rc prepare_claim(struct mg_applying *a, struct mg_item *item)
{
    char key[MG_CLAIM_CHARS + 1];
    uint64_t seq = item->event->seq;
    if (item->event->client_id.len == 0)
        return RC_OK;
    mg_claim(key, item->event);
    item->claim = map_get(&a->claims, bytes_of(key));
    if (!item->claim) {
        item->claim = arena_alloc(a->arena, sizeof *item->claim);
        if (!item->claim)
            return RC_NOMEM;
        memcpy(item->claim->key, key, sizeof key);
        item->claim->lowest = seq;
        TRY(map_put(&a->claims, bytes_of(key), item->claim));
    }
    if (seq < item->claim->lowest)
        item->claim->lowest = seq;
    return RC_OK;
}

static enum rc prepare_room(struct mg_applying *a, const struct event *e)
{
    struct mg_room *room = map_get(&a->rooms, id_bytes(&e->conversation));
    if (!room) {
        room = arena_alloc(a->arena, sizeof *room);
        if (!room)
            return RC_NOMEM;
        room->id = e->conversation;
        TRY(map_put(&a->rooms, id_bytes(&e->conversation), room));
    }
    if (e->seq > room->highest)
        room->highest = e->seq;
    return RC_OK;
}

static enum rc prepare(struct mg_applying *a)
{
    const struct store_batch *batch = a->batch;
    a->items = arena_alloc(a->arena, (batch->event_count + 1) * sizeof *a->items);
    if (!a->items)
        return RC_NOMEM;
    for (size_t i = 0; i < batch->event_count; i++)
        if (!is_keepable(&batch->events[i]))
            return RC_INVALID;
    for (size_t i = 0; i < batch->event_count; i++) {
        struct mg_item *item = &a->items[i];
        item->event = &batch->events[i];
        TRY(prepare_place(a, item));
        TRY(prepare_claim(a, item));
        TRY(prepare_room(a, item->event));
    }
    return RC_OK;
}

/* ---- prev, where it is sure ---- */

static enum rc read_rooms(struct mg_applying *a)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(opts);
    bson_t fields;
    const bson_t *doc;
    size_t at = 0, count = 0;
    struct id *ids = arena_alloc(a->arena, (a->rooms.count + 1) * sizeof *ids);
    if (!ids)
        return RC_NOMEM;
    for (struct mg_room *room; (room = map_next(&a->rooms, &at, NULL));)
        ids[count++] = room->id;
    mg_put_texts_in(&filter, "_id", ids[0].text, sizeof *ids, count);
    (void)bson_append_document_begin(&opts, "projection", -1, &fields);
    (void)BSON_APPEND_INT32(&fields, "lastSeq", 1);
    (void)bson_append_document_end(&opts, &fields);
    struct mg_find find = mg_find(a->call, MG_CONVERSATIONS, &filter, &opts);
    while (mg_next(&find, &doc)) {
        struct id id = mg_get_id(doc, "_id");
        struct mg_room *room = map_get(&a->rooms, id_bytes(&id));
        if (room)
            room->stored = mg_get_seq(doc, "lastSeq");
    }
    return mg_find_end(&find);
}

/* The batch is the whole run of the log, ascending, as the port says; else nothing is sure. */
static bool is_run(const struct store_batch *batch)
{
    uint64_t last = batch->from ? batch->from - 1 : UINT64_MAX;
    for (size_t i = 0; i < batch->event_count; i++) {
        uint64_t seq = batch->events[i].seq;
        if (last == UINT64_MAX || seq <= last || seq > batch->to)
            return false;
        last = seq;
    }
    return true;
}

/* The row before an event is sure when it is in the same run, or when everything before the run is
 * applied and the conversation's last row lies there. What isn't sure is looked up when read. */
static enum rc find_prevs(struct mg_applying *a)
{
    const struct store_batch *batch = a->batch;
    uint64_t applied, emitted;
    size_t at = 0;
    if (batch->event_count == 0)
        return RC_OK;
    TRY(read_rooms(a));
    if (!is_run(batch))
        return RC_OK;
    TRY(mg_read_applied(a->call, batch->generation, batch->partition, &applied, &emitted));
    for (struct mg_room *room; (room = map_next(&a->rooms, &at, NULL));) {
        room->before = room->stored;
        room->is_before_sure = applied + 1 >= batch->from && room->stored < batch->from;
    }
    for (size_t i = 0; i < batch->event_count; i++) {
        struct mg_item *item = &a->items[i];
        struct mg_room *room = map_get(&a->rooms, id_bytes(&item->event->conversation));
        item->prev = room->is_before_sure ? room->before : 0;
        room->before = item->event->seq;
        room->is_before_sure = true;
    }
    return RC_OK;
}

/* ---- claims ---- */

static enum rc read_claims(struct mg_applying *a, const char *keys, size_t count)
{
    SCOPED_DOC(filter);
    const bson_t *doc;
    if (count == 0)
        return RC_OK;
    mg_put_texts_in(&filter, "_id", keys, MG_CLAIM_CHARS + 1, count);
    struct mg_find find = mg_find(a->call, MG_OPERATIONS, &filter, NULL);
    while (mg_next(&find, &doc)) {
        struct mg_claiming *claim = map_get(&a->claims, mg_peek_text(doc, "_id"));
        if (claim)
            claim->stored = mg_get_seq(doc, "seq");
    }
    return mg_find_end(&find);
}

/* One insert; who was there before is read. A claim without its event (its applier was killed) does
 * no harm: the log has that event, and it will be applied. */
static enum rc write_claims(struct mg_applying *a)
{
    SCOPED_WRITES(writes);
    size_t at = 0, i = 0, taken = 0, count = a->claims.count;
    char *keys = arena_alloc(a->arena, (count + 1) * (MG_CLAIM_CHARS + 1));
    struct mg_claiming **claims = arena_alloc(a->arena, (count + 1) * sizeof *claims);
    if (!keys || !claims)
        return RC_NOMEM;
    mg_writes_begin(&writes, a->call, MG_OPERATIONS, count);
    for (struct mg_claiming *claim; (claim = map_next(&a->claims, &at, NULL)); i++) {
        SCOPED_DOC(doc);
        (void)BSON_APPEND_UTF8(&doc, "_id", claim->key);
        mg_put_seq(&doc, "seq", claim->lowest);
        mg_insert(&writes, &doc);
        claims[i] = claim;
    }
    TRY(mg_writes_end(&writes));
    for (i = 0; i < count; i++)
        if (writes.is_taken[i])
            memcpy(keys + taken++ * (MG_CLAIM_CHARS + 1), claims[i]->key, MG_CLAIM_CHARS + 1);
    return read_claims(a, keys, taken);
}

/* ---- events ---- */

static void find_births(struct mg_applying *a)
{
    for (size_t i = 0; i < a->batch->event_count; i++) {
        struct mg_item *item = &a->items[i];
        const struct mg_claiming *claim = item->claim;
        if (!claim || item->event->kind != EVENT_MESSAGE_NEW)
            continue;
        uint64_t first = claim->lowest;
        if (claim->stored && claim->stored < first)
            first = claim->stored;
        item->born_of = first < item->event->seq ? first : 0;
    }
}

/* 11000: something stands in that place. It must be the same event, else it is another log. A place
 * that is free all the same: the conversation has that seq in another partition. */
static enum rc check_taken(struct mg_applying *a, const char *places, size_t count)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(opts);
    SCOPED_ARENA(arena, 1 << 20);
    bson_t fields;
    const bson_t *doc;
    size_t found = 0;
    enum rc rc = RC_OK;
    if (count == 0)
        return RC_OK;
    mg_put_texts_in(&filter, "_id", places, MG_PLACE_CHARS + 1, count);
    (void)bson_append_document_begin(&opts, "projection", -1, &fields);
    (void)BSON_APPEND_INT32(&fields, "conversationId", 1);
    (void)BSON_APPEND_INT32(&fields, "seq", 1);
    (void)BSON_APPEND_INT32(&fields, "bodyHash", 1);
    (void)bson_append_document_end(&opts, &fields);
    struct mg_find find = mg_find(a->call, MG_EVENTS, &filter, &opts);
    while (rc == RC_OK && mg_next(&find, &doc)) {
        struct mg_event there;
        const struct mg_item *item = map_get(&a->places, mg_peek_text(doc, "_id"));
        rc = mg_document(a->call, mg_get_event(doc, &arena, &there));
        if (rc == RC_OK && item && is_other_event(&there.event, item->event))
            rc = RC_CONFLICT;
        found++;
    }
    if (rc != RC_OK)
        return mg_find_stop(&find, rc);
    TRY(mg_find_end(&find));
    return found == count ? RC_OK : RC_CONFLICT;
}

static enum rc write_events(struct mg_applying *a)
{
    SCOPED_WRITES(writes);
    size_t count = a->batch->event_count, at = 0, taken = 0;
    char *places = arena_alloc(a->arena, (count + 1) * (MG_PLACE_CHARS + 1));
    if (!places)
        return RC_NOMEM;
    find_births(a);
    mg_writes_begin(&writes, a->call, MG_EVENTS, count);
    for (size_t i = 0; i < count; i++) {
        SCOPED_DOC(doc);
        const struct mg_item *item = &a->items[i];
        uint64_t prev = item->event->prev ? item->event->prev : item->prev;
        if (!mg_is_first(item))
            continue;
        mg_put_event(&doc, a->batch->partition, item->event, prev, item->born_of);
        mg_insert(&writes, &doc);
    }
    TRY(mg_writes_end(&writes));
    for (size_t i = 0; i < count; i++) {
        struct mg_item *item = &a->items[i];
        if (!mg_is_first(item) || !writes.is_taken[at++])
            continue;
        item->was_there = true;
        memcpy(places + taken++ * (MG_PLACE_CHARS + 1), item->place, MG_PLACE_CHARS + 1);
    }
    return check_taken(a, places, taken);
}

/* ---- all of it ---- */

static enum rc apply_all(struct mg_applying *a, struct applied_result *results)
{
    TRY(prepare(a));
    TRY(find_prevs(a));
    TRY(write_claims(a));
    TRY(write_events(a));
    TRY(mg_doubles_results(a, results));
    TRY(mg_doubles_write(a));
    TRY(mg_overlays_write(a));
    TRY(mg_facts_write(a));
    TRY(mg_last_seqs_write(a));
    TRY(mg_feed_write(a));
    return mg_move_applied(a->call, a->batch);
}

static enum rc apply_in_call(struct mg_call *call, const struct store_batch *batch,
                             struct applied_result *results)
{
    SCOPED_ARENA(arena, ARENA_BYTES_MIN + batch->event_count * ARENA_BYTES_PER_EVENT);
    struct mg_applying a = { .call = call, .arena = &arena, .batch = batch };
    map_init(&a.places);
    map_init(&a.claims);
    map_init(&a.rooms);
    map_init(&a.nodes);
    enum rc rc = apply_all(&a, results);
    map_fini(&a.nodes);
    map_fini(&a.rooms);
    map_fini(&a.claims);
    map_fini(&a.places);
    return rc;
}

enum rc mg_apply(void *self, const struct store_batch *batch, struct applied_result *results)
{
    struct mg_call call;
    if (batch->partition >= MG_PARTITIONS_MAX)
        return RC_INVALID;
    struct applied_result *now = calloc(batch->event_count + 1, sizeof *now);
    if (!now)
        return RC_NOMEM;
    enum rc rc = mg_begin(self, &call);
    if (rc == RC_OK)
        rc = mg_end(self, &call, apply_in_call(&call, batch, now));
    if (rc == RC_OK && results && batch->event_count)
        memcpy(results, now, batch->event_count * sizeof *now);
    free(now);
    return rc;
}
