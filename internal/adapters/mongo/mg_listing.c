/* mg_listing.c - conversations, members, lists and user feeds. */
#include "adapters/mongo/mg_store.h"

#include <stdlib.h>

enum { UNREAD_MAX = 100, WALK_ROWS = 128, JOIN_ROWS = 256 };

static const char *after_text(const struct id *after)
{
    return after ? after->text : "";
}

/* ---- one conversation, one membership ---- */

static enum rc read_conversation(struct mg_call *call, const struct id *id, struct arena *arena,
                                 struct conversation *out)
{
    SCOPED_DOC(filter);
    const bson_t *doc;
    struct conversation c = { 0 };
    mg_put_id(&filter, "_id", id);
    struct mg_find find = mg_find(call, MG_CONVERSATIONS, &filter, NULL);
    if (!mg_next(&find, &doc)) {
        TRY(mg_find_end(&find));
        return RC_NOT_FOUND;
    }
    TRY(mg_find_stop(&find, mg_document(call, mg_get_conversation(doc, arena, &c))));
    if (c.created_seq == 0)
        return RC_NOT_FOUND; /* some event of it came, but not the one that makes it */
    *out = c;
    return RC_OK;
}

static enum rc conversation(void *self, const struct id *id, struct arena *arena,
                            struct conversation *out)
{
    struct mg_call call;
    TRY(mg_begin(self, &call));
    return mg_end(self, &call, read_conversation(&call, id, arena, out));
}

static enum rc read_membership(struct mg_call *call, const struct id *id, const struct id *user,
                               struct membership *out)
{
    SCOPED_DOC(filter);
    const bson_t *doc;
    struct mg_membership read;
    char pair[MG_PAIR_CHARS + 1];
    mg_pair(pair, id, user);
    (void)BSON_APPEND_UTF8(&filter, "_id", pair);
    struct mg_find find = mg_find(call, MG_MEMBERSHIPS, &filter, NULL);
    if (!mg_next(&find, &doc)) {
        TRY(mg_find_end(&find));
        return RC_NOT_FOUND;
    }
    TRY(mg_find_stop(&find, mg_document(call, mg_get_membership(doc, &read))));
    *out = read.membership;
    return RC_OK;
}

static enum rc membership(void *self, const struct id *id, const struct id *user,
                          struct membership *out)
{
    struct mg_call call;
    TRY(mg_begin(self, &call));
    return mg_end(self, &call, read_membership(&call, id, user, out));
}

/* ---- members ---- */

/* Memberships that a find gives, into the list. */
static enum rc collect_memberships(struct mg_call *call, struct mg_find *find, struct mg_list *list)
{
    const bson_t *doc;
    while (mg_next(find, &doc)) {
        struct mg_membership *m = mg_list_add(list);
        if (!m)
            return mg_find_stop(find, RC_NOMEM);
        enum rc rc = mg_document(call, mg_get_membership(doc, m));
        if (rc != RC_OK)
            return mg_find_stop(find, rc);
    }
    return mg_find_end(find);
}

static enum rc read_members(struct mg_call *call, const struct id *id, const struct id *after,
                            struct mg_list *list)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(opts);
    if (list->limit == 0)
        return RC_OK;
    mg_put_id(&filter, "conversationId", id);
    (void)BSON_APPEND_BOOL(&filter, "isMember", true);
    mg_put_text_range(&filter, "userId", "$gt", after_text(after), NULL, NULL);
    mg_put_order(&opts, "userId", NULL, 1, list->limit);
    struct mg_find find = mg_find(call, MG_MEMBERSHIPS, &filter, &opts);
    return collect_memberships(call, &find, list);
}

static enum rc members(void *self, const struct id *id, const struct id *after, size_t limit,
                       struct arena *arena, struct membership **out, size_t *out_count)
{
    struct mg_list list = { .arena = arena,
                            .item_bytes = sizeof(struct mg_membership),
                            .limit = limit };
    struct mg_call call;
    TRY(mg_begin(self, &call));
    TRY(mg_end(self, &call, read_members(&call, id, after, &list)));
    const struct mg_membership *read = list.items;
    struct membership *given = arena_alloc(arena, (list.count + 1) * sizeof *given);
    if (!given)
        return RC_NOMEM;
    for (size_t i = 0; i < list.count; i++)
        given[i] = read[i].membership;
    *out = given;
    *out_count = list.count;
    return RC_OK;
}

/* ---- a user's conversations ---- */

/* The other one: a present member before a former one, then by id. */
static enum rc read_peer(struct mg_call *call, struct conversation_item *item)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(opts);
    SCOPED_ARENA(arena, 1 << 16);
    struct mg_list list = { .arena = &arena, .item_bytes = sizeof(struct mg_membership) };
    bson_t sort;
    if (item->conversation.type != CONVERSATION_DIRECT)
        return RC_OK;
    mg_put_id(&filter, "conversationId", &item->conversation.id);
    (void)bson_append_document_begin(&opts, "sort", -1, &sort);
    (void)bson_append_int32(&sort, "isMember", -1, -1);
    (void)bson_append_int32(&sort, "userId", -1, 1);
    (void)bson_append_document_end(&opts, &sort);
    (void)BSON_APPEND_INT64(&opts, "limit", 2); /* one of them may be the user's own */
    struct mg_find find = mg_find(call, MG_MEMBERSHIPS, &filter, &opts);
    TRY(collect_memberships(call, &find, &list));
    const struct mg_membership *two = list.items;
    for (size_t i = list.count; i-- > 0;)
        if (!id_equal(&two[i].membership.user, &item->membership.user))
            item->direct_peer = two[i].membership.user;
    return RC_OK;
}

/* Back from the newest message: what is unread, and the last that may be read. */
struct walk {
    struct conversation_item *item;
    uint64_t first_readable;
    uint64_t last_seq; /* of the last message; 0: none found yet */
    uint64_t below;    /* the next messages are below this one */
    bool is_counting, is_done;
};

struct walked {
    uint64_t seq;
    struct id actor;
};

static enum rc read_walked(struct mg_call *call, const struct walk *w, struct walked *rows,
                           size_t *out_count)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(opts);
    bson_t part;
    const bson_t *doc;
    size_t count = 0;
    uint64_t joined = w->item->membership.joined_seq;
    mg_put_id(&filter, "conversationId", &w->item->conversation.id);
    (void)BSON_APPEND_UTF8(&filter, "type", event_kind_name(EVENT_MESSAGE_NEW));
    (void)bson_append_document_begin(&filter, "seq", -1, &part);
    mg_put_seq(&part, "$lt", w->below);
    mg_put_seq(&part, "$gte", joined < w->first_readable ? joined : w->first_readable);
    (void)bson_append_document_end(&filter, &part);
    mg_put_order(&opts, "seq", NULL, -1, WALK_ROWS);
    (void)bson_append_document_begin(&opts, "projection", -1, &part);
    (void)bson_append_int32(&part, "seq", -1, 1);
    (void)bson_append_int32(&part, "senderId", -1, 1);
    (void)bson_append_document_end(&opts, &part);
    struct mg_find find = mg_find(call, MG_EVENTS, &filter, &opts);
    while (count < WALK_ROWS && mg_next(&find, &doc)) {
        rows[count].seq = mg_get_seq(doc, "seq");
        rows[count++].actor = mg_get_id(doc, "senderId");
    }
    *out_count = count;
    return mg_find_end(&find);
}

static void step(struct walk *w, const struct walked *row, bool is_deleted)
{
    const struct membership *m = &w->item->membership;
    if (id_equal(&row->actor, &m->user) || row->seq <= m->joined_seq)
        w->is_counting = false;
    if (!is_deleted) {
        if (w->is_counting && w->item->unread < UNREAD_MAX)
            w->item->unread++;
        if (w->last_seq == 0 && row->seq >= w->first_readable)
            w->last_seq = row->seq;
    }
    w->is_done = w->last_seq && (!w->is_counting || w->item->unread == UNREAD_MAX);
    w->below = row->seq;
}

static enum rc walk_some(struct mg_call *call, struct walk *w)
{
    struct walked rows[WALK_ROWS];
    uint64_t seqs[WALK_ROWS];
    bool is_deleted[WALK_ROWS] = { false };
    size_t count;
    TRY(read_walked(call, w, rows, &count));
    for (size_t i = 0; i < count; i++)
        seqs[i] = rows[i].seq;
    TRY(mg_find_deleted(call, &w->item->conversation.id, seqs, count, is_deleted));
    for (size_t i = 0; i < count && !w->is_done; i++)
        step(w, &rows[i], is_deleted[i]);
    w->is_done = w->is_done || count < WALK_ROWS;
    return RC_OK;
}

static enum rc read_last_message(struct mg_call *call, uint64_t seq, struct arena *arena,
                                 struct conversation_item *item)
{
    struct mg_event read;
    const struct id *id = &item->conversation.id;
    enum rc rc = mg_event_at(call, id, seq, arena, &read);
    if (rc == RC_NOT_FOUND)
        return RC_OK; /* nothing is ever removed but by a person */
    TRY(rc);
    item->last_message = (struct message_row){ .event = read.event };
    TRY(mg_fill_rows(call, id, arena, &item->last_message, 1));
    item->has_last_message = true;
    return RC_OK;
}

static enum rc fill_item(struct mg_call *call, bool is_brief, struct arena *arena,
                         struct conversation_item *item)
{
    struct walk w = { .item = item, .below = UINT64_MAX, .is_counting = true };
    TRY(read_peer(call, item));
    if (is_brief)
        return RC_OK;
    w.first_readable = membership_first_readable(&item->membership, item->conversation.history);
    while (!w.is_done)
        TRY(walk_some(call, &w));
    return w.last_seq ? read_last_message(call, w.last_seq, arena, item) : RC_OK;
}

static enum rc read_belongings(struct mg_call *call, const struct id *user, const char *after,
                               size_t limit, struct mg_list *list)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(opts);
    mg_put_id(&filter, "userId", user);
    (void)BSON_APPEND_BOOL(&filter, "isMember", true);
    mg_put_text_range(&filter, "conversationId", "$gt", after, NULL, NULL);
    mg_put_order(&opts, "conversationId", NULL, 1, limit);
    struct mg_find find = mg_find(call, MG_MEMBERSHIPS, &filter, &opts);
    return collect_memberships(call, &find, list);
}

static int compare_conversations(const void *left, const void *right)
{
    const struct conversation *a = left, *b = right;
    return strcmp(a->id.text, b->id.text);
}

/* The conversations of some memberships, by id. Those that aren't created yet are left out. */
static enum rc read_made(struct mg_call *call, const struct mg_membership *some, size_t count,
                         struct mg_list *list)
{
    SCOPED_DOC(filter);
    const bson_t *doc;
    if (count == 0)
        return RC_OK;
    mg_put_texts_in(&filter, "_id", some[0].conversation.text, sizeof *some, count);
    struct mg_find find = mg_find(call, MG_CONVERSATIONS, &filter, NULL);
    while (mg_next(&find, &doc)) {
        struct conversation c;
        enum rc rc = mg_document(call, mg_get_conversation(doc, list->arena, &c));
        struct conversation *item = rc == RC_OK && c.created_seq ? mg_list_add(list) : NULL;
        if (rc == RC_OK && c.created_seq && !item)
            rc = RC_NOMEM;
        if (rc != RC_OK)
            return mg_find_stop(&find, rc);
        if (item)
            *item = c;
    }
    TRY(mg_find_end(&find));
    if (list->count)
        qsort(list->items, list->count, sizeof(struct conversation), compare_conversations);
    return RC_OK;
}

/* One stretch of the user's memberships, joined with their conversations. */
static enum rc join_some(struct mg_call *call, const struct id *user, struct id *after,
                         struct mg_list *items, bool *out_is_last)
{
    struct mg_list some = { .arena = items->arena, .item_bytes = sizeof(struct mg_membership) };
    struct mg_list made = { .arena = items->arena, .item_bytes = sizeof(struct conversation) };
    TRY(read_belongings(call, user, after->text, JOIN_ROWS, &some));
    const struct mg_membership *belongings = some.items;
    TRY(read_made(call, belongings, some.count, &made));
    for (size_t i = 0; i < some.count && items->count < items->limit; i++) {
        const struct conversation wanted = { .id = belongings[i].conversation };
        const struct conversation *c = made.count ? bsearch(&wanted, made.items, made.count,
                                                            sizeof wanted, compare_conversations)
                                                  : NULL;
        struct conversation_item *item = c ? mg_list_add(items) : NULL;
        if (c && !item)
            return RC_NOMEM;
        if (item)
            *item = (struct conversation_item){ .conversation = *c,
                                                .membership = belongings[i].membership };
        *after = belongings[i].conversation;
    }
    *out_is_last = some.count < JOIN_ROWS || items->count == items->limit;
    return RC_OK;
}

static enum rc read_conversations_of(struct mg_call *call, const struct id *user,
                                     const struct id *after, bool is_brief, struct mg_list *list)
{
    struct id from = after ? *after : (struct id){ 0 };
    bool is_last = list->limit == 0;
    while (!is_last)
        TRY(join_some(call, user, &from, list, &is_last));
    struct conversation_item *items = list->items;
    for (size_t i = 0; i < list->count; i++)
        TRY(fill_item(call, is_brief, list->arena, &items[i]));
    return RC_OK;
}

static enum rc conversations_of(void *self, const struct id *user, const struct id *after,
                                size_t limit, bool is_brief, struct arena *arena,
                                struct conversation_item **out, size_t *out_count)
{
    struct mg_list list = { .arena = arena, .item_bytes = sizeof **out, .limit = limit };
    struct mg_call call;
    TRY(mg_begin(self, &call));
    TRY(mg_end(self, &call, read_conversations_of(&call, user, after, is_brief, &list)));
    *out = list.items;
    *out_count = list.count;
    return RC_OK;
}

/* ---- channels ---- */

/* The text is looked for here: a server's regular expressions have other ideas of letters. */
static enum rc collect_channels(struct mg_call *call, struct mg_find *find, struct bytes query,
                                struct mg_list *list)
{
    const bson_t *doc;
    while (list->count < list->limit && mg_next(find, &doc)) {
        struct conversation c;
        if (mg_get_seq(doc, "createdSeq") == 0 || mg_get_seq(doc, "deletedSeq") ||
            !mg_contains(mg_peek_text(doc, "name"), query))
            continue;
        enum rc rc = mg_document(call, mg_get_conversation(doc, list->arena, &c));
        struct conversation *item = rc == RC_OK ? mg_list_add(list) : NULL;
        if (!item)
            return mg_find_stop(find, rc == RC_OK ? RC_NOMEM : rc);
        *item = c;
    }
    return mg_find_end(find);
}

static enum rc read_channels(struct mg_call *call, struct bytes query, const struct id *after,
                             struct mg_list *list)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(opts);
    (void)BSON_APPEND_UTF8(&filter, "conversationType",
                           conversation_type_name(CONVERSATION_CHANNEL));
    mg_put_text_range(&filter, "_id", "$gt", after_text(after), NULL, NULL);
    mg_put_order(&opts, "_id", NULL, 1, 0);
    struct mg_find find = mg_find(call, MG_CONVERSATIONS, &filter, &opts);
    return collect_channels(call, &find, query, list);
}

static enum rc channels(void *self, struct bytes query, const struct id *after, size_t limit,
                        struct arena *arena, struct conversation **out, size_t *out_count)
{
    struct mg_list list = { .arena = arena, .item_bytes = sizeof **out, .limit = limit };
    struct mg_call call;
    TRY(mg_begin(self, &call));
    TRY(mg_end(self, &call, read_channels(&call, query, after, &list)));
    *out = list.items;
    *out_count = list.count;
    return RC_OK;
}

/* ---- user feeds ---- */

static enum rc read_feed(struct mg_call *call, const struct id *user, uint64_t after,
                         struct mg_list *list)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(opts);
    const bson_t *doc;
    if (list->limit == 0)
        return RC_OK;
    mg_put_id(&filter, "userId", user);
    mg_put_range(&filter, "feedSeq", after, UINT64_MAX);
    mg_put_order(&opts, "feedSeq", NULL, 1, list->limit);
    struct mg_find find = mg_find(call, MG_FEED, &filter, &opts);
    while (mg_next(&find, &doc)) {
        struct user_feed_entry *entry = mg_list_add(list);
        enum rc rc = entry ? mg_document(call, mg_get_feed(doc, entry)) : RC_NOMEM;
        if (rc != RC_OK)
            return mg_find_stop(&find, rc);
    }
    return mg_find_end(&find);
}

static enum rc user_feed(void *self, const struct id *user, uint64_t after, size_t limit,
                         struct arena *arena, struct user_feed_entry **out, size_t *out_count)
{
    struct mg_list list = { .arena = arena, .item_bytes = sizeof **out, .limit = limit };
    struct mg_call call;
    TRY(mg_begin(self, &call));
    TRY(mg_end(self, &call, read_feed(&call, user, after, &list)));
    *out = list.items;
    *out_count = list.count;
    return RC_OK;
}

void mg_listing_init(struct mongo_store *store)
{
    store->messages.conversation = conversation;
    store->messages.membership = membership;
    store->messages.members = members;
    store->messages.conversations_of = conversations_of;
    store->messages.channels = channels;
    store->messages.user_feed = user_feed;
}
