#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHUNK_BYTES = 4096 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t size;
    size_t used;
    _Alignas(max_align_t) uint8_t data[];
};

void arena_init(struct arena *arena, size_t bytes_max)
{
    *arena = (struct arena){ NULL, 0, bytes_max };
}

void arena_fini(struct arena *arena)
{
    while (arena->chunks) {
        struct arena_chunk *next = arena->chunks->next;
        free(arena->chunks);
        arena->chunks = next;
    }
    arena->used = 0;
}

static struct arena_chunk *chunk_for(struct arena *arena, size_t size)
{
    struct arena_chunk *chunk = arena->chunks;
    if (chunk && chunk->size - chunk->used >= size)
        return chunk;
    size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;
    chunk = calloc(1, sizeof *chunk + room);
    if (!chunk)
        return NULL;
    chunk->size = room;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    return chunk;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    if (size > arena->bytes_max)
        return NULL;
    size = (size + align - 1) / align * align;
    if (size > arena->bytes_max - arena->used)
        return NULL;
    struct arena_chunk *chunk = chunk_for(arena, size);
    if (!chunk)
        return NULL;
    void *ptr = chunk->data + chunk->used;
    chunk->used += size;
    arena->used += size;
    return ptr;
}

struct bytes arena_copy(struct arena *arena, struct bytes source)
{
    uint8_t *copy = arena_alloc(arena, source.len + 1);
    if (!copy)
        return (struct bytes){ NULL, 0 };
    if (source.len)
        memcpy(copy, source.ptr, source.len);
    return (struct bytes){ copy, source.len };
}

struct bytes arena_format(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = len < 0 ? NULL : arena_alloc(arena, (size_t)len + 1);
    if (text)
        (void)vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return (struct bytes){ (uint8_t *)text, text ? (size_t)len : 0 };
}
