/* nats_publish_all.c - publishing with answers for threads that may block: a window of requests is
 * in flight, what has no final answer is asked again under its id until its time is over. */
#include "adapters/nats/nats_consumer_priv.h"
#include "adapters/nats/nats_publish.h"

#include <stdio.h>

enum { WINDOW = 256, AGAIN_MS = 100 };

struct one {
    natsMsg *msg;
    uint32_t attempts;
    int64_t again_at_ms; /* 0: not yet sent */
    bool is_final;
};

struct window {
    struct nats_consumers *source;
    struct nats_call call;
    const struct publish_request *requests;
    struct publish_result *results;
    size_t count, left;
    int64_t stop_at_ms;
    uint32_t epoch;
    struct one ones[WINDOW];
};

static void settle(struct window *w, size_t i, struct publish_result result)
{
    w->results[i] = result;
    w->ones[i].is_final = true;
    w->left--;
}

static enum rc build(struct window *w)
{
    char reply[NATS_SUBJECT_MAX];
    for (size_t i = 0; i < w->count; i++) {
        w->results[i] = (struct publish_result){ .outcome = PUBLISH_UNKNOWN };
        (void)snprintf(reply, sizeof reply, "%s-%zu", w->call.inbox, i);
        TRY(nats_publish_message(&w->requests[i], reply, &w->ones[i].msg));
    }
    return RC_OK;
}

static void send_due(struct window *w)
{
    natsConnection *nc = nats_link_connection(w->source->link);
    uint32_t epoch = nats_link_epoch(w->source->link);
    int64_t now = nats_now_ms();
    bool is_new_link = epoch != w->epoch;
    w->epoch = epoch;
    for (size_t i = 0; i < w->count && nats_link_is_up(w->source->link); i++) {
        struct one *one = &w->ones[i];
        if (one->is_final || (one->again_at_ms > now && !is_new_link))
            continue;
        one->again_at_ms = INT64_MAX; /* until an answer says otherwise */
        one->attempts++;
        natsStatus s = natsConnection_PublishMsg(nc, one->msg);
        if (s == NATS_MAX_PAYLOAD)
            settle(w, i, (struct publish_result){ .outcome = PUBLISH_TOO_LARGE });
        else if (s != NATS_OK)
            one->again_at_ms = now + AGAIN_MS;
    }
}

static void take_answer(struct window *w, natsMsg *msg)
{
    const char *subject = natsMsg_GetSubject(msg);
    struct puback ack = { .seq = 0 };
    struct publish_result result;
    uint64_t i;
    enum nats_answer_kind kind = NATS_ANSWER_ACK;
    if (!bytes_to_u64(bytes_of(subject + strlen(w->call.inbox) + 1), w->count - 1, &i) ||
        w->ones[i].is_final)
        return;
    if (natsMsg_IsNoResponders(msg))
        kind = NATS_ANSWER_NOBODY;
    else if (!puback_read(bytes_make(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)),
                          &ack))
        kind = NATS_ANSWER_GARBAGE;
    if (nats_publish_is_final(kind, &ack, w->ones[i].attempts, &result))
        settle(w, i, result);
    else
        w->ones[i].again_at_ms = nats_now_ms() + AGAIN_MS;
}

static void run_window(struct window *w)
{
    while (w->left > 0 && nats_now_ms() < w->stop_at_ms && !atomic_load(&w->source->is_stopping)) {
        natsMsg *msg = NULL;
        send_due(w);
        if (nats_call_next(&w->call, AGAIN_MS / 2, &msg) == NATS_OK)
            take_answer(w, msg);
        natsMsg_Destroy(msg);
    }
}

static enum rc publish_window(struct window *w)
{
    nats_call_begin(&w->call, w->source->link);
    w->epoch = nats_link_epoch(w->source->link);
    enum rc rc = build(w);
    if (rc == RC_OK)
        run_window(w);
    nats_call_end(&w->call);
    for (size_t i = 0; i < w->count; i++) {
        if (!w->ones[i].is_final && w->ones[i].attempts == 0)
            w->results[i].outcome = PUBLISH_UNAVAILABLE; /* it never left */
        natsMsg_Destroy(w->ones[i].msg);
    }
    return rc;
}

static int64_t longest_ms(const struct nats_consumers *source,
                          const struct publish_request *requests, size_t count)
{
    int64_t longest = 0;
    for (size_t i = 0; i < count; i++)
        longest = requests[i].timeout_ms > longest ? requests[i].timeout_ms : longest;
    return longest > 0 ? longest : source->timeout_ms;
}

enum rc nats_publish_all(struct nats_consumers *source, const struct publish_request *requests,
                         size_t count, struct publish_result *results)
{
    if (!nats_link_is_up(source->link))
        return RC_UNAVAILABLE;
    struct window *w = malloc(sizeof *w);
    if (!w)
        return RC_NOMEM;
    enum rc rc = RC_OK;
    for (size_t at = 0; rc == RC_OK && at < count; at += WINDOW) {
        size_t some = count - at < WINDOW ? count - at : (size_t)WINDOW;
        *w = (struct window){ .source = source,
                              .requests = requests + at,
                              .results = results + at,
                              .count = some,
                              .left = some };
        w->stop_at_ms = nats_now_ms() + longest_ms(source, requests + at, some);
        rc = publish_window(w);
    }
    free(w);
    return rc;
}
