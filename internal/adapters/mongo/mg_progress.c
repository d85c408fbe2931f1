/* mg_progress.c - the marks applied and emitted of each partition: they move up only, each by one
 * guarded update. */
#include "adapters/mongo/mg_store.h"
#include "ports/log_consumer.h"

#include <stdio.h>

enum { KEY_CHARS = 32 };

static void put_key(bson_t *doc, uint32_t generation, uint32_t partition)
{
    char key[KEY_CHARS];
    (void)snprintf(key, sizeof key, "%06u/%04u", generation, partition);
    (void)BSON_APPEND_UTF8(doc, "_id", key);
}

enum rc mg_read_applied(struct mg_call *call, uint32_t generation, uint32_t partition,
                        uint64_t *out_applied, uint64_t *out_emitted)
{
    SCOPED_DOC(filter);
    const bson_t *doc;
    uint64_t applied = log_floor(generation), emitted = applied;
    put_key(&filter, generation, partition);
    struct mg_find find = mg_find(call, MG_PARTITIONS, &filter, NULL);
    if (mg_next(&find, &doc)) {
        applied = mg_get_seq(doc, "applied");
        emitted = mg_get_seq(doc, "emitted");
    }
    TRY(mg_find_end(&find));
    *out_applied = applied;
    *out_emitted = emitted;
    return RC_OK;
}

/* Makes the document if it isn't there. */
static enum rc add_partition(struct mg_call *call, uint32_t generation, uint32_t partition)
{
    SCOPED_DOC(doc);
    SCOPED_WRITES(writes);
    put_key(&doc, generation, partition);
    mg_put_seq(&doc, "applied", log_floor(generation));
    mg_put_seq(&doc, "emitted", log_floor(generation));
    mg_writes_begin(&writes, call, MG_PARTITIONS, 1);
    mg_insert(&writes, &doc);
    return mg_writes_end(&writes);
}

/* applied: from `from - 1` or from within, never back. */
static enum rc try_move(struct mg_call *call, const struct store_batch *batch, int64_t *out_matched)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(update);
    bson_t part;
    put_key(&filter, batch->generation, batch->partition);
    (void)bson_append_document_begin(&filter, "applied", -1, &part);
    mg_put_seq(&part, "$gte", batch->from ? batch->from - 1 : 0);
    mg_put_seq(&part, "$lt", batch->to);
    (void)bson_append_document_end(&filter, &part);
    (void)bson_append_document_begin(&update, "$set", -1, &part);
    mg_put_seq(&part, "applied", batch->to);
    (void)bson_append_document_end(&update, &part);
    return mg_update_one(call, MG_PARTITIONS, &filter, &update, out_matched);
}

enum rc mg_move_applied(struct mg_call *call, const struct store_batch *batch)
{
    int64_t matched = 0;
    if (batch->to == 0)
        return RC_OK;
    TRY(try_move(call, batch, &matched));
    if (matched)
        return RC_OK;
    TRY(add_partition(call, batch->generation, batch->partition));
    return try_move(call, batch, &matched); /* none matches: it is there already, or a hole is */
}

static enum rc read_marks(struct mongo_store *store, uint32_t generation, uint32_t partition,
                          uint64_t *out_applied, uint64_t *out_emitted)
{
    struct mg_call call;
    TRY(mg_begin(store, &call));
    return mg_end(store, &call,
                  mg_read_applied(&call, generation, partition, out_applied, out_emitted));
}

static enum rc applied(void *self, uint32_t generation, uint32_t partition, uint64_t *out_seq)
{
    uint64_t emitted;
    return read_marks(self, generation, partition, out_seq, &emitted);
}

static enum rc emitted(void *self, uint32_t generation, uint32_t partition, uint64_t *out_seq)
{
    uint64_t applied_seq;
    return read_marks(self, generation, partition, &applied_seq, out_seq);
}

static enum rc move_emitted(struct mg_call *call, uint32_t generation, uint32_t partition,
                            uint64_t seq)
{
    SCOPED_DOC(filter);
    SCOPED_DOC(update);
    bson_t part;
    int64_t matched = 0;
    put_key(&filter, generation, partition);
    (void)bson_append_document_begin(&update, "$max", -1, &part);
    mg_put_seq(&part, "emitted", seq);
    (void)bson_append_document_end(&update, &part);
    TRY(mg_update_one(call, MG_PARTITIONS, &filter, &update, &matched));
    if (matched)
        return RC_OK;
    TRY(add_partition(call, generation, partition));
    return mg_update_one(call, MG_PARTITIONS, &filter, &update, &matched);
}

static enum rc set_emitted(void *self, uint32_t generation, uint32_t partition, uint64_t seq)
{
    struct mg_call call;
    TRY(mg_begin(self, &call));
    return mg_end(self, &call, move_emitted(&call, generation, partition, seq));
}

void mg_progress_init(struct mongo_store *store)
{
    store->messages.applied = applied;
    store->messages.emitted = emitted;
    store->messages.set_emitted = set_emitted;
}
