/* A document of any bytes, as a database that others write to could hold it. The first byte chooses
 * what it is read as. What is taken is a value that can't be half right: ids of the alphabet, seqs
 * below 2^53, known kinds and roles; and an event that is put back and read again is the same. */
#include <stdio.h>
#include <stdlib.h>

#include "adapters/mongo/mg_doc.h"
#include "fuzz/demand.h"

enum { BYTES_MAX = 1 << 20, READERS = 7 };

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void demand_id(const struct id *id)
{
    struct id again;
    demand(id->len == 0 || (id_read(id_bytes(id), &again) && id_equal(id, &again)));
    demand(strlen(id->text) == id->len);
}

static void demand_seq(uint64_t seq)
{
    demand(seq <= MG_SEQ_MAX);
}

static void demand_same(const struct event *a, const struct event *b)
{
    demand(a->kind == b->kind && a->seq == b->seq && a->prev == b->prev && a->at_us == b->at_us);
    demand(id_equal(&a->conversation, &b->conversation) && id_equal(&a->actor, &b->actor));
    demand(id_equal(&a->client_id, &b->client_id) && id_equal(&a->user, &b->user));
    demand(a->target_seq == b->target_seq && a->of_seq == b->of_seq);
    demand(a->thread_of == b->thread_of && bytes_equal(a->name, b->name));
    demand(bytes_equal(a->emoji, b->emoji) && bytes_equal(a->reason, b->reason));
    demand(memcmp(a->body_hash, b->body_hash, BODY_HASH_BYTES) == 0);
    demand(a->kind == EVENT_VOID || bytes_equal(a->payload, b->payload));
}

static void read_event(const bson_t *doc, struct arena *arena)
{
    struct mg_event read, again;
    const struct event *e = &read.event;
    bson_t put = BSON_INITIALIZER;
    if (mg_get_event(doc, arena, &read) != RC_OK)
        return;
    demand(e->kind < EVENT_KIND_COUNT && read.was < EVENT_KIND_COUNT);
    demand(e->seq > 0 && e->conversation.len > 0);
    demand(e->role <= ROLE_OWNER && e->type <= CONVERSATION_CHANNEL && e->history <= HISTORY_ALL);
    demand_id(&e->conversation);
    demand_id(&e->actor);
    demand_id(&e->client_id);
    demand_id(&e->user);
    demand_seq(e->seq);
    demand_seq(e->target_seq);
    demand_seq(e->of_seq);
    mg_put_event(&put, 3, e, e->prev, 0);
    demand(mg_get_event(&put, arena, &again) == RC_OK);
    demand_same(e, &again.event);
    bson_destroy(&put);
}

static void read_mark(const bson_t *doc)
{
    struct mg_mark mark;
    if (mg_get_mark(doc, &mark) != RC_OK)
        return;
    demand(mark.seq > 0 && mark.first > 0);
    demand_seq(mark.seq);
    demand_seq(mark.first);
    demand_seq(mark.edit_seq);
    demand_seq(mark.delete_seq);
    demand_seq(mark.pin / 2);
}

static void read_conversation(const bson_t *doc, struct arena *arena)
{
    struct conversation c;
    if (mg_get_conversation(doc, arena, &c) != RC_OK)
        return;
    demand(c.id.len > 0 && c.type <= CONVERSATION_CHANNEL && c.history <= HISTORY_ALL);
    demand_id(&c.id);
    demand_id(&c.created_by);
    demand_seq(c.created_seq);
    demand_seq(c.last_seq);
}

static void read_membership(const bson_t *doc)
{
    struct mg_membership m;
    if (mg_get_membership(doc, &m) != RC_OK)
        return;
    demand(m.conversation.len > 0 && m.membership.user.len > 0);
    demand(m.membership.role <= ROLE_OWNER);
    demand_id(&m.conversation);
    demand_id(&m.membership.user);
    demand_seq(m.membership.changed_seq);
}

static void read_others(const bson_t *doc, struct arena *arena, int which)
{
    struct user_feed_entry entry;
    struct mg_request request;
    struct user user;
    if (which == 4 && mg_get_feed(doc, &entry) == RC_OK)
        demand_seq(entry.feed_seq);
    if (which == 5 && mg_get_user(doc, arena, &user) == RC_OK)
        demand_id(&user.id);
    if (which == 6 && mg_get_request(doc, arena, &request) == RC_OK)
        demand(request.status > 0 && request.status <= 999);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct arena arena = { NULL, 0, BYTES_MAX };
    bson_t doc;
    if (size < 1 || !bson_init_static(&doc, data + 1, size - 1))
        return 0;
    int which = data[0] % READERS;
    if (which == 0)
        read_event(&doc, &arena);
    else if (which == 1)
        read_mark(&doc);
    else if (which == 2)
        read_conversation(&doc, &arena);
    else if (which == 3)
        read_membership(&doc);
    else
        read_others(&doc, &arena, which);
    (void)mg_get_seq(&doc, "seq");
    (void)mg_get_id(&doc, "_id");
    arena_fini(&arena);
    return 0;
}
