/* arena.h - memory for one frame, one request or one batch, freed all at once.
 *
 * What is parsed from one input lives in one arena and dies with it. An arena has a maximum, so
 * what a peer sends can't make it grow without bound.
 *
 * Thread: one at a time.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/bytes.h"
#include "base/rc.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first */
    size_t used;                /* bytes given out */
    size_t bytes_max;
};

/* Starts an empty arena; nothing is allocated yet. bytes_max: the most it will give out. */
void arena_init(struct arena *arena, size_t bytes_max);

/* Frees all that was given out. The arena can be used again. */
void arena_fini(struct arena *arena);

/* Zeroed memory aligned for any type; NULL past the maximum or when memory is short. */
void *arena_alloc(struct arena *arena, size_t size);

/* A copy with a NUL after it (not counted in len); ptr NULL on failure. */
struct bytes arena_copy(struct arena *arena, struct bytes source);

/* A formatted text, NUL after it; ptr NULL on failure. */
struct bytes arena_format(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* An arena that ends with its block. */
#define SCOPED_ARENA(name, bytes_max)                                                              \
    struct arena name __attribute__((cleanup(arena_fini))) = { NULL, 0, (bytes_max) }

#endif
