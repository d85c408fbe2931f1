/* mg_facts.c - conversations and memberships, computed from the facts of their group.
 *
 * A fact is an event that makes a conversation (group: its id) or a membership (group: both ids),
 * without its payload. Facts are inserted, then all of the touched groups are read and each state
 * is written under the guard of how many facts it was made of. A state made of fewer is stale and
 * is dropped: whoever inserts the last fact of a group reads all of them, and that one is kept.
 */
#include "adapters/mongo/mg_apply.h"
#include "base/rc.h"

#include <stdio.h>

enum {
    GROUPS_A_FIND = 500,
    KEY_CHARS = MG_PAIR_CHARS,
    VOIDS_MAX = 1 << 16,
    FACTS_BYTES_MAX = 64 << 20
};

/* set must hold the guarding field itself, with n: it replaces one where the field is below. */
static void put_guarded(struct mg_puts *puts, const char *key, const char *field, uint64_t n,
                        const bson_t *set)
{
    SCOPED_DOC(doc);
    SCOPED_DOC(selector);
    SCOPED_DOC(update);
    bson_t part;
    (void)BSON_APPEND_UTF8(&doc, "_id", key);
    (void)bson_concat(&doc, set);
    (void)BSON_APPEND_UTF8(&selector, "_id", key);
    (void)bson_append_document_begin(&selector, field, -1, &part);
    mg_put_seq(&part, "$lt", n);
    (void)bson_append_document_end(&selector, &part);
    (void)BSON_APPEND_DOCUMENT(&update, "$set", set);
    mg_put_one(puts, &doc, &selector, &update);
}

/* ---- facts ---- */

static bool is_of_conversation(enum event_kind kind)
{
    return kind == EVENT_CONVERSATION_CREATED || kind == EVENT_CONVERSATION_UPDATED ||
           kind == EVENT_CONVERSATION_DELETED;
}

static bool is_of_member(enum event_kind kind)
{
    return kind == EVENT_MEMBER_ADDED || kind == EVENT_MEMBER_REMOVED ||
           kind == EVENT_MEMBER_UPDATED;
}

/* false: it makes no fact. */
static bool group_of(char out[KEY_CHARS + 1], const struct event *e)
{
    if (is_of_conversation(e->kind))
        (void)snprintf(out, KEY_CHARS + 1, "%s", e->conversation.text);
    else if (is_of_member(e->kind))
        mg_pair(out, &e->conversation, &e->user);
    else
        return false;
    return true;
}

struct groups {
    char (*keys)[KEY_CHARS + 1]; /* each once */
    size_t count;
};

static enum rc add_fact(struct mg_applying *a, struct mg_writes *writes, struct map *known,
                        struct groups *groups, const struct event *event)
{
    SCOPED_DOC(doc);
    char key[KEY_CHARS + 1];
    struct event fact = *event;
    if (!group_of(key, event))
        return RC_OK;
    fact.payload = (struct bytes){ NULL, 0 };
    mg_put_event(&doc, a->batch->partition, &fact, 0, 0);
    (void)BSON_APPEND_UTF8(&doc, "group", key);
    mg_insert(writes, &doc);
    if (map_get(known, bytes_of(key)))
        return RC_OK;
    char *kept = groups->keys[groups->count++];
    memcpy(kept, key, sizeof key);
    return map_put(known, bytes_of(key), kept);
}

static enum rc insert_facts(struct mg_applying *a, struct groups *groups)
{
    SCOPED_WRITES(writes);
    struct map known;
    enum rc rc = RC_OK;
    size_t count = a->batch->event_count;
    groups->keys = arena_alloc(a->arena, (count + 1) * sizeof *groups->keys);
    if (!groups->keys)
        return RC_NOMEM;
    map_init(&known);
    mg_writes_begin(&writes, a->call, MG_FACTS, count);
    for (size_t i = 0; i < count && rc == RC_OK; i++)
        if (mg_is_first(&a->items[i]))
            rc = add_fact(a, &writes, &known, groups, a->items[i].event);
    map_fini(&known);
    TRY(rc);
    return mg_writes_end(&writes); /* one that was there is the same: its event was compared */
}

/* ---- states ---- */

/* All facts of one group, taken in one after the other. */
struct state {
    char key[KEY_CHARS + 1];
    uint64_t count;
    bool is_of_member;
    struct id conversation_id;
    struct conversation conversation;
    struct membership membership;
};

struct computing {
    struct mg_applying *a;
    struct mg_puts conversations, memberships;
    struct mg_writes voids; /* of second creations */
    struct arena *text;
};

static void write_state(struct computing *c, const struct state *s)
{
    SCOPED_DOC(set);
    if (s->count == 0)
        return;
    if (s->is_of_member) {
        mg_put_membership(&set, &s->conversation_id, &s->membership, s->count);
        put_guarded(&c->memberships, s->key, "factCount", s->count, &set);
    } else {
        mg_put_conversation(&set, &s->conversation, s->count);
        put_guarded(&c->conversations, s->key, "factCount", s->count, &set);
    }
}

/* The first creation counts; facts come ascending, so each after it is void. */
static void void_creation(struct computing *c, const struct event *fact, uint64_t first)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(update);
    SCOPED_DOC(voided);
    SCOPED_DOC(lower);
    bson_t part;
    char place[MG_PLACE_CHARS + 1];
    mg_place(place, c->a->batch->partition, fact->seq);
    (void)BSON_APPEND_UTF8(&filter, "_id", place);
    (void)BSON_APPEND_UTF8(&filter, "type", event_kind_name(EVENT_CONVERSATION_CREATED));
    mg_put_voiding(&update, EVENT_CONVERSATION_CREATED, first);
    mg_update(&c->voids, &filter, &update);
    (void)BSON_APPEND_UTF8(&voided, "_id", place);
    (void)BSON_APPEND_UTF8(&voided, "was", event_kind_name(EVENT_CONVERSATION_CREATED));
    (void)bson_append_document_begin(&lower, "$min", -1, &part);
    mg_put_seq(&part, "of", first);
    (void)bson_append_document_end(&lower, &part);
    mg_update(&c->voids, &voided, &lower);
}

static void take_fact(struct computing *c, struct state *s, const struct event *fact)
{
    s->count++;
    s->conversation_id = fact->conversation;
    s->is_of_member = is_of_member(fact->kind);
    if (s->is_of_member) {
        s->membership.user = fact->user;
        membership_apply(&s->membership, fact);
        return;
    }
    s->conversation.id = fact->conversation;
    conversation_apply(&s->conversation, fact);
    if (fact->kind == EVENT_CONVERSATION_CREATED && s->conversation.created_seq < fact->seq)
        void_creation(c, fact, s->conversation.created_seq);
}

/* Facts come by group and seq. */
static enum rc compute(struct computing *c, const char *groups, size_t count)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(opts);
    const bson_t *doc;
    struct state s = { .count = 0 };
    mg_put_texts_in(&filter, "group", groups, KEY_CHARS + 1, count);
    mg_put_order(&opts, "group", "seq", 1, 0);
    struct mg_find find = mg_find(c->a->call, MG_FACTS, &filter, &opts);
    while (mg_next(&find, &doc)) {
        struct mg_event fact;
        enum rc rc = mg_document(c->a->call, mg_get_event(doc, c->text, &fact));
        if (rc != RC_OK)
            return mg_find_stop(&find, rc);
        if (!bytes_is(mg_peek_text(doc, "group"), s.key)) {
            write_state(c, &s);
            s = (struct state){ .count = 0 };
            (void)snprintf(s.key, sizeof s.key, "%.*s", BYTES_ARG(mg_peek_text(doc, "group")));
        }
        take_fact(c, &s, &fact.event);
    }
    TRY(mg_find_end(&find));
    write_state(c, &s);
    return RC_OK;
}

static enum rc compute_some(struct computing *c, const char *groups, size_t count)
{
    mg_writes_begin(&c->voids, c->a->call, MG_EVENTS, VOIDS_MAX);
    mg_puts_begin(&c->conversations, c->a->call, MG_CONVERSATIONS, count);
    mg_puts_begin(&c->memberships, c->a->call, MG_MEMBERSHIPS, count);
    enum rc rc = compute(c, groups, count);
    if (rc == RC_OK)
        rc = mg_puts_end(&c->conversations);
    if (rc == RC_OK)
        rc = mg_puts_end(&c->memberships);
    if (rc == RC_OK)
        rc = mg_writes_end(&c->voids);
    mg_puts_fini(&c->conversations);
    mg_puts_fini(&c->memberships);
    mg_writes_fini(&c->voids);
    return rc;
}

enum rc mg_facts_write(struct mg_applying *a)
{
    struct groups groups = { .count = 0 };
    TRY(insert_facts(a, &groups));
    for (size_t at = 0; at < groups.count; at += GROUPS_A_FIND) {
        SCOPED_ARENA(text, FACTS_BYTES_MAX);
        struct computing c = { .a = a, .text = &text };
        size_t left = groups.count - at;
        TRY(compute_some(&c, groups.keys[at], left < GROUPS_A_FIND ? left : GROUPS_A_FIND));
    }
    return RC_OK;
}

/* ---- lastSeq ---- */

static void put_last_seq(struct mg_puts *puts, struct mg_writes *updates,
                         const struct mg_room *room)
{
    SCOPED_DOC(doc);
    SCOPED_DOC(selector);
    SCOPED_DOC(update);
    bson_t part;
    mg_put_id(&selector, "_id", &room->id);
    (void)bson_append_document_begin(&update, "$max", -1, &part);
    mg_put_seq(&part, "lastSeq", room->highest);
    (void)bson_append_document_end(&update, &part);
    if (room->stored) { /* the common case: it is there */
        mg_update(updates, &selector, &update);
        return;
    }
    (void)bson_concat(&doc, &selector);
    mg_put_seq(&doc, "lastSeq", room->highest);
    mg_put_seq(&doc, "factCount", 0);
    mg_put_one(puts, &doc, &selector, &update);
}

enum rc mg_last_seqs_write(struct mg_applying *a)
{
    SCOPED_PUTS(puts);
    SCOPED_WRITES(updates);
    size_t at = 0;
    mg_puts_begin(&puts, a->call, MG_CONVERSATIONS, a->rooms.count);
    mg_writes_begin(&updates, a->call, MG_CONVERSATIONS, a->rooms.count);
    for (struct mg_room *room; (room = map_next(&a->rooms, &at, NULL));)
        if (room->stored < room->highest)
            put_last_seq(&puts, &updates, room);
    TRY(mg_puts_end(&puts));
    return mg_writes_end(&updates);
}

/* ---- user feeds ---- */

static void put_feed(struct mg_puts *puts, const struct user_feed_entry *entry)
{
    SCOPED_DOC(set);
    char key[MG_PAIR_CHARS + 1];
    mg_pair(key, &entry->user, &entry->conversation);
    mg_put_id(&set, "userId", &entry->user);
    mg_put_id(&set, "conversationId", &entry->conversation);
    mg_put_seq(&set, "feedSeq", entry->feed_seq);
    mg_put_seq(&set, "conversationSeq", entry->conversation_seq);
    put_guarded(puts, key, "feedSeq", entry->feed_seq, &set);
}

enum rc mg_feed_write(struct mg_applying *a)
{
    SCOPED_PUTS(puts);
    mg_puts_begin(&puts, a->call, MG_FEED, a->batch->feed_count);
    for (size_t i = 0; i < a->batch->feed_count; i++)
        put_feed(&puts, &a->batch->feed[i]);
    return mg_puts_end(&puts);
}
