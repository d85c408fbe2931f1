/* mem_store_listing.c - conversations, members, user feeds, and the scan. */
#include "adapters/mem/mem_parts.h"

#include <stdlib.h>

enum { UNREAD_MAX = 100 };

static enum rc give_conversation(const struct mem_room *room, struct arena *arena,
                                 struct conversation *out)
{
    struct conversation c = { 0 };
    if (room)
        c = mem_room_conversation(room);
    if (c.created_seq == 0)
        return RC_NOT_FOUND;
    TRY(mem_copy(arena, &c.name));
    *out = c;
    return RC_OK;
}

static enum rc conversation(void *self, const struct id *id, struct arena *arena,
                            struct conversation *out)
{
    TRY(mem_begin(self));
    return mem_end(self, give_conversation(mem_find_room(self, id), arena, out));
}

static enum rc membership(void *self, const struct id *id, const struct id *user,
                          struct membership *out)
{
    TRY(mem_begin(self));
    const struct mem_room *room = mem_find_room(self, id);
    struct membership m = { 0 };
    if (room)
        m = mem_room_membership(room, user);
    if (m.changed_seq)
        *out = m;
    return mem_end(self, m.changed_seq ? RC_OK : RC_NOT_FOUND);
}

/* The member with the lowest id above `after` (may be NULL); false: none. */
static bool next_member(const struct mem_room *room, const struct id *after, struct membership *out)
{
    bool is_found = false;
    for (size_t i = 0; i < room->count; i++) {
        const struct id *user = &room->events[i].event.user;
        if (user->len == 0 || mem_compare_ids(user, after) <= 0 ||
            (is_found && mem_compare_ids(user, &out->user) >= 0))
            continue;
        struct membership m = mem_room_membership(room, user);
        if (!m.is_member)
            continue;
        *out = m;
        is_found = true;
    }
    return is_found;
}

static enum rc list_members(const struct mem_room *room, const struct id *after, size_t limit,
                            struct arena *arena, struct membership **out, size_t *out_count)
{
    size_t count = 0;
    size_t most = room ? room->count : 0;
    if (most > limit)
        most = limit;
    struct membership *list = arena_alloc(arena, most * sizeof *list);
    if (!list)
        return RC_NOMEM;
    while (count < most && next_member(room, count ? &list[count - 1].user : after, &list[count]))
        count++;
    *out = list;
    *out_count = count;
    return RC_OK;
}

static enum rc members(void *self, const struct id *id, const struct id *after, size_t limit,
                       struct arena *arena, struct membership **out, size_t *out_count)
{
    TRY(mem_begin(self));
    return mem_end(self,
                   list_members(mem_find_room(self, id), after, limit, arena, out, out_count));
}

/* The other one of a direct conversation: a present member before a former one, then by id. */
static struct id peer_of(const struct mem_room *room, const struct id *user)
{
    struct id best = { 0 };
    bool is_best_present = false;
    for (size_t i = 0; i < room->count; i++) {
        const struct id *other = &room->events[i].event.user;
        if (other->len == 0 || id_equal(other, user))
            continue;
        bool is_present = mem_room_membership(room, other).is_member;
        if (best.len == 0 || (is_present && !is_best_present) ||
            (is_present == is_best_present && mem_compare_ids(other, &best) < 0)) {
            best = *other;
            is_best_present = is_present;
        }
    }
    return best;
}

static enum rc fill_item(const struct mem_room *room, struct arena *arena,
                         struct conversation_item *item)
{
    const struct membership *m = &item->membership;
    uint64_t first = membership_first_readable(m, item->conversation.history);
    bool is_counting = true;
    for (size_t i = room->count; i-- > 0;) {
        struct message_row row;
        if (!mem_room_message(room, &room->events[i], &row))
            continue;
        if (id_equal(&row.event.actor, &m->user) || row.event.seq <= m->joined_seq)
            is_counting = false;
        if (row.delete_seq)
            continue;
        if (is_counting && item->unread < UNREAD_MAX)
            item->unread++;
        if (!item->has_last_message && row.event.seq >= first) {
            item->has_last_message = true;
            item->last_message = row;
        }
    }
    TRY(mem_copy_event(arena, &item->last_message.event));
    return mem_copy(arena, &item->last_message.edit_payload);
}

static enum rc make_item(const struct mem_room *room, const struct membership *m, bool is_brief,
                         struct arena *arena, struct conversation_item *item)
{
    *item = (struct conversation_item){ .membership = *m };
    TRY(give_conversation(room, arena, &item->conversation));
    if (item->conversation.type == CONVERSATION_DIRECT)
        item->direct_peer = peer_of(room, &m->user);
    return is_brief ? RC_OK : fill_item(room, arena, item);
}

static enum rc list_conversations(const struct mem_store *store, const struct id *user,
                                  const struct id *after, size_t limit, bool is_brief,
                                  struct arena *arena, struct conversation_item **out,
                                  size_t *out_count)
{
    size_t count = 0;
    size_t most = store->room_count < limit ? store->room_count : limit;
    struct conversation_item *items = arena_alloc(arena, most * sizeof *items);
    if (!items)
        return RC_NOMEM;
    for (size_t i = 0; i < store->room_count && count < most; i++) {
        const struct mem_room *room = &store->rooms[i];
        struct membership m = mem_room_membership(room, user);
        if (!m.is_member || mem_compare_ids(&room->id, after) <= 0)
            continue;
        enum rc rc = make_item(room, &m, is_brief, arena, &items[count]);
        if (rc == RC_NOMEM)
            return rc;
        count += rc == RC_OK; /* else it wasn't created yet */
    }
    *out = items;
    *out_count = count;
    return RC_OK;
}

static enum rc conversations_of(void *self, const struct id *user, const struct id *after,
                                size_t limit, bool is_brief, struct arena *arena,
                                struct conversation_item **out, size_t *out_count)
{
    TRY(mem_begin(self));
    return mem_end(self,
                   list_conversations(self, user, after, limit, is_brief, arena, out, out_count));
}

static enum rc list_channels(const struct mem_store *store, struct bytes query,
                             const struct id *after, size_t limit, struct arena *arena,
                             struct conversation **out, size_t *out_count)
{
    size_t count = 0;
    size_t most = store->room_count < limit ? store->room_count : limit;
    struct conversation *list = arena_alloc(arena, most * sizeof *list);
    if (!list)
        return RC_NOMEM;
    for (size_t i = 0; i < store->room_count && count < most; i++) {
        struct conversation c = mem_room_conversation(&store->rooms[i]);
        if (c.created_seq == 0 || c.type != CONVERSATION_CHANNEL || c.deleted_seq ||
            mem_compare_ids(&c.id, after) <= 0 || !mem_contains(c.name, query))
            continue;
        TRY(mem_copy(arena, &c.name));
        list[count++] = c;
    }
    *out = list;
    *out_count = count;
    return RC_OK;
}

static enum rc channels(void *self, struct bytes query, const struct id *after, size_t limit,
                        struct arena *arena, struct conversation **out, size_t *out_count)
{
    TRY(mem_begin(self));
    return mem_end(self, list_channels(self, query, after, limit, arena, out, out_count));
}

/* The entry of the user with the lowest feed_seq above `after`; NULL. */
static const struct user_feed_entry *next_entry(const struct mem_store *store,
                                                const struct id *user, uint64_t after)
{
    const struct user_feed_entry *best = NULL;
    for (size_t i = 0; i < store->feed_count; i++) {
        const struct user_feed_entry *entry = &store->feed[i];
        if (id_equal(&entry->user, user) && entry->feed_seq > after &&
            (!best || entry->feed_seq < best->feed_seq))
            best = entry;
    }
    return best;
}

static enum rc user_feed(void *self, const struct id *user, uint64_t after, size_t limit,
                         struct arena *arena, struct user_feed_entry **out, size_t *out_count)
{
    const struct mem_store *store = self;
    const struct user_feed_entry *entry;
    size_t count = 0;
    TRY(mem_begin(self));
    size_t most = store->feed_count < limit ? store->feed_count : limit;
    struct user_feed_entry *list = arena_alloc(arena, most * sizeof *list);
    if (!list)
        return mem_end(self, RC_NOMEM);
    while (count < most && (entry = next_entry(store, user, after))) {
        list[count++] = *entry;
        after = entry->feed_seq;
    }
    *out = list;
    *out_count = count;
    return mem_end(self, RC_OK);
}

/* The event of the partition with the lowest seq above `after`; NULL. */
static const struct mem_event *next_event(const struct mem_store *store, uint32_t partition,
                                          uint64_t after, const struct mem_room **out_room)
{
    const struct mem_event *best = NULL;
    for (size_t i = 0; i < store->room_count; i++) {
        const struct mem_room *room = &store->rooms[i];
        for (size_t j = 0; j < room->count; j++) {
            const struct mem_event *at = &room->events[j];
            if (at->partition != partition || at->event.seq <= after)
                continue;
            if (!best || at->event.seq < best->event.seq) {
                best = at;
                *out_room = room;
            }
            break; /* ascending: the others of this room are higher */
        }
    }
    return best;
}

static enum rc scan(void *self, uint32_t partition, uint64_t after, uint64_t until,
                    bool (*each)(void *closure, uint64_t seq, const struct id *conversation,
                                 enum event_kind kind),
                    void *closure)
{
    const struct mem_room *room = NULL;
    const struct mem_event *at;
    bool is_wanted = true;
    TRY(mem_begin(self));
    while (is_wanted && (at = next_event(self, partition, after, &room)) &&
           at->event.seq <= until) {
        after = at->event.seq;
        is_wanted = each(closure, after, &room->id, mem_room_shown(room, at).kind);
    }
    return mem_end(self, RC_OK);
}

void mem_listing_init(struct mem_store *store)
{
    store->messages.conversation = conversation;
    store->messages.membership = membership;
    store->messages.members = members;
    store->messages.conversations_of = conversations_of;
    store->messages.channels = channels;
    store->messages.user_feed = user_feed;
    store->messages.scan = scan;
}
