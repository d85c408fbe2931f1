/* nats_pull.c - raw pull requests ($JS.API.CONSUMER.MSG.NEXT; ADR-13, ADR-42), because nats.c 3.4
 * knows nothing of priority groups. */
#include "adapters/nats/nats_consumer_priv.h"

#include "base/encode.h"

#include <stdio.h>

enum { LATE_MS = 1000 }; /* how long after its expiry the end of a request may come */

int64_t nats_now_ms(void)
{
    return clock_monotonic_ms(clock_system());
}

/* $JS.ACK.<stream>.<consumer>.<deliveries>.<sseq>.<dseq>.<time>.<pending>, or with domain and
 * account before the stream and a token at the end (ADR-15). */
bool nats_place_read(const char *reply, struct nats_place *out_place)
{
    struct bytes tokens[16];
    size_t count = 0;
    for (const char *at = reply; at && count < COUNT_OF(tokens);) {
        const char *dot = strchr(at, '.');
        tokens[count++] = bytes_make(at, dot ? (size_t)(dot - at) : strlen(at));
        at = dot ? dot + 1 : NULL;
    }
    size_t first = count == 9 ? 4 : count >= 11 ? 6 : 0;
    uint64_t at_ns;
    struct nats_place place;
    if (!first || !bytes_is(tokens[0], "$JS") || !bytes_is(tokens[1], "ACK") ||
        !bytes_to_u64(tokens[first], UINT64_MAX, &place.deliveries) ||
        !bytes_to_u64(tokens[first + 1], UINT64_MAX, &place.stream_seq) ||
        !bytes_to_u64(tokens[first + 2], UINT64_MAX, &place.consumer_seq) ||
        !bytes_to_u64(tokens[first + 3], INT64_MAX, &at_ns) ||
        !bytes_to_u64(tokens[first + 4], UINT64_MAX, &place.pending))
        return false;
    place.at_us = (int64_t)(at_ns / 1000);
    *out_place = place;
    return true;
}

enum rc nats_pull_begin(struct nats_pull *pull, struct nats_consumers *source, const char *stream,
                        const char *consumer)
{
    char subject[NATS_SUBJECT_MAX];
    natsInbox *inbox = NULL;
    pull->source = source;
    (void)snprintf(pull->subject, sizeof pull->subject, "$JS.API.CONSUMER.MSG.NEXT.%s.%s", stream,
                   consumer);
    natsStatus s = natsInbox_Create(&inbox);
    if (s != NATS_OK)
        return nats_status_rc(s);
    (void)snprintf(pull->inbox, sizeof pull->inbox, "%s", inbox);
    natsInbox_Destroy(inbox);
    (void)snprintf(subject, sizeof subject, "%s.*", pull->inbox);
    s = natsConnection_SubscribeSync(&pull->sub, nats_link_connection(source->link), subject);
    return nats_status_rc(s);
}

void nats_pull_end(struct nats_pull *pull)
{
    if (pull->source) {
        nats_link_bury(pull->source->link, pull->sub);
        (void)nats_link_clear_graves(pull->source->link); /* else with the link */
    }
    *pull = (struct nats_pull){ .sub = NULL };
}

static natsStatus ask(struct nats_pull *pull, size_t batch, int64_t wait_ms)
{
    char reply[NATS_SUBJECT_MAX], request[256];
    int len = snprintf(request, sizeof request, "{\"batch\":%zu", batch);
    if (wait_ms > 0)
        len += snprintf(request + len, sizeof request - (size_t)len, ",\"expires\":%lld",
                        (long long)wait_ms * 1000000);
    else
        len += snprintf(request + len, sizeof request - (size_t)len, ",\"no_wait\":true");
    if (pull->is_pinned)
        len += snprintf(request + len, sizeof request - (size_t)len, ",\"group\":\"persist\"");
    if (pull->is_pinned && pull->pin[0])
        len += snprintf(request + len, sizeof request - (size_t)len, ",\"id\":\"%s\"", pull->pin);
    len += snprintf(request + len, sizeof request - (size_t)len, "}");
    pull->number++;
    pull->left = batch;
    pull->ends_at_ms = nats_now_ms() + wait_ms;
    pull->epoch = nats_link_epoch(pull->source->link);
    (void)snprintf(reply, sizeof reply, "%s.%llu", pull->inbox, (unsigned long long)pull->number);
    return natsConnection_PublishRequest(nats_link_connection(pull->source->link), pull->subject,
                                         reply, request, len);
}

static void take_pin(struct nats_pull *pull, natsMsg *msg)
{
    struct bytes pin = nats_header(msg, "Nats-Pin-Id");
    if (!pull->is_pinned || pin.len == 0 || pin.len >= sizeof pull->pin)
        return;
    for (size_t i = 0; i < pin.len; i++) /* it goes into our JSON as it is */
        if (pin.ptr[i] <= ' ' || pin.ptr[i] > '~' || pin.ptr[i] == '"' || pin.ptr[i] == '\\')
            return;
    (void)snprintf(pull->pin, sizeof pull->pin, "%.*s", BYTES_ARG(pin));
}

/* A status of the open request ends it; one of an older request says nothing of this one. */
static bool is_of_open(const struct nats_pull *pull, const natsMsg *msg)
{
    const char *subject = natsMsg_GetSubject(msg);
    uint64_t number;
    size_t prefix = strlen(pull->inbox) + 1;
    return strlen(subject) > prefix &&
           bytes_to_u64(bytes_of(subject + prefix), UINT64_MAX, &number) && number == pull->number;
}

static enum nats_pulled read_status(struct nats_pull *pull, natsMsg *msg)
{
    uint64_t status = nats_header_u64(msg, "Status");
    bool is_open = is_of_open(pull, msg);
    natsMsg_Destroy(msg);
    if (status == 100)
        return NATS_PULL_NONE; /* a heartbeat */
    if (status == 423) {
        pull->pin[0] = 0;
        pull->left = is_open ? 0 : pull->left;
        return NATS_PULL_LOST;
    }
    if (!is_open)
        return NATS_PULL_NONE;
    pull->left = 0;
    /* 404 nothing there, 408 its time is over; 400, 409 and the rest: the consumer went away */
    return status == 404 || status == 408 ? NATS_PULL_NONE : NATS_PULL_BROKEN;
}

static bool is_over(struct nats_pull *pull, natsStatus s)
{
    return s == NATS_NO_RESPONDERS || (s != NATS_OK && s != NATS_TIMEOUT) ||
           atomic_load(&pull->source->is_stopping) || !nats_link_is_up(pull->source->link);
}

enum nats_pulled nats_pull_next(struct nats_pull *pull, size_t batch, int64_t wait_ms,
                                int64_t until_ms, natsMsg **out_msg)
{
    for (;;) {
        int64_t now = nats_now_ms();
        natsMsg *msg = NULL;
        if (is_over(pull, NATS_OK)) {
            pull->left = 0;
            return NATS_PULL_BROKEN;
        }
        /* A request of before a reconnect, or whose end never came, is gone. */
        if (pull->left > 0 && (pull->epoch != nats_link_epoch(pull->source->link) ||
                               now > pull->ends_at_ms + LATE_MS))
            pull->left = 0;
        bool is_asked = pull->left > 0;
        if (!is_asked && ask(pull, batch, wait_ms) != NATS_OK)
            return NATS_PULL_BROKEN;
        int64_t span = until_ms - now < NATS_SLICE_MS ? until_ms - now : NATS_SLICE_MS;
        natsStatus s = natsSubscription_NextMsg(&msg, pull->sub, span > 0 ? span : 1);
        if (s == NATS_OK && natsMsg_GetReply(msg)) {
            take_pin(pull, msg);
            pull->left -= pull->left > 0;
            *out_msg = msg;
            return NATS_PULLED;
        }
        if (s == NATS_OK) {
            enum nats_pulled ended = read_status(pull, msg);
            if (ended != NATS_PULL_NONE)
                return ended;
            if (pull->left == 0 && (wait_ms <= 0 || nats_now_ms() + 1 >= until_ms))
                return NATS_PULL_NONE;
        } else if (is_over(pull, s)) {
            pull->left = 0;
            return NATS_PULL_BROKEN;
        }
        if (nats_now_ms() >= until_ms)
            return NATS_PULL_NONE;
    }
}
