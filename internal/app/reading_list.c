/* reading_list.c - a user's conversations, right at once after a create or a join.
 *
 * The rule: who was told `ok` for a create, a join or being added finds the conversation in the
 * next list. The store's list ends at its applied seqs, so what came after must be found by other
 * means:
 *
 * 1. `applied` of every partition is asked first, then the store's page.
 * 2. Conversations that the store has: their heads are asked of the leaders (one question a
 *    partition). One whose head is beyond applied is opened as a view, and its membership, last
 *    message and counts are made anew. So a removal takes effect at once too.
 * 3. Conversations that the store hasn't got yet: the gateway that changed a membership writes the
 *    user's feed before it answers, and the persister repeats it. So the feed names every change.
 *    Its tail, from applied up to the leader's head, is read from the log. And of what the store
 * has of it, those entries count whose conversation lies in a partition that is not yet applied
 * that far: the feed is of the user's partition, and partitions are applied each at its own pace.
 *
 * While persisters keep up this costs, over the store's page, one head question a partition and one
 * for the feed.
 */
#include "app/reading.h"

#include "base/map.h"
#include "wire/event_json.h"
#include "wire/subjects.h"

enum {
    FEED_PAGE = 500,
    FEED_SCRATCH_BYTES = 1 << 20,
    FEED_NAMED_MAX = 20000,
    UNREAD_MAX = 100,
    RECOUNT_PAGE = 50,
};

struct listing {
    const struct reading *reading;
    const struct id *user;
    struct arena *arena;
    uint64_t *applied; /* by partition */
    struct conversation_item *items;
    uint64_t *heads;
    size_t count;
    struct map seen;     /* ids of items */
    uint64_t feed_floor; /* up to here the stored feed is known to be applied */
};

static enum rc ask_applied(struct listing *l)
{
    const struct message_store *store = l->reading->store;
    l->applied = arena_alloc(l->arena, l->reading->partitions * sizeof *l->applied);
    if (!l->applied)
        return RC_NOMEM;
    for (uint32_t p = 0; p < l->reading->partitions; p++)
        TRY(store->applied(store->self, l->reading->generation, p, &l->applied[p]));
    return RC_OK;
}

static uint32_t partition_of(const struct listing *l, const struct id *id)
{
    return subject_partition(id, l->reading->partitions);
}

struct named {
    struct id *ids;
    size_t count;
};

struct feed_walk {
    struct listing *listing;
    struct map named;
    struct named out;
    size_t cap;
    enum rc rc; /* of the log's callback */
};

static enum rc note_conversation(struct feed_walk *walk, const struct id *conversation)
{
    struct named *named = &walk->out;
    if (map_get(&walk->named, id_bytes(conversation)))
        return RC_OK;
    if (named->count == FEED_NAMED_MAX)
        return RC_UNAVAILABLE; /* persisters are that far behind */
    if (named->count == walk->cap) {
        size_t cap = walk->cap ? walk->cap * 2 : 16;
        struct id *grown = arena_alloc(walk->listing->arena, cap * sizeof *grown);
        if (!grown)
            return RC_NOMEM;
        if (named->count)
            memcpy(grown, named->ids, named->count * sizeof *grown);
        named->ids = grown;
        walk->cap = cap;
    }
    named->ids[named->count++] = *conversation;
    return map_put(&walk->named, id_bytes(conversation), walk);
}

/* What the store has of the feed, as far as it has not got the conversation's own events. Only the
 * first page goes through all of it: what has been applied once stays so, and what is new comes
 * behind it. */
static enum rc walk_stored_feed(struct feed_walk *walk)
{
    struct listing *l = walk->listing;
    const struct message_store *store = l->reading->store;
    uint64_t after = l->feed_floor;
    size_t count = FEED_PAGE;
    bool is_applied = true;
    while (count == FEED_PAGE) {
        SCOPED_ARENA(scratch, FEED_SCRATCH_BYTES);
        struct user_feed_entry *entries;
        TRY(store->user_feed(store->self, l->user, after, FEED_PAGE, &scratch, &entries, &count));
        for (size_t i = 0; i < count; i++) {
            const struct id *conversation = &entries[i].conversation;
            after = entries[i].feed_seq;
            if (entries[i].conversation_seq > l->applied[partition_of(l, conversation)]) {
                TRY(note_conversation(walk, conversation));
                is_applied = false;
            }
            if (is_applied)
                l->feed_floor = after;
        }
    }
    return RC_OK;
}

static bool note_feed_record(void *closure, const struct log_record *record)
{
    struct feed_walk *walk = closure;
    struct user_feed_record entry;
    if (user_feed_parse(record->payload, &entry) == RC_OK)
        walk->rc = note_conversation(walk, &entry.conversation);
    return walk->rc == RC_OK; /* garbage in the feed is no reason to show no list at all */
}

static enum rc walk_feed_tail(struct feed_walk *walk)
{
    const struct listing *l = walk->listing;
    const struct event_log *log = l->reading->log;
    struct log_range range = { .partition = partition_of(l, l->user),
                               .kind = 'u',
                               .owner = l->user,
                               .records_max = SIZE_MAX };
    enum rc rc = log->head(log->self, range.partition, 'u', l->user, &range.until);
    range.after = l->applied[range.partition];
    if (rc == RC_NOT_FOUND || (rc == RC_OK && range.until <= range.after))
        return RC_OK;
    TRY(rc);
    rc = log->read(log->self, &range, note_feed_record, walk);
    TRY(walk->rc);
    return rc == RC_NOT_FOUND ? RC_UNAVAILABLE : rc; /* the store is behind what the log has */
}

/* The conversations whose last change the store may not know, each once. */
static enum rc read_feed(struct listing *l, struct named *out)
{
    struct feed_walk walk = { .listing = l };
    map_init(&walk.named);
    enum rc rc = walk_stored_feed(&walk);
    if (rc == RC_OK)
        rc = walk_feed_tail(&walk);
    map_fini(&walk.named);
    *out = walk.out;
    return rc;
}

static enum rc add_stored(struct listing *l, const struct conversation_item *stored, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        l->items[l->count] = stored[i];
        TRY(map_put(&l->seen, id_bytes(&stored[i].conversation.id), l));
        l->count++;
    }
    return RC_OK;
}

/* Those of the feed that belong on this page: after `after`, and not after the store's last one
 * when more of the store is to come. */
static enum rc add_named(struct listing *l, const struct named *named, const struct id *after,
                         const struct id *last)
{
    for (size_t i = 0; i < named->count; i++) {
        const struct id *id = &named->ids[i];
        if (map_get(&l->seen, id_bytes(id)) || (after && strcmp(id->text, after->text) <= 0) ||
            (last && strcmp(id->text, last->text) > 0))
            continue;
        l->items[l->count] =
            (struct conversation_item){ .conversation.id = *id, .membership.user = *l->user };
        TRY(map_put(&l->seen, id_bytes(id), l));
        l->count++;
    }
    return RC_OK;
}

static enum rc ask_heads(struct listing *l)
{
    const struct event_log *log = l->reading->log;
    struct id *ids = arena_alloc(l->arena, (l->count + 1) * sizeof *ids);
    uint64_t *heads = arena_alloc(l->arena, (l->count + 1) * sizeof *heads);
    size_t *places = arena_alloc(l->arena, (l->count + 1) * sizeof *places);
    l->heads = arena_alloc(l->arena, (l->count + 1) * sizeof *l->heads);
    if (!ids || !heads || !places || !l->heads)
        return RC_NOMEM;
    for (uint32_t p = 0; p < l->reading->partitions; p++) {
        size_t count = 0;
        uint64_t as_of;
        for (size_t i = 0; i < l->count; i++) {
            if (partition_of(l, &l->items[i].conversation.id) != p)
                continue;
            ids[count] = l->items[i].conversation.id;
            places[count++] = i;
        }
        if (count)
            TRY(log->heads(log->self, p, 'c', ids, count, heads, &as_of));
        for (size_t i = 0; i < count; i++)
            l->heads[places[i]] = heads[i];
    }
    return RC_OK;
}

/* What one walk from the newest message back finds out. */
struct recount {
    struct conversation_item *item;
    bool is_counting;
    uint64_t last; /* the walk goes on before this one */
};

/* Unread are the messages of others, not deleted, after the read mark, the join and the user's own
 * last message, as the stores count them. Returns false when the walk may end. */
static bool recount_row(struct recount *r, const struct message_row *row)
{
    struct conversation_item *item = r->item;
    const struct membership *m = &item->membership;
    if (id_equal(&row->event.actor, &m->user) || row->event.seq <= m->joined_seq ||
        row->event.seq <= item->read_seq || item->unread >= UNREAD_MAX)
        r->is_counting = false;
    if (!row->delete_seq && r->is_counting)
        item->unread++;
    if (!row->delete_seq && !item->has_last_message) {
        item->has_last_message = true;
        item->last_message = *row;
    }
    r->last = row->event.seq;
    return r->is_counting || !item->has_last_message;
}

static enum rc recount(struct conversation_view *view, struct conversation_item *item)
{
    struct recount r = { .item = item, .is_counting = true };
    struct message_query query = {
        .conversation = view->conversation.id,
        .way = MESSAGES_BEFORE,
        .last_seq = UINT64_MAX,
        .first_seq = membership_first_readable(&item->membership, view->conversation.history),
        .limit = RECOUNT_PAGE,
    };
    item->has_last_message = false;
    item->unread = 0;
    for (;;) {
        struct message_row *rows;
        size_t count;
        TRY(view_messages(view, &query, &rows, &count));
        for (size_t i = 0; i < count; i++) {
            if (!recount_row(&r, &rows[i]))
                return RC_OK;
        }
        if (count < query.limit)
            return RC_OK;
        query.seq = r.last;
    }
}

/* Makes an item anew from the log's tail; *out_is_shown: whether the user still belongs to it. */
static enum rc refresh(struct listing *l, struct conversation_item *item, uint64_t head,
                       bool *out_is_shown)
{
    struct conversation_view view;
    uint64_t applied = l->applied[partition_of(l, &item->conversation.id)];
    *out_is_shown = false;
    enum rc rc = view_open_at(l->reading, &item->conversation.id, applied, head, l->arena, &view);
    if (rc == RC_NOT_FOUND)
        return RC_OK;
    TRY(rc);
    rc = view_membership(&view, l->user, &item->membership);
    if (rc == RC_NOT_FOUND)
        return RC_OK;
    TRY(rc);
    if (!item->membership.is_member || view.conversation.deleted_seq)
        return RC_OK;
    item->conversation = view.conversation;
    TRY(recount(&view, item));
    if (!item->direct_peer.len)
        TRY(view_direct_peer(&view, l->user, &item->direct_peer));
    *out_is_shown = true;
    return RC_OK;
}

/* Refreshes what has a tail and drops what the user no longer belongs to. */
static enum rc refresh_all(struct listing *l)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->count; i++) {
        struct conversation_item *item = &l->items[i];
        bool is_known = item->conversation.created_seq != 0;
        bool is_shown = is_known && item->membership.is_member && !item->conversation.deleted_seq;
        uint64_t applied = l->applied[partition_of(l, &item->conversation.id)];
        if (l->heads[i] > applied || !is_known)
            TRY(refresh(l, item, l->heads[i], &is_shown));
        if (is_shown)
            l->items[kept++] = *item;
    }
    l->count = kept;
    return RC_OK;
}

static int compare_items(const void *a, const void *b)
{
    const struct conversation_item *left = a, *right = b;
    return strcmp(left->conversation.id.text, right->conversation.id.text);
}

static bool is_log_away(const struct reading *reading, uint32_t partition)
{
    struct log_state state;
    enum rc rc = reading->log->state(reading->log->self, partition, &state);
    return rc == RC_UNAVAILABLE || rc == RC_TIMEOUT;
}

/* The log is away: what the store has, for who only reads. */
static enum rc list_stored(struct listing *l, struct conversation_item *stored, size_t count,
                           size_t limit, struct id *out_next)
{
    *out_next = (struct id){ .len = 0 };
    l->items = stored;
    l->count = count;
    if (count == limit && count)
        *out_next = stored[count - 1].conversation.id;
    return RC_OK;
}

static enum rc list(struct listing *l, const struct id *after, size_t limit, struct id *out_next)
{
    const struct message_store *store = l->reading->store;
    struct conversation_item *stored;
    struct named named = { .count = 0 };
    struct id last = { .len = 0 };
    size_t count;
    TRY(ask_applied(l));
    TRY(store->conversations_of(store->self, l->user, after, limit, false, l->arena, &stored,
                                &count));
    enum rc feed = read_feed(l, &named);
    if (feed != RC_OK && l->reading->does_without_log &&
        is_log_away(l->reading, subject_partition(l->user, l->reading->partitions)))
        return list_stored(l, stored, count, limit, out_next);
    TRY(feed);
    l->items = arena_alloc(l->arena, (count + named.count + 1) * sizeof *l->items);
    if (!l->items)
        return RC_NOMEM;
    if (count == limit)
        last = stored[count - 1].conversation.id;
    TRY(add_stored(l, stored, count));
    TRY(add_named(l, &named, after, last.len ? &last : NULL));
    TRY(ask_heads(l));
    TRY(refresh_all(l));
    qsort(l->items, l->count, sizeof *l->items, compare_items);
    if (l->count > limit) {
        l->count = limit;
        last = l->items[limit - 1].conversation.id;
    }
    *out_next = last;
    return RC_OK;
}

enum rc reading_conversations(const struct reading *reading, const struct id *user,
                              const struct list_place *from, size_t limit, struct arena *arena,
                              struct conversation_item **out, size_t *out_count,
                              struct list_place *out_next)
{
    struct listing l = {
        .reading = reading, .user = user, .arena = arena, .feed_floor = from->feed_floor
    };
    map_init(&l.seen);
    enum rc rc = list(&l, from->after.len ? &from->after : NULL, limit, &out_next->after);
    map_fini(&l.seen);
    TRY(rc);
    out_next->feed_floor = l.feed_floor;
    *out = l.items;
    *out_count = l.count;
    return RC_OK;
}
