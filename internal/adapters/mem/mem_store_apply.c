/* mem_store_apply.c - events go into the set; the batch is looked at whole before the first does.
 */
#include "adapters/mem/mem_parts.h"
#include "ports/log_consumer.h"

enum { SEQ_BITS = 53, PARTITIONS_MAX = 1024 };

static bool is_member_event(enum event_kind kind)
{
    return kind == EVENT_MEMBER_ADDED || kind == EVENT_MEMBER_REMOVED ||
           kind == EVENT_MEMBER_UPDATED;
}

static bool has_hash(const struct event *e)
{
    static const uint8_t none[BODY_HASH_BYTES];
    return memcmp(e->body_hash, none, sizeof none) != 0;
}

static bool is_keepable(const struct event *e)
{
    return e->kind < EVENT_KIND_COUNT && e->seq > 0 && e->seq >> SEQ_BITS == 0 &&
           e->conversation.len > 0 && (!is_member_event(e->kind) || e->user.len > 0);
}

/* Two events of which both claim one seq of a partition. */
static bool is_other_event(const struct event *a, const struct event *b)
{
    return !id_equal(&a->conversation, &b->conversation) ||
           (has_hash(a) && has_hash(b) &&
            memcmp(a->body_hash, b->body_hash, sizeof a->body_hash) != 0);
}

static enum rc check_place(const struct mem_store *store, const struct store_batch *batch,
                           size_t index)
{
    const struct event *e = &batch->events[index];
    for (size_t i = 0; i < index; i++)
        if (batch->events[i].seq == e->seq && is_other_event(&batch->events[i], e))
            return RC_CONFLICT;
    for (size_t i = 0; i < store->room_count; i++) {
        const struct mem_room *room = &store->rooms[i];
        const struct mem_event *at = mem_room_find(room, e->seq);
        bool is_here = id_equal(&room->id, &e->conversation);
        if (!at || (!is_here && at->partition != batch->partition))
            continue;
        if (at->partition != batch->partition || is_other_event(&at->event, e))
            return RC_CONFLICT;
    }
    return RC_OK;
}

static enum rc check_batch(const struct mem_store *store, const struct store_batch *batch)
{
    if (batch->partition >= PARTITIONS_MAX)
        return RC_INVALID;
    for (size_t i = 0; i < batch->event_count; i++) {
        if (!is_keepable(&batch->events[i]))
            return RC_INVALID;
        TRY(check_place(store, batch, i));
    }
    return store->event_count + batch->event_count > MEM_STORE_EVENTS_MAX ? RC_UNAVAILABLE : RC_OK;
}

/* Only the fields that an event of its kind has, as domain/event.h gives them. */
static struct event own_fields(struct event e)
{
    if (e.kind != EVENT_MEMBER_ADDED && e.kind != EVENT_MEMBER_UPDATED)
        e.role = ROLE_READER;
    if (e.kind != EVENT_CONVERSATION_CREATED)
        e.type = CONVERSATION_DIRECT;
    if (e.kind != EVENT_CONVERSATION_CREATED && e.kind != EVENT_CONVERSATION_UPDATED)
        e.history = HISTORY_JOINED;
    if (e.kind == EVENT_VOID)
        e.payload = (struct bytes){ NULL, 0 };
    return e;
}

static enum rc room_for(struct mem_store *store, const struct id *id, struct mem_room **out)
{
    size_t at = 0;
    *out = mem_find_room(store, id);
    if (*out)
        return RC_OK;
    while (at < store->room_count && mem_compare_ids(&store->rooms[at].id, id) < 0)
        at++;
    struct mem_room *rooms = mem_insert(store->rooms, sizeof *rooms, &store->room_count, at);
    if (!rooms)
        return RC_NOMEM;
    store->rooms = rooms;
    rooms[at].id = *id;
    *out = &rooms[at];
    return RC_OK;
}

static enum rc apply_event(struct mem_store *store, uint32_t partition, const struct event *event,
                           struct applied_result *out_result)
{
    struct mem_room *room;
    struct event e = own_fields(*event);
    TRY(room_for(store, &e.conversation, &room));
    if (mem_room_find(room, e.seq)) {
        *out_result = mem_room_again(room, e.seq);
        if (e.kind != EVENT_MESSAGE_NEW)
            out_result->as = APPLIED_AGAIN;
        return RC_OK;
    }
    TRY(mem_copy_event(&store->kept, &e));
    store->event_count++;
    return mem_room_add(room, &e, partition, out_result);
}

static enum rc apply_feed(struct mem_store *store, const struct user_feed_entry *entry)
{
    for (size_t i = 0; i < store->feed_count; i++) {
        struct user_feed_entry *known = &store->feed[i];
        if (!id_equal(&known->user, &entry->user) ||
            !id_equal(&known->conversation, &entry->conversation))
            continue;
        if (entry->feed_seq > known->feed_seq)
            *known = *entry;
        return RC_OK;
    }
    size_t at = store->feed_count;
    struct user_feed_entry *feed = mem_insert(store->feed, sizeof *feed, &store->feed_count, at);
    if (!feed)
        return RC_NOMEM;
    store->feed = feed;
    feed[at] = *entry;
    return RC_OK;
}

static struct mem_partition *find_partition(const struct mem_store *store, uint32_t generation,
                                            uint32_t partition)
{
    for (size_t i = 0; i < store->partition_count; i++)
        if (store->partitions[i].generation == generation &&
            store->partitions[i].partition == partition)
            return &store->partitions[i];
    return NULL;
}

static struct mem_partition *partition_for(struct mem_store *store, uint32_t generation,
                                           uint32_t partition)
{
    struct mem_partition *known = find_partition(store, generation, partition);
    if (known)
        return known;
    struct mem_partition *all =
        mem_insert(store->partitions, sizeof *all, &store->partition_count, store->partition_count);
    if (!all)
        return NULL;
    store->partitions = all;
    known = &all[store->partition_count - 1];
    *known = (struct mem_partition){ generation, partition, log_floor(generation),
                                     log_floor(generation) };
    return known;
}

static enum rc move_applied(struct mem_store *store, const struct store_batch *batch)
{
    if (batch->to == 0)
        return RC_OK;
    struct mem_partition *p = partition_for(store, batch->generation, batch->partition);
    if (!p)
        return RC_NOMEM;
    if (batch->from <= p->applied + 1 && batch->to > p->applied)
        p->applied = batch->to;
    return RC_OK;
}

static enum rc apply_locked(struct mem_store *store, const struct store_batch *batch,
                            struct applied_result *results)
{
    struct applied_result ignored;
    TRY(check_batch(store, batch));
    for (size_t i = 0; i < batch->event_count; i++)
        TRY(apply_event(store, batch->partition, &batch->events[i],
                        results ? &results[i] : &ignored));
    for (size_t i = 0; i < batch->feed_count; i++)
        TRY(apply_feed(store, &batch->feed[i]));
    return move_applied(store, batch);
}

static enum rc apply(void *self, const struct store_batch *batch, struct applied_result *results)
{
    TRY(mem_begin(self));
    return mem_end(self, apply_locked(self, batch, results));
}

static enum rc applied(void *self, uint32_t generation, uint32_t partition, uint64_t *out_seq)
{
    TRY(mem_begin(self));
    const struct mem_partition *p = find_partition(self, generation, partition);
    *out_seq = p ? p->applied : log_floor(generation);
    return mem_end(self, RC_OK);
}

static enum rc emitted(void *self, uint32_t generation, uint32_t partition, uint64_t *out_seq)
{
    TRY(mem_begin(self));
    const struct mem_partition *p = find_partition(self, generation, partition);
    *out_seq = p ? p->emitted : log_floor(generation);
    return mem_end(self, RC_OK);
}

static enum rc set_emitted(void *self, uint32_t generation, uint32_t partition, uint64_t seq)
{
    TRY(mem_begin(self));
    struct mem_partition *p = partition_for(self, generation, partition);
    if (p && seq > p->emitted)
        p->emitted = seq;
    return mem_end(self, p ? RC_OK : RC_NOMEM);
}

void mem_apply_init(struct mem_store *store)
{
    store->messages.apply = apply;
    store->messages.applied = applied;
    store->messages.emitted = emitted;
    store->messages.set_emitted = set_emitted;
}
