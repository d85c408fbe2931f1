/* nats_link_sender.c - the thread that sends: publishes, SUBs, flushes; and the ends of
 * subscriptions.
 *
 * 1. A subscription is never destroyed while its connection may be handing it a message: nats.c's
 *    reader looks it up without a reference of its own and uses it after the lock (conn.c,
 *    natsConn_processMsg, as of 3.4.1: a use after free). Unsubscribed ones wait in `graves` until
 *    a PONG came: the reader had to leave whatever it was at to read it.
 * 2. The thread takes the whole queue at once. Flushes of one take are answered by one PING, after
 *    everything else in it: each still comes after the SUBs that were queued before it.
 */
#include "adapters/nats/nats_link_priv.h"

#include <signal.h>

enum { FLUSH_TIMEOUT_MS = 3000, OPS_MAX = 1 << 18 };

static struct nats_op *take_ops(struct nats_link *link)
{
    pthread_mutex_lock(&link->lock);
    while (!link->first && !link->is_stopping)
        pthread_cond_wait(&link->has_op, &link->lock);
    struct nats_op *ops = link->first;
    link->first = link->last = NULL;
    pthread_mutex_unlock(&link->lock);
    return ops;
}

static void count_off(struct nats_link *link, size_t count)
{
    pthread_mutex_lock(&link->lock);
    link->op_count -= count;
    if (link->op_count == 0)
        pthread_cond_broadcast(&link->changed);
    pthread_mutex_unlock(&link->lock);
}

void nats_link_bury(struct nats_link *link, natsSubscription *sub)
{
    if (!sub)
        return;
    (void)natsSubscription_Unsubscribe(sub); /* one that is closed already is as good */
    pthread_mutex_lock(&link->lock);
    if (link->grave_count == link->grave_cap) {
        size_t cap = link->grave_cap ? link->grave_cap * 2 : 64;
        natsSubscription **graves = realloc(link->graves, cap * sizeof *graves);
        if (graves) {
            link->graves = graves;
            link->grave_cap = cap;
        }
    }
    if (link->grave_count < link->grave_cap)
        link->graves[link->grave_count++] = sub; /* else it leaks, which is better than a crash */
    pthread_mutex_unlock(&link->lock);
}

void nats_link_free_graves(natsSubscription **graves, size_t count)
{
    for (size_t i = 0; i < count; i++)
        natsSubscription_Destroy(graves[i]);
    free(graves);
}

static natsStatus flush_now(struct nats_link *link);

natsStatus nats_link_clear_graves(struct nats_link *link)
{
    pthread_mutex_lock(&link->lock);
    natsSubscription **graves = link->graves;
    size_t count = link->grave_count;
    link->graves = NULL;
    link->grave_count = link->grave_cap = 0;
    pthread_mutex_unlock(&link->lock);
    natsStatus s = flush_now(link);
    if (s == NATS_OK) {
        nats_link_free_graves(graves, count);
        return s;
    }
    for (size_t i = 0; i < count; i++)
        nats_link_bury(link, graves[i]);
    free(graves);
    return s;
}

static bool has_graves(struct nats_link *link)
{
    pthread_mutex_lock(&link->lock);
    bool has = link->grave_count > 0;
    pthread_mutex_unlock(&link->lock);
    return has;
}

static natsStatus flush_now(struct nats_link *link)
{
    if (!nats_link_is_up(link))
        return NATS_CONNECTION_DISCONNECTED;
    return natsConnection_FlushTimeout(link->nc, FLUSH_TIMEOUT_MS);
}

static void *send_ops(void *arg)
{
    struct nats_link *link = arg;
    struct nats_op *op, *next;
    while ((op = take_ops(link))) {
        struct nats_op *flushes = NULL, **flushes_end = &flushes;
        size_t count = 0;
        for (; op; op = next, count++) {
            next = op->next;
            op->next = NULL;
            if (op->is_flush) {
                *flushes_end = op;
                flushes_end = &op->next;
            } else {
                op->run(op, link->nc, NATS_OK);
            }
        }
        natsStatus flushed = flushes || has_graves(link) ? nats_link_clear_graves(link) : NATS_OK;
        for (op = flushes; op; op = next) {
            next = op->next;
            op->run(op, link->nc, flushed);
        }
        count_off(link, count);
    }
    nats_ReleaseThreadMemory();
    return NULL;
}

enum rc nats_link_send(struct nats_link *link, struct nats_op *op)
{
    enum rc rc = RC_OK;
    op->next = NULL;
    pthread_mutex_lock(&link->lock);
    if (link->is_stopping) {
        rc = RC_UNAVAILABLE;
    } else if (link->op_count >= OPS_MAX) {
        rc = RC_FULL;
    } else {
        bool was_empty = !link->first;
        *(link->last ? &link->last->next : &link->first) = op;
        link->last = op;
        link->op_count++;
        if (was_empty)
            pthread_cond_signal(&link->has_op);
    }
    pthread_mutex_unlock(&link->lock);
    return rc;
}

void nats_link_drain_ops(struct nats_link *link)
{
    pthread_mutex_lock(&link->lock);
    while (link->op_count > 0)
        pthread_cond_wait(&link->changed, &link->lock);
    pthread_mutex_unlock(&link->lock);
}

enum rc nats_link_start_sender(struct nats_link *link)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals belong to the loop thread */
    link->has_sender = pthread_create(&link->sender, NULL, send_ops, link) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!link->has_sender)
        return RC_NOMEM;
    (void)pthread_setname_np(link->sender, "nats-send");
    return RC_OK;
}

void nats_link_stop_sender(struct nats_link *link)
{
    pthread_mutex_lock(&link->lock);
    link->is_stopping = true;
    pthread_cond_broadcast(&link->has_op);
    pthread_mutex_unlock(&link->lock);
    if (link->has_sender)
        pthread_join(link->sender, NULL);
}
