/* mem_log_hands.c - what tests do to the log in memory: let things come, fail, age, be announced.
 */
#include "adapters/mem/mem_log_priv.h"

#include "wire/event_json.h"

#include <stdio.h>

enum { JSON_BYTES_MAX = 1 << 20 };

size_t mem_log_step(struct mem_log *log, size_t count)
{
    size_t done = 0;
    for (; done < count; done++) {
        struct mem_call *call = NULL;
        pthread_mutex_lock(&log->lock);
        if (!list_is_empty(&log->calls)) {
            call = LIST_ENTRY(log->calls.next, struct mem_call, node);
            list_remove(&call->node);
        }
        pthread_mutex_unlock(&log->lock);
        if (!call)
            break;
        call->run(call);
    }
    return done;
}

size_t mem_log_pump(struct mem_log *log)
{
    return mem_log_step(log, SIZE_MAX);
}

void mem_log_plan(struct mem_log *log, enum mem_failure failure)
{
    pthread_mutex_lock(&log->lock);
    if (log->plan_count == MEM_PLANS_MAX)
        abort();
    log->plans[(log->plan_first + log->plan_count++) % MEM_PLANS_MAX] = failure;
    pthread_mutex_unlock(&log->lock);
}

void mem_log_store_late(struct mem_log *log)
{
    pthread_mutex_lock(&log->lock);
    while (!list_is_empty(&log->late)) {
        struct mem_late *late = LIST_ENTRY(log->late.next, struct mem_late, node);
        list_remove(&late->node);
        (void)mem_store_request(log, &late->request, 1); /* a duplicate by now: as JetStream does */
        mem_late_free(late);
    }
    pthread_mutex_unlock(&log->lock);
}

void mem_log_release(struct mem_log *log)
{
    pthread_mutex_lock(&log->lock);
    while (!list_is_empty(&log->held)) {
        struct list *node = log->held.next;
        list_remove(node);
        list_add_last(&log->calls, node);
    }
    pthread_mutex_unlock(&log->lock);
}

void mem_log_set_reads(struct mem_log *log, bool is_available)
{
    log->reads_away = !is_available;
}

void mem_log_expire(struct mem_log *log, uint32_t partition, uint64_t seq)
{
    pthread_mutex_lock(&log->lock);
    struct mem_stream *s = &log->streams[partition];
    if (seq > s->first_seq && seq <= mem_last_seq(log, s) + 1)
        s->first_seq = seq;
    pthread_mutex_unlock(&log->lock);
}

void mem_log_announce(struct mem_log *log, const char *subject, struct bytes json)
{
    pthread_mutex_lock(&log->lock);
    mem_feed_announce(log, subject, json);
    pthread_mutex_unlock(&log->lock);
}

static size_t add_entry(struct heads_entry *entries, size_t count, const struct log_record *record)
{
    for (size_t i = 0; i < count; i++) {
        if (entries[i].kind == record->kind && id_equal(&entries[i].owner, &record->owner)) {
            entries[i].seq = record->seq;
            return count;
        }
    }
    entries[count] = (struct heads_entry){ record->owner, record->kind, record->seq };
    return count + 1;
}

void mem_log_announce_heads(struct mem_log *log, uint32_t partition)
{
    SCOPED_BUF(json, JSON_BYTES_MAX);
    char subject[SUBJECT_CHARS_MAX];
    pthread_mutex_lock(&log->lock);
    struct mem_stream *s = &log->streams[partition];
    struct heads heads = { .generation = log->o.generation,
                           .from = s->announced,
                           .to = mem_last_seq(log, s) };
    struct heads_entry *entries = mem_take_memory((heads.to - heads.from + 1) * sizeof *entries);
    for (uint64_t seq = heads.from + 1; seq <= heads.to; seq++) {
        const struct mem_record *r = mem_record_at(log, partition, seq);
        heads.count = r ? add_entry(entries, heads.count, &r->record) : heads.count;
    }
    heads.entries = entries;
    heads_write(&json, &heads);
    s->announced = heads.to;
    (void)snprintf(subject, sizeof subject, "heads.%u", partition);
    mem_feed_announce(log, subject, buf_bytes(&json));
    pthread_mutex_unlock(&log->lock);
    free(entries);
}

uint64_t mem_log_last_seq(struct mem_log *log, uint32_t partition)
{
    pthread_mutex_lock(&log->lock);
    uint64_t seq = mem_last_seq(log, &log->streams[partition]);
    pthread_mutex_unlock(&log->lock);
    return seq;
}

size_t mem_log_count(struct mem_log *log, uint32_t partition)
{
    pthread_mutex_lock(&log->lock);
    const struct mem_stream *s = &log->streams[partition];
    size_t count = (size_t)(mem_last_seq(log, s) + 1 - s->first_seq);
    pthread_mutex_unlock(&log->lock);
    return count;
}
