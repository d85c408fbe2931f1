/* sq_conversations.c - reading conversations, members and user feeds. */
#include "adapters/sqlite/sq_store.h"

enum { UNREAD_MAX = 100 };

static const struct id no_id;

static enum rc read_conversation(struct sq_conn *conn, const struct id *id, struct arena *arena,
                                 struct conversation *out)
{
    struct conversation c;
    int64_t no;
    enum rc rc;
    struct sq_query q = sq_begin(conn, SQL_CONVERSATION_GET);
    sq_put_id(&q, id);
    if (!sq_one(&q, &rc))
        return rc;
    sq_get_conversation(&q, arena, &no, &c);
    TRY(sq_end(&q));
    if (c.created_seq == 0)
        return RC_NOT_FOUND; /* some event of it came, but not the one that makes it */
    *out = c;
    return RC_OK;
}

enum rc sq_conversation(void *self, const struct id *id, struct arena *arena,
                        struct conversation *out)
{
    struct sq_conn *conn;
    TRY(sq_read_begin(self, &conn));
    return sq_read_end(self, conn, read_conversation(conn, id, arena, out));
}

static enum rc read_membership(struct sq_conn *conn, const struct id *conversation,
                               const struct id *user, struct membership *out)
{
    struct membership m;
    enum rc rc;
    struct sq_query q = sq_begin(conn, SQL_MEMBERSHIP_GET);
    sq_put_id(&q, conversation);
    sq_put_id(&q, user);
    if (!sq_one(&q, &rc))
        return rc;
    sq_get_membership(&q, &m);
    TRY(sq_end(&q));
    *out = m;
    return RC_OK;
}

enum rc sq_membership(void *self, const struct id *conversation, const struct id *user,
                      struct membership *out)
{
    struct sq_conn *conn;
    TRY(sq_read_begin(self, &conn));
    return sq_read_end(self, conn, read_membership(conn, conversation, user, out));
}

static enum rc read_members(struct sq_conn *conn, const struct id *conversation,
                            const struct id *after, struct sq_list *list)
{
    struct sq_query q = sq_begin(conn, SQL_MEMBERS);
    sq_put_id(&q, conversation);
    sq_put_id(&q, after ? after : &no_id);
    sq_put_seq(&q, list->limit);
    while (sq_next(&q)) {
        struct membership *m = sq_list_add(list);
        if (!m)
            return sq_end_full(&q);
        sq_get_membership(&q, m);
    }
    return sq_end(&q);
}

enum rc sq_members(void *self, const struct id *conversation, const struct id *after, size_t limit,
                   struct arena *arena, struct membership **out, size_t *out_count)
{
    struct sq_list list = { .arena = arena, .item_bytes = sizeof **out, .limit = limit };
    struct sq_conn *conn;
    TRY(sq_read_begin(self, &conn));
    TRY(sq_read_end(self, conn, read_members(conn, conversation, after, &list)));
    *out = list.items;
    *out_count = list.count;
    return RC_OK;
}

/* An item while it is read: the conversation's number is not part of the port. */
struct numbered_item {
    int64_t no;
    struct conversation_item item;
};

static enum rc read_items(struct sq_conn *conn, const struct id *user, const struct id *after,
                          struct sq_list *list)
{
    struct sq_query q = sq_begin(conn, SQL_CONVERSATIONS_OF);
    sq_put_id(&q, user);
    sq_put_id(&q, after ? after : &no_id);
    sq_put_seq(&q, list->limit);
    while (sq_next(&q)) {
        struct numbered_item *it = sq_list_add(list);
        if (!it)
            return sq_end_full(&q);
        sq_get_conversation(&q, list->arena, &it->no, &it->item.conversation);
        sq_get_membership(&q, &it->item.membership);
    }
    return sq_end(&q);
}

static enum rc read_peer(struct sq_conn *conn, const struct id *user,
                         struct conversation_item *item)
{
    enum rc rc;
    if (item->conversation.type != CONVERSATION_DIRECT)
        return RC_OK;
    struct sq_query q = sq_begin(conn, SQL_PEER_OF);
    sq_put_id(&q, &item->conversation.id);
    sq_put_id(&q, user);
    if (!sq_one(&q, &rc))
        return rc == RC_NOT_FOUND ? RC_OK : rc;
    item->direct_peer = sq_get_id(&q);
    return sq_end(&q);
}

static enum rc read_last_message(struct sq_conn *conn, int64_t no, struct arena *arena,
                                 struct conversation_item *item)
{
    enum rc rc;
    struct sq_query q = sq_begin(conn, SQL_MESSAGE_LAST);
    sq_put_int(&q, no);
    sq_put_seq(&q, membership_first_readable(&item->membership, item->conversation.history));
    if (!sq_one(&q, &rc))
        return rc == RC_NOT_FOUND ? RC_OK : rc;
    sq_get_message(&q, &item->conversation.id, arena, &item->last_message);
    item->has_last_message = true;
    return sq_end(&q);
}

/* Back from the newest: until the user's own last message, the join, or enough. */
static enum rc count_unread(struct sq_conn *conn, int64_t no, struct conversation_item *item)
{
    struct bytes user = id_bytes(&item->membership.user);
    struct sq_query q = sq_begin(conn, SQL_UNREAD);
    sq_put_int(&q, no);
    sq_put_seq(&q, item->membership.joined_seq);
    while (item->unread < UNREAD_MAX && sq_next(&q)) {
        if (bytes_equal(sq_peek_text(&q), user))
            break;
        if (sq_get_seq(&q) == 0) /* not deleted */
            item->unread++;
    }
    return sq_end(&q);
}

static enum rc fill_item(struct sq_conn *conn, const struct id *user, bool is_brief,
                         struct arena *arena, struct numbered_item *it)
{
    TRY(read_peer(conn, user, &it->item));
    if (is_brief)
        return RC_OK;
    TRY(read_last_message(conn, it->no, arena, &it->item));
    return count_unread(conn, it->no, &it->item);
}

static enum rc read_conversations_of(struct sq_conn *conn, const struct id *user,
                                     const struct id *after, bool is_brief, struct sq_list *list)
{
    TRY(read_items(conn, user, after, list));
    struct numbered_item *items = list->items;
    for (size_t i = 0; i < list->count; i++)
        TRY(fill_item(conn, user, is_brief, list->arena, &items[i]));
    return RC_OK;
}

enum rc sq_conversations_of(void *self, const struct id *user, const struct id *after, size_t limit,
                            bool is_brief, struct arena *arena, struct conversation_item **out,
                            size_t *out_count)
{
    struct sq_list list = { .arena = arena,
                            .item_bytes = sizeof(struct numbered_item),
                            .limit = limit };
    struct sq_conn *conn;
    TRY(sq_read_begin(self, &conn));
    TRY(sq_read_end(self, conn, read_conversations_of(conn, user, after, is_brief, &list)));
    struct numbered_item *numbered = list.items;
    struct conversation_item *items = arena_alloc(arena, (list.count + 1) * sizeof *items);
    if (!items)
        return RC_NOMEM;
    for (size_t i = 0; i < list.count; i++)
        items[i] = numbered[i].item;
    *out = items;
    *out_count = list.count;
    return RC_OK;
}

static enum rc read_channels(struct sq_conn *conn, struct bytes query, const struct id *after,
                             struct sq_list *list)
{
    int64_t no;
    struct sq_query q = sq_begin(conn, SQL_CHANNELS);
    sq_put_id(&q, after ? after : &no_id);
    sq_put_text(&q, query);
    sq_put_seq(&q, list->limit);
    while (sq_next(&q)) {
        struct conversation *c = sq_list_add(list);
        if (!c)
            return sq_end_full(&q);
        sq_get_conversation(&q, list->arena, &no, c);
    }
    return sq_end(&q);
}

enum rc sq_channels(void *self, struct bytes query, const struct id *after, size_t limit,
                    struct arena *arena, struct conversation **out, size_t *out_count)
{
    struct sq_list list = { .arena = arena, .item_bytes = sizeof **out, .limit = limit };
    struct sq_conn *conn;
    TRY(sq_read_begin(self, &conn));
    TRY(sq_read_end(self, conn, read_channels(conn, query, after, &list)));
    *out = list.items;
    *out_count = list.count;
    return RC_OK;
}

static enum rc read_feed(struct sq_conn *conn, const struct id *user, uint64_t after,
                         struct sq_list *list)
{
    struct sq_query q = sq_begin(conn, SQL_FEED_GET);
    sq_put_id(&q, user);
    sq_put_seq(&q, after);
    sq_put_seq(&q, list->limit);
    while (sq_next(&q)) {
        struct user_feed_entry *entry = sq_list_add(list);
        if (!entry)
            return sq_end_full(&q);
        entry->user = *user;
        entry->conversation = sq_get_id(&q);
        entry->feed_seq = sq_get_seq(&q);
        entry->conversation_seq = sq_get_seq(&q);
    }
    return sq_end(&q);
}

enum rc sq_user_feed(void *self, const struct id *user, uint64_t after, size_t limit,
                     struct arena *arena, struct user_feed_entry **out, size_t *out_count)
{
    struct sq_list list = { .arena = arena, .item_bytes = sizeof **out, .limit = limit };
    struct sq_conn *conn;
    TRY(sq_read_begin(self, &conn));
    TRY(sq_read_end(self, conn, read_feed(conn, user, after, &list)));
    *out = list.items;
    *out_count = list.count;
    return RC_OK;
}
