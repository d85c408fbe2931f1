/* nats_link.c - a connection: its options, its beginning and its end. Its events go by
 * nats_link_events.c, what it sends by nats_link_sender.c. */
#include "adapters/nats/nats_link_priv.h"

#include <assert.h>
#include <signal.h>

enum {
    RECONNECT_WAIT_MS = 100,
    RECONNECT_JITTER_MS = 100,
    PING_INTERVAL_MS = 5000,
    PINGS_OUT_MAX = 2,
    /* What is published before the loss of the link was noticed would leave with the next link, be
     * that minutes later. One byte lets in one message; who publishes asks again by itself. */
    RECONNECT_BUFFER_BYTES = 1,
    CONNECT_TIMEOUT_MS = 2000,
    WRITE_DEADLINE_MS = 5000,
    CLOSE_WAIT_MS = 5000,
    URL_CHARS_MAX = 2048,
    SERVERS_MAX = 32,
};

static const struct {
    natsStatus status;
    enum rc rc;
} status_rows[] = {
    { NATS_OK, RC_OK },
    { NATS_TIMEOUT, RC_TIMEOUT },
    { NATS_NO_MEMORY, RC_NOMEM },
    { NATS_NOT_PERMITTED, RC_DENIED },
    { NATS_CONNECTION_AUTH_FAILED, RC_DENIED },
    { NATS_ADDRESS_MISSING, RC_INVALID },
    { NATS_INVALID_SUBJECT, RC_INVALID },
    { NATS_INVALID_ARG, RC_INVALID },
    { NATS_MAX_PAYLOAD, RC_INVALID },
    { NATS_SSL_ERROR, RC_UNAVAILABLE },
};

enum rc nats_status_rc(natsStatus status)
{
    for (size_t i = 0; i < COUNT_OF(status_rows); i++)
        if (status_rows[i].status == status)
            return status_rows[i].rc;
    return RC_UNAVAILABLE; /* every way in which a server isn't there */
}

natsConnection *nats_link_connection(struct nats_link *link)
{
    return link->nc;
}

bool nats_link_is_up(const struct nats_link *link)
{
    return atomic_load(&link->is_up);
}

uint32_t nats_link_epoch(const struct nats_link *link)
{
    return atomic_load(&link->epoch);
}

struct nats_mux *nats_link_mux(struct nats_link *link)
{
    return link->mux;
}

/* ---- making and ending ---- */

/* One address, or several with commas between them. */
static natsStatus set_servers(natsOptions *opts, const char *url)
{
    char text[URL_CHARS_MAX];
    const char *urls[SERVERS_MAX];
    int count = 0;
    if ((size_t)snprintf(text, sizeof text, "%s", url) >= sizeof text)
        return NATS_INVALID_ARG;
    char *rest = NULL;
    for (char *at = strtok_r(text, ", ", &rest); at; at = strtok_r(NULL, ", ", &rest)) {
        if (count == SERVERS_MAX)
            return NATS_INVALID_ARG;
        urls[count++] = at;
    }
    return count > 0 ? natsOptions_SetServers(opts, urls, count) : NATS_ADDRESS_MISSING;
}

static natsStatus set_options(struct nats_link *link, const struct nats_link_options *o)
{
    natsOptions *opts = link->options;
    natsStatus s = NATS_OK;
#define SET(call) s = s == NATS_OK ? (call) : s
    SET(set_servers(opts, o->url));
    if (o->user && *o->user)
        SET(natsOptions_SetUserInfo(opts, o->user, o->password ? o->password : ""));
    SET(natsOptions_SetName(opts, link->name));
    SET(natsOptions_SetTimeout(opts, CONNECT_TIMEOUT_MS));
    SET(natsOptions_SetSendAsap(opts, !o->is_batching));
    SET(natsOptions_UseGlobalMessageDelivery(opts, true));
    SET(natsOptions_SetMaxReconnect(opts, -1));
    SET(natsOptions_SetReconnectWait(opts, RECONNECT_WAIT_MS));
    SET(natsOptions_SetReconnectJitter(opts, RECONNECT_JITTER_MS, RECONNECT_JITTER_MS));
    SET(natsOptions_SetReconnectBufSize(opts, RECONNECT_BUFFER_BYTES));
    SET(natsOptions_SetPingInterval(opts, PING_INTERVAL_MS));
    SET(natsOptions_SetMaxPingsOut(opts, PINGS_OUT_MAX));
    SET(natsOptions_SetWriteDeadline(opts, WRITE_DEADLINE_MS));
    SET(natsOptions_SetFailRequestsOnDisconnect(opts, true));
    SET(natsOptions_SetRetryOnFailedConnect(opts, true, nats_link_on_connected, link));
    SET(natsOptions_SetReconnectedCB(opts, nats_link_on_connected, link));
    SET(natsOptions_SetDisconnectedCB(opts, nats_link_on_disconnected, link));
    SET(natsOptions_SetClosedCB(opts, nats_link_on_closed, link));
    SET(natsOptions_SetErrorHandler(opts, nats_link_on_error, link));
#undef SET
    return s;
}

static enum rc connect_link(struct nats_link *link, struct fault *fault)
{
    natsStatus s = natsConnection_Connect(&link->nc, link->options);
    if (s == NATS_NOT_YET_CONNECTED)
        return RC_OK;
    if (s != NATS_OK) {
        fault_set(fault, "url", "The NATS server can't be used: %s.", natsStatus_GetText(s));
        return nats_status_rc(s);
    }
    nats_link_set_up(link, true);
    return RC_OK;
}

/* A server that refuses the login may have done so twice by now, and then the link is over. */
static enum rc start_mux(struct nats_link *link, struct fault *fault)
{
    enum rc rc = nats_mux_create(link->nc, &link->mux);
    if (rc == RC_OK || !natsConnection_IsClosed(link->nc))
        return rc;
    fault_set(fault, "user", "The NATS server refuses the login.");
    return RC_DENIED;
}

static void init_locks(struct nats_link *link)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&link->lock, NULL);
    pthread_cond_init(&link->changed, &attr);
    pthread_cond_init(&link->has_op, &attr);
    pthread_condattr_destroy(&attr);
}

/* nats.c's own threads are made here and inherit the mask: signals are the loop thread's. */
static enum rc start(struct nats_link *link, const struct nats_link_options *options,
                     struct fault *fault)
{
    sigset_t all, before;
    natsStatus s = natsOptions_Create(&link->options);
    if (s == NATS_OK)
        s = set_options(link, options);
    if (s != NATS_OK) {
        fault_set(fault, "url", "Not a NATS address: %s.", natsStatus_GetText(s));
        return nats_status_rc(s);
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    enum rc rc = connect_link(link, fault);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    TRY(rc);
    TRY(start_mux(link, fault));
    return nats_link_start_sender(link);
}

enum rc nats_link_create(const struct nats_link_options *options, struct nats_link **out_link,
                         struct fault *fault)
{
    struct nats_link *link = calloc(1, sizeof *link);
    if (!link)
        return RC_NOMEM;
    init_locks(link);
    list_init(&link->listeners);
    link->letter.run = nats_link_on_letter;
    (void)snprintf(link->name, sizeof link->name, "%s", options->name ? options->name : "parley");
    link->urls = strdup(options->url ? options->url : "");
    enum rc rc = link->urls ? RC_OK : RC_NOMEM;
    if (rc == RC_OK && options->loop) {
        link->box = mailbox_create(options->loop, &(struct mailbox_options){ .letters_max = 2 });
        rc = link->box ? RC_OK : RC_NOMEM;
    }
    if (rc == RC_OK)
        rc = start(link, options, fault);
    if (rc != RC_OK) {
        nats_link_destroy(link);
        return rc;
    }
    *out_link = link;
    return RC_OK;
}

/* Waits on `changed` until done(link) or the time is over. Called with the lock held. */
static bool wait_changed(struct nats_link *link, int64_t timeout_ms,
                         bool (*done)(const struct nats_link *link))
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (!done(link))
        if (pthread_cond_timedwait(&link->changed, &link->lock, &until) != 0)
            return done(link);
    return true;
}

static bool has_closed(const struct nats_link *link)
{
    return link->is_closed;
}

static bool is_settled(const struct nats_link *link)
{
    return link->is_closed || nats_link_is_up(link);
}

enum rc nats_link_wait(struct nats_link *link, int64_t timeout_ms)
{
    pthread_mutex_lock(&link->lock);
    (void)wait_changed(link, timeout_ms, is_settled);
    enum rc rc = link->is_closed ? RC_DENIED : nats_link_is_up(link) ? RC_OK : RC_UNAVAILABLE;
    pthread_mutex_unlock(&link->lock);
    return rc;
}

bool nats_link_is_dead(struct nats_link *link)
{
    pthread_mutex_lock(&link->lock);
    bool is_dead = link->is_closed;
    pthread_mutex_unlock(&link->lock);
    return is_dead;
}

bool nats_link_is_login_refused(struct nats_link *link)
{
    natsConnection *nc = NULL;
    natsOptions *opts = link->options; /* the dead connection has a copy of its own */
    natsStatus s = natsOptions_SetRetryOnFailedConnect(opts, false, NULL, NULL);
    if (s == NATS_OK)
        s = natsOptions_SetClosedCB(opts, NULL, NULL);
    if (s == NATS_OK)
        s = natsOptions_SetDisconnectedCB(opts, NULL, NULL);
    if (s == NATS_OK)
        s = natsOptions_SetErrorHandler(opts, NULL, NULL);
    if (s == NATS_OK)
        s = natsConnection_Connect(&nc, opts);
    natsConnection_Destroy(nc);
    return s == NATS_CONNECTION_AUTH_FAILED;
}

void nats_link_destroy(struct nats_link *link)
{
    if (!link)
        return;
    assert(list_is_empty(&link->listeners));
    nats_link_stop_sender(link); /* runs what is queued first */
    if (link->nc) {
        link->is_closing = true;
        natsConnection_Close(link->nc);
        pthread_mutex_lock(&link->lock);
        (void)wait_changed(link, CLOSE_WAIT_MS, has_closed); /* its callback uses the link */
        pthread_mutex_unlock(&link->lock);
        nats_link_free_graves(link->graves, link->grave_count); /* the reader has ended */
        nats_mux_destroy(link->mux);
        natsConnection_Destroy(link->nc);
    }
    natsOptions_Destroy(link->options);
    mailbox_destroy(link->box);
    pthread_cond_destroy(&link->changed);
    pthread_cond_destroy(&link->has_op);
    pthread_mutex_destroy(&link->lock);
    free(link->urls);
    free(link);
}

/* ---- small things for the other files ---- */

enum rc nats_link_request(struct nats_link *link, const char *subject, struct bytes payload,
                          int64_t timeout_ms, struct arena *arena, struct bytes *out_reply)
{
    natsMsg *msg = NULL;
    TRY(nats_ask(link, subject, payload, timeout_ms, &msg));
    struct bytes reply =
        arena_copy(arena, bytes_make(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)));
    natsMsg_Destroy(msg);
    if (!reply.ptr)
        return RC_NOMEM;
    *out_reply = reply;
    return RC_OK;
}

const char *nats_link_urls(const struct nats_link *link)
{
    return link->urls;
}

bool nats_url_split(const char *url, char host[256], char port[8])
{
    const char *at = strstr(url, "://");
    at = at ? at + 3 : url;
    const char *login = strrchr(at, '@');
    at = login ? login + 1 : at;
    bool is_v6 = *at == '[';
    size_t len = strcspn(at + is_v6, is_v6 ? "]" : ":/");
    const char *rest = at + is_v6 + len + is_v6;
    if (len == 0 || len > 255 || (is_v6 && at[1 + len] != ']'))
        return false;
    (void)snprintf(host, 256, "%.*s", (int)len, at + is_v6);
    (void)snprintf(port, 8, "4222");
    if (*rest == ':')
        (void)snprintf(port, 8, "%.*s", (int)strspn(rest + 1, "0123456789"), rest + 1);
    return true;
}

enum rc nats_link_address(struct nats_link *link, char host[256], char port[8])
{
    char url[512] = "";
    if (natsConnection_GetConnectedUrl(link->nc, url, sizeof url) != NATS_OK || !*url)
        return RC_UNAVAILABLE;
    return nats_url_split(url, host, port) ? RC_OK : RC_UNAVAILABLE;
}
