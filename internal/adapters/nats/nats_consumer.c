/* nats_consumer.c - the log_consumer port: fetching, acknowledging, and the links behind it. */
#include "adapters/nats/nats_consumer_priv.h"
#include "base/log.h"
#include "wire/subjects.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>

enum {
    LINGER_MS = 50,
    TIMEOUT_MS = 5000,
    PIN_LOOK_EVERY_MS = 500,
    FLUSH_MS = 500,
    REPLY_BYTES_MAX = 256 * 1024,
};

struct consumer {
    struct nats_consumers *source;
    uint32_t partition;
    char stream[32];
    struct nats_pull pull;
    bool has_pull;
    int64_t looked_at_ms; /* when the pin's holder was last asked for */
    bool is_standby;
    struct nats_tail tail;
};

/* ---- whose the consumer is ---- */

/* A puller without the pin gets nothing, and isn't told: asks who holds it. */
static bool is_held_by_other(struct consumer *c)
{
    SCOPED_ARENA(arena, REPLY_BYTES_MAX);
    char subject[NATS_SUBJECT_MAX];
    struct bytes reply;
    json_error_t error;
    int64_t now = nats_now_ms();
    if (c->pull.pin[0])
        return false;
    if (now - c->looked_at_ms < PIN_LOOK_EVERY_MS)
        return c->is_standby;
    c->looked_at_ms = now;
    (void)snprintf(subject, sizeof subject, "$JS.API.CONSUMER.INFO.%s.persister", c->stream);
    if (nats_link_request(c->source->link, subject, bytes_of(""), c->source->timeout_ms, &arena,
                          &reply) != RC_OK)
        return c->is_standby;
    json_t *info = json_loadb((const char *)reply.ptr, reply.len, 0, &error);
    const json_t *group = json_array_get(json_object_get(info, "priority_groups"), 0);
    const char *pin = json_string_value(json_object_get(group, "pinned_client_id"));
    c->is_standby = pin && *pin;
    json_decref(info);
    return c->is_standby;
}

/* ---- fetch ---- */

static bool read_item(struct consumer *c, natsMsg *msg, struct consumed *item,
                      uint64_t *out_pending)
{
    struct nats_place place;
    enum subject_kind kind;
    *item = (struct consumed){ .handle = msg };
    if (!nats_place_read(natsMsg_GetReply(msg), &place))
        return false;
    item->deliveries = place.deliveries;
    item->record.seq = place.stream_seq;
    item->record.at_us = place.at_us;
    item->record.partition = c->partition;
    *out_pending = place.pending;
    /* A subject that isn't ours (someone published past the gateways): it is given out all the
     * same, without an owner, so that it is dead-lettered and its place in the run is filled. */
    if (subject_split(bytes_of(natsMsg_GetSubject(msg)), &item->record.partition, &kind,
                      &item->record.owner))
        item->record.kind = (char)kind;
    nats_record_read_parley(msg, &item->record);
    return true;
}

static enum rc begin_pull(struct consumer *c)
{
    if (c->has_pull)
        return RC_OK;
    TRY(nats_pull_begin(&c->pull, c->source, c->stream, "persister"));
    c->pull.is_pinned = true;
    c->has_pull = true;
    return RC_OK;
}

static enum rc fetch_items(struct consumer *c, size_t records_max, int64_t wait_ms,
                           struct consumed_batch *out)
{
    int64_t until = nats_now_ms() + wait_ms;
    while (out->count < records_max) {
        natsMsg *msg = NULL;
        size_t left = records_max - out->count;
        switch (nats_pull_next(&c->pull, left, wait_ms, until, &msg)) {
        case NATS_PULLED:
            if (!read_item(c, msg, &out->items[out->count], &out->pending)) {
                natsMsg_Destroy(msg);
                break;
            }
            if (out->count++ == 0)
                until = nats_now_ms() + c->source->linger_ms;
            break;
        case NATS_PULL_NONE:
            return out->count == 0 && is_held_by_other(c) ? RC_CONFLICT : RC_OK;
        case NATS_PULL_LOST:
            return out->count == 0 ? RC_CONFLICT : RC_OK;
        case NATS_PULL_BROKEN:
            return out->count == 0 ? RC_UNAVAILABLE : RC_OK;
        }
    }
    return RC_OK;
}

static void consumer_release(void *self, struct consumed_batch *batch)
{
    (void)self;
    for (size_t i = 0; i < batch->count; i++)
        natsMsg_Destroy(batch->items[i].handle);
    free(batch->items);
    *batch = (struct consumed_batch){ .items = NULL };
}

static enum rc consumer_fetch(void *self, size_t records_max, int64_t wait_ms,
                              struct consumed_batch *out)
{
    struct consumer *c = self;
    struct consumed_batch batch = { .count = 0 };
    if (!nats_link_is_up(c->source->link) || atomic_load(&c->source->is_stopping))
        return RC_UNAVAILABLE;
    TRY(begin_pull(c));
    batch.items = malloc(records_max * sizeof *batch.items);
    if (!batch.items)
        return RC_NOMEM;
    enum rc rc = fetch_items(c, records_max, wait_ms, &batch);
    if (rc != RC_OK) {
        consumer_release(self, &batch);
        return rc;
    }
    *out = batch;
    return RC_OK;
}

/* ---- acknowledging: by publishing to the reply subject; nats.c's own calls can't ---- */

static void answer(struct consumer *c, natsMsg *msg, const char *text)
{
    const char *reply = natsMsg_GetReply(msg);
    natsStatus s =
        natsConnection_PublishString(nats_link_connection(c->source->ack_link), reply, text);
    if (s != NATS_OK) /* it comes again after ack_wait */
        log_warn_every(10000, "nats.ack_lost", LOG_STR("status", natsStatus_GetText(s)));
}

static void consumer_ack(void *self, struct consumed_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        answer(self, batch->items[i].handle, "+ACK");
}

static void consumer_terminate(void *self, struct consumed *item)
{
    answer(self, item->handle, "+TERM");
}

static void consumer_give_back(void *self, struct consumed_batch *batch, int64_t delay_ms)
{
    char text[64] = "-NAK";
    if (delay_ms > 0)
        (void)snprintf(text, sizeof text, "-NAK {\"delay\":%lld}", (long long)delay_ms * 1000000);
    for (size_t i = 0; i < batch->count; i++)
        answer(self, batch->items[i].handle, text);
}

/* ---- the rest of the port ---- */

static enum rc consumer_read_run(void *self, uint64_t from, uint64_t to,
                                 bool (*each)(void *closure, const struct log_record *record),
                                 void *closure)
{
    struct consumer *c = self;
    return nats_read_run(c->source->link, c->partition, from, to, each, closure);
}

static enum rc consumer_state(void *self, struct log_state *out)
{
    struct consumer *c = self;
    return nats_stream_state(c->source->link, c->stream, out);
}

static enum rc consumer_dead_letter(void *self, const struct dead_letter *letter)
{
    struct consumer *c = self;
    return nats_dead_letter(c->source, c->partition, letter);
}

static enum rc consumer_announce(void *self, const char *subject, struct bytes json)
{
    struct consumer *c = self;
    if (!nats_link_is_up(c->source->link))
        return RC_UNAVAILABLE;
    return nats_status_rc(natsConnection_Publish(nats_link_connection(c->source->link), subject,
                                                 json.ptr, (int)json.len));
}

static enum rc consumer_publish(void *self, const struct publish_request *requests, size_t count,
                                struct publish_result *results)
{
    struct consumer *c = self;
    return nats_publish_all(c->source, requests, count, results);
}

static enum rc consumer_tail(void *self, uint64_t after, int64_t wait_ms,
                             void (*each)(void *closure, char kind, const struct id *owner,
                                          uint64_t seq),
                             void *closure, uint64_t *out_to)
{
    struct consumer *c = self;
    return nats_tail_read(&c->tail, c->source, c->partition, after, wait_ms, each, closure, out_to);
}

static uint32_t consumer_epoch(void *self)
{
    const struct consumer *c = self;
    return nats_link_epoch(c->source->link);
}

/* The next one gets the pin at once, instead of after the group's time-out. */
static void give_pin_up(struct consumer *c)
{
    natsConnection *nc = nats_link_connection(c->source->link);
    char subject[NATS_SUBJECT_MAX];
    if (!c->has_pull || !c->pull.pin[0] || !nats_link_is_up(c->source->link))
        return;
    /* Acks travel on another connection: they must be there before others are given the rest. */
    (void)natsConnection_FlushTimeout(nats_link_connection(c->source->ack_link), FLUSH_MS);
    (void)snprintf(subject, sizeof subject, "$JS.API.CONSUMER.UNPIN.%s.persister", c->stream);
    (void)natsConnection_PublishString(nc, subject, "{\"group\":\"persist\"}");
    (void)natsConnection_FlushTimeout(nc, FLUSH_MS); /* best effort: the time-out is behind it */
}

/* What was delivered and never fetched goes back now; else it would come after ack_wait. */
static void give_rest_back(struct consumer *c)
{
    natsMsg *msg = NULL;
    if (!nats_link_is_up(c->source->link))
        return;
    while (natsSubscription_NextMsg(&msg, c->pull.sub, 1) == NATS_OK) {
        if (natsMsg_GetReply(msg))
            answer(c, msg, "-NAK");
        natsMsg_Destroy(msg);
    }
    (void)natsConnection_FlushTimeout(nats_link_connection(c->source->ack_link), FLUSH_MS);
}

static void consumer_close(void *self)
{
    struct consumer *c = self;
    nats_tail_end(&c->tail, c->source);
    give_pin_up(c);
    if (c->has_pull) {
        give_rest_back(c);
        nats_pull_end(&c->pull);
    }
    atomic_fetch_sub(&c->source->open, 1);
    free(c);
}

static enum rc source_open(void *self, uint32_t partition, struct log_consumer *out)
{
    struct nats_consumers *source = self;
    char name[SUBJECT_CHARS_MAX];
    if (!nats_link_is_up(source->link))
        return RC_UNAVAILABLE;
    struct consumer *c = calloc(1, sizeof *c);
    if (!c)
        return RC_NOMEM;
    c->source = source;
    c->partition = partition;
    (void)subject_stream(name, partition);
    (void)snprintf(c->stream, sizeof c->stream, "%.31s", name);
    atomic_fetch_add(&source->open, 1);
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

/* ---- the source ---- */

static enum rc open_link(const struct nats_consumers_options *options, const char *suffix,
                         bool is_batching, struct nats_link **out, struct fault *fault)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%.50s%s", options->name ? options->name : "persister",
                   suffix);
    const struct nats_link_options link = { .url = options->url,
                                            .user = options->user,
                                            .password = options->password,
                                            .name = name,
                                            .is_batching = is_batching };
    return nats_link_create(&link, out, fault);
}

enum rc nats_consumers_create(const struct nats_consumers_options *options,
                              struct nats_consumers **out_source, struct fault *fault)
{
    struct nats_consumers *source = calloc(1, sizeof *source);
    if (!source)
        return RC_NOMEM;
    source->linger_ms = options->linger_ms > 0 ? options->linger_ms : LINGER_MS;
    source->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_MS;
    enum rc rc = open_link(options, "", false, &source->link, fault);
    if (rc == RC_OK)
        rc = open_link(options, "-acks", true, &source->ack_link, fault);
    if (rc != RC_OK) {
        nats_consumers_destroy(source);
        return rc;
    }
    *out_source = source;
    return RC_OK;
}

struct log_consumer_source nats_consumers_port(struct nats_consumers *source)
{
    return (struct log_consumer_source){ .self = source, .open = source_open };
}

bool nats_consumers_is_up(const struct nats_consumers *source)
{
    return nats_link_is_up(source->link);
}

bool nats_consumers_is_dead(const struct nats_consumers *source)
{
    return nats_link_is_dead(source->link) || nats_link_is_dead(source->ack_link);
}

bool nats_consumers_is_login_refused(struct nats_consumers *source)
{
    return nats_consumers_is_dead(source) && nats_link_is_login_refused(source->link);
}

void nats_consumers_stop(struct nats_consumers *source)
{
    atomic_store(&source->is_stopping, true);
}

void nats_consumers_destroy(struct nats_consumers *source)
{
    if (!source)
        return;
    assert(atomic_load(&source->open) == 0);
    nats_link_destroy(source->ack_link);
    nats_link_destroy(source->link);
    free(source);
}
