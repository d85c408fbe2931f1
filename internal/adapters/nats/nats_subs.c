/* nats_subs.c - subscriptions whose callbacks certainly have ended before their closure goes. */
#include "adapters/nats/nats_priv.h"

enum { CLOSE_WAIT_MS = 5000 };

void nats_subs_init(struct nats_subs *subs)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&subs->lock, NULL);
    pthread_cond_init(&subs->ended, &attr);
    pthread_condattr_destroy(&attr);
    subs->alive = 0;
}

static void on_complete(void *closure)
{
    struct nats_subs *subs = closure;
    pthread_mutex_lock(&subs->lock);
    if (--subs->alive == 0)
        pthread_cond_broadcast(&subs->ended);
    pthread_mutex_unlock(&subs->lock);
}

natsStatus nats_subs_add(struct nats_subs *subs, natsConnection *nc, const char *subject,
                         natsMsgHandler cb, void *closure, natsSubscription **out_sub)
{
    natsStatus s = natsConnection_Subscribe(out_sub, nc, subject, cb, closure);
    if (s != NATS_OK)
        return s;
    pthread_mutex_lock(&subs->lock);
    subs->alive++;
    pthread_mutex_unlock(&subs->lock);
    s = natsSubscription_SetOnCompleteCB(*out_sub, on_complete, subs);
    if (s != NATS_OK) /* it is closed already, with its connection: no end will be told */
        on_complete(subs);
    return NATS_OK;
}

void nats_subs_wait(struct nats_subs *subs)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += CLOSE_WAIT_MS / 1000;
    pthread_mutex_lock(&subs->lock);
    while (subs->alive > 0)
        if (pthread_cond_timedwait(&subs->ended, &subs->lock, &until) != 0)
            break;
    pthread_mutex_unlock(&subs->lock);
}

void nats_subs_fini(struct nats_subs *subs)
{
    pthread_cond_destroy(&subs->ended);
    pthread_mutex_destroy(&subs->lock);
}
