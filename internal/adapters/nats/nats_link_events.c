/* nats_link_events.c - from nats.c's callbacks to those who listen on the loop.
 *
 * 1. The callbacks write atomics and post one letter; what changed is worked out by the loop from
 *    the atomics, so that letters may be merged.
 * 2. `epoch` is raised before `is_up` becomes true: who sees the link up sees its epoch too.
 */
#include "adapters/nats/nats_link_priv.h"

enum { LOG_EVERY_MS = 5000 };

static void post_letter(struct nats_link *link)
{
    if (!link->box || atomic_exchange(&link->is_letter_posted, true))
        return;
    if (mailbox_post(link->box, &link->letter) != RC_OK)
        atomic_store(&link->is_letter_posted, false); /* the loop is going away */
}

static void tell_link(struct nats_link *link, bool is_up)
{
    struct list *next;
    for (struct list *at = link->listeners.next; at != &link->listeners; at = next) {
        struct nats_link_listener *l = LIST_ENTRY(at, struct nats_link_listener, node);
        next = at->next;
        if (l->on_link)
            l->on_link(l->closure, is_up);
    }
}

static void tell_boundary(struct nats_link *link)
{
    struct list *next;
    atomic_fetch_add(&link->boundaries, 1);
    for (struct list *at = link->listeners.next; at != &link->listeners; at = next) {
        struct nats_link_listener *l = LIST_ENTRY(at, struct nats_link_listener, node);
        next = at->next;
        if (l->on_boundary)
            l->on_boundary(l->closure);
    }
}

void nats_link_on_letter(struct mail *mail)
{
    struct nats_link *link = CONTAINER_OF(mail, struct nats_link, letter);
    atomic_store(&link->is_letter_posted, false); /* before reading, or a change could be missed */
    bool is_boundary = atomic_exchange(&link->is_boundary, false);
    bool is_up = atomic_load(&link->is_up);
    uint32_t epoch = atomic_load(&link->epoch);
    bool is_new = epoch != link->seen_epoch;

    if (link->is_closing)
        return;
    if (link->seen_up && (!is_up || is_new)) {
        link->seen_up = false;
        log_warn("nats.link_down", LOG_STR("link", link->name));
        tell_link(link, false);
    }
    if (is_up && !link->seen_up) {
        is_boundary = is_boundary || link->seen_epoch > 0;
        link->seen_up = true;
        link->seen_epoch = epoch;
        log_info("nats.link_up", LOG_STR("link", link->name), LOG_UINT("epoch", epoch));
        tell_link(link, true);
    }
    if (is_boundary)
        tell_boundary(link);
}

void nats_link_set_up(struct nats_link *link, bool is_up)
{
    pthread_mutex_lock(&link->lock);
    if (is_up && atomic_fetch_add(&link->epoch, 1) > 0)
        atomic_fetch_add(&link->reconnects, 1);
    atomic_store(&link->is_up, is_up);
    pthread_cond_broadcast(&link->changed);
    pthread_mutex_unlock(&link->lock);
    post_letter(link);
}

void nats_link_on_connected(natsConnection *nc, void *closure)
{
    (void)nc;
    nats_link_set_up(closure, true);
}

void nats_link_on_disconnected(natsConnection *nc, void *closure)
{
    (void)nc;
    nats_link_set_up(closure, false);
}

void nats_link_on_closed(natsConnection *nc, void *closure)
{
    struct nats_link *link = closure;
    const char *text = NULL;
    nats_link_set_up(link, false);
    if (!link->is_closing) {
        /* nats.c gives up after two refused logins in a row, and after any other error that a
         * server says in words; a restart of the process tries anew. */
        (void)natsConnection_GetLastError(nc, &text);
        log_error("nats.link_closed", LOG_STR("link", link->name), LOG_STR("error", text));
    }
    pthread_mutex_lock(&link->lock);
    link->is_closed = true;
    pthread_cond_broadcast(&link->changed);
    pthread_mutex_unlock(&link->lock);
}

void nats_link_raise_boundary(struct nats_link *link)
{
    atomic_store(&link->is_boundary, true);
    post_letter(link);
}

void nats_link_on_error(natsConnection *nc, natsSubscription *sub, natsStatus status, void *closure)
{
    struct nats_link *link = closure;
    const char *text = NULL;
    (void)sub;
    if (status == NATS_SLOW_CONSUMER) {
        atomic_fetch_add(&link->slow_consumers, 1);
        log_warn_every(LOG_EVERY_MS, "nats.slow_consumer", LOG_STR("link", link->name));
        nats_link_raise_boundary(link);
        return;
    }
    atomic_fetch_add(&link->errors, 1);
    (void)natsConnection_GetLastError(nc, &text);
    log_warn_every(LOG_EVERY_MS, "nats.error", LOG_STR("link", link->name),
                   LOG_STR("status", natsStatus_GetText(status)), LOG_STR("error", text));
}

void nats_link_listen(struct nats_link *link, struct nats_link_listener *listener)
{
    list_add_last(&link->listeners, &listener->node);
}

void nats_link_unlisten(struct nats_link_listener *listener)
{
    if (listener->node.next)
        list_remove(&listener->node);
}

struct nats_link_counts nats_link_counts(const struct nats_link *link)
{
    return (struct nats_link_counts){
        .reconnects = atomic_load(&link->reconnects),
        .slow_consumers = atomic_load(&link->slow_consumers),
        .errors = atomic_load(&link->errors),
        .boundaries = atomic_load(&link->boundaries),
    };
}
