/* mg_store.c - small things that all of the store's files use. */
#include "adapters/mongo/mg_store.h"

#include <stdio.h>

void mg_put_range(bson_t *filter, const char *name, uint64_t after, uint64_t until)
{
    bson_t range;
    (void)bson_append_document_begin(filter, name, -1, &range);
    mg_put_seq(&range, "$gt", after);
    mg_put_seq(&range, "$lte", until);
    (void)bson_append_document_end(filter, &range);
}

void mg_put_text_range(bson_t *filter, const char *name, const char *after_op, const char *after,
                       const char *until_op, const char *until)
{
    bson_t range;
    (void)bson_append_document_begin(filter, name, -1, &range);
    (void)bson_append_utf8(&range, after_op, -1, after, -1);
    if (until_op)
        (void)bson_append_utf8(&range, until_op, -1, until, -1);
    (void)bson_append_document_end(filter, &range);
}

void mg_put_seqs_in(bson_t *filter, const char *name, const uint64_t *seqs, size_t count)
{
    bson_t in, array;
    char buffer[16];
    const char *key;
    (void)bson_append_document_begin(filter, name, -1, &in);
    (void)bson_append_array_begin(&in, "$in", -1, &array);
    for (size_t i = 0; i < count; i++) {
        (void)bson_uint32_to_string((uint32_t)i, &key, buffer, sizeof buffer);
        mg_put_seq(&array, key, seqs[i]);
    }
    (void)bson_append_array_end(&in, &array);
    (void)bson_append_document_end(filter, &in);
}

void mg_put_texts_in(bson_t *filter, const char *name, const char *texts, size_t stride,
                     size_t count)
{
    bson_t in, array;
    char buffer[16];
    const char *key;
    (void)bson_append_document_begin(filter, name, -1, &in);
    (void)bson_append_array_begin(&in, "$in", -1, &array);
    for (size_t i = 0; i < count; i++) {
        (void)bson_uint32_to_string((uint32_t)i, &key, buffer, sizeof buffer);
        (void)bson_append_utf8(&array, key, -1, texts + i * stride, -1);
    }
    (void)bson_append_array_end(&in, &array);
    (void)bson_append_document_end(filter, &in);
}

void mg_put_order(bson_t *opts, const char *first, const char *second, int way, size_t limit)
{
    bson_t sort;
    (void)bson_append_document_begin(opts, "sort", -1, &sort);
    (void)bson_append_int32(&sort, first, -1, way);
    if (second)
        (void)bson_append_int32(&sort, second, -1, way);
    (void)bson_append_document_end(opts, &sort);
    if (limit)
        (void)bson_append_int64(opts, "limit", -1, (int64_t)limit);
}

void *mg_list_add(struct mg_list *list)
{
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 16;
        if (list->limit && cap > list->limit)
            cap = list->limit;
        if (cap == list->cap)
            return NULL;
        void *items = arena_alloc(list->arena, cap * list->item_bytes);
        if (!items)
            return NULL;
        if (list->count)
            memcpy(items, list->items, list->count * list->item_bytes);
        list->items = items;
        list->cap = cap;
    }
    return (char *)list->items + list->item_bytes * list->count++;
}

/* ASCII letters of either case are the same; all other bytes are themselves. */
static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

bool mg_contains(struct bytes in, struct bytes text)
{
    for (size_t at = 0; at + text.len <= in.len; at++) {
        size_t i = 0;
        while (i < text.len && lower(in.ptr[at + i]) == lower(text.ptr[i]))
            i++;
        if (i == text.len)
            return true;
    }
    return false;
}

enum rc mg_document(struct mg_call *call, enum rc rc)
{
    if (rc == RC_UNAVAILABLE)
        atomic_fetch_add(&call->health->document, 1);
    return rc;
}

enum rc mg_one_event(struct mg_call *call, const bson_t *filter, const bson_t *opts,
                     struct arena *arena, struct mg_event *out)
{
    const bson_t *doc;
    struct mg_find find = mg_find(call, MG_EVENTS, filter, opts);
    if (mg_next(&find, &doc))
        return mg_find_stop(&find, mg_document(call, mg_get_event(doc, arena, out)));
    TRY(mg_find_end(&find));
    return RC_NOT_FOUND;
}

enum rc mg_event_at(struct mg_call *call, const struct id *conversation, uint64_t seq,
                    struct arena *arena, struct mg_event *out)
{
    SCOPED_DOC(filter);
    if (seq == 0 || seq > MG_SEQ_MAX)
        return RC_NOT_FOUND;
    mg_put_id(&filter, "conversationId", conversation);
    mg_put_seq(&filter, "seq", seq);
    return mg_one_event(call, &filter, NULL, arena, out);
}
