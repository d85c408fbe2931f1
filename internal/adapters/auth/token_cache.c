#include "adapters/auth/token_cache.h"

#include "base/map.h"

enum { HASH_BYTES = 32 };

/* The name is by far the longest part and usually short: it is stored at its length. */
struct entry {
    uint8_t hash[HASH_BYTES];
    int64_t expires_s, issued_s;
    struct id user;
    struct id session;
    unsigned roles;
    char name[];
};

struct token_cache {
    struct map by_hash;
    struct entry **ring; /* in the order of arrival */
    size_t ring_max;
    size_t ring_next; /* the oldest once the ring is full */
    size_t count;
};

struct token_cache *token_cache_create(size_t entries_max)
{
    struct token_cache *cache = calloc(1, sizeof *cache);

    if (!cache)
        return NULL;
    map_init(&cache->by_hash);
    cache->ring_max = entries_max;
    cache->ring = calloc(entries_max, sizeof(struct entry *)); /* pages come when touched */
    if (!cache->ring) {
        token_cache_destroy(cache);
        return NULL;
    }
    return cache;
}

void token_cache_clear(struct token_cache *cache)
{
    for (size_t i = 0; i < cache->count; i++) {
        (void)map_remove(&cache->by_hash, bytes_make(cache->ring[i]->hash, HASH_BYTES));
        free(cache->ring[i]);
        cache->ring[i] = NULL;
    }
    cache->count = 0;
    cache->ring_next = 0;
}

void token_cache_destroy(struct token_cache *cache)
{
    if (!cache)
        return;
    token_cache_clear(cache);
    map_fini(&cache->by_hash);
    free(cache->ring);
    free(cache);
}

bool token_cache_get(const struct token_cache *cache, const uint8_t hash[32],
                     struct identity *out_identity)
{
    const struct entry *entry = map_get(&cache->by_hash, bytes_make(hash, HASH_BYTES));

    if (!entry)
        return false;
    /* As a whole: a field that comes later must not stay what the caller's stack held. */
    *out_identity = (struct identity){ .user = entry->user,
                                       .session = entry->session,
                                       .roles = entry->roles,
                                       .expires_s = entry->expires_s,
                                       .issued_s = entry->issued_s };
    (void)snprintf(out_identity->name, sizeof out_identity->name, "%s", entry->name);
    return true;
}

static struct entry *entry_create(const uint8_t hash[32], const struct identity *identity)
{
    size_t name_size = strlen(identity->name) + 1;
    struct entry *entry = malloc(sizeof *entry + name_size);

    if (!entry)
        return NULL;
    memcpy(entry->hash, hash, HASH_BYTES);
    memcpy(entry->name, identity->name, name_size);
    entry->expires_s = identity->expires_s;
    entry->issued_s = identity->issued_s;
    entry->user = identity->user;
    entry->session = identity->session;
    entry->roles = identity->roles;
    return entry;
}

void token_cache_put(struct token_cache *cache, const uint8_t hash[32],
                     const struct identity *identity)
{
    struct bytes key = bytes_make(hash, HASH_BYTES);
    struct entry *entry = map_get(&cache->by_hash, key) ? NULL : entry_create(hash, identity);
    struct entry *oldest = cache->ring[cache->ring_next];

    if (!entry)
        return;
    if (map_put(&cache->by_hash, key, entry) != RC_OK) {
        free(entry);
        return;
    }
    if (oldest) {
        (void)map_remove(&cache->by_hash, bytes_make(oldest->hash, HASH_BYTES));
        free(oldest);
    } else {
        cache->count++;
    }
    cache->ring[cache->ring_next] = entry;
    cache->ring_next = (cache->ring_next + 1) % cache->ring_max;
}

size_t token_cache_count(const struct token_cache *cache)
{
    return cache->count;
}
