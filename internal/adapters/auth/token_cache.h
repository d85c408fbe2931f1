/* token_cache.h - verdicts of tokens that were good, by their hash.
 *
 * A reconnect then costs a hash instead of a signature. Bounded: the oldest entry makes room. It
 * knows only good tokens, so that rubbish can't push them out.
 *
 * Thread: one at a time.
 */
#ifndef AUTH_TOKEN_CACHE_H
#define AUTH_TOKEN_CACHE_H

#include "base/rc.h"
#include "ports/token_verifier.h"

struct token_cache; /* opaque */

struct token_cache *token_cache_create(size_t entries_max);
void token_cache_destroy(struct token_cache *cache);

/* The identity of that hash, whatever the time; false if it isn't there. */
bool token_cache_get(const struct token_cache *cache, const uint8_t hash[32],
                     struct identity *out_identity);

/* Remembers; memory short means not remembering. */
void token_cache_put(struct token_cache *cache, const uint8_t hash[32],
                     const struct identity *identity);

/* Forgets all: the keys have changed. */
void token_cache_clear(struct token_cache *cache);

size_t token_cache_count(const struct token_cache *cache);

#endif
