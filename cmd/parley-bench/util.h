/* util.h - what every part of the bench leans on: time, growing buffers, hashes, random numbers.
 *
 * The bench is a test program: memory that runs out ends it at once with a message (x* calls),
 * so no caller has to handle it.
 *
 * Thread: the whole bench is one thread.
 */
#ifndef BENCH_UTIL_H
#define BENCH_UTIL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* Monotonic time in nanoseconds. */
uint64_t now_ns(void);

/* Prints one line to stderr and ends the program with code 2 (a usage or set-up error, as opposed
 * to 1: the run found something wrong). */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

/* Allocation that cannot fail; xgrow doubles *cap until it holds want elements. */
void *xcalloc(size_t count, size_t size);
void *xgrow(void *array, size_t *cap, size_t want, size_t size);
char *xstrdup(const char *text);
char *xstrndup(const char *text, size_t len);

/* A buffer that grows; ptr is not terminated unless sbuf_text made it so. */
struct sbuf {
    char *ptr;
    size_t len, cap;
};

void sbuf_add(struct sbuf *buf, const void *data, size_t len);
void sbuf_puts(struct sbuf *buf, const char *text);
__attribute__((format(printf, 2, 3))) void sbuf_printf(struct sbuf *buf, const char *format, ...);
/* Appends text as the inside of a JSON string. */
void sbuf_json(struct sbuf *buf, struct bytes text);
/* The content as a C string, valid until the next change. */
const char *sbuf_text(struct sbuf *buf);
void sbuf_free(struct sbuf *buf);

/* 64-bit hash of bytes, continued from seed (HASH_START for the first part). */
#define HASH_START 0xcbf29ce484222325ULL
uint64_t hash_bytes(uint64_t seed, struct bytes data);

/* A small, seeded random generator (splitmix64). below(0) is 0. */
struct rng {
    uint64_t state;
};
uint64_t rng_next(struct rng *rng);
uint64_t rng_below(struct rng *rng, uint64_t bound);
double rng_unit(struct rng *rng);

/* A map of 64-bit keys (hashes; 0 is not a key) to pointers. Zeroed is empty. */
struct hmap {
    uint64_t *keys;
    void **values;
    size_t len, cap;
};
void *hmap_get(const struct hmap *map, uint64_t key);
void hmap_put(struct hmap *map, uint64_t key, void *value);
void hmap_fini(struct hmap *map);

#endif
