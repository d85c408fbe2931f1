#include "adapters/nats/nats_audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "adapters/nats/nats_priv.h"
#include "base/clock.h"
#include "base/log.h"
#include "wire/audit_json.h"
#include "wire/puback.h"

enum { QUEUE_MAX = 4096, ANSWER_MS = 3000, AGAIN_MS = 250, LAST_MS = 2000, LOG_EVERY_MS = 10000 };

struct queued {
    struct audit_event event;
    struct id id;
};

struct nats_audit {
    struct nats_link *link;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct queued *ring; /* under lock, as the rest */
    size_t first, count, cap;
    uint64_t stored, dropped;
    bool is_ending;
    int64_t end_ms; /* monotonic: given up then */
};

static void add(void *self, const struct audit_event *event)
{
    struct nats_audit *audit = self;
    struct id id = id_make(clock_system());
    uint64_t dropped = 0;
    pthread_mutex_lock(&audit->lock);
    if (audit->count < audit->cap)
        audit->ring[(audit->first + audit->count++) % audit->cap] = (struct queued){ *event, id };
    else
        dropped = ++audit->dropped;
    pthread_cond_signal(&audit->changed);
    pthread_mutex_unlock(&audit->lock);
    if (dropped)
        log_error_every(LOG_EVERY_MS, "audit.dropped", LOG_UINT("dropped", dropped));
}

static bool is_stored(natsMsg *answer)
{
    struct puback ack;
    return !natsMsg_IsNoResponders(answer) &&
           puback_read(bytes_make(natsMsg_GetData(answer), (size_t)natsMsg_GetDataLength(answer)),
                       &ack) &&
           ack.error == 0;
}

static bool publish(struct nats_audit *audit, const struct queued *queued)
{
    SCOPED_BUF(json, AUDIT_JSON_BYTES_MAX);
    char subject[64];
    struct nats_call call;
    natsMsg *msg = NULL, *answer = NULL;
    bool is_done = false;

    if (!nats_link_is_up(audit->link))
        return false;
    audit_event_write(&json, &queued->event, &queued->id);
    (void)snprintf(subject, sizeof subject, "audit.%s", audit_kind_name(queued->event.kind));
    nats_call_begin(&call, audit->link);
    if (natsMsg_Create(&msg, subject, call.inbox, (const char *)json.ptr, (int)json.len) ==
            NATS_OK &&
        natsMsgHeader_Set(msg, "Nats-Msg-Id", queued->id.text) == NATS_OK &&
        natsConnection_PublishMsg(nats_link_connection(audit->link), msg) == NATS_OK &&
        nats_call_next(&call, ANSWER_MS, &answer) == NATS_OK)
        is_done = is_stored(answer);
    nats_call_end(&call);
    natsMsg_Destroy(msg);
    natsMsg_Destroy(answer);
    return is_done;
}

/* The oldest event, left in the ring; false when there is none and the end has come. */
static bool wait_first(struct nats_audit *audit, struct queued *out)
{
    pthread_mutex_lock(&audit->lock);
    while (audit->count == 0 && !audit->is_ending)
        pthread_cond_wait(&audit->changed, &audit->lock);
    bool is_there = audit->count > 0 &&
                    !(audit->is_ending && clock_monotonic_ms(clock_system()) > audit->end_ms);
    if (is_there)
        *out = audit->ring[audit->first];
    pthread_mutex_unlock(&audit->lock);
    return is_there;
}

static void drop_first(struct nats_audit *audit)
{
    pthread_mutex_lock(&audit->lock);
    audit->first = (audit->first + 1) % audit->cap;
    audit->count--;
    audit->stored++;
    pthread_mutex_unlock(&audit->lock);
}

static void *run(void *arg)
{
    static const struct timespec again = { .tv_nsec = AGAIN_MS * 1000000L };
    struct nats_audit *audit = arg;
    struct queued queued;
    while (wait_first(audit, &queued)) {
        if (publish(audit, &queued)) {
            drop_first(audit);
            continue;
        }
        log_warn_every(LOG_EVERY_MS, "audit.not_stored");
        (void)nanosleep(&again, NULL); /* an early end is harmless */
    }
    return NULL;
}

struct nats_audit *nats_audit_create(struct nats_link *link, size_t queue_max)
{
    struct nats_audit *audit = calloc(1, sizeof *audit);
    if (!audit)
        return NULL;
    audit->link = link;
    audit->cap = queue_max ? queue_max : QUEUE_MAX;
    audit->ring = calloc(audit->cap, sizeof *audit->ring);
    pthread_mutex_init(&audit->lock, NULL);
    pthread_cond_init(&audit->changed, NULL);
    if (audit->ring && pthread_create(&audit->thread, NULL, run, audit) == 0)
        return audit;
    pthread_mutex_destroy(&audit->lock);
    pthread_cond_destroy(&audit->changed);
    free(audit->ring);
    free(audit);
    return NULL;
}

struct audit_log nats_audit_port(struct nats_audit *audit)
{
    return (struct audit_log){ .self = audit, .write = add };
}

struct nats_audit_counts nats_audit_counts(struct nats_audit *audit)
{
    pthread_mutex_lock(&audit->lock);
    struct nats_audit_counts counts = { audit->stored, audit->dropped, audit->count };
    pthread_mutex_unlock(&audit->lock);
    return counts;
}

void nats_audit_destroy(struct nats_audit *audit)
{
    if (!audit)
        return;
    pthread_mutex_lock(&audit->lock);
    audit->is_ending = true;
    audit->end_ms = clock_monotonic_ms(clock_system()) + LAST_MS;
    pthread_cond_signal(&audit->changed);
    pthread_mutex_unlock(&audit->lock);
    (void)pthread_join(audit->thread, NULL);
    if (audit->count > 0)
        log_error("audit.lost", LOG_UINT("events", audit->count));
    pthread_mutex_destroy(&audit->lock);
    pthread_cond_destroy(&audit->changed);
    free(audit->ring);
    free(audit);
}
