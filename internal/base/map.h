/* map.h - a hash map from a short byte key to a pointer.
 *
 * Keys are copied. The hash is seeded once a process, so that a peer can't choose colliding keys.
 * Open addressing with linear probing; removal shifts back, so there are no tombstones.
 *
 * Thread: one at a time.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/bytes.h"
#include "base/rc.h"

struct map_slot;

struct map {
    struct map_slot *slots;
    size_t cap; /* a power of two, or 0 */
    size_t count;
};

/* Starts empty; nothing is allocated yet. */
void map_init(struct map *map);

/* Frees the keys and the table, not the values. */
void map_fini(struct map *map);

/* The value of the key, NULL if there is none. */
void *map_get(const struct map *map, struct bytes key);

/* Sets the key's value; value must not be NULL. errors: RC_NOMEM, nothing changed */
MUST_CHECK enum rc map_put(struct map *map, struct bytes key, void *value);

/* Takes the key out and returns its value, NULL if there was none. */
void *map_remove(struct map *map, struct bytes key);

/* Walks the map in no order: *at starts at 0; returns the next value, NULL at the end. The map must
 * not change on the way. out_key may be NULL. */
void *map_next(const struct map *map, size_t *at, struct bytes *out_key);

#endif
