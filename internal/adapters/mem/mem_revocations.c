#include "adapters/mem/mem_revocations.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"

enum { KEPT_MAX = 4096, KEPT_S = 24 * 3600 };

struct mem_revocations {
    pthread_mutex_t lock;
    struct revocation_sink sink;
    struct revocation kept[KEPT_MAX];
    size_t count, told;
    bool is_away, is_current;
};

static enum rc publish(void *self, const struct revocation *revocation)
{
    struct mem_revocations *r = self;
    enum rc rc = RC_OK;
    pthread_mutex_lock(&r->lock);
    if (r->is_away) {
        rc = RC_UNAVAILABLE;
    } else if (r->count == KEPT_MAX) {
        rc = RC_FULL;
    } else {
        struct revocation *kept = &r->kept[r->count++];
        *kept = *revocation;
        if (kept->until_s == 0)
            kept->until_s = clock_wall_us(clock_system()) / 1000000 + KEPT_S;
    }
    pthread_mutex_unlock(&r->lock);
    return rc;
}

struct mem_revocations *mem_revocations_create(const struct revocation_sink *sink)
{
    struct mem_revocations *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    pthread_mutex_init(&r->lock, NULL);
    if (sink)
        r->sink = *sink;
    return r;
}

struct revocations mem_revocations_port(struct mem_revocations *revocations)
{
    return (struct revocations){ .self = revocations, .publish = publish };
}

static bool next(struct mem_revocations *r, struct revocation *out)
{
    pthread_mutex_lock(&r->lock);
    bool is_there = r->told < r->count;
    if (is_there)
        *out = r->kept[r->told++];
    pthread_mutex_unlock(&r->lock);
    return is_there;
}

size_t mem_revocations_pump(struct mem_revocations *r)
{
    struct revocation revocation;
    size_t count = 0;
    for (; next(r, &revocation); count++)
        if (r->sink.on_revoked)
            r->sink.on_revoked(r->sink.closure, &revocation);
    if (!r->is_current && r->sink.on_current)
        r->sink.on_current(r->sink.closure);
    r->is_current = true;
    return count;
}

void mem_revocations_set_away(struct mem_revocations *r, bool is_away)
{
    pthread_mutex_lock(&r->lock);
    r->is_away = is_away;
    pthread_mutex_unlock(&r->lock);
}

void mem_revocations_destroy(struct mem_revocations *r)
{
    if (!r)
        return;
    pthread_mutex_destroy(&r->lock);
    free(r);
}
