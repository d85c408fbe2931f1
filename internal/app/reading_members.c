/* reading_members.c - who belongs to a conversation, and what that lets them read; see reading.h.
 */
#include "app/reading.h"

#include "base/map.h"

static bool is_about(const struct event *event, const struct id *user)
{
    switch (event->kind) {
    case EVENT_MEMBER_ADDED:
    case EVENT_MEMBER_REMOVED:
    case EVENT_MEMBER_UPDATED:
        return user == NULL || id_equal(&event->user, user);
    default:
        return false;
    }
}

/* A role can only be changed of someone who is a member; without the store that tells as much. */
static void assume_member(struct membership *m, const struct event *event)
{
    if (m->changed_seq != 0 || event->kind != EVENT_MEMBER_UPDATED)
        return;
    m->is_member = true;
    m->joined_seq = event->seq; /* certainly no later: shows less rather than more */
}

static void apply_tail(const struct conversation_view *view, struct membership *m)
{
    for (size_t i = 0; i < view->tail_count; i++) {
        const struct event *event = &view->tail[i];
        if (!is_about(event, &m->user))
            continue;
        if (view->is_store_away)
            assume_member(m, event);
        membership_apply(m, event);
    }
}

enum rc view_membership(struct conversation_view *view, const struct id *user,
                        struct membership *out)
{
    const struct message_store *store = view->reading->store;
    struct membership m = { .user = *user };
    if (!view->is_store_away) {
        enum rc rc = store->membership(store->self, &view->conversation.id, user, &m);
        if (rc == RC_NOT_FOUND)
            m = (struct membership){ .user = *user };
        else
            TRY(rc);
    }
    apply_tail(view, &m);
    if (m.changed_seq == 0)
        return view->is_store_away && !view->begins_in_tail ? RC_UNAVAILABLE : RC_NOT_FOUND;
    *out = m;
    return RC_OK;
}

enum error_code view_authorize_read(struct conversation_view *view, const struct membership *m,
                                    uint64_t *out_first_seq)
{
    const struct conversation *c = &view->conversation;
    bool is_channel = c->type == CONVERSATION_CHANNEL;
    bool is_member = m && m->is_member;
    if (c->deleted_seq && (is_member || is_channel))
        return ERROR_GONE;
    if (!is_member && is_channel)
        return ERROR_NOT_MEMBER;
    if (!is_member) /* without the store an unknown one is unavailable, so this one is too */
        return view->is_store_away ? ERROR_UNAVAILABLE : ERROR_NOT_FOUND;
    *out_first_seq = membership_first_readable(m, c->history);
    return ERROR_NONE;
}

struct roster {
    struct membership *members;
    size_t count;
};

static int compare_members(const void *a, const void *b)
{
    const struct membership *left = a, *right = b;
    return strcmp(left->user.text, right->user.text);
}

/* Everyone whom the tail's member events name, each once, as they are after them. */
static enum rc changed_members(struct conversation_view *view, struct map *seen, struct roster *out)
{
    out->members = arena_alloc(view->arena, (view->tail_count + 1) * sizeof *out->members);
    if (!out->members)
        return RC_NOMEM;
    for (size_t i = 0; i < view->tail_count; i++) {
        const struct event *event = &view->tail[i];
        if (!is_about(event, NULL) || map_get(seen, id_bytes(&event->user)))
            continue;
        struct membership *m = &out->members[out->count];
        TRY(view_membership(view, &event->user, m));
        TRY(map_put(seen, id_bytes(&event->user), m));
        out->count++;
    }
    return RC_OK;
}

/* Adds those of the store's page whom the tail does not name. The page may lose some to it, so its
 * last id is given back: what lies beyond it belongs to the next page. */
static enum rc add_stored(struct conversation_view *view, const struct id *after, size_t limit,
                          const struct map *seen, struct roster *into, const struct id **out_last)
{
    const struct message_store *store = view->reading->store;
    struct membership *stored;
    size_t count;
    TRY(store->members(store->self, &view->conversation.id, after, limit, view->arena, &stored,
                       &count));
    for (size_t i = 0; i < count; i++) {
        if (!map_get(seen, id_bytes(&stored[i].user)))
            into->members[into->count++] = stored[i];
    }
    *out_last = count == limit ? &stored[count - 1].user : NULL;
    return RC_OK;
}

static enum rc merge_members(struct conversation_view *view, const struct id *after, size_t limit,
                             struct map *seen, struct roster *page)
{
    struct roster changed = { .count = 0 };
    const struct id *last = NULL;
    TRY(changed_members(view, seen, &changed));
    page->members = arena_alloc(view->arena, (limit + changed.count + 1) * sizeof *page->members);
    if (!page->members)
        return RC_NOMEM;
    if (view->is_store_away && !view->begins_in_tail)
        return RC_UNAVAILABLE;
    if (!view->is_store_away)
        TRY(add_stored(view, after, limit, seen, page, &last));
    for (size_t i = 0; i < changed.count; i++) {
        const struct membership *m = &changed.members[i];
        bool is_in_page = (!after || strcmp(m->user.text, after->text) > 0) &&
                          (!last || strcmp(m->user.text, last->text) <= 0);
        if (m->is_member && is_in_page)
            page->members[page->count++] = *m;
    }
    qsort(page->members, page->count, sizeof *page->members, compare_members);
    return RC_OK;
}

/* A store page that the tail emptied is no end: the next one is read. */
enum rc view_members(struct conversation_view *view, const struct id *after, size_t limit,
                     struct membership **out, size_t *out_count)
{
    struct roster page = { .count = 0 };
    size_t asked = limit;
    for (;;) {
        struct map seen;
        map_init(&seen);
        page.count = 0;
        enum rc rc = merge_members(view, after, asked, &seen, &page);
        bool is_whole =
            rc != RC_OK || page.count >= limit || seen.count == 0 || asked >= limit + seen.count;
        size_t more = seen.count;
        map_fini(&seen);
        TRY(rc);
        if (is_whole)
            break;
        asked = limit + more; /* the tail can take no more than it names */
    }
    *out = page.members;
    *out_count = page.count < limit ? page.count : limit;
    return RC_OK;
}

enum rc view_direct_peer(struct conversation_view *view, const struct id *user, struct id *out_peer)
{
    struct membership *members;
    size_t count;
    *out_peer = (struct id){ .len = 0 };
    if (view->conversation.type != CONVERSATION_DIRECT)
        return RC_OK;
    TRY(view_members(view, NULL, 3, &members, &count));
    for (size_t i = 0; i < count; i++) {
        if (!id_equal(&members[i].user, user))
            *out_peer = members[i].user;
    }
    return RC_OK;
}
