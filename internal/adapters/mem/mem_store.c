#include "adapters/mem/mem_parts.h"

#include <stdlib.h>

enum rc mem_begin(struct mem_store *store)
{
    enum rc rc = RC_OK;
    (void)pthread_mutex_lock(&store->lock);
    store->calls++;
    if (store->is_away)
        rc = RC_UNAVAILABLE;
    if (store->fail_at && store->calls == store->fail_at)
        rc = store->fail_code;
    if (rc != RC_OK)
        (void)pthread_mutex_unlock(&store->lock);
    return rc;
}

enum rc mem_end(struct mem_store *store, enum rc rc)
{
    (void)pthread_mutex_unlock(&store->lock);
    return rc;
}

void *mem_insert(void *items, size_t item_bytes, size_t *count, size_t at)
{
    char *grown = realloc(items, (*count + 1) * item_bytes);
    if (!grown)
        return NULL;
    memmove(grown + (at + 1) * item_bytes, grown + at * item_bytes, (*count - at) * item_bytes);
    memset(grown + at * item_bytes, 0, item_bytes);
    (*count)++;
    return grown;
}

void mem_remove(void *items, size_t item_bytes, size_t *count, size_t at)
{
    char *bytes = items;
    (*count)--;
    memmove(bytes + at * item_bytes, bytes + (at + 1) * item_bytes, (*count - at) * item_bytes);
}

int mem_compare_ids(const struct id *a, const struct id *b)
{
    return strcmp(a ? a->text : "", b ? b->text : "");
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

bool mem_contains(struct bytes in, struct bytes text)
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

enum rc mem_copy(struct arena *arena, struct bytes *text)
{
    if (text->len == 0) {
        *text = (struct bytes){ NULL, 0 };
        return RC_OK;
    }
    *text = arena_copy(arena, *text);
    return text->ptr ? RC_OK : RC_NOMEM;
}

enum rc mem_keep(struct mem_store *store, struct bytes text, struct bytes *out)
{
    *out = text;
    return mem_copy(&store->kept, out);
}

enum rc mem_copy_event(struct arena *arena, struct event *event)
{
    TRY(mem_copy(arena, &event->name));
    TRY(mem_copy(arena, &event->emoji));
    TRY(mem_copy(arena, &event->reason));
    return mem_copy(arena, &event->payload);
}

struct mem_room *mem_find_room(const struct mem_store *store, const struct id *id)
{
    for (size_t i = 0; i < store->room_count; i++)
        if (id_equal(&store->rooms[i].id, id))
            return &store->rooms[i];
    return NULL;
}

static enum rc ping(void *self)
{
    TRY(mem_begin(self));
    return mem_end(self, RC_OK);
}

struct mem_store *mem_store_create(void)
{
    struct mem_store *store = calloc(1, sizeof *store);
    if (!store)
        return NULL;
    (void)pthread_mutex_init(&store->lock, NULL);
    arena_init(&store->kept, SIZE_MAX / 2);
    store->messages.self = store->directory.self = store;
    store->messages.ping = ping;
    mem_apply_init(store);
    mem_reading_init(store);
    mem_listing_init(store);
    mem_directory_init(store);
    mem_accounts_init(store);
    mem_sessions_init(store);
    return store;
}

const struct message_store *mem_store_messages(struct mem_store *store)
{
    return &store->messages;
}

const struct directory_store *mem_store_directory(struct mem_store *store)
{
    return &store->directory;
}

const struct account_store *mem_store_accounts(struct mem_store *store)
{
    return &store->accounts_port;
}

void mem_store_destroy(struct mem_store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i < store->room_count; i++)
        mem_room_fini(&store->rooms[i]);
    for (size_t i = 0; i < store->request_count; i++)
        free((void *)store->requests[i].key.ptr);
    free(store->rooms);
    free(store->partitions);
    free(store->feed);
    free(store->users);
    free(store->requests);
    free(store->accounts);
    free(store->sessions);
    free(store->mailed);
    arena_fini(&store->kept);
    (void)pthread_mutex_destroy(&store->lock);
    free(store);
}

void mem_store_set_away(struct mem_store *store, bool is_away)
{
    (void)pthread_mutex_lock(&store->lock);
    store->is_away = is_away;
    (void)pthread_mutex_unlock(&store->lock);
}

void mem_store_fail_call(struct mem_store *store, uint64_t nth, enum rc code)
{
    (void)pthread_mutex_lock(&store->lock);
    store->fail_at = nth ? store->calls + nth : 0;
    store->fail_code = code;
    (void)pthread_mutex_unlock(&store->lock);
}

uint64_t mem_store_calls(struct mem_store *store)
{
    (void)pthread_mutex_lock(&store->lock);
    uint64_t calls = store->calls;
    (void)pthread_mutex_unlock(&store->lock);
    return calls;
}
