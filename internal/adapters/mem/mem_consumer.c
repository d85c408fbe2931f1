/* mem_consumer.c - the persister's consumer of the log in memory: one for each partition, held by
 * whoever fetched first until that one closes. Never waits. */
#include "adapters/mem/mem_log_priv.h"

#include <stdio.h>

struct mem_consumer {
    struct mem_log *log;
    struct mem_stream *stream;
    uint32_t partition;
};

static uint64_t last_seq(const struct mem_consumer *c)
{
    return log_floor(c->log->o.generation) + c->stream->count;
}

static bool is_due(const struct mem_consumer *c, const struct mem_record *r)
{
    return !r->is_done && !r->is_out && r->due_ms <= mem_now_ms(c->log) &&
           r->record.seq >= c->stream->first_seq;
}

static enum rc fetch_some(struct mem_consumer *c, size_t records_max, struct consumed_batch *batch)
{
    struct mem_stream *s = c->stream;
    if (c->log->is_down || c->log->reads_away)
        return RC_UNAVAILABLE;
    if (s->holder && s->holder != c)
        return RC_CONFLICT;
    s->holder = c;
    while (s->consumer_at < s->count && s->records[s->consumer_at]->is_done)
        s->consumer_at++;
    for (size_t i = s->consumer_at; i < s->count; i++) {
        struct mem_record *r = s->records[i];
        if (!is_due(c, r))
            continue;
        if (batch->count == records_max) {
            batch->pending += r->deliveries == 0;
            continue;
        }
        r->is_out = true;
        r->deliveries++;
        batch->items[batch->count++] =
            (struct consumed){ .record = r->record, .deliveries = r->deliveries, .handle = r };
        batch->items[batch->count - 1].record.prev = 0; /* a consumer isn't told */
    }
    return RC_OK;
}

static enum rc consumer_fetch(void *self, size_t records_max, int64_t wait_ms,
                              struct consumed_batch *out)
{
    struct mem_consumer *c = self;
    struct consumed_batch batch = { .items = calloc(records_max, sizeof *batch.items) };
    (void)wait_ms;
    if (!batch.items)
        return RC_NOMEM;
    pthread_mutex_lock(&c->log->lock);
    enum rc rc = fetch_some(c, records_max, &batch);
    pthread_mutex_unlock(&c->log->lock);
    if (rc != RC_OK)
        free(batch.items);
    else
        *out = batch;
    return rc;
}

static void consumer_ack(void *self, struct consumed_batch *batch)
{
    struct mem_consumer *c = self;
    pthread_mutex_lock(&c->log->lock);
    for (size_t i = 0; i < batch->count; i++)
        ((struct mem_record *)batch->items[i].handle)->is_done = true;
    pthread_mutex_unlock(&c->log->lock);
}

static void consumer_terminate(void *self, struct consumed *item)
{
    consumer_ack(self, &(struct consumed_batch){ .items = item, .count = 1 });
}

static void consumer_give_back(void *self, struct consumed_batch *batch, int64_t delay_ms)
{
    struct mem_consumer *c = self;
    pthread_mutex_lock(&c->log->lock);
    for (size_t i = 0; i < batch->count; i++) {
        struct mem_record *r = batch->items[i].handle;
        r->is_out = false;
        r->due_ms = mem_now_ms(c->log) + delay_ms;
    }
    pthread_mutex_unlock(&c->log->lock);
}

static void consumer_release(void *self, struct consumed_batch *batch)
{
    (void)self;
    free(batch->items);
    *batch = (struct consumed_batch){ .items = NULL };
}

static enum rc consumer_state(void *self, struct log_state *out)
{
    struct mem_consumer *c = self;
    struct event_log log = mem_log_port(c->log);
    return log.state(log.self, c->partition, out);
}

static enum rc consumer_read_run(void *self, uint64_t from, uint64_t to,
                                 bool (*each)(void *closure, const struct log_record *record),
                                 void *closure)
{
    struct mem_consumer *c = self;
    struct log_state state;
    TRY(consumer_state(self, &state));
    if (state.first_seq > from && from <= to)
        return RC_NOT_FOUND;
    for (uint64_t seq = from; seq <= to; seq++) {
        pthread_mutex_lock(&c->log->lock);
        const struct mem_record *r = mem_record_at(c->log, c->partition, seq);
        pthread_mutex_unlock(&c->log->lock);
        if (!r || !each(closure, &r->record))
            break;
    }
    return RC_OK;
}

static char *copy_text(struct bytes text)
{
    char *copy = calloc(1, text.len + 1);
    if (!copy)
        abort();
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return copy;
}

static enum rc keep_letter(struct mem_consumer *c, const struct dead_letter *letter)
{
    struct mem_log *log = c->log;
    if (log->is_down)
        return RC_UNAVAILABLE;
    if (log->letters_to_fail > 0) {
        log->letters_to_fail--;
        return RC_FULL;
    }
    for (size_t i = 0; i < log->letter_count; i++)
        if (log->letters[i].partition == c->partition &&
            log->letters[i].seq == letter->record->seq &&
            strcmp(log->letters[i].reason, letter->reason) == 0)
            return RC_OK; /* its message id is known */
    log->letters = realloc(log->letters, (log->letter_count + 1) * sizeof *log->letters);
    if (!log->letters)
        abort();
    struct bytes payload = letter->record->payload;
    log->letters[log->letter_count++] = (struct mem_dead_letter){
        .partition = c->partition,
        .seq = letter->record->seq,
        .deliveries = letter->deliveries,
        .reason = copy_text(bytes_of(letter->reason)),
        .error = copy_text(bytes_of(letter->error)),
        .payload = bytes_make(copy_text(payload), payload.len),
    };
    return RC_OK;
}

static enum rc consumer_dead_letter(void *self, const struct dead_letter *letter)
{
    struct mem_consumer *c = self;
    pthread_mutex_lock(&c->log->lock);
    enum rc rc = keep_letter(c, letter);
    pthread_mutex_unlock(&c->log->lock);
    return rc;
}

static enum rc consumer_announce(void *self, const char *subject, struct bytes json)
{
    struct mem_consumer *c = self;
    if (c->log->is_down)
        return RC_UNAVAILABLE;
    mem_log_announce(c->log, subject, json);
    return RC_OK;
}

static enum rc consumer_publish(void *self, const struct publish_request *requests, size_t count,
                                struct publish_result *results)
{
    struct mem_consumer *c = self;
    if (c->log->is_down)
        return RC_UNAVAILABLE;
    for (size_t i = 0; i < count; i++) {
        TRY(publish_request_check(&requests[i]));
        pthread_mutex_lock(&c->log->lock);
        results[i] = mem_store_request(c->log, &requests[i], 1);
        pthread_mutex_unlock(&c->log->lock);
    }
    return RC_OK;
}

static enum rc consumer_tail(void *self, uint64_t after, int64_t wait_ms,
                             void (*each)(void *closure, char kind, const struct id *owner,
                                          uint64_t seq),
                             void *closure, uint64_t *out_to)
{
    struct mem_consumer *c = self;
    (void)wait_ms;
    if (c->log->is_down || c->log->reads_away)
        return RC_UNAVAILABLE;
    *out_to = after;
    pthread_mutex_lock(&c->log->lock);
    uint64_t to = last_seq(c);
    pthread_mutex_unlock(&c->log->lock);
    for (uint64_t seq = after + 1; seq <= to; seq++) {
        pthread_mutex_lock(&c->log->lock);
        const struct mem_record *r = mem_record_at(c->log, c->partition, seq);
        pthread_mutex_unlock(&c->log->lock);
        if (r)
            each(closure, r->record.kind, &r->record.owner, seq);
        *out_to = seq;
    }
    return RC_OK;
}

static void consumer_close(void *self)
{
    struct mem_consumer *c = self;
    pthread_mutex_lock(&c->log->lock);
    if (c->stream->holder == c) {
        c->stream->holder = NULL;
        for (size_t i = 0; i < c->stream->count; i++)
            c->stream->records[i]->is_out = false; /* as after ack_wait */
    }
    pthread_mutex_unlock(&c->log->lock);
    free(c);
}

static uint32_t consumer_epoch(void *self)
{
    (void)self;
    return 1; /* it has no link that could be lost */
}

static enum rc open_consumer(void *self, uint32_t partition, struct log_consumer *out)
{
    struct mem_log *log = self;
    if (log->is_down || partition >= log->o.partitions)
        return RC_UNAVAILABLE;
    struct mem_consumer *c = calloc(1, sizeof *c);
    if (!c)
        return RC_NOMEM;
    *c = (struct mem_consumer){ log, &log->streams[partition], partition };
    *out = (struct log_consumer){
        .self = c,
        .fetch = consumer_fetch,
        .ack = consumer_ack,
        .terminate = consumer_terminate,
        .give_back = consumer_give_back,
        .release = consumer_release,
        .read_run = consumer_read_run,
        .state = consumer_state,
        .dead_letter = consumer_dead_letter,
        .announce = consumer_announce,
        .publish = consumer_publish,
        .tail = consumer_tail,
        .epoch = consumer_epoch,
        .close = consumer_close,
    };
    return RC_OK;
}

struct log_consumer_source mem_log_consumers(struct mem_log *log)
{
    return (struct log_consumer_source){ .self = log, .open = open_consumer };
}

size_t mem_log_dead_letters(struct mem_log *log, const struct mem_dead_letter **out_letters)
{
    *out_letters = log->letters;
    return log->letter_count;
}

void mem_log_fail_dead_letters(struct mem_log *log, size_t count)
{
    log->letters_to_fail = count;
}
