/* mg_doubles.c - which messages are one, and what edits, deletions and pins say of a message.
 *
 * A link says that two seqs are one message: they have one identity and body, or a withdrawal says
 * so. Links are kept for good, one document for each direction. All that is reached over links is
 * one message, and the lowest of it is the first. Who keeps a link reads the links around it
 * afterwards (rule a of mg_apply.c) and writes the first into the mark of every one it reached; for
 * that only ever gets lower, the lowest of all such writes is the first of the whole.
 */
#include "adapters/mongo/mg_apply.h"
#include "base/rc.h"

#include <inttypes.h>
#include <stdio.h>

enum { NODE_KEY_CHARS = ID_CHARS_MAX + 1 + 20, FIND_NODES_MAX = 500 };

/* A seq that is, or may be, one message with others. */
struct node {
    struct id conversation;
    uint64_t seq;
    struct node *parent; /* towards the lowest; NULL: it is the lowest that is known */
    bool is_linked;      /* by this batch, or reached from one that is */
    bool is_asked;       /* its links were read */
};

/* Also the key of a mark: another conversation's mark of the same seq is another one. */
static void node_key(char out[NODE_KEY_CHARS + 1], const struct id *conversation, uint64_t seq)
{
    (void)snprintf(out, NODE_KEY_CHARS + 1, "%s/%" PRIu64, conversation->text, seq);
}

static struct node *find_node(const struct mg_applying *a, const struct id *conversation,
                              uint64_t seq)
{
    char key[NODE_KEY_CHARS + 1];
    node_key(key, conversation, seq);
    return map_get(&a->nodes, bytes_of(key));
}

static enum rc node_for(struct mg_applying *a, const struct id *conversation, uint64_t seq,
                        struct node **out)
{
    char key[NODE_KEY_CHARS + 1];
    struct node *node = find_node(a, conversation, seq);
    if (!node) {
        node = arena_alloc(a->arena, sizeof *node);
        if (!node)
            return RC_NOMEM;
        *node = (struct node){ .conversation = *conversation, .seq = seq };
        node_key(key, conversation, seq);
        TRY(map_put(&a->nodes, bytes_of(key), node));
    }
    *out = node;
    return RC_OK;
}

static struct node *lowest_of(struct node *node)
{
    while (node->parent) {
        if (node->parent->parent)
            node->parent = node->parent->parent;
        node = node->parent;
    }
    return node;
}

static enum rc join(struct mg_applying *a, const struct id *conversation, uint64_t one,
                    uint64_t other, bool is_link)
{
    struct node *x, *y;
    TRY(node_for(a, conversation, one, &x));
    TRY(node_for(a, conversation, other, &y));
    x->is_linked |= is_link;
    y->is_linked |= is_link;
    x = lowest_of(x);
    y = lowest_of(y);
    if (x->seq < y->seq)
        y->parent = x;
    else if (x != y)
        x->parent = y;
    return RC_OK;
}

static uint64_t first_of(const struct mg_applying *a, const struct id *conversation, uint64_t seq)
{
    struct node *node = find_node(a, conversation, seq);
    return node ? lowest_of(node)->seq : seq;
}

static bool is_message(const struct mg_item *item)
{
    return item->event->kind == EVENT_MESSAGE_NEW;
}

static bool is_withdrawing(const struct event *e)
{
    return e->kind == EVENT_MESSAGE_WITHDRAWN && e->of_seq && e->of_seq < e->target_seq &&
           e->target_seq <= MG_SEQ_MAX;
}

/* ---- marks as they are before this batch links anything ---- */

/* Nodes of all that results may depend on. */
static enum rc make_nodes(struct mg_applying *a)
{
    struct node *node;
    for (size_t i = 0; i < a->batch->event_count; i++) {
        const struct mg_item *item = &a->items[i];
        const struct event *e = item->event;
        if (is_message(item)) {
            TRY(node_for(a, &e->conversation, e->seq, &node));
            if (item->claim && item->claim->stored)
                TRY(node_for(a, &e->conversation, item->claim->stored, &node));
        }
        if (is_withdrawing(e)) {
            TRY(node_for(a, &e->conversation, e->target_seq, &node));
            TRY(node_for(a, &e->conversation, e->of_seq, &node));
        }
    }
    return RC_OK;
}

static enum rc join_marked(struct mg_applying *a, const bson_t *doc)
{
    struct mg_mark mark;
    struct id conversation = mg_get_id(doc, "conversationId");
    TRY(mg_document(a->call, mg_get_mark(doc, &mark)));
    if (conversation.len == 0 || mark.first == mark.seq)
        return RC_OK;
    return join(a, &conversation, mark.seq, mark.first, false);
}

static enum rc read_some_marks(struct mg_applying *a, const char *keys, size_t count)
{
    SCOPED_DOC(filter);
    const bson_t *doc;
    mg_put_texts_in(&filter, "_id", keys, NODE_KEY_CHARS + 1, count);
    struct mg_find find = mg_find(a->call, MG_MARKS, &filter, NULL);
    while (mg_next(&find, &doc)) {
        enum rc rc = join_marked(a, doc);
        if (rc != RC_OK)
            return mg_find_stop(&find, rc);
    }
    return mg_find_end(&find);
}

static enum rc read_marks(struct mg_applying *a)
{
    size_t at = 0, count = 0, most = a->nodes.count;
    char *keys = arena_alloc(a->arena, (most + 1) * (NODE_KEY_CHARS + 1));
    if (!keys)
        return RC_NOMEM;
    for (struct node *node; (node = map_next(&a->nodes, &at, NULL));)
        node_key(keys + count++ * (NODE_KEY_CHARS + 1), &node->conversation, node->seq);
    for (size_t from = 0; from < count; from += FIND_NODES_MAX) {
        size_t some = count - from < FIND_NODES_MAX ? count - from : FIND_NODES_MAX;
        TRY(read_some_marks(a, keys + from * (NODE_KEY_CHARS + 1), some));
    }
    return RC_OK;
}

/* ---- results ---- */

/* A first try was broken off after the claim was made: what it displaced is known by its links. */
static enum rc linked_with(struct mg_applying *a, const struct event *e, uint64_t *out_other)
{
    SCOPED_DOC(filter);
    const bson_t *doc;
    uint64_t lowest = 0;
    mg_put_id(&filter, "conversationId", &e->conversation);
    mg_put_seq(&filter, "seq", e->seq);
    struct mg_find find = mg_find(a->call, MG_LINKS, &filter, NULL);
    while (mg_next(&find, &doc)) {
        uint64_t with = mg_get_seq(doc, "with");
        if (with && (lowest == 0 || with < lowest))
            lowest = with;
    }
    *out_other = lowest;
    return mg_find_end(&find);
}

/* The lowest other message with this identity and body that was there before; 0: none. */
static enum rc find_other(struct mg_applying *a, const struct mg_item *item, bool is_new,
                          uint64_t *out_other)
{
    const struct mg_claiming *claim = item->claim;
    *out_other = 0;
    if (!claim || claim->seen == 0)
        return RC_OK;
    if (claim->seen != item->event->seq) {
        *out_other = claim->seen;
        return RC_OK;
    }
    return is_new ? linked_with(a, item->event, out_other) : RC_OK;
}

static enum rc result_of_message(struct mg_applying *a, const struct mg_item *item, bool is_new,
                                 struct applied_result *out)
{
    const struct event *e = item->event;
    uint64_t other;
    TRY(find_other(a, item, is_new, &other));
    if (other)
        TRY(join(a, &e->conversation, e->seq, other, false));
    if (item->claim && (item->claim->seen == 0 || e->seq < item->claim->seen))
        item->claim->seen = e->seq;
    uint64_t first = first_of(a, &e->conversation, e->seq);
    if (first != e->seq)
        *out = (struct applied_result){ APPLIED_DOUBLE, first };
    else if (is_new && other)
        *out = (struct applied_result){ APPLIED_DISPLACED, other };
    return RC_OK;
}

enum rc mg_doubles_results(struct mg_applying *a, struct applied_result *results)
{
    size_t at = 0;
    TRY(make_nodes(a));
    TRY(read_marks(a));
    for (struct mg_claiming *claim; (claim = map_next(&a->claims, &at, NULL));)
        claim->seen = claim->stored;
    for (size_t i = 0; i < a->batch->event_count; i++) {
        const struct mg_item *item = &a->items[i];
        const struct event *e = item->event;
        bool is_new = mg_is_first(item) && !item->was_there;
        results[i] = (struct applied_result){ is_new ? APPLIED_NEW : APPLIED_AGAIN, 0 };
        if (is_message(item))
            TRY(result_of_message(a, item, is_new, &results[i]));
        if (is_withdrawing(e))
            TRY(join(a, &e->conversation, e->target_seq, e->of_seq, false));
    }
    return RC_OK;
}

/* ---- links ---- */

static void add_link(struct mg_writes *writes, const struct id *conversation, uint64_t seq,
                     uint64_t with)
{
    SCOPED_DOC(doc);
    char key[NODE_KEY_CHARS + 1 + 20 + 1];
    (void)snprintf(key, sizeof key, "%s/%" PRIu64 "/%" PRIu64, conversation->text, seq, with);
    (void)BSON_APPEND_UTF8(&doc, "_id", key);
    mg_put_id(&doc, "conversationId", conversation);
    mg_put_seq(&doc, "seq", seq);
    mg_put_seq(&doc, "with", with);
    mg_insert(writes, &doc);
}

static enum rc link_two(struct mg_applying *a, struct mg_writes *writes,
                        const struct id *conversation, uint64_t one, uint64_t other)
{
    if (one == other || other == 0)
        return RC_OK;
    add_link(writes, conversation, one, other);
    add_link(writes, conversation, other, one);
    return join(a, conversation, one, other, true);
}

/* Also for messages that were there: see rule b. */
static enum rc link_all(struct mg_applying *a, struct mg_writes *writes)
{
    for (size_t i = 0; i < a->batch->event_count; i++) {
        const struct mg_item *item = &a->items[i];
        const struct event *e = item->event;
        if (is_message(item) && item->claim) {
            TRY(link_two(a, writes, &e->conversation, e->seq, item->claim->lowest));
            TRY(link_two(a, writes, &e->conversation, e->seq, item->claim->stored));
        }
        if (is_withdrawing(e))
            TRY(link_two(a, writes, &e->conversation, e->target_seq, e->of_seq));
    }
    return RC_OK;
}

/* Up to FIND_NODES_MAX linked nodes of one conversation whose links weren't read yet. */
static size_t next_to_ask(struct mg_applying *a, uint64_t *seqs, struct id *out_conversation)
{
    size_t at = 0, count = 0;
    for (struct node *node; (node = map_next(&a->nodes, &at, NULL)) && count < FIND_NODES_MAX;) {
        if (!node->is_linked || node->is_asked ||
            (count && !id_equal(&node->conversation, out_conversation)))
            continue;
        *out_conversation = node->conversation;
        node->is_asked = true;
        seqs[count++] = node->seq;
    }
    return count;
}

static enum rc read_links(struct mg_applying *a, const struct id *conversation,
                          const uint64_t *seqs, size_t count)
{
    SCOPED_DOC(filter);
    const bson_t *doc;
    mg_put_id(&filter, "conversationId", conversation);
    mg_put_seqs_in(&filter, "seq", seqs, count);
    struct mg_find find = mg_find(a->call, MG_LINKS, &filter, NULL);
    while (mg_next(&find, &doc)) {
        uint64_t seq = mg_get_seq(doc, "seq"), with = mg_get_seq(doc, "with");
        enum rc rc = seq && with ? join(a, conversation, seq, with, true) : RC_OK;
        if (rc != RC_OK)
            return mg_find_stop(&find, rc);
    }
    return mg_find_end(&find);
}

static enum rc reach_all(struct mg_applying *a)
{
    uint64_t seqs[FIND_NODES_MAX];
    struct id conversation = { 0 };
    size_t count;
    while ((count = next_to_ask(a, seqs, &conversation)) > 0)
        TRY(read_links(a, &conversation, seqs, count));
    return RC_OK;
}

/* ---- marks and voids ---- */

static void put_mark_key(bson_t *filter, const struct id *conversation, uint64_t seq)
{
    char key[NODE_KEY_CHARS + 1];
    node_key(key, conversation, seq);
    (void)BSON_APPEND_UTF8(filter, "_id", key);
}

/* What names a seq may name one of another conversation: it says nothing of that. */
static void put_event_key(bson_t *filter, const struct mg_applying *a, const struct node *node)
{
    char place[MG_PLACE_CHARS + 1];
    mg_place(place, a->batch->partition, node->seq);
    (void)BSON_APPEND_UTF8(filter, "_id", place);
    mg_put_id(filter, "conversationId", &node->conversation);
}

/* What never changes in a mark. */
static void put_mark_of(bson_t *doc, const struct id *conversation, uint64_t seq)
{
    put_mark_key(doc, conversation, seq);
    mg_put_id(doc, "conversationId", conversation);
    mg_put_seq(doc, "seq", seq);
}

static void put_first(struct mg_puts *puts, const struct node *node, uint64_t first)
{
    SCOPED_DOC(doc);
    SCOPED_DOC(selector);
    SCOPED_DOC(update);
    bson_t part;
    put_mark_of(&doc, &node->conversation, node->seq);
    mg_put_seq(&doc, "first", first);
    put_mark_key(&selector, &node->conversation, node->seq);
    (void)bson_append_document_begin(&update, "$min", -1, &part);
    mg_put_seq(&part, "first", first);
    (void)bson_append_document_end(&update, &part);
    mg_put_one(puts, &doc, &selector, &update);
}

static enum rc write_firsts(struct mg_applying *a)
{
    SCOPED_PUTS(puts);
    size_t at = 0;
    mg_puts_begin(&puts, a->call, MG_MARKS, a->nodes.count);
    for (struct node *node; (node = map_next(&a->nodes, &at, NULL));)
        if (node->is_linked && node->parent)
            put_first(&puts, node, lowest_of(node)->seq);
    return mg_puts_end(&puts);
}

/* A message becomes a void; a void that was one gets a lower first. */
static void add_void(struct mg_writes *writes, const struct mg_applying *a, const struct node *node,
                     uint64_t first)
{
    SCOPED_DOC(message);
    SCOPED_DOC(voided);
    SCOPED_DOC(to_void);
    SCOPED_DOC(lower);
    bson_t part;
    put_event_key(&message, a, node);
    (void)BSON_APPEND_UTF8(&message, "type", event_kind_name(EVENT_MESSAGE_NEW));
    mg_put_voiding(&to_void, EVENT_MESSAGE_NEW, first);
    mg_update(writes, &message, &to_void);
    put_event_key(&voided, a, node);
    (void)BSON_APPEND_UTF8(&voided, "was", event_kind_name(EVENT_MESSAGE_NEW));
    (void)bson_append_document_begin(&lower, "$min", -1, &part);
    mg_put_seq(&part, "of", first);
    (void)bson_append_document_end(&lower, &part);
    mg_update(writes, &voided, &lower);
}

/* All nodes that have a lower one: also a message whose withdrawal came before it. */
static enum rc write_voids(struct mg_applying *a)
{
    SCOPED_WRITES(writes);
    size_t at = 0;
    mg_writes_begin(&writes, a->call, MG_EVENTS, 2 * a->nodes.count);
    for (struct node *node; (node = map_next(&a->nodes, &at, NULL));)
        if (node->parent)
            add_void(&writes, a, node, lowest_of(node)->seq);
    return mg_writes_end(&writes);
}

static enum rc lower_claims(struct mg_applying *a)
{
    SCOPED_WRITES(writes);
    size_t at = 0;
    mg_writes_begin(&writes, a->call, MG_OPERATIONS, a->claims.count);
    for (struct mg_claiming *claim; (claim = map_next(&a->claims, &at, NULL));) {
        SCOPED_DOC(filter);
        SCOPED_DOC(update);
        bson_t part;
        if (claim->stored <= claim->lowest)
            continue;
        (void)BSON_APPEND_UTF8(&filter, "_id", claim->key);
        (void)bson_append_document_begin(&update, "$min", -1, &part);
        mg_put_seq(&part, "seq", claim->lowest);
        (void)bson_append_document_end(&update, &part);
        mg_update(&writes, &filter, &update);
    }
    return mg_writes_end(&writes);
}

enum rc mg_doubles_write(struct mg_applying *a)
{
    SCOPED_WRITES(links);
    mg_writes_begin(&links, a->call, MG_LINKS, 4 * a->batch->event_count);
    TRY(link_all(a, &links));
    TRY(mg_writes_end(&links));
    TRY(reach_all(a));
    TRY(write_firsts(a));
    TRY(write_voids(a));
    return lower_claims(a);
}

/* ---- edits, deletions, pins ---- */

/* What an overlay says of its target: a number that only falls, or one that only rises. */
struct overlay {
    const char *field, *operator;
    uint64_t value;
};

static bool read_overlay(const struct event *e, struct overlay *out)
{
    if (e->target_seq == 0 || e->target_seq > MG_SEQ_MAX)
        return false; /* kept in the chain, says nothing of any message */
    if (e->kind == EVENT_MESSAGE_EDITED)
        *out = (struct overlay){ "editSeq", "$max", e->seq };
    else if (e->kind == EVENT_MESSAGE_DELETED)
        *out = (struct overlay){ "deleteSeq", "$min", e->seq };
    else if (e->kind == EVENT_MESSAGE_PINNED)
        *out = (struct overlay){ "pin", "$max", 2 * e->seq + 1 };
    else if (e->kind == EVENT_MESSAGE_UNPINNED)
        *out = (struct overlay){ "pin", "$max", 2 * e->seq };
    else
        return false;
    return true;
}

static void put_overlay(struct mg_puts *puts, const struct event *e, const struct overlay *overlay)
{
    SCOPED_DOC(doc);
    SCOPED_DOC(selector);
    SCOPED_DOC(update);
    bson_t part;
    put_mark_of(&doc, &e->conversation, e->target_seq);
    mg_put_seq(&doc, "first", e->target_seq);
    mg_put_seq(&doc, overlay->field, overlay->value);
    put_mark_key(&selector, &e->conversation, e->target_seq);
    (void)bson_append_document_begin(&update, overlay->operator, - 1, &part);
    mg_put_seq(&part, overlay->field, overlay->value);
    (void)bson_append_document_end(&update, &part);
    mg_put_one(puts, &doc, &selector, &update);
}

enum rc mg_overlays_write(struct mg_applying *a)
{
    SCOPED_PUTS(puts);
    struct overlay overlay;
    mg_puts_begin(&puts, a->call, MG_MARKS, a->batch->event_count);
    for (size_t i = 0; i < a->batch->event_count; i++)
        if (read_overlay(a->items[i].event, &overlay))
            put_overlay(&puts, a->items[i].event, &overlay);
    return mg_puts_end(&puts);
}
