/* mg_lookups.c - one message or event, by its seq or by who asked for it with which id. */
#include "adapters/mongo/mg_store.h"

static enum rc read_message(struct mg_call *call, const struct id *conversation, uint64_t seq,
                            struct arena *arena, struct message_row *out)
{
    struct mg_event read;
    struct message_row row = { 0 };
    TRY(mg_event_at(call, conversation, seq, arena, &read));
    if (read.event.kind != EVENT_MESSAGE_NEW)
        return RC_NOT_FOUND;
    row.event = read.event;
    TRY(mg_fill_rows(call, conversation, arena, &row, 1));
    *out = row;
    return RC_OK;
}

static enum rc message(void *self, const struct id *conversation, uint64_t seq, struct arena *arena,
                       struct message_row *out)
{
    struct mg_call call;
    TRY(mg_begin(self, &call));
    return mg_end(self, &call, read_message(&call, conversation, seq, arena, out));
}

/* The lowest seq above `after` that is claimed by this operation, with whatever body. A claim is
 * made before its event is there, so the event may be missing: then the next one is asked for. */
static enum rc next_claim(struct mg_call *call, char op, const struct id *conversation,
                          const struct id *actor, const struct id *client_id, uint64_t after,
                          uint64_t *out_seq)
{
    SCOPED_DOC(filter);
    const bson_t *doc;
    char from[MG_CLAIM_CHARS + 1], to[MG_CLAIM_CHARS + 1];
    uint64_t lowest = 0;
    mg_claim_bounds(from, to, op, conversation, actor, client_id);
    mg_put_text_range(&filter, "_id", "$gt", from, "$lt", to);
    struct mg_find find = mg_find(call, MG_OPERATIONS, &filter, NULL);
    while (mg_next(&find, &doc)) {
        uint64_t seq = mg_get_seq(doc, "seq");
        if (seq > after && (lowest == 0 || seq < lowest))
            lowest = seq;
    }
    TRY(mg_find_end(&find));
    if (lowest == 0)
        return RC_NOT_FOUND;
    *out_seq = lowest;
    return RC_OK;
}

/* The first event of that operation which is here. */
static enum rc first_of(struct mg_call *call, char op, const struct id *conversation,
                        const struct id *actor, const struct id *client_id, struct arena *arena,
                        struct mg_event *out)
{
    uint64_t seq = 0;
    enum rc rc;
    do {
        TRY(next_claim(call, op, conversation, actor, client_id, seq, &seq));
        rc = mg_event_at(call, conversation, seq, arena, out);
    } while (rc == RC_NOT_FOUND);
    return rc;
}

static enum rc by_client_id(struct mg_call *call, const struct id *conversation,
                            const struct id *sender, const struct id *client_id,
                            struct arena *arena, struct message_row *out)
{
    struct mg_event read;
    TRY(first_of(call, event_kind_op(EVENT_MESSAGE_NEW), conversation, sender, client_id, arena,
                 &read));
    return read_message(call, conversation, read.event.seq, arena, out);
}

static enum rc message_by_client_id(void *self, const struct id *conversation,
                                    const struct id *sender, const struct id *client_id,
                                    struct arena *arena, struct message_row *out)
{
    struct mg_call call;
    TRY(mg_begin(self, &call));
    return mg_end(self, &call, by_client_id(&call, conversation, sender, client_id, arena, out));
}

/* An operation that a dead letter took the place of keeps its ids under the void's letter. */
static enum rc by_operation(struct mg_call *call, const struct id *conversation, char op,
                            const struct id *actor, const struct id *client_id, struct arena *arena,
                            struct event *out)
{
    struct mg_event read;
    enum rc rc = first_of(call, op, conversation, actor, client_id, arena, &read);
    if (rc == RC_NOT_FOUND)
        rc =
            first_of(call, event_kind_op(EVENT_VOID), conversation, actor, client_id, arena, &read);
    TRY(rc);
    TRY(mg_fill_prev(call, conversation, &read.event));
    *out = read.event;
    return RC_OK;
}

static enum rc event_by_client_id(void *self, const struct id *conversation, char op,
                                  const struct id *actor, const struct id *client_id,
                                  struct arena *arena, struct event *out)
{
    struct mg_call call;
    if (client_id->len == 0)
        return RC_NOT_FOUND;
    TRY(mg_begin(self, &call));
    return mg_end(self, &call, by_operation(&call, conversation, op, actor, client_id, arena, out));
}

void mg_lookups_init(struct mongo_store *store)
{
    store->messages.message = message;
    store->messages.message_by_client_id = message_by_client_id;
    store->messages.event_by_client_id = event_by_client_id;
}
