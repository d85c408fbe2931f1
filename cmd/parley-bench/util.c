/* util.c - time, buffers, hashes. */
#include "util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("parley-bench: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(2);
}

void *xcalloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    if (!p)
        die("out of memory");
    return p;
}

void *xgrow(void *array, size_t *cap, size_t want, size_t size)
{
    if (want <= *cap)
        return array;
    size_t next = *cap ? *cap : 8;
    while (next < want)
        next *= 2;
    void *p = reallocarray(array, next, size);
    if (!p)
        die("out of memory");
    *cap = next;
    return p;
}

char *xstrndup(const char *text, size_t len)
{
    char *copy = xcalloc(len + 1, 1);
    memcpy(copy, text, len);
    return copy;
}

char *xstrdup(const char *text)
{
    return xstrndup(text, strlen(text));
}

void sbuf_add(struct sbuf *buf, const void *data, size_t len)
{
    if (len == 0)
        return;
    buf->ptr = xgrow(buf->ptr, &buf->cap, buf->len + len, 1);
    memcpy(buf->ptr + buf->len, data, len);
    buf->len += len;
}

void sbuf_puts(struct sbuf *buf, const char *text)
{
    sbuf_add(buf, text, strlen(text));
}

void sbuf_printf(struct sbuf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int need = vsnprintf(NULL, 0, format, args);
    va_end(args);
    buf->ptr = xgrow(buf->ptr, &buf->cap, buf->len + (size_t)need + 1, 1);
    vsnprintf(buf->ptr + buf->len, (size_t)need + 1, format, again);
    va_end(again);
    buf->len += (size_t)need;
}

void sbuf_json(struct sbuf *buf, struct bytes text)
{
    size_t from = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        sbuf_add(buf, text.ptr + from, i - from);
        if (c == '"' || c == '\\')
            sbuf_printf(buf, "\\%c", c);
        else
            sbuf_printf(buf, "\\u%04x", c);
        from = i + 1;
    }
    sbuf_add(buf, text.ptr + from, text.len - from);
}

const char *sbuf_text(struct sbuf *buf)
{
    buf->ptr = xgrow(buf->ptr, &buf->cap, buf->len + 1, 1);
    buf->ptr[buf->len] = 0;
    return buf->ptr;
}

void sbuf_free(struct sbuf *buf)
{
    free(buf->ptr);
    *buf = (struct sbuf){ 0 };
}

uint64_t hash_bytes(uint64_t seed, struct bytes data)
{
    uint64_t h = seed;
    for (size_t i = 0; i < data.len; i++)
        h = (h ^ data.ptr[i]) * 0x100000001b3ULL;
    /* The length keeps ("ab","c") and ("a","bc") apart when hashes are continued. */
    h = (h ^ data.len) * 0x9e3779b97f4a7c15ULL;
    h ^= h >> 32;
    return h ? h : 1;
}

uint64_t rng_next(struct rng *rng)
{
    uint64_t z = (rng->state += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

uint64_t rng_below(struct rng *rng, uint64_t bound)
{
    return bound ? rng_next(rng) % bound : 0;
}

double rng_unit(struct rng *rng)
{
    return (double)(rng_next(rng) >> 11) / 9007199254740992.0;
}

static size_t hmap_slot(const struct hmap *map, uint64_t key)
{
    size_t i = (key ^ (key >> 29)) & (map->cap - 1);
    while (map->keys[i] && map->keys[i] != key)
        i = (i + 1) & (map->cap - 1);
    return i;
}

void *hmap_get(const struct hmap *map, uint64_t key)
{
    return map->cap ? map->values[hmap_slot(map, key)] : NULL;
}

static void hmap_rehash(struct hmap *map, size_t cap)
{
    struct hmap old = *map;
    map->keys = xcalloc(cap, sizeof *map->keys);
    map->values = xcalloc(cap, sizeof *map->values);
    map->cap = cap;
    for (size_t i = 0; i < old.cap; i++) {
        if (!old.keys[i])
            continue;
        size_t slot = hmap_slot(map, old.keys[i]);
        map->keys[slot] = old.keys[i];
        map->values[slot] = old.values[i];
    }
    free(old.keys);
    free(old.values);
}

void hmap_put(struct hmap *map, uint64_t key, void *value)
{
    if ((map->len + 1) * 4 > map->cap * 3)
        hmap_rehash(map, map->cap ? map->cap * 2 : 4);
    size_t slot = hmap_slot(map, key);
    map->len += map->keys[slot] == 0;
    map->keys[slot] = key;
    map->values[slot] = value;
}

void hmap_fini(struct hmap *map)
{
    free(map->keys);
    free(map->values);
    *map = (struct hmap){ 0 };
}
