/* nats_tail.c - the tail's subjects, from a headers-only pull consumer that lives in memory.
 *
 * Whatever is lost on the way (a delivery, the consumer with its server) shows as a step in the
 * consumer's own numbering or as silence; then the consumer is made anew behind the last seq.
 */
#include "adapters/nats/nats_consumer_priv.h"
#include "base/log.h"
#include "wire/subjects.h"

#include <stdio.h>

enum { BATCH = 1000, REPLY_BYTES_MAX = 64 * 1024, INACTIVE_S = 30, SETTLE_MS = 2 };

static enum rc make_consumer(struct nats_tail *tail, struct nats_consumers *source, uint64_t after)
{
    SCOPED_ARENA(arena, REPLY_BYTES_MAX);
    char subject[NATS_SUBJECT_MAX], request[768];
    struct bytes reply;
    natsInbox *unique = NULL;
    if (natsInbox_Create(&unique) != NATS_OK)
        return RC_NOMEM;
    (void)snprintf(tail->name, sizeof tail->name, "tail-%s", strrchr(unique, '.') + 1);
    natsInbox_Destroy(unique);
    (void)snprintf(subject, sizeof subject, "$JS.API.CONSUMER.CREATE.%s.%s", tail->stream,
                   tail->name);
    int len = snprintf(
        request, sizeof request,
        "{\"stream_name\":\"%s\",\"action\":\"create\",\"config\":{\"name\":\"%s\","
        "\"deliver_policy\":\"by_start_sequence\",\"opt_start_seq\":%llu,\"ack_policy\":\"none\","
        "\"replay_policy\":\"instant\",\"headers_only\":true,\"mem_storage\":true,"
        "\"num_replicas\":1,\"inactive_threshold\":%lld,\"max_waiting\":8}}",
        tail->stream, tail->name, (unsigned long long)after + 1, INACTIVE_S * 1000000000ll);
    TRY(nats_link_request(source->link, subject, bytes_make(request, (size_t)len),
                          source->timeout_ms, &arena, &reply));
    if (memmem(reply.ptr, reply.len, "\"error\"", 7)) {
        log_warn_every(10000, "nats.tail_refused", LOG_STR("stream", tail->stream),
                       LOG_BYTES("reply", reply));
        return RC_UNAVAILABLE;
    }
    TRY(nats_pull_begin(&tail->pull, source, tail->stream, tail->name));
    tail->has_consumer = true;
    tail->to = after;
    tail->consumer_seq = 0;
    return RC_OK;
}

/* Drops our end; the server forgets the consumer by itself when nobody pulls. */
static void drop_consumer(struct nats_tail *tail)
{
    if (tail->has_consumer)
        nats_pull_end(&tail->pull);
    tail->has_consumer = false;
}

void nats_tail_end(struct nats_tail *tail, struct nats_consumers *source)
{
    char subject[NATS_SUBJECT_MAX];
    if (!tail->has_consumer)
        return;
    (void)snprintf(subject, sizeof subject, "$JS.API.CONSUMER.DELETE.%s.%s", tail->stream,
                   tail->name);
    (void)natsConnection_PublishString(nats_link_connection(source->link), subject, "");
    drop_consumer(tail);
}

/* Returns false when something before this message was lost. */
static bool take(struct nats_tail *tail, natsMsg *msg,
                 void (*each)(void *closure, char kind, const struct id *owner, uint64_t seq),
                 void *closure)
{
    struct nats_place place;
    uint32_t partition;
    enum subject_kind kind;
    struct id owner;
    if (!nats_place_read(natsMsg_GetReply(msg), &place) ||
        place.consumer_seq != tail->consumer_seq + 1)
        return false;
    tail->consumer_seq = place.consumer_seq;
    if (place.stream_seq <= tail->to)
        return true;
    tail->to = place.stream_seq;
    if (subject_split(bytes_of(natsMsg_GetSubject(msg)), &partition, &kind, &owner))
        each(closure, (char)kind, &owner, place.stream_seq);
    return true;
}

static enum rc read_some(struct nats_tail *tail, int64_t wait_ms,
                         void (*each)(void *closure, char kind, const struct id *owner,
                                      uint64_t seq),
                         void *closure)
{
    int64_t until = nats_now_ms() + wait_ms;
    for (size_t count = 0; count < BATCH; count++) {
        natsMsg *msg = NULL;
        switch (nats_pull_next(&tail->pull, BATCH, wait_ms, until, &msg)) {
        case NATS_PULLED: {
            bool is_next = take(tail, msg, each, closure);
            natsMsg_Destroy(msg);
            if (!is_next) {
                drop_consumer(tail);
                return RC_OK; /* what came so far holds; the next call makes it anew */
            }
            break;
        }
        case NATS_PULL_NONE:
            return RC_OK;
        case NATS_PULL_LOST:
        case NATS_PULL_BROKEN:
            drop_consumer(tail);
            return count > 0 ? RC_OK : RC_UNAVAILABLE;
        }
        if (count == 0)
            until = nats_now_ms() + SETTLE_MS; /* what is there already comes with it */
    }
    return RC_OK;
}

enum rc nats_tail_read(struct nats_tail *tail, struct nats_consumers *source, uint32_t partition,
                       uint64_t after, int64_t wait_ms,
                       void (*each)(void *closure, char kind, const struct id *owner, uint64_t seq),
                       void *closure, uint64_t *out_to)
{
    if (!nats_link_is_up(source->link) || atomic_load(&source->is_stopping))
        return RC_UNAVAILABLE;
    char stream[SUBJECT_CHARS_MAX];
    (void)subject_stream(stream, partition);
    (void)snprintf(tail->stream, sizeof tail->stream, "%.60s", stream);
    if (tail->has_consumer && tail->to != after)
        nats_tail_end(tail, source);
    if (!tail->has_consumer)
        TRY(make_consumer(tail, source, after));
    tail->to = after;
    enum rc rc = read_some(tail, wait_ms, each, closure);
    if (rc == RC_OK)
        *out_to = tail->to;
    return rc;
}
