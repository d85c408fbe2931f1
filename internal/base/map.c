#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

struct map_slot {
    void *value; /* NULL: free */
    uint8_t *key;
    uint32_t hash;
    uint32_t key_len;
};

static uint64_t hash_seed;
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void make_seed(void)
{
    if (getrandom(&hash_seed, sizeof hash_seed, 0) != (ssize_t)sizeof hash_seed)
        hash_seed = 0x9e3779b97f4a7c15u ^ (uint64_t)(uintptr_t)&hash_seed;
}

/* A multiply-xorshift over eight bytes at a time with a secret start (wyhash's idea, simplified).
 */
static uint32_t hash_of(struct bytes key)
{
    uint64_t h = hash_seed ^ key.len;
    size_t i = 0;
    for (; i + 8 <= key.len; i += 8) {
        uint64_t word;
        memcpy(&word, key.ptr + i, 8);
        h = (h ^ word) * 0x9fb21c651e98df25u;
        h ^= h >> 32;
    }
    uint64_t tail = 0;
    if (i < key.len)
        memcpy(&tail, key.ptr + i, key.len - i);
    h = (h ^ tail) * 0xd6e8feb86659fd93u;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return (uint32_t)(h ^ (h >> 32));
}

void map_init(struct map *map)
{
    (void)pthread_once(&seed_once, make_seed);
    *map = (struct map){ NULL, 0, 0 };
}

void map_fini(struct map *map)
{
    for (size_t i = 0; i < map->cap; i++)
        if (map->slots[i].value)
            free(map->slots[i].key);
    free(map->slots);
    *map = (struct map){ NULL, 0, 0 };
}

static size_t find(const struct map *map, struct bytes key, uint32_t hash)
{
    size_t at = hash & (map->cap - 1);
    while (map->slots[at].value) {
        const struct map_slot *slot = &map->slots[at];
        if (slot->hash == hash && slot->key_len == key.len &&
            (key.len == 0 || memcmp(slot->key, key.ptr, key.len) == 0))
            break;
        at = (at + 1) & (map->cap - 1);
    }
    return at;
}

void *map_get(const struct map *map, struct bytes key)
{
    if (map->count == 0)
        return NULL;
    return map->slots[find(map, key, hash_of(key))].value;
}

static enum rc grow(struct map *map)
{
    size_t cap = map->cap ? map->cap * 2 : 16;
    struct map_slot *slots = calloc(cap, sizeof *slots);
    if (!slots)
        return RC_NOMEM;
    for (size_t i = 0; i < map->cap; i++) {
        if (!map->slots[i].value)
            continue;
        size_t at = map->slots[i].hash & (cap - 1);
        while (slots[at].value)
            at = (at + 1) & (cap - 1);
        slots[at] = map->slots[i];
    }
    free(map->slots);
    map->slots = slots;
    map->cap = cap;
    return RC_OK;
}

enum rc map_put(struct map *map, struct bytes key, void *value)
{
    if ((map->count + 1) * 4 > map->cap * 3)
        TRY(grow(map));
    uint32_t hash = hash_of(key);
    size_t at = find(map, key, hash);
    if (map->slots[at].value) {
        map->slots[at].value = value;
        return RC_OK;
    }
    uint8_t *copy = malloc(key.len + 1);
    if (!copy)
        return RC_NOMEM;
    if (key.len)
        memcpy(copy, key.ptr, key.len);
    copy[key.len] = 0;
    map->slots[at] = (struct map_slot){ value, copy, hash, (uint32_t)key.len };
    map->count++;
    return RC_OK;
}

/* Moves later entries of the run back over the hole, so that no probe ends early. */
static void close_hole(struct map *map, size_t hole)
{
    size_t at = hole;
    for (;;) {
        at = (at + 1) & (map->cap - 1);
        if (!map->slots[at].value)
            break;
        size_t home = map->slots[at].hash & (map->cap - 1);
        bool is_between = hole < at ? (home > hole && home <= at) : (home > hole || home <= at);
        if (is_between)
            continue;
        map->slots[hole] = map->slots[at];
        hole = at;
    }
    map->slots[hole] = (struct map_slot){ 0 };
}

void *map_remove(struct map *map, struct bytes key)
{
    if (map->count == 0)
        return NULL;
    size_t at = find(map, key, hash_of(key));
    void *value = map->slots[at].value;
    if (!value)
        return NULL;
    free(map->slots[at].key);
    close_hole(map, at);
    map->count--;
    return value;
}

void *map_next(const struct map *map, size_t *at, struct bytes *out_key)
{
    while (*at < map->cap) {
        const struct map_slot *slot = &map->slots[(*at)++];
        if (!slot->value)
            continue;
        if (out_key)
            *out_key = bytes_make(slot->key, slot->key_len);
        return slot->value;
    }
    return NULL;
}
