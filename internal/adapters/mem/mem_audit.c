#include "adapters/mem/mem_audit.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct mem_audit {
    pthread_mutex_t lock;
    struct audit_event events[MEM_AUDIT_MAX];
    size_t count;
};

static void add(void *self, const struct audit_event *event)
{
    struct mem_audit *audit = self;
    pthread_mutex_lock(&audit->lock);
    if (audit->count < MEM_AUDIT_MAX)
        audit->events[audit->count++] = *event;
    pthread_mutex_unlock(&audit->lock);
}

struct mem_audit *mem_audit_create(void)
{
    struct mem_audit *audit = calloc(1, sizeof *audit);
    if (audit)
        pthread_mutex_init(&audit->lock, NULL);
    return audit;
}

struct audit_log mem_audit_port(struct mem_audit *audit)
{
    return (struct audit_log){ .self = audit, .write = add };
}

size_t mem_audit_count(struct mem_audit *audit)
{
    pthread_mutex_lock(&audit->lock);
    size_t count = audit->count;
    pthread_mutex_unlock(&audit->lock);
    return count;
}

struct audit_event mem_audit_at(struct mem_audit *audit, size_t i)
{
    pthread_mutex_lock(&audit->lock);
    assert(i < audit->count);
    struct audit_event event = audit->events[i];
    pthread_mutex_unlock(&audit->lock);
    return event;
}

void mem_audit_destroy(struct mem_audit *audit)
{
    if (!audit)
        return;
    pthread_mutex_destroy(&audit->lock);
    free(audit);
}
