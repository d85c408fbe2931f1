/* nats_mux.c - many requests, one subscription for all their answers.
 *
 * A subscription a request would have to be destroyed while late answers may still come, and that
 * is what nats.c can't do safely (nats_link.c, 3). Nor does it cost a SUB and an UNSUB each time.
 */
#include "adapters/nats/nats_priv.h"

#include <stdio.h>
#include <time.h>

enum { WAIT_SLICE_MS = 200 };

struct nats_answer {
    struct nats_answer *next;
    natsMsg *msg;
};

struct nats_mux {
    pthread_mutex_t lock;
    struct list calls; /* few: one a thread that waits */
    uint64_t last_number;
    struct nats_subs subs;
    natsSubscription *sub;
    char inbox[64];
};

static struct nats_call *find_call(struct nats_mux *mux, uint64_t number)
{
    for (struct list *at = mux->calls.next; at != &mux->calls; at = at->next) {
        struct nats_call *call = LIST_ENTRY(at, struct nats_call, node);
        if (call->number == number)
            return call;
    }
    return NULL;
}

static bool read_number(const struct nats_mux *mux, const char *subject, uint64_t *out_number)
{
    size_t prefix = strlen(mux->inbox) + 1;
    if (strlen(subject) <= prefix)
        return false;
    return bytes_to_u64(bytes_make(subject + prefix, strcspn(subject + prefix, "-")), UINT64_MAX,
                        out_number);
}

/* nats.c's delivery thread. */
static void on_answer(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure)
{
    struct nats_mux *mux = closure;
    struct nats_answer *answer = malloc(sizeof *answer);
    uint64_t number;
    (void)nc, (void)sub;
    bool has_number = read_number(mux, natsMsg_GetSubject(msg), &number);
    pthread_mutex_lock(&mux->lock);
    struct nats_call *call = answer && has_number ? find_call(mux, number) : NULL;
    if (call) {
        *answer = (struct nats_answer){ .msg = msg };
        *(call->last ? &call->last->next : &call->first) = answer;
        call->last = answer;
        pthread_cond_signal(&call->has_answer);
    }
    pthread_mutex_unlock(&mux->lock);
    if (call)
        return;
    free(answer);
    natsMsg_Destroy(msg); /* too late: its request has ended */
}

enum rc nats_mux_create(natsConnection *nc, struct nats_mux **out_mux)
{
    char subject[NATS_SUBJECT_MAX];
    natsInbox *inbox = NULL;
    struct nats_mux *mux = calloc(1, sizeof *mux);
    if (!mux)
        return RC_NOMEM;
    pthread_mutex_init(&mux->lock, NULL);
    list_init(&mux->calls);
    nats_subs_init(&mux->subs);
    natsStatus s = natsInbox_Create(&inbox);
    if (s == NATS_OK) {
        (void)snprintf(mux->inbox, sizeof mux->inbox, "%s", inbox);
        natsInbox_Destroy(inbox);
        (void)snprintf(subject, sizeof subject, "%s.*", mux->inbox);
        s = nats_subs_add(&mux->subs, nc, subject, on_answer, mux, &mux->sub);
    }
    if (s != NATS_OK) {
        nats_mux_destroy(mux);
        return nats_status_rc(s);
    }
    *out_mux = mux;
    return RC_OK;
}

void nats_mux_destroy(struct nats_mux *mux)
{
    if (!mux)
        return;
    nats_subs_wait(&mux->subs);
    natsSubscription_Destroy(mux->sub);
    nats_subs_fini(&mux->subs);
    pthread_mutex_destroy(&mux->lock);
    free(mux);
}

void nats_call_begin(struct nats_call *call, struct nats_link *link)
{
    struct nats_mux *mux = nats_link_mux(link);
    pthread_condattr_t attr;
    *call = (struct nats_call){ .mux = mux };
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&call->has_answer, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_lock(&mux->lock);
    call->number = ++mux->last_number;
    list_add_last(&mux->calls, &call->node);
    pthread_mutex_unlock(&mux->lock);
    (void)snprintf(call->inbox, sizeof call->inbox, "%s.%llu", mux->inbox,
                   (unsigned long long)call->number);
}

natsStatus nats_call_next(struct nats_call *call, int64_t timeout_ms, natsMsg **out_msg)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&call->mux->lock);
    int failed = 0;
    while (!call->first && failed == 0)
        failed = pthread_cond_timedwait(&call->has_answer, &call->mux->lock, &until);
    struct nats_answer *answer = call->first;
    if (answer) {
        call->first = answer->next;
        if (!call->first)
            call->last = NULL;
    }
    pthread_mutex_unlock(&call->mux->lock);
    if (!answer)
        return NATS_TIMEOUT;
    *out_msg = answer->msg;
    free(answer);
    return NATS_OK;
}

void nats_call_end(struct nats_call *call)
{
    struct nats_answer *next;
    pthread_mutex_lock(&call->mux->lock);
    list_remove(&call->node);
    pthread_mutex_unlock(&call->mux->lock);
    for (struct nats_answer *answer = call->first; answer; answer = next) {
        next = answer->next;
        natsMsg_Destroy(answer->msg);
        free(answer);
    }
    pthread_cond_destroy(&call->has_answer);
}

/* Waits in slices, so that a link that drops ends the wait. */
static natsStatus wait_answer(struct nats_call *call, struct nats_link *link, uint32_t epoch,
                              int64_t timeout_ms, natsMsg **out_msg)
{
    natsStatus s = NATS_TIMEOUT;
    for (int64_t left = timeout_ms; s == NATS_TIMEOUT && left > 0; left -= WAIT_SLICE_MS) {
        if (!nats_link_is_up(link) || nats_link_epoch(link) != epoch)
            return NATS_CONNECTION_DISCONNECTED;
        s = nats_call_next(call, left < WAIT_SLICE_MS ? left : WAIT_SLICE_MS, out_msg);
    }
    return s;
}

enum rc nats_ask(struct nats_link *link, const char *subject, struct bytes payload,
                 int64_t timeout_ms, natsMsg **out_msg)
{
    struct nats_call call;
    natsMsg *msg = NULL;
    uint32_t epoch = nats_link_epoch(link);
    if (!nats_link_is_up(link))
        return RC_UNAVAILABLE;
    nats_call_begin(&call, link);
    natsStatus s = natsConnection_PublishRequest(nats_link_connection(link), subject, call.inbox,
                                                 payload.ptr, (int)payload.len);
    if (s == NATS_OK)
        s = wait_answer(&call, link, epoch, timeout_ms, &msg);
    nats_call_end(&call);
    if (s == NATS_OK && natsMsg_IsNoResponders(msg)) {
        natsMsg_Destroy(msg);
        s = NATS_NO_RESPONDERS;
    }
    if (s == NATS_OK)
        *out_msg = msg;
    return nats_status_rc(s);
}
